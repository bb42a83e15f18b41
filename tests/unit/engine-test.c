/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine between clients on socket pairs and a TPM that the test plays. */
#include "base/log.h"
#include "descriptor-count.h"
#include "engine-world.h"
#include "rm/rc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

static uint32_t cancel(struct engine_world *world, int client)
{
    return engine_world_request(world, engine_cancel(world->engine, 100 + (uint64_t)client, world));
}

static void test_commands_are_answered(void **state)
{
    struct engine_world *world = *state;

    for (int i = 0; i < ENGINE_WORLD_CLIENTS; i++)
        engine_world_connect(world, i, 1000);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < ENGINE_WORLD_CLIENTS; i++)
            engine_world_expect_served(world, i);
}

static void test_R10_any_bytes(void **state)
{
    struct engine_world *world = *state;
    uint8_t bytes[300];
    unsigned seed = 42;

    engine_world_connect(world, 0, 1000);
    for (int i = 0; i < 200; i++) {
        size_t size = 1 + (size_t)rand_r(&seed) % sizeof(bytes);

        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)rand_r(&seed);
        /* Some look like commands up to their size. */
        if (i % 2)
            header_store(bytes, 0x8001 + (uint16_t)(i % 3), (uint32_t)size,
                         0x17a + (uint32_t)i % 9);
        engine_world_connect(world, 1, 1000);
        engine_world_put(world, 1, bytes, size);
        if (i % 3)
            engine_world_pump(world);
        engine_world_disconnect(world, 1);
        engine_world_expect_served(world, 0);
    }
    engine_world_await_number(world, &world->gone, 200);
    assert_false(engine_world_flag(world, &world->failed));
}

static void test_R11_partial_command_delays_nobody(void **state)
{
    struct engine_world *world = *state;
    uint8_t command[ENGINE_CHIP_RANDOM];

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1000);
    engine_chip_random(command, 5);
    for (size_t i = 0; i + 1 < sizeof(command); i++) {
        engine_world_put(world, 0, command + i, 1);
        engine_world_expect_served(world, 1);
    }
    engine_world_put(world, 0, command + sizeof(command) - 1, 1);
    engine_world_take(world, 5);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
}

static void test_R11_client_that_never_reads_delays_nobody(void **state)
{
    struct engine_world *world = *state;
    unsigned answered = 0, sent = 100, quiet = 0;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1000);
    for (unsigned i = 0; i < sent; i++)
        engine_world_put_random(world, 0, 5);
    /* At some point its answers have no room, and its commands are read no more. */
    while (quiet < 40) {
        quiet++;
        engine_world_expect_served(world, 1);
        while (engine_chip_has_command(&world->chip)) {
            engine_world_take(world, 5);
            engine_chip_answer(&world->chip);
            quiet = 0;
        }
    }
    /* All of them are served once it reads. */
    while (answered < sent) {
        engine_world_pump(world);
        while (engine_world_has_answer(world, 0, 0)) {
            assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
            answered++;
        }
    }
}

static void test_R12_bad_size_is_answered_and_ends_the_connection(void **state)
{
    static const uint32_t sizes[] = {0, 9, 4097, 0xffffffff};
    struct engine_world *world = *state;
    uint8_t bytes[HEADER_SIZE];

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        engine_world_connect(world, 0, 1000);
        header_store(bytes, 0x8001, sizes[i], 0x17b);
        engine_world_put(world, 0, bytes, sizeof(bytes));
        assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), RM_RC_COMMAND_SIZE);
        engine_world_expect_end(world, 0);
        engine_world_disconnect(world, 0);
    }
    engine_world_await_number(world, &world->gone, 4);
    /* Cut short by the end of the stream. */
    engine_world_connect(world, 0, 1000);
    header_store(bytes, 0x8001, 12, 0x17b);
    engine_world_put(world, 0, bytes, sizeof(bytes));
    shutdown(world->clients[0], SHUT_WR);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), RM_RC_COMMAND_SIZE);
    engine_world_expect_end(world, 0);
}

static void test_R08_client_that_closes_while_its_command_runs(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_world_put_random(world, 1, 2);
    engine_world_disconnect(world, 1);
    engine_world_disconnect(world, 0);
    engine_chip_answer(&world->chip);
    engine_world_await_number(world, &world->gone, 2);
    engine_world_connect(world, 2, 1000);
    engine_world_expect_served(world, 2);
}

/* Nobody hears of a client that sends nothing, until it is gone. */
static void test_R52_a_client_is_heard_once(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1000);
    engine_world_expect_served(world, 0);
    assert_int_equal(engine_world_number(world, &world->heard), 1);
    engine_world_expect_served(world, 0);
    engine_world_disconnect(world, 0);
    engine_world_await_number(world, &world->gone, 1);
    assert_int_equal(engine_world_number(world, &world->heard), 1);
    engine_world_disconnect(world, 1);
    engine_world_await_number(world, &world->gone, 2);
    assert_int_equal(engine_world_number(world, &world->heard), 2);
}

