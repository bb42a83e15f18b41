/* SPDX-License-Identifier: BSD-2-Clause */
/* The record of sessions: the file that outlives the process, and what the next daemon makes of
 * it. */
#include "base/log.h"
#include "engine-world.h"
#include "ledger-place.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

/* A daemon of its own, which is killed in the middle of its life. */
static void live_and_die(const struct ledger_place *place, const char *owner,
                         const uint32_t *sessions, unsigned count, bool starting)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct ledger_file *file = ledger_file_open(place->dir, owner);
        struct ledger *ledger = file ? ledger_file_ledger(file) : NULL;

        if (ledger) {
            ledger_clear(ledger);
            for (unsigned i = 0; i < count; i++)
                ledger_add(ledger, sessions[i]);
            ledger_set_starting(ledger, starting);
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_R37_record_outlives_the_process(void **state)
{
    static const uint32_t sessions[] = {0x02000000, 0x03000007};
    struct ledger_place *place = *state;
    struct ledger_file *file;
    struct ledger *ledger;
    char path[512];

    live_and_die(place, "here", sessions, 2, true);
    ledger = ledger_place_open(place, "here", &file);
    assert_true(ledger_is_valid(ledger));
    assert_int_equal(ledger->starting, 1);
    assert_memory_equal(ledger->sessions, sessions, sizeof(sessions));
    /* Closed as it is, it stays; cleared, it goes. */
    ledger_file_close(file);
    assert_true(ledger_place_file(place, path, sizeof(path)));
    ledger = ledger_place_open(place, "here", &file);
    assert_memory_equal(ledger->sessions, sessions, sizeof(sessions));
    ledger_clear(ledger);
    ledger_file_close(file);
    assert_false(ledger_place_file(place, path, sizeof(path)));
}

static void test_R37_other_owners_have_other_records(void **state)
{
    static const uint32_t session = 0x02000000;
    struct ledger_place *place = *state;
    struct ledger_file *file;

    live_and_die(place, "here", &session, 1, false);
    assert_false(ledger_is_valid(ledger_place_open(place, "there", &file)));
    ledger_file_close(file);
}

static void test_R37_record_is_of_one_daemon(void **state)
{
    struct ledger_place *place = *state;
    struct ledger_file *file, *other;
    struct ledger *ledger = ledger_place_open(place, "here", &file);

    ledger_clear(ledger);
    ledger_add(ledger, 0x02000000);
    /* The other one has a ledger too, but none that outlives it. */
    assert_false(ledger_is_valid(ledger_place_open(place, "here", &other)));
    ledger_clear(ledger_file_ledger(other));
    ledger_file_close(other);
    assert_int_equal(ledger->sessions[0], 0x02000000);
    ledger_file_close(file);
    ledger = ledger_place_open(place, "here", &file);
    assert_int_equal(ledger->sessions[0], 0x02000000);
    ledger_file_close(file);
}

static void test_R37_record_is_private(void **state)
{
    struct ledger_place *place = *state;
    struct ledger_file *file;
    char path[512], target[64];
    struct stat status;

    ledger_clear(ledger_place_open(place, "here", &file));
    assert_true(ledger_place_file(place, path, sizeof(path)));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    ledger_file_close(file);
    /* A link is not followed, whoever made it. */
    snprintf(target, sizeof(target), "%s-target", place->dir);
    assert_int_equal(symlink(target, path), 0);
    ledger_clear(ledger_place_open(place, "here", &file));
    ledger_add(ledger_file_ledger(file), 1);
    ledger_file_close(file);
    assert_int_equal(access(target, F_OK), -1);
}

static void test_R37_torn_files_say_nothing(void **state)
{
    static const size_t sizes[] = {0, 1, 100, sizeof(struct ledger) + 1};
    struct ledger_place *place = *state;
    struct ledger_file *file;
    char path[512];

    ledger_clear(ledger_place_open(place, "here", &file));
    assert_true(ledger_place_file(place, path, sizeof(path)));
    ledger_file_close(file);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *bytes = malloc(sizeof(struct ledger) + 1);
        int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

        assert_non_null(bytes);
        memset(bytes, 0x41, sizeof(struct ledger) + 1);
        ((struct ledger *)(void *)bytes)->magic = LEDGER_MAGIC;
        assert_int_equal(write(fd, bytes, sizes[i]), sizes[i]);
        close(fd);
        free(bytes);
        assert_false(ledger_is_valid(ledger_place_open(place, "here", &file)));
        ledger_file_close(file);
    }
}

static void test_no_directory_is_no_failure(void **state)
{
    struct ledger_file *file = ledger_file_open(NULL, "x");

    (void)state;
    assert_non_null(file);
    assert_false(ledger_is_valid(ledger_file_ledger(file)));
    ledger_file_close(file);
    file = ledger_file_open("/nonexistent", "x");
    assert_non_null(file);
    ledger_file_close(file);
    ledger_file_close(NULL);
}

/* Starts an engine over what a killed one left, and notes the handles that it flushes. */
static unsigned start_and_note(struct engine_world *world, const struct ledger_place *place,
                               uint32_t *flushed, unsigned max)
{
    struct engine_events events = engine_world_events(world);
    unsigned count = 0;

    world->config.runtime_dir = place->dir;
    world->engine = engine_new(&world->config, &events, NULL);
    assert_non_null(world->engine);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && !engine_world_flag(world, &world->ready);
         i++) {
        poll(NULL, 0, 1);
        while (engine_chip_has_command(&world->chip)) {
            engine_chip_take(&world->chip);
            if (header_load(world->chip.packet).code == TPM2_CC_FlushContext && count < max)
                flushed[count++] = load_be32(world->chip.packet + HEADER_SIZE);
            engine_chip_answer(&world->chip);
        }
    }
    assert_true(engine_world_flag(world, &world->ready));
    return count;
}

static void test_R37_next_daemon_flushes_what_is_recorded(void **state)
{
    static const uint32_t sessions[] = {0x02000001, 0x03000002};
    struct ledger_place *place = *state;
    struct engine_world *world = engine_world_new(true);
    void *world_state = world;
    uint32_t flushed[4];
    char owner[600], path[512];

    snprintf(owner, sizeof(owner), "%s\n%s", world->config.tcti, world->config.name);
    live_and_die(place, owner, sessions, 2, false);
    assert_int_equal(start_and_note(world, place, flushed, 4), 2);
    assert_memory_equal(flushed, sessions, sizeof(sessions));
    assert_true(ledger_place_file(place, path, sizeof(path)));
    engine_world_teardown(&world_state);
    assert_false(ledger_place_file(place, path, sizeof(path)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R37_record_outlives_the_process, ledger_place_setup,
                                        ledger_place_teardown),
        cmocka_unit_test_setup_teardown(test_R37_other_owners_have_other_records,
                                        ledger_place_setup, ledger_place_teardown),
        cmocka_unit_test_setup_teardown(test_R37_record_is_of_one_daemon, ledger_place_setup,
                                        ledger_place_teardown),
        cmocka_unit_test_setup_teardown(test_R37_record_is_private, ledger_place_setup,
                                        ledger_place_teardown),
        cmocka_unit_test_setup_teardown(test_R37_torn_files_say_nothing, ledger_place_setup,
                                        ledger_place_teardown),
        cmocka_unit_test(test_no_directory_is_no_failure),
        cmocka_unit_test_setup_teardown(test_R37_next_daemon_flushes_what_is_recorded,
                                        ledger_place_setup, ledger_place_teardown),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
