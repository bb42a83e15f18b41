/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon under a service manager that keeps descriptors for it. */
#include "kept.h"

#include <signal.h>

static void expect_served(const struct world *world)
{
    static const enum served_way ways[] = {SERVED_BUS, SERVED_SOCKET};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct esys_client *client = served_client(world, ways[i], NULL);

        assert_non_null(client);
        assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
        esys_client_free(client);
    }
}

static void test_the_next_daemon_serves(void **state)
{
    const struct kept *kept = *state;

    expect_served(kept->world);
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    expect_served(kept->world);
    assert_true(keeper_restart(kept->keeper));
    expect_served(kept->world);
    assert_int_equal(keeper_starts(kept->keeper), 3);
    assert_int_equal(keeper_strangers(kept->keeper), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kept_test(test_the_next_daemon_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