static void test_R39_cancel(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1000);
    assert_int_equal(cancel(world, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    assert_int_equal(cancel(world, 7), TSS2_TCTI_RC_BAD_SEQUENCE);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    /* A command that waits is answered while the other one runs. */
    engine_world_put_random(world, 1, 2);
    assert_int_equal(cancel(world, 1), 0);
    assert_int_equal(engine_world_get(world, 1, HEADER_SIZE), RM_RC_CANCELED);
    assert_int_equal(cancel(world, 1), TSS2_TCTI_RC_BAD_SEQUENCE);
    /* The one that runs has the chip's own answer. */
    assert_int_equal(cancel(world, 0), 0);
    assert_false(engine_chip_has_command(&world->chip));
    assert_int_equal(world->chip.cancels, 1);
    engine_chip_answer_code(&world->chip, TPM2_RC_CANCELED);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), TPM2_RC_CANCELED);
    /* And the next ones are as ever. */
    assert_int_equal(cancel(world, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
    engine_world_expect_served(world, 0);
    engine_world_expect_served(world, 1);
    assert_int_equal(world->chip.cancels, 1);
}

static uint32_t set_locality(struct engine_world *world, int client, uint8_t locality)
{
    return engine_world_request(
        world, engine_set_locality(world->engine, 100 + (uint64_t)client, locality, world));
}

static void test_R40_locality(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 0);
    engine_world_connect(world, 1, 1000);
    assert_int_equal(set_locality(world, 0, 2), 0);
    assert_int_equal(set_locality(world, 0, 3), RM_RC_LOCALITY);
    assert_int_equal(set_locality(world, 1, 1), RM_RC_LOCALITY);
    assert_int_equal(set_locality(world, 1, 0), 0);
    for (int i = 0; i < 2; i++) {
        engine_world_expect_served(world, 0);
        assert_int_equal(world->chip.locality, 2);
        engine_world_expect_served(world, 1);
        assert_int_equal(world->chip.locality, 0);
    }
    assert_int_equal(set_locality(world, 0, 1), 0);
    engine_world_expect_served(world, 0);
    assert_int_equal(world->chip.locality, 1);
}

static void test_status_while_a_command_runs(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1000);
    engine_world_expect_served(world, 0);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
    assert_int_equal(world->answer.status.clients, 2);
    assert_true(world->answer.status.tpm_present);
    assert_int_equal(world->answer.status.stats.client_commands, 2);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
}

/* A newcomer of the user; 0, or why there is none. One that is let in goes again. */
static int knock(struct engine_world *world, uint32_t uid)
{
    const struct peer_groups groups = {.known = true};
    int pair[2], error;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    error = engine_connect(world->engine, 200, uid, 0, &groups, pair[0]);
    if (error)
        close(pair[0]);
    close(pair[1]);
    return error;
}

static void test_R74_limits_change_while_a_command_runs(void **state)
{
    struct engine_world *world = *state;
    struct engine_config config = world->config;

    engine_world_connect(world, 0, 1000);
    engine_world_expect_served(world, 0);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    config.max_connections = 1;
    assert_int_equal(engine_world_request(world, engine_change(world->engine, &config, world)), 0);
    assert_int_equal(knock(world, 1001), -EUSERS);
    config.max_connections = 64;
    assert_int_equal(engine_world_request(world, engine_change(world->engine, &config, world)), 0);
    assert_int_equal(knock(world, 1001), 0);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
}

/* Waits for the sign of life that was asked for by the last engine_alive(). */
static void expect_alive(struct engine_world *world)
{
    bool alive = false;

    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && !alive; i++) {
        alive = engine_alive(world->engine);
        if (!alive)
            poll(NULL, 0, 5);
    }
    assert_true(alive);
}

static void test_signs_of_life(void **state)
{
    struct engine_world *world = *state;

    assert_true(engine_alive(world->engine));
    expect_alive(world);
    /* Inside of a command too, also where the TCTI lets nothing else be done meanwhile. */
    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    for (unsigned i = 0; i < 100; i++)
        expect_alive(world);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
    expect_alive(world);
}

static void test_R37_stop_lets_the_command_end(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_connect(world, 1, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_world_put_random(world, 1, 2);
    engine_stop(world->engine);
    engine_stop(world->engine);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
    engine_world_expect_end(world, 0);
    engine_world_expect_end(world, 1);
    engine_world_await_flag(world, &world->stopped);
    assert_int_equal(engine_world_number(world, &world->gone), 2);
    /* What comes too late is answered all the same. */
    assert_int_equal(engine_query(world->engine, world), 0);
    engine_world_end(world);
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->told.rc, TSS2_TCTI_RC_NO_CONNECTION);
    assert_ptr_equal(world->token, world);
}

