/* SPDX-License-Identifier: BSD-2-Clause */
/* A trace of clients' commands, as `tabrmctl trace` has it from a daemon that serves. */
#include "../integration/manager-calls.h"
#include "../integration/served.h"
#include "tabrmctl.h"

#include <gio/gunixfdlist.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define RECIPES "sh '" TEST_SCRIPTS "/../tests/bench/recipes.sh'"

#define MEMBER "tss"
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define LIMITS "org.freedesktop.DBus.Error.LimitsExceeded"

#define ANY_USER ((guint32)0xFFFFFFFF)

/* Runs `script` with tabrmctl, whose option `$W` names this world's daemon. Its status; *out gets
 * all that it wrote. */
static int tool(struct world *world, const char *script, char **out)
{
    g_autofree char *whole =
        g_strconcat("W=--tcti=tabrmd:socket=$PWD/../run/tcti.sock; ", script, NULL);

    return tabrmctl_script(world, whole, out);
}

static void expect_text(const char *out, const char *text)
{
    if (!strstr(out, text))
        fprintf(stderr, "not said: %s\nof: %s\n", text, out);
    assert_non_null(strstr(out, text));
}

/* Starts a trace, waits until it is open, runs commands, and ends it. The daemon's own list of
 * connections tells nothing of traces, so a command is sent until the trace has it. */
#define TRACE_UNTIL_OPEN(options)                       \
    "tabrmctl trace $W " options " >lines & trace=$!; " \
    "trap 'kill $trace 2>/dev/null || :' EXIT; "        \
    "until [ -s lines ]; do tpm2_getrandom --hex 1 >/dev/null; done; "

static void test_R95_lines_say_what_commands_were(void **state)
{
    g_autofree char *out = NULL;

    assert_int_equal(
        tool(*state,
             TRACE_UNTIL_OPEN(
                 "") "tpm2_createprimary -C o -p verysecretword -c key.ctx >/dev/null; "
                     "! tpm2_evictcontrol -C o -c 0x81234567 2>/dev/null; "
                     "until grep -q 'ReadPublic 0x81234567' lines; do sleep 0.05; done; "
                     "cat lines",
             &out),
        0);
    expect_text(out, " tpm2_getrandom[");
    expect_text(out, " GetRandom -> success; waited ");
    expect_text(out, " CreatePrimary 0x40000001 hmac 0x02000000+continue -> success 0x80000000");
    expect_text(out, " ReadPublic 0x81234567 -> ");
    assert_null(strstr(out, "verysecretword"));
}

static void test_json_has_a_line_for_each_command(void **state)
{
    g_autofree char *out = NULL;

    assert_int_equal(tool(*state,
                          "tabrmctl trace --json --count=2 $W >lines & trace=$!; "
                          "while kill -0 $trace 2>/dev/null; do tpm2_getrandom --hex 1 >/dev/null; "
                          "done; wait $trace; wc -l <lines; cat lines",
                          &out),
                     0);
    expect_text(out, "2\n{\"lost\":0,\"time_us\":");
    expect_text(out, "\"program\":\"tpm2_getrandom\"");
    expect_text(out, "\"sent\":{\"command\":");
}

/* Calls OpenTrace; the descriptor, or -1 when it is refused with this error. */
static int open_trace(GDBusConnection *connection, const char *name, guint32 uid, bool bytes,
                      const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) list = NULL;
    g_autofree char *said = NULL;
    GVariant *answer = g_dbus_connection_call_with_unix_fd_list_sync(
        connection, name, "/org/tabrmd/Manager", "org.tabrmd.Manager1", "OpenTrace",
        g_variant_new("(uubub)", uid, (guint32)0, FALSE, (guint32)0, bytes), G_VARIANT_TYPE("(h)"),
        G_DBUS_CALL_FLAGS_NONE, WORLD_START_MS, NULL, &list, NULL, &error);

    if (answer) {
        g_variant_unref(answer);
        assert_null(expected);
        return g_unix_fd_list_get(list, 0, NULL);
    }
    said = g_dbus_error_get_remote_error(error);
    fprintf(stderr, "OpenTrace: %s\n", error->message);
    assert_non_null(said);
    assert_non_null(expected);
    assert_string_equal(said, expected);
    return -1;
}

