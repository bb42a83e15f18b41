/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration string and the TSS2_LOG string, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf.h"
#include "logger.h"

#define NAME_255 "a." NAME_50 NAME_50 NAME_50 NAME_50 NAME_50 "abc"
#define NAME_50  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwx"
#define PATH_107 "/" NAME_50 NAME_50 "abcdef"
#define TPM_32   "abcdefghijklmnopqrstuvwxyz012345"

static const struct {
    const char *text;
    enum conf_transport transport;
    enum conf_bus bus;
    const char *bus_name;
    const char *socket;
} good[] = {
    {NULL, CONF_DEFAULT, CONF_BUS_SYSTEM, "com.intel.tss2.Tabrmd", "/run/tabrmd/tcti.sock"},
    {"", CONF_DEFAULT, CONF_BUS_SYSTEM, "com.intel.tss2.Tabrmd", "/run/tabrmd/tcti.sock"},
    {",", CONF_DEFAULT, CONF_BUS_SYSTEM, "com.intel.tss2.Tabrmd", "/run/tabrmd/tcti.sock"},
    {"bus_type=system", CONF_DBUS, CONF_BUS_SYSTEM, "com.intel.tss2.Tabrmd", NULL},
    {"bus_type=session", CONF_DBUS, CONF_BUS_SESSION, "com.intel.tss2.Tabrmd", NULL},
    {"bus_type=session,", CONF_DBUS, CONF_BUS_SESSION, "com.intel.tss2.Tabrmd", NULL},
    {"bus_name=a.b", CONF_DBUS, CONF_BUS_SYSTEM, "a.b", NULL},
    {"bus_name=_x-y.z9.Q", CONF_DBUS, CONF_BUS_SYSTEM, "_x-y.z9.Q", NULL},
    {"bus_name=azAZ09.zaZA90", CONF_DBUS, CONF_BUS_SYSTEM, "azAZ09.zaZA90", NULL},
    {"bus_name=:0.9", CONF_DBUS, CONF_BUS_SYSTEM, ":0.9", NULL},
    {"bus_name=:1.42", CONF_DBUS, CONF_BUS_SYSTEM, ":1.42", NULL},
    {"bus_name=" NAME_255, CONF_DBUS, CONF_BUS_SYSTEM, NAME_255, NULL},
    {"bus_name=a.b,bus_type=session", CONF_DBUS, CONF_BUS_SESSION, "a.b", NULL},
    {"bus_type=session,bus_name=a.b", CONF_DBUS, CONF_BUS_SESSION, "a.b", NULL},
    {"socket=/x", CONF_SOCKET, CONF_BUS_SYSTEM, NULL, "/x"},
    {"socket=/with=equals", CONF_SOCKET, CONF_BUS_SYSTEM, NULL, "/with=equals"},
    {"socket=" PATH_107, CONF_SOCKET, CONF_BUS_SYSTEM, NULL, PATH_107},
    {"tpm=tpm1", CONF_DEFAULT, CONF_BUS_SYSTEM, "com.intel.tss2.Tabrmd.tpm1",
     "/run/tabrmd-tpm1/tcti.sock"},
    {",tpm=Az09,", CONF_DEFAULT, CONF_BUS_SYSTEM, "com.intel.tss2.Tabrmd.Az09",
     "/run/tabrmd-Az09/tcti.sock"},
    {"tpm=" TPM_32, CONF_DEFAULT, CONF_BUS_SYSTEM, "com.intel.tss2.Tabrmd." TPM_32,
     "/run/tabrmd-" TPM_32 "/tcti.sock"},
    {"tpm=tpm1,bus_type=session", CONF_DBUS, CONF_BUS_SESSION, "com.intel.tss2.Tabrmd.tpm1", NULL},
    {"bus_type=system,tpm=tpm1", CONF_DBUS, CONF_BUS_SYSTEM, "com.intel.tss2.Tabrmd.tpm1", NULL},
};

