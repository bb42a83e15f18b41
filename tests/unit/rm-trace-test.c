/* SPDX-License-Identifier: BSD-2-Clause */
/* What the manager tells at log level debug of a command, an eviction and a doubt. */
#include "rm/trace.h"

#include "esys-jobs.h"
#include "log-capture.h"
#include "rm-world.h"
#include "wire/command-name.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All that was logged since the capture began; it holds until the next call. */
static const char *lines_of(struct log_capture *capture)
{
    static char all[65536];
    size_t size = 0;
    const char *line;

    log_capture_end(capture);
    for (all[0] = '\0'; *(line = log_capture_line(capture)); size += strlen(line)) {
        assert_true(size + strlen(line) < sizeof(all));
        strcpy(all + size, line);
    }
    log_capture_free(capture);
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_SILENT);
    return all;
}

static unsigned count(const char *lines, const char *part)
{
    unsigned found = 0;

    for (; (lines = strstr(lines, part)); lines++)
        found++;
    return found;
}

static void expect(const char *lines, const char *part)
{
    if (strstr(lines, part))
        return;
    fputs("wanted: ", stderr);
    fputs(part, stderr);
    fputs("\n", stderr);
    fputs(lines, stderr);
    fail();
}

static void test_a_command_that_needs_nothing_but_itself(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    struct log_capture *capture;
    const char *lines;

    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    capture = log_capture_begin(LOG_LEVEL_DEBUG);
    job_sign(esys, key, ESYS_TR_PASSWORD);
    lines = lines_of(capture);
    assert_string_equal(lines, "tabrmd: debug: client 1 of user 1000: Sign (0x15D) gave 0x0 for 1 "
                               "TPM commands (1 own)\n");
}

static void test_an_answer_from_the_books(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    struct log_capture *capture;

    assert_int_equal(
        Esys_ReadPublic(esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL),
        TSS2_RC_SUCCESS);
    capture = log_capture_begin(LOG_LEVEL_DEBUG);
    Esys_ReadPublic(esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL);
    assert_string_equal(lines_of(capture), "tabrmd: debug: client 1 of user 1000: ReadPublic "
                                           "(0x173) gave 0x0 for 0 TPM commands\n");
}

/* More keys than slots: the one that was used longest ago is loaded, and another one leaves. */
static void test_a_miss_and_an_eviction(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    struct log_capture *capture;
    ESYS_TR keys[4];
    const char *lines;

    for (uint8_t i = 0; i < 4; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)(i + 1));
    capture = log_capture_begin(LOG_LEVEL_DEBUG);
    job_sign(esys, keys[0], ESYS_TR_PASSWORD);
    lines = lines_of(capture);
    expect(lines, "tabrmd: debug: object 0x8000000");
    expect(lines, " of the TPM leaves and is saved before: a command needs the slot\n");
    expect(lines,
           "Sign (0x15D) gave 0x0 for 4 TPM commands (1 own, 1 to save, 1 to load, 1 to flush)");
    assert_int_equal(count(lines, "\n"), 2);
}

static void test_evictions_of_a_quiet_chip(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    struct log_capture *capture;
    const char *lines;

    job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    job_session(esys, false);
    capture = log_capture_begin(LOG_LEVEL_DEBUG);
    rm_world_idle(world, true);
    lines = lines_of(capture);
    expect(lines, "object 0x80000000 of the TPM leaves: the TPM is quiet\n");
    expect(lines, "session 0x2000000 of the TPM leaves: the TPM is quiet\n");
    assert_int_equal(count(lines, "\n"), 2);
}

static void test_a_reserve_takes_a_slot(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    struct log_capture *capture;
    const char *lines;

    for (uint8_t i = 0; i < 3; i++)
        job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)(i + 1));
    rm_set_reserve(world->rm, &(struct rm_reserve){1, 1, 0});
    capture = log_capture_begin(LOG_LEVEL_DEBUG);
    job_random(esys);
    lines = lines_of(capture);
    expect(lines, "the slot is for the TPM's other users\n");
    expect(lines, "GetRandom (0x17B) gave 0x0 for 3 TPM commands (1 own, 1 to save, 1 to flush)");
}

