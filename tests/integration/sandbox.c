/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs in sandboxes that stand between them and the bus. */
#include "shell.h"
#include "suite.h"

/* As firejail and flatpak arrange it: a proxy that lets through what is for the daemon. */
static void test_R66_through_a_filtering_bus_proxy(void **state)
{
    static const char script[] =
        "mkfifo ready; exec 3<>ready\n"
        "xdg-dbus-proxy --fd=3 \"$DBUS_SESSION_BUS_ADDRESS\" \"$PWD/proxy\" --filter "
        "--talk=com.intel.tss2.Tabrmd & proxy=$!\n"
        "trap 'kill $proxy' EXIT\n"
        "head -c 1 <&3 >proxy.ready\n"
        "export DBUS_SESSION_BUS_ADDRESS=\"unix:path=$PWD/proxy\"\n"
        "tpm2_getrandom --hex 8\n"
        "tpm2_createprimary -c key.ctx && tpm2_readpublic -c key.ctx\n";

    assert_int_equal(shell_run(*state, script, true, NULL), 0);
}

/* In a user namespace the process's own number is not the one that the bus knows. */
static void test_R66_from_a_user_namespace(void **state)
{
    if (shell_run(*state, "unshare --user true", false, NULL) != 0) {
        print_message("user namespaces are not allowed here\n");
        skip();
    }
    assert_int_equal(shell_run(*state,
                               "unshare --user --map-user=4242 sh -euc '"
                               "[ \"$(id -u)\" = 4242 ]; tpm2_getrandom --hex 8'",
                               true, NULL),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_usual_test(test_R66_through_a_filtering_bus_proxy),
        suite_usual_test(test_R66_from_a_user_namespace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
