/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl doctor` on a tree that stands for a machine, and a daemon whose socket is in it: it
 * finds the one thing that is wrong, and no other, and is silent where nothing is. */
#include "tabrmctl.h"

#include <json-glib/json-glib.h>
#include <unistd.h>

#define TREE   "--root=$PWD/t --tcti=tabrmd:socket=$PWD/t/run/tabrmd/tcti.sock"
#define DOCTOR "tabrmctl doctor " TREE " "

/* Of a further TPM, whose daemon is reached by none of this machine's sockets. */
#define FURTHER \
    "DBUS_SYSTEM_BUS_ADDRESS=unix:path=$PWD/none tabrmctl doctor --root=$PWD/t --tpm=tpm1 "

/* Makes the tree, before there is a daemon. */
static int tree_world(void **state)
{
    char *out = NULL;

    if (suite_empty_world(state) != 0)
        return -1;
    if (tabrmctl_script(*state, "sh \"$T/tree.sh\" \"$PWD/t\"", &out) != 0) {
        fprintf(stderr, "%s\n", out);
        return -1;
    }
    g_free(out);
    return 0;
}

static char *socket_option;
static const char *daemon_args[2];

static bool start_daemon(struct world *world)
{
    g_free(socket_option);
    socket_option = g_strdup_printf("--socket=%s/work/t/run/tabrmd/tcti.sock", world->dir);
    daemon_args[0] = socket_option;
    world->setup.args = daemon_args;
    return world_start_daemon(world);
}

/* The same, with the daemon. */
static int healthy_world(void **state)
{
    return tree_world(state) == 0 && start_daemon(*state) ? 0 : -1;
}

static int end_world(void **state)
{
    int ended = suite_end_world(state);

    g_clear_pointer(&socket_option, g_free);
    return ended;
}

/* The ids of what was found, comma separated; "?" where the text is no report. */
static char *ids_of(const char *text)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GString) ids = g_string_new(NULL);
    JsonArray *findings;

    if (!json_parser_load_from_data(parser, text, -1, NULL))
        return g_strdup("?");
    findings = json_object_get_array_member(json_node_get_object(json_parser_get_root(parser)),
                                            "findings");
    for (guint i = 0; i < json_array_get_length(findings); i++) {
        JsonObject *finding = json_array_get_object_element(findings, i);

        assert_true(strlen(json_object_get_string_member(finding, "what")) > 0);
        assert_true(strlen(json_object_get_string_member(finding, "why")) > 0);
        assert_true(strlen(json_object_get_string_member(finding, "mend")) > 0);
        g_string_append_printf(ids, "%s%s", i ? "," : "",
                               json_object_get_string_member(finding, "id"));
    }
    return g_strdup(ids->str);
}

/* Runs a script that ends with the doctor's report as JSON, which must have just these ids. */
static void expect_ids(struct world *world, const char *script, const char *ids)
{
    g_autofree char *out = NULL, *found = NULL;
    int status = tabrmctl_script(world, script, &out);

    found = ids_of(out);
    if (strcmp(found, ids) != 0)
        fprintf(stderr, "found %s, not %s, after: %s\n%s\n", found, ids, script, out);
    assert_string_equal(found, ids);
    assert_int_equal(status, *ids ? 1 : 0);
}

static void test_a_healthy_machine_is_one_line(void **state)
{
    g_autofree char *out = NULL;

    expect_ids(*state, DOCTOR "--json", "");
    assert_int_equal(tabrmctl_script(*state, DOCTOR, &out), 0);
    assert_string_equal(out, "no fault found");
    expect(*state, DOCTOR "--all", 0, "device: driver tpm_tis, TPM version 2",
           "library: programs load", "daemon: tabrmd runs (pid 100)",
           "socket: /run/tabrmd/tcti.sock: somebody listens", "unit: tabrmd.service is active",
           "sessions: there are some left", "kernel: ");
}

static void test_an_absent_device(void **state)
{
    expect_ids(*state, "rm t/dev/tpm0; " DOCTOR "--json", "device-absent");
    expect(*state, "rm -r t/sys; " DOCTOR, 1, "no driver has found a TPM", "firmware");
}

/* All that is told is the further TPM's: none of what there is is that of the first one. */
static void test_a_further_tpm(void **state)
{
    static const char tree[] =
        "mv t/dev/tpm0 t/dev/tpm1; mv t/dev/tpmrm0 t/dev/tpmrm1\n"
        "mv t/sys/class/tpm/tpm0 t/sys/class/tpm/tpm1; ln -sf /dev/tpm1 t/proc/100/fd/4\n"
        "cd t/usr/share/dbus-1/system.d; mv com.intel.tss2.Tabrmd.conf "
        "com.intel.tss2.Tabrmd-tpms.conf; cd - >/dev/null\n";
    g_autofree char *script = g_strconcat(tree, FURTHER "--all", NULL);

    expect(*state, script, 1, "it offers /dev/tpmrm1", "/dev/tpm1 is of", "has /dev/tpm1 open",
           "tabrmd@tpm1.service is active", "tabrmd@tpm1.socket is active",
           "its policy is /usr/share/dbus-1/system.d/com.intel.tss2.Tabrmd-tpms.conf",
           "socket-absent: there is no socket /run/tabrmd-tpm1/tcti.sock",
           "systemctl enable --now tabrmd@tpm1");
    expect_ids(*state, FURTHER "--json", "socket-absent");
    expect_ids(*state,
               "ln -s /dev/null t/etc/systemd/system/tabrmd@tpm1.service; " FURTHER "--json",
               "unit-masked");
    expect(*state, "rm t/dev/tpm1; " FURTHER, 1, "there is no /dev/tpm1, though the kernel drives");
}

/* Such as a simulator, or the machine's second one. */
static void test_a_daemon_that_serves_another_tpm(void **state)
{
    expect_ids(*state, "rm t/dev/tpm0; " DOCTOR "--json", "");
}

static void test_a_device_with_the_wrong_owner(void **state)
{
    expect_ids(*state,
               "sed -i '/^tss/s/[0-9][0-9]*/4099/g' t/etc/passwd t/etc/group; " DOCTOR
               "--user=alice --json",
               "device-owner");
    expect(*state, DOCTOR "--user=alice", 1, "not open to user tss", "chown tss: /dev/tpm0");
}

static void test_who_is_not_in_the_group(void **state)
{
    expect_ids(*state, DOCTOR "--user=alice --json", "");
    expect_ids(*state, DOCTOR "--user=bob --json", "no-member");
    expect(*state, DOCTOR "--user=bob", 1, "usermod --append --groups tss bob");
    expect_ids(*state, DOCTOR "--user=carol --json", "no-user");
}

/* As another user than root, whose session has no groups. */
static void test_a_member_whose_session_is_older(void **state)
{
    struct world *world = *state;
    g_autofree char *out = NULL;

    if (geteuid() != 0
        || tabrmctl_script(world,
                           "chmod 755 .. . t t/run/tabrmd; setpriv --reuid=65534 --regid=65534 "
                           "--clear-groups tabrmctl --version",
                           &out)
               != 0)
        skip(); /* nobody cannot come here */
    expect_ids(world,
               "sed -i '/^tss/s/[0-9].*/4099:alice,nobody/' t/etc/group\n"
               "echo nobody:x:65534:65534::/:/bin/sh >>t/etc/passwd\n"
               "setpriv --reuid=65534 --regid=65534 --clear-groups " DOCTOR "--json",
               "not-yet-member");
    expect_ids(world,
               "sed -i s/,nobody// t/etc/group\n"
               "setpriv --reuid=65534 --regid=65534 --clear-groups " DOCTOR "--json",
               "no-member");
}

static void test_users_that_are_not_there(void **state)
{
    expect_ids(*state, "sed -i /^tss/d t/etc/passwd; " DOCTOR "--json", "user-absent");
    expect_ids(*state, "sed -i /^tss/d t/etc/group; " DOCTOR "--json", "user-absent,group-absent");
}

static void test_another_daemon_with_the_device(void **state)
{
    expect_ids(*state,
               "mkdir -p t/proc/200/fd; echo tpm2-abrmd >t/proc/200/comm\n"
               "ln -s /usr/sbin/tpm2-abrmd t/proc/200/exe; ln -s /dev/tpm0 t/proc/200/fd/9\n" DOCTOR
               "--json",
               "other-daemon");
    expect(*state, DOCTOR, 1, "tpm2-abrmd runs (pid 200) and has /dev/tpm0 open",
           "systemctl disable --now tpm2-abrmd");
    /* tabrmd under its second name is no other daemon. */
    expect_ids(*state, "ln -sf /usr/sbin/tabrmd t/proc/200/exe; " DOCTOR "--json", "");
    expect_ids(*state,
               "rm -r t/proc/200/exe t/proc/200/fd; echo tcsd >t/proc/200/comm; " DOCTOR "--json",
               "other-daemon");
    expect_ids(*state,
               "mkdir t/proc/200/fd; ln -s /dev/tpm0 t/proc/200/fd/3; echo swtpm_ioctl "
               ">t/proc/200/comm; " DOCTOR "--json",
               "device-busy");
}

/* As for an ordinary user, who cannot see which file a process of another runs. */
static void test_tabrmd_under_its_second_name_as_others_see_it(void **state)
{
    struct world *world = *state;
    g_autofree char *script = g_strdup_printf("mkdir t/proc/200; echo tpm2-abrmd >t/proc/200/comm\n"
                                              "ln -s /proc/%d/task t/proc/200/task; " DOCTOR,
                                              (int)world->daemon.pid);
    g_autofree char *json = g_strconcat(script, "--json", NULL);
    g_autofree char *all = g_strconcat("rm -r t/proc/200; ", script, "--all", NULL);

    expect_ids(world, json, "");
    expect(world, all, 0, "daemon: tabrmd runs (pid 200)");
    expect_ids(
        world,
        "rm t/proc/200/task; mkdir -p t/proc/200/task/200 t/proc/200/task/201\n"
        "echo tpm2-abrmd >t/proc/200/task/200/comm; echo gmain >t/proc/200/task/201/comm\n" DOCTOR
        "--json",
        "other-daemon");
}

static void test_a_bus_without_the_policy(void **state)
{
    expect_ids(*state, "rm t/usr/share/dbus-1/system.d/*; " DOCTOR "--json", "bus-policy");
    expect_ids(*state,
               "mkdir -p t/etc/dbus-1/system.d; : "
               ">t/etc/dbus-1/system.d/com.intel.tss2.Tabrmd.conf\n" DOCTOR "--json",
               "");
    expect_ids(*state, "rm -r t/etc/dbus-1 t/run/dbus; " DOCTOR "--json", "");
}

static void test_a_stale_library(void **state)
{
    g_autofree char *script = g_strdup_printf(
        "LD_LIBRARY_PATH='%s' tabrmctl doctor --root=$PWD/t --tcti=tabrmd:bus_type=session --json",
        world_peer_libdir());

    expect_ids(*state, script, "library-stale");
}

static void test_a_tpm_1_2(void **state)
{
    expect_ids(*state, "echo 1 >t/sys/class/tpm/tpm0/tpm_version_major; " DOCTOR "--json",
               "tpm-1.2");
}

static void test_a_service_that_is_masked_or_has_failed(void **state)
{
    expect_ids(*state, "ln -s /dev/null t/etc/systemd/system/tabrmd.service; " DOCTOR "--json",
               "unit-masked");
    expect(*state, DOCTOR, 1, "tabrmd.service is masked", "systemctl unmask tabrmd");
    /* Its socket may be: tabrmd makes one itself. */
    expect_ids(*state,
               "mv t/etc/systemd/system/tabrmd.service t/etc/systemd/system/tabrmd.socket; " DOCTOR
               "--json",
               "");
    expect_ids(*state,
               "rm t/etc/systemd/system/*; sed -i 's/=active/=failed/; s/Status=0/Status=69/' "
               "t/usr/bin/systemctl; " DOCTOR "--json",
               "unit-failed,unit-failed");
    expect(*state, DOCTOR, 1, "tabrmd.service has failed: success, exit status 69", "journalctl");
}

static void test_a_socket_that_is_absent_or_dead(void **state)
{
    struct world *world = *state;

    assert_int_equal(world_stop_daemon(world), 0);
    expect_ids(world, DOCTOR "--json", "socket-absent");
    expect_ids(world,
               "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("
               "\"t/run/tabrmd/tcti.sock\")'; " DOCTOR "--json",
               "socket-dead");
    /* Something is wrong that nothing of this explains. */
    expect_ids(world, "tabrmctl doctor --root=$PWD/t --tcti=tabrmd:bus_type=session --json",
               "socket-dead");
    assert_true(world_start_daemon(world));
    expect_ids(world, "tabrmctl doctor --root=$PWD/t --tcti=tabrmd:socket=/none --json",
               "no-answer");
}

static void test_a_tpm_that_is_locked_out(void **state)
{
    expect_ids(*state,
               "exec 3>&1 >log 2>&1\n"
               "tpm2_dictionarylockout --setup-parameters --max-tries=1 --recovery-time=1000 "
               "--lockout-recovery-time=1000\n"
               "tpm2_createprimary -G ecc -p right -c key.ctx -g sha256 -a "
               "'sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth'\n"
               "echo x >x; ! tpm2_sign -c key.ctx -p wrong -o s x\n"
               "exec >&3; " DOCTOR "--json",
               "lockout");
    expect(*state, DOCTOR, 1, "locked out after 1 wrong", "--clear-lockout", "in 1000 s");
}

static void test_a_tpm_without_sessions(void **state)
{
    struct world *world = *state;
    g_autofree char *fill = g_strdup_printf(
        "export TPM2TOOLS_TCTI='%s'; tpm2_startup -c; i=0\n"
        "while tpm2_startauthsession -S $i.ctx && [ $i -lt 99 ]; do i=$((i + 1)); done; echo $i",
        world->tcti);

    /* Of another program, before tabrmd starts. */
    expect(world, fill, 0, "64");
    assert_true(start_daemon(world));
    expect_ids(world, DOCTOR "--json", "no-sessions");
}

static void test_a_tpm_in_failure_mode(void **state)
{
    assert_true(world_set_faults(*state, "code=0x176 rc=0x101\n"));
    expect_ids(*state, DOCTOR "--json", "failure-mode");
    assert_true(world_set_faults(*state, "code=0x176 rc=0x901 times=0\n"));
    expect_ids(*state, DOCTOR "--json", "context-gap");
}

static void test_variables_that_lead_past_tabrmd(void **state)
{
    expect_ids(*state, "TPM2TOOLS_TCTI=device:/dev/tpm0 " DOCTOR "--json", "variable");
    expect_ids(*state, "TPM2_PKCS11_TCTI=libtss2-tcti-device.so.0 " DOCTOR "--json", "variable");
    expect_ids(*state, "TPM2OPENSSL_TCTI=tabrmd:bus_type=none " DOCTOR "--json", "variable");
    expect_ids(*state, "TPM2TOOLS_TCTI=libtss2-tcti-tabrmd.so.0:bus_type=session " DOCTOR "--json",
               "");
    expect_ids(*state, "TPM2TOOLS_TCTI= " DOCTOR "--json", "");
}

static void test_colors_and_pager_are_for_terminals(void **state)
{
    static const char bob[] = DOCTOR "--user=bob";
    g_autofree char *out = NULL;
    g_autofree char *script = g_strdup_printf(
        "export TERM=xterm PAGER='sed s/^/paged:/'; tty() { script -qc \"stty rows $1; $2\" "
        "/dev/null; }\n"
        "tty 50 '%s'; tty 50 '%s --no-color'; NO_COLOR=1 tty 50 '%s'; tty 3 '%s'; tty 3 '%s "
        "--no-pager --no-color'",
        bob, bob, bob, bob, bob);

    assert_int_equal(tabrmctl_script(*state, bob, &out), 1);
    assert_null(strchr(out, '\033'));
    g_clear_pointer(&out, g_free);
    tabrmctl_script(*state, script, &out);
    assert_true(g_str_has_prefix(out, "\033[1;31mno-member\033[0m: "));
    assert_non_null(strstr(out, "\nno-member: "));
    assert_non_null(strstr(out, "\npaged:\033[1;31mno-member"));
    /* Twice in all. */
    assert_null(strstr(strstr(strstr(out, "\033[1;31m") + 1, "\033[1;31m") + 1, "\033[1;31m"));
}

#define doctor_test(function) cmocka_unit_test_setup_teardown(function, healthy_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        doctor_test(test_a_healthy_machine_is_one_line),
        cmocka_unit_test_setup_teardown(test_an_absent_device, tree_world, end_world),
        cmocka_unit_test_setup_teardown(test_a_further_tpm, tree_world, end_world),
        doctor_test(test_a_daemon_that_serves_another_tpm),
        doctor_test(test_a_device_with_the_wrong_owner),
        doctor_test(test_who_is_not_in_the_group),
        doctor_test(test_a_member_whose_session_is_older),
        doctor_test(test_users_that_are_not_there),
        doctor_test(test_another_daemon_with_the_device),
        doctor_test(test_tabrmd_under_its_second_name_as_others_see_it),
        doctor_test(test_a_bus_without_the_policy),
        doctor_test(test_a_stale_library),
        doctor_test(test_a_tpm_1_2),
        doctor_test(test_a_service_that_is_masked_or_has_failed),
        doctor_test(test_a_socket_that_is_absent_or_dead),
        doctor_test(test_a_tpm_that_is_locked_out),
        cmocka_unit_test_setup_teardown(test_a_tpm_without_sessions, tree_world, end_world),
        doctor_test(test_a_tpm_in_failure_mode),
        doctor_test(test_variables_that_lead_past_tabrmd),
        doctor_test(test_colors_and_pager_are_for_terminals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
