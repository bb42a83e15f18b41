/* SPDX-License-Identifier: BSD-2-Clause */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define FIXTURE_USERS 10

GVariant *fixture_value(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(NULL, text, NULL, NULL, &error);

    if (!value)
        fail_msg("%s: %s", text, error->message);
    return value;
}

static void read_part(struct model *model, const char *text,
                      const char *(*read)(struct model *model, GVariant *value))
{
    g_autoptr(GVariant) value = fixture_value(text);

    assert_null(read(model, value));
}

static void read_connections(struct model *model, unsigned connections)
{
    g_autoptr(GString) text = g_string_new("@aa{sv} [");

    for (unsigned i = connections; i > 0; i--)
        g_string_append_printf(
            text,
            "%s{'Number': <uint64 %u>, 'Pid': <uint32 %u>, 'Uid': <uint32 %u>, 'Program': <'%s'>, "
            "'Origin': <'%s'>, 'Age': <uint64 %u>, 'Objects': <uint32 %u>, 'Sessions': <uint32 "
            "%u>, "
            "'Commands': <uint64 %u>, 'ChipTime': <uint64 %u>, 'State': <'%s'>, "
            "'Command': <uint32 %u>, 'Locality': <byte 0x03>, 'Policy': <'standard'>}",
            i == connections ? "" : ", ", i, 1000000 + i, 1000 + i % FIXTURE_USERS,
            i == 1 ? "evil\\u001b]0;x\\u0007" : "a-program-name", i % 2 ? "socket" : "bus",
            2000000000 - i * 1000000, i % 64, i % 16, i * 1000, i * 100000,
            i == 1 ? "running" : "waiting", i == 1 ? 0x158 : 0);
    g_string_append(text, "]");
    read_part(model, text->str, model_read_connections);
}

static void read_users(struct model *model, unsigned users)
{
    g_autoptr(GString) text = g_string_new("@aa{sv} [");

    for (unsigned i = 0; i < users; i++)
        g_string_append_printf(
            text,
            "%s{'Account': <uint32 %u>, 'Connections': <uint32 %u>, 'Objects': <uint32 1024>, "
            "'Sessions': <uint32 48>, 'Commands': <uint64 %u>, 'ChipTime': <uint64 %u>, "
            "'QueueTime': <uint64 123456789>, 'Refusals': <uint64 3>, 'MaxConnections': <uint32 "
            "256>, 'MaxObjects': <uint32 1024>, 'MaxSessions': <uint32 48>}",
            i ? ", " : "", 1000 + i, i + 1, i * 1000000, i * 1000000);
    g_string_append(text, "]");
    read_part(model, text->str, model_read_users);
}

static void name_all(struct model *model)
{
    for (guint i = 0; i < model->connections->len; i++) {
        struct model_connection *one = model_at(model->connections, model_connection, i);

        one->user = g_strdup_printf("user-%u", one->uid);
    }
    for (guint i = 0; i < model->users->len; i++) {
        struct model_user *one = model_at(model->users, model_user, i);

        one->name = g_strdup_printf("user-%u", one->account);
    }
    for (guint i = 0; i < model->slots->len; i++) {
        struct model_slot *one = model_at(model->slots, model_slot, i);

        one->user = g_strdup_printf("user-%u", one->account);
    }
}

struct model *fixture_model(unsigned connections)
{
    struct model *model = model_new();

    read_part(model,
              "@a{sv} {'Version': <'1.0.0'>, 'Tpm': <'tpm1'>, 'Manufacturer': <'IFX'>, 'Model': "
              "<'SLB9670'>, 'Firmware': <'7.85'>, 'Revision': <'1.38'>, 'State': <'serving'>, "
              "'LogLevel': <'info'>, 'ObjectSlots': <uint32 3>, 'SessionSlots': <uint32 4>, "
              "'ActiveSessions': <uint32 64>, 'MaxCommand': <uint32 1420>, 'MaxResponse': <uint32 "
              "1420>}",
              model_read_chip);
    read_part(model,
              "@a{sv} {'Connections': <uint32 7>, 'TpmPresent': <true>, 'ClientCommands': <uint64 "
              "1000>, 'StartTime': <uint64 1000000>, 'ChipTime': <uint64 25000000>, 'TroubleKind': "
              "<'lockout'>, 'TroubleText': <'the TPM was locked out after 32 wrong passwords of "
              "one program that does not know when to stop, and goes on with that all day'>, "
              "'TroubleRemedy': <'wait'>, 'TroubleTime': <uint64 41000000>}",
              model_read_status);
    read_part(model,
              "{'ClientCommands': <{uint32 0x158: uint64 600, 0x17b: 400}>, 'ChipCommands': "
              "<{'client': uint64 900, 'save': 50}>, 'Swaps': <{'room': uint64 40, 'gap': 10, "
              "'sleep': 0}>, 'Refusals': <{'policy': uint64 2, 'say \"no\"\\\\': 1}>, "
              "'AnswersFromCache': <uint64 100>, 'AnswersFromManager': <uint64 50>, 'Failures': "
              "<uint64 3>, 'QueueTimeSum': <uint64 1500000>, 'ChipTimeSum': <uint64 25000001>, "
              "'QueueTimes': <[uint64 900, 0, 50, 0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, "
              "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]>, 'ChipTimes': <[uint64 0, 0, 0, 0, 0, 0, 0, "
              "0, 0, 0, 0, 0, 0, 0, 999, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]>}",
              model_read_statistics);
    read_part(model,
              "[{'Kind': <'object'>, 'Handle': <uint32 0x80000001>, 'Number': <uint64 1>, "
              "'Account': <uint32 1001>}, {'Kind': <'object'>, 'Handle': <uint32 0x80000000>, "
              "'Number': <uint64 12>, 'Account': <uint32 1002>}, {'Kind': <'session'>, 'Handle': "
              "<uint32 0x02000000>, 'Number': <uint64 0>}]",
              model_read_slots);
    read_part(model,
              "{'Counter': <uint32 2>, 'MaxTries': <uint32 32>, 'RecoveryTime': <uint32 600>, "
              "'LockoutRecovery': <uint32 86400>, 'InLockout': <false>}",
              model_read_lockout);
    read_connections(model, connections);
    read_users(model, MIN(connections, FIXTURE_USERS));
    name_all(model);
    model->now = 101000000;
    model->moment = 101000000;
    return model;
}