static void use(struct raw_client *raw)
{
    assert_int_not_equal(raw_client_send_handle(raw, TPM2_CC_FlushContext, 0x80000000), UINT32_MAX);
}

/* On the bus and on the socket: the first descriptors come, and what is too many is refused. */
static void test_R96_traces_are_few_on_each_way(void **state)
{
    struct world *world = *state;
    GDBusConnection *peer = manager_calls_connect(world);
    int bus = open_trace(world->bus, MANAGER_CALLS_NAME, ANY_USER, false, NULL);
    int own = open_trace(peer, NULL, ANY_USER, false, NULL);
    struct raw_client *raw = served_raw_client(world);
    char record[512];

    open_trace(peer, NULL, ANY_USER, false, LIMITS);
    use(raw);
    assert_true(recv(bus, record, sizeof(record), 0) > 0);
    assert_true(recv(own, record, sizeof(record), 0) > 0);
    close(bus);
    close(own);
    raw_client_free(raw);
    g_object_unref(peer);
}

/* A client's commands go on while nobody reads; then the reader is told what it lost. */
static void test_R96_a_slow_reader_is_told_what_it_lost(void **state)
{
    struct world *world = *state;
    GDBusConnection *peer = manager_calls_connect(world);
    int fd = open_trace(peer, NULL, ANY_USER, false, NULL);
    struct raw_client *raw = served_raw_client(world);
    unsigned char record[512];
    const unsigned rounds = 1000;
    unsigned read = 0, lost;

    for (unsigned i = 0; i < rounds; i++)
        use(raw);
    while (recv(fd, record, sizeof(record), MSG_DONTWAIT) > 0)
        read++;
    assert_in_range(read, 10, rounds - 10);
    use(raw);
    assert_true(recv(fd, record, sizeof(record), 0) > 16);
    /* The lower half of the count, as wire/trace-record.h has it. */
    lost = (unsigned)record[12] << 24 | (unsigned)(record[13] << 16 | record[14] << 8 | record[15]);
    /* The turn of the last one that was lost may have ended only behind the others. */
    assert_in_range(read + lost, rounds - 1, rounds);
    close(fd);
    raw_client_free(raw);
    g_object_unref(peer);
}

/* A member of the group is told of its own commands only, and gets no whole ones. */
static void test_R95_a_member_sees_its_own(void **state)
{
    struct world *world = *state;
    const struct passwd *user = getpwnam(MEMBER);
    g_autofree char *run = world_path(world, "run");
    struct raw_client *own, *other;
    GDBusConnection *peer;
    unsigned char record[512];
    int fd;

    if (geteuid() != 0 || !user || !getgrnam(MEMBER))
        skip();
    assert_int_equal(chmod(world->dir, 0711), 0);
    assert_int_equal(chmod(run, 0711), 0);
    assert_int_equal(setegid(getgrnam(MEMBER)->gr_gid), 0);
    assert_int_equal(seteuid(user->pw_uid), 0);
    peer = manager_calls_connect(world);
    own = served_raw_client(world);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
    assert_non_null(peer);
    open_trace(peer, NULL, ANY_USER, true, DENIED);
    open_trace(peer, NULL, 0, false, DENIED);
    fd = open_trace(peer, NULL, ANY_USER, false, NULL);
    other = served_raw_client(world);
    use(other);
    use(own);
    use(own);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(recv(fd, record, sizeof(record), 0) > 56);
        /* The user's number, as wire/trace-record.h has it. */
        assert_int_equal(record[52] << 24 | record[53] << 16 | record[54] << 8 | record[55],
                         user->pw_uid);
    }
    close(fd);
    raw_client_free(own);
    raw_client_free(other);
    g_object_unref(peer);
}