static const char *const bad[] = {
    "x",
    "=",
    "=session",
    "bus_type",
    "bus_type=",
    "bus_name=",
    "socket=",
    "bus_type=Session",
    "bus_type=user",
    "bus_type=systems",
    "bus_type=sys",
    "bus_type= session",
    " bus_type=session",
    "BUS_TYPE=session",
    "bus_typ=session",
    "bus_types=session",
    "host=localhost",
    "bus_type=session,bus_type=session",
    "bus_name=a.b,bus_type=session,bus_name=c.d",
    "socket=/x,socket=/y",
    "socket=/x,bus_type=session",
    "bus_name=a.b,socket=/x",
    "socket=relative",
    "socket=" PATH_107 "g",
    "bus_name=nodot",
    "bus_name=.a.b",
    "bus_name=a.b.",
    "bus_name=a..b",
    "bus_name=a.1b",
    "bus_name=1a.b",
    "bus_name=a.0a",
    "bus_name=a.9a",
    "bus_name=a b.c",
    "bus_name=a.b@",
    "bus_name=a.b[",
    "bus_name=a.b`",
    "bus_name=a.b{",
    "bus_name=a.b:",
    "bus_name=a/b.c",
    "bus_name=:",
    "bus_name=:1",
    "bus_name=" NAME_255 "x",
    "tpm=",
    "tpm=1",
    "tpm=0tpm",
    "tpm=tpm 1",
    "tpm=tpm-1",
    "tpm=tpm_1",
    "tpm=tpm.1",
    "tpm=tpm1/",
    "tpm=/dev/tpm1",
    "tpm=.",
    "tpm=..",
    "tpm=../tabrmd",
    "tpm=@",
    "tpm=[",
    "tpm=`",
    "tpm={",
    "tpm=a/",
    "tpm=a:",
    "tpm=tpm\xc3\xa9",
    "tpm=" TPM_32 "6",
    "tpm=tpm1,tpm=tpm1",
    "tpm=tpm1,bus_name=a.b",
    "bus_name=a.b,tpm=tpm1",
    "tpm=tpm1,socket=/x",
    "socket=/x,tpm=tpm1",
};

static void test_good_confs(void **state)
{
    struct conf conf;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        print_message("conf \"%s\"\n", good[i].text != NULL ? good[i].text : "NULL");
        assert_null(conf_parse(&conf, good[i].text));
        assert_int_equal(conf.transport, good[i].transport);
        assert_int_equal(conf.bus, good[i].bus);
        if (good[i].bus_name != NULL)
            assert_string_equal(conf.bus_name, good[i].bus_name);
        if (good[i].socket != NULL)
            assert_string_equal(conf.socket, good[i].socket);
    }
}

static void test_bad_confs(void **state)
{
    struct conf conf;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        print_message("conf \"%s\"\n", bad[i]);
        assert_non_null(conf_parse(&conf, bad[i]));
    }
}

static void test_log_levels(void **state)
{
    static const struct {
        const char *text;
        enum logger_level level;
    } cases[] = {
        {NULL, LOGGER_NONE},
        {"", LOGGER_NONE},
        {"tcti", LOGGER_NONE},
        {"debug", LOGGER_NONE},
        {"esys+debug", LOGGER_NONE},
        {"tcti+", LOGGER_NONE},
        {"tcti+loud", LOGGER_NONE},
        {"xtcti+debug", LOGGER_NONE},
        {"tcti+debug", LOGGER_DEBUG},
        {"TCTI+Debug", LOGGER_DEBUG},
        {"all+error", LOGGER_ERROR},
        {"all+trace,tcti+none", LOGGER_NONE},
        {"tcti+none,all+warning", LOGGER_WARNING},
        {"esys+error,,tcti+info,sys+debug", LOGGER_INFO},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(logger_parse(cases[i].text, LOGGER_NONE), cases[i].level);
        /* What is not said is what it is otherwise. */
        assert_int_equal(logger_parse(cases[i].text, LOGGER_ERROR),
                         i < 8 ? LOGGER_ERROR : cases[i].level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_confs),
        cmocka_unit_test(test_bad_confs),
        cmocka_unit_test(test_log_levels),
    };

    return cmocka_run_group_tests_name("client conf", tests, NULL, NULL);
}