static void test_a_doubt_says_why(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    struct log_capture *capture;
    const char *lines;

    libtpms_chip_inject(world->chip, CHIP_FAULT_LOST, TPM2_CC_GetRandom, 0, 1);
    capture = log_capture_begin(LOG_LEVEL_DEBUG);
    job_random(esys);
    job_random(esys);
    lines = lines_of(capture);
    expect(lines, "what the TPM holds is in doubt: a command got no answer\n");
    expect(lines, "GetRandom (0x17B) gave 0xB0101 for 1 TPM commands (1 own)");
    expect(lines, "GetRandom (0x17B) gave 0x0 for 6 TPM commands (1 own, 5 to ask)\n");
}

/* Nothing that stands behind the counts is taken for one. */
static void test_counts_of_each_kind(void **state)
{
    static const uint32_t codes[] = {TPM2_CC_GetRandom, TPM2_CC_ContextSave, TPM2_CC_ContextLoad,
                                     TPM2_CC_FlushContext, TPM2_CC_ReadClock};
    struct rm_world *world = *state;
    struct trace trace = {0};
    struct log_capture *capture;
    const char *lines;

    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        for (unsigned k = 0; k <= i; k++)
            trace_sent(&trace, i == 0, codes[i], 1);
    }
    capture = log_capture_begin(LOG_LEVEL_DEBUG);
    trace_command(world->clients[0].client, &trace, TPM2_CC_GetRandom, 0);
    trace = (struct trace){0};
    trace_command(world->clients[0].client, &trace, TPM2_CC_GetRandom, 0);
    lines = lines_of(capture);
    expect(lines, "for 15 TPM commands (1 own, 2 to save, 3 to load, 4 to flush, 5 to ask)\n");
    expect(lines, "for 0 TPM commands\n");
}

static void test_refused_bytes_have_a_line(void **state)
{
    static const uint8_t unknown[] = {0x80, 1, 0, 0, 0, 10, 0x12, 0x34, 0x56, 0x78};
    struct rm_world *world = *state;
    struct log_capture *capture = log_capture_begin(LOG_LEVEL_DEBUG);

    rm_world_send(world, 0, unknown, sizeof(unknown), NULL, NULL);
    assert_string_equal(lines_of(capture), "tabrmd: debug: client 1 of user 1000: (unknown) "
                                           "(0x12345678) gave 0x143 for 0 TPM commands\n");
}

static void test_nothing_is_said_at_level_info(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    struct log_capture *capture = log_capture_begin(LOG_LEVEL_INFO);

    for (uint8_t i = 0; i < 4; i++)
        job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)(i + 1));
    rm_world_idle(world, true);
    assert_string_equal(lines_of(capture), "");
}

static void test_each_client_has_its_number(void **state)
{
    struct rm_world *world = *state;
    struct log_capture *capture;
    const char *lines;

    rm_world_connect(world, 1, 1001);
    capture = log_capture_begin(LOG_LEVEL_DEBUG);
    job_random(world->clients[1].esys);
    job_random(world->clients[0].esys);
    lines = lines_of(capture);
    expect(lines, "client 2 of user 1001: GetRandom");
    expect(lines, "client 1 of user 1000: GetRandom");
}

static void test_commands_of_the_chip_have_names(void **state)
{
    struct rm_world *world = *state;
    const struct command_table *table = &world->facts.commands;

    assert_true(table->count > 100);
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t code = command_attributes_code(table->attributes[i]);

        if (strcmp(command_name(code), "(unknown)") == 0)
            fail_msg("command 0x%x", code);
    }
    assert_string_equal(command_name(TPM2_CC_NV_UndefineSpaceSpecial), "NV_UndefineSpaceSpecial");
    assert_string_equal(command_name(TPM2_CC_FIRST - 1), "(unknown)");
    assert_string_equal(command_name(0), "(unknown)");
    assert_string_equal(command_name(UINT32_MAX), "(unknown)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_world_setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_command_that_needs_nothing_but_itself),
        TEST(test_an_answer_from_the_books),
        TEST(test_a_miss_and_an_eviction),
        TEST(test_evictions_of_a_quiet_chip),
        TEST(test_a_reserve_takes_a_slot),
        TEST(test_a_doubt_says_why),
        TEST(test_counts_of_each_kind),
        TEST(test_refused_bytes_have_a_line),
        TEST(test_nothing_is_said_at_level_info),
        TEST(test_each_client_has_its_number),
        TEST(test_commands_of_the_chip_have_names),
    };

    return cmocka_run_group_tests_name("rm trace", tests, NULL, NULL);
}
