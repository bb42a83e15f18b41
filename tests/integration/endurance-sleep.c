/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine sleeps, and the daemon dies meanwhile. */
#include "chip-user.h"
#include "fake-logind.h"
#include "holder.h"
#include "kept.h"
#include "manager-calls.h"

/* Of the test's one world. */
static struct fake_logind *logind;

static int make_world(void **state)
{
    static const char *const args[] = {"--idle-release=never", NULL};
    const struct kept_setup setup = {
        .args = args, .max = KEPT_MAX, .system_bus = true, .no_daemon = true};
    struct kept *kept;

    if (kept_world_as(state, &setup) != 0)
        return -1;
    kept = *state;
    logind = fake_logind_new(kept->world->address);
    return logind && keeper_start(kept->keeper) ? 0 : -1;
}

static int end_world(void **state)
{
    int result = kept_end_world(state);

    fake_logind_free(logind);
    logind = NULL;
    return result;
}

static bool is_delayed(void *data)
{
    return fake_logind_delays(data) == 1;
}

static bool is_not_delayed(void *data)
{
    return fake_logind_delays(data) == 0;
}

static bool was_asked(void *data)
{
    return fake_logind_refused(data) > 0;
}

/* The daemon has had the time to save all, and knows that the machine sleeps. */
static void fall_asleep(void)
{
    assert_true(world_poll(is_delayed, logind, WORLD_START_MS));
    fake_logind_announce(logind, true);
    assert_true(world_poll(is_not_delayed, logind, WORLD_START_MS));
}

static bool is_suspended(void *data)
{
    GDBusConnection *connection = manager_calls_connect(data);
    char *text = connection ? manager_calls_text(connection, NULL, "State") : NULL;
    bool suspended = g_strcmp0(text, "suspended") == 0;

    g_free(text);
    g_clear_object(&connection);
    return suspended;
}

/* Its command waits until the machine is awake: what would be loaded for it might be lost. */
static void test_the_next_daemon_asks_and_sleeps_on(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);
    struct counts before, after;

    fall_asleep();
    kept_begin_gap(kept);
    assert_int_equal(
        Esys_GetRandom_Async(one.client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8),
        TSS2_RC_SUCCESS);
    counts_read(kept->world->counts, &before);
    kept_end_gap(kept);
    assert_true(world_poll(was_asked, logind, WORLD_START_MS));
    assert_true(world_poll(is_suspended, kept->world, WORLD_START_MS));
    counts_read(kept->world->counts, &after);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_GetRandom), 0);
    assert_int_equal(counts_between(&before, &after, TPM2_CC_ContextLoad), 0);
    fake_logind_announce(logind, false);
    assert_int_equal(holder_finish(&one), TSS2_RC_SUCCESS);
    holder_expect(&one);
    holder_expect(&other);
    assert_true(world_poll(is_delayed, logind, WORLD_START_MS));
    holder_free(&one);
    holder_free(&other);
}

/* The daemon died in the sleep, in which the chip was without power: it comes back by TPM Restart,
 * and with it all that has a context. */
static void test_a_sleep_with_a_kill_in_it_loses_nothing(void **state)
{
    struct kept *kept = *state;
    struct holder one = holder_new(kept->world, SERVED_SOCKET);
    struct holder other = holder_new(kept->world, SERVED_BUS);
    struct esys_client *system;

    fall_asleep();
    kept_begin_gap(kept);
    system = chip_user_new(kept->world);
    assert_int_equal(
        Esys_Shutdown(system->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_STATE),
        TSS2_RC_SUCCESS);
    chip_user_free(system);
    assert_true(world_power_cycle(kept->world));
    fake_logind_announce(logind, false);
    kept_end_gap(kept);
    holder_expect(&one);
    holder_expect(&other);
    holder_free(&one);
    holder_free(&other);
}

#define sleep_test(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sleep_test(test_the_next_daemon_asks_and_sleeps_on),
        sleep_test(test_a_sleep_with_a_kill_in_it_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