/* What was seen of the thread that answers. */
static struct {
    char name[16];
    sigset_t blocked;
    int cancel_state, cancel_type;
} engine_thread;

static void look_at_thread(void *data, void *token, const struct engine_answer *answer)
{
    struct engine_world *world = data;

    pthread_getname_np(pthread_self(), engine_thread.name, sizeof(engine_thread.name));
    pthread_sigmask(SIG_SETMASK, NULL, &engine_thread.blocked);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &engine_thread.cancel_state);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &engine_thread.cancel_type);
    engine_world_events(world).answered(data, token, answer);
}

/* Signals are the main thread's, and nobody cancels the engine's. */
static void test_thread_of_the_engine(void **state)
{
    struct engine_world *world = engine_world_new(true);
    struct engine_events events = engine_world_events(world);
    unsigned descriptors = descriptor_count();
    sigset_t blocked;

    *state = world;
    events.answered = look_at_thread;
    world->engine = engine_new(&world->config, &events, NULL);
    assert_non_null(world->engine);
    engine_world_await_flag(world, &world->ready);
    assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
    assert_string_equal(engine_thread.name, "engine");
    assert_int_equal(engine_thread.cancel_state, PTHREAD_CANCEL_DISABLE);
    assert_int_equal(engine_thread.cancel_type, PTHREAD_CANCEL_ASYNCHRONOUS);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    for (int number = SIGHUP; number <= SIGTERM; number++) {
        if (number == SIGKILL)
            continue;
        assert_true(sigismember(&engine_thread.blocked, number));
        assert_false(sigismember(&blocked, number));
    }
    engine_world_end(world);
    assert_int_equal(descriptor_count_settled(descriptors), descriptors);
}

/* While the TPM blocks the engine, requests wait, so many of them; all of these are answered. */
static void test_R11_requests_that_wait_are_bounded(void **state)
{
    struct engine_world *world = *state;
    unsigned accepted = 0;
    int error;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    while ((error = engine_query(world->engine, world)) == 0)
        accepted++;
    assert_int_equal(error, -EAGAIN);
    assert_int_equal(accepted, 4096);
    engine_chip_answer(&world->chip);
    engine_world_await_number(world, &world->answers, accepted);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
}

static void test_R34_lost_tpm_comes_back(void **state)
{
    struct engine_world *world = *state;
    uint32_t code = 1;
    size_t size;

    engine_world_connect(world, 0, 1000);
    engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    engine_chip_mend(&world->chip);
    assert_int_equal(engine_world_get(world, 0, HEADER_SIZE), RM_RC_FAILURE);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && code != 0; i++) {
        engine_world_put_random(world, 0, 2);
        for (unsigned k = 0; k < ENGINE_WORLD_MOMENTS && !engine_world_has_answer(world, 0, 0); k++)
            engine_world_pump(world);
        code = engine_world_get_any(world, 0, &size);
    }
    assert_int_equal(code, 0);
}

static void test_sleep_holds_commands(void **state)
{
    struct engine_world *world = *state;

    engine_world_connect(world, 0, 1000);
    engine_world_expect_served(world, 0);
    engine_suspend(world->engine);
    engine_world_await_number(world, &world->suspended, 1);
    engine_world_put_random(world, 0, 1);
    /* The engine has seen the command by the time that it has answered this. */
    assert_int_equal(engine_world_request(world, engine_query(world->engine, world)), 0);
    assert_false(engine_chip_has_command(&world->chip));
    engine_resume(world->engine);
    engine_world_take(world, 1);
    engine_chip_answer(&world->chip);
    assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* The first, as sockets of others may still be closed by another thread. */
        cmocka_unit_test_teardown(test_thread_of_the_engine, engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_commands_are_answered, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_commands_are_answered, engine_world_setup_blocking,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R10_any_bytes, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R11_partial_command_delays_nobody, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R11_client_that_never_reads_delays_nobody,
                                        engine_world_setup, engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R12_bad_size_is_answered_and_ends_the_connection,
                                        engine_world_setup, engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R08_client_that_closes_while_its_command_runs,
                                        engine_world_setup, engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R52_a_client_is_heard_once, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R39_cancel, engine_world_setup, engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R40_locality, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_status_while_a_command_runs, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R74_limits_change_while_a_command_runs,
                                        engine_world_setup, engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_signs_of_life, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_signs_of_life, engine_world_setup_blocking,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R37_stop_lets_the_command_end, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R11_requests_that_wait_are_bounded,
                                        engine_world_setup_blocking, engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_R34_lost_tpm_comes_back, engine_world_setup,
                                        engine_world_teardown),
        cmocka_unit_test_setup_teardown(test_sleep_holds_commands, engine_world_setup,
                                        engine_world_teardown),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