/* The file is for its owner alone, with a warning, and tshark finds in it what was sent: by keys
 * and by the recipes. What tshark 4.0 takes for malformed is NV_Read, whose name and code it tells
 * all the same. */
static void test_R97_a_capture_is_what_was_sent(void **state)
{
    g_autofree char *out = NULL, *found = g_find_program_in_path("tshark");

    if (geteuid() != 0 || !found)
        skip();
    assert_int_equal(
        tool(*state,
             "asked() { tshark -n -r all.pcapng -Y tpm.req.cc -T fields -e _ws.col.Info "
             "2>/dev/null | "
             "sed 's/.*Command TPM2_CC_\\([A-Za-z0-9_]*\\).*/\\1/'; }; "
             "umask 0; echo >all.pcapng; tabrmctl trace $W --pcap=all.pcapng & trace=$!; "
             "trap 'kill $trace 2>/dev/null || :' EXIT; "
             "until [ \"$(wc -c <all.pcapng)\" -gt 300 ]; do tpm2_getrandom --hex 1 >/dev/null; "
             "done; tabrmctl trace $W >lines & lines=$!; "
             "trap 'kill $trace $lines 2>/dev/null || :' EXIT; "
             "until [ -s lines ]; do tpm2_getrandom --hex 1 >/dev/null; done; "
             "tpm2_createprimary -C o -c p.ctx >/dev/null; "
             "tpm2_create -C p.ctx -u k.pub -r k.priv >/dev/null; "
             "tpm2_load -C p.ctx -u k.pub -r k.priv -c k.ctx >/dev/null; "
             "echo hello >m; tpm2_sign -c k.ctx -g sha256 -o s m; "
             "tpm2_verifysignature -c k.ctx -g sha256 -m m -s s; " RECIPES "; "
             "tpm2_pcrread sha256:0 >/dev/null; "
             "! tpm2_readpublic -c 0x81234567 >/dev/null 2>&1; tpm2_selftest; "
             "until grep -q SelfTest lines; do sleep 0.05; done; "
             "until asked | grep -q SelfTest; do sleep 0.05; done; kill $trace $lines; "
             "stat -c mode=%a all.pcapng; "
             "awk '{ print $4 }' lines | sed '/SelfTest/q; s/_//g' >told; "
             "asked | sed '/SelfTest/q; s/_//g' | tail -n $(wc -l <told) | diff told -; "
             "codes() { tshark -n -r all.pcapng -Y tpm.resp.rc -T fields -e tpm.resp.rc "
             "2>/dev/null; }; "
             "sed 's/.* -> success.*/0x00000000/; s/.*(0x\\([0-9A-F]*\\)).*/0x00000\\1/' lines | "
             "tr A-F a-f | head -n $(wc -l <told) >told.codes; "
             "codes | head -n $(asked | sed '/SelfTest/q' | wc -l) | "
             "tail -n $(wc -l <told) | diff told.codes -; grep -c 0x0000018b told.codes; "
             "grep -xc Sign told; grep -xc VerifySignature told; "
             "tshark -n -r all.pcapng -T fields -e tpm.resp.rc 2>/dev/null | grep -c 0x0000018b; "
             "tshark -n -r all.pcapng -Y '_ws.malformed && tpm.req.cc != 0x14e' 2>/dev/null | wc "
             "-l | "
             "sed s/^/malformed=/",
             &out),
        0);
    expect_text(out, "holds all that programs send to the TPM, passwords and keys");
    expect_text(out, "mode=600\n1\n1\n1\n");
    expect_text(out, "malformed=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(test_R95_lines_say_what_commands_were),
        served_test(test_json_has_a_line_for_each_command),
        served_test(test_R96_traces_are_few_on_each_way),
        served_test(test_R96_a_slow_reader_is_told_what_it_lost),
        served_test(test_R95_a_member_sees_its_own),
        served_test(test_R97_a_capture_is_what_was_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
