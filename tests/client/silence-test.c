/* SPDX-License-Identifier: BSD-2-Clause */
/* Every way of failing over the daemon's socket, and what is said of it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-daemon.h"
#include "silence.h"
#include "tss2-tcti-tabrmd.h"

#define NOBODY 65534

static struct fake_daemon daemon_;

static TSS2_RC try_init(const char *conf)
{
    return silence_init(Tss2_Tcti_Tabrmd_Init, conf);
}

static TSS2_RC bad_conf(void)
{
    return try_init("host=localhost");
}

static TSS2_RC no_socket_file(void)
{
    return try_init("socket=/nowhere/tcti.sock");
}

/* The file of a daemon that ended without removing it. */
static TSS2_RC stale_socket_file(void)
{
    struct fake_daemon stale;
    TSS2_RC rc;

    fake_daemon_start(&stale);
    close(stale.listener);
    rc = try_init(stale.conf);
    unlink(stale.path);
    rmdir(stale.directory);
    return rc;
}

static TSS2_RC socket_of_others(void)
{
    bool root = geteuid() == 0;
    TSS2_RC rc;

    assert_int_equal(chmod(daemon_.path, 0), 0);
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    rc = try_init(daemon_.conf);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(daemon_.path, 0600), 0);
    return rc;
}

static TSS2_RC no_descriptors(void)
{
    struct rlimit limit, low;
    int lowest = dup(STDIN_FILENO);
    TSS2_RC rc;

    assert_true(lowest >= 0);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){(rlim_t)lowest, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    rc = try_init(daemon_.conf);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return rc;
}

/* Nobody accepts; the connection that then waits in the queue would be the next one's. */
static TSS2_RC stopped_daemon(void)
{
    TSS2_RC rc = try_init(daemon_.conf);

    close(accept4(daemon_.listener, NULL, NULL, SOCK_CLOEXEC));
    return rc;
}

static TSS2_RC refused_with(bool listens, uint32_t verdict)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];

    control_frame_reply_store(reply, CONTROL_FRAME_HELLO, verdict);
    return fake_daemon_turn_away(&daemon_, Tss2_Tcti_Tabrmd_Init, listens, reply, sizeof(reply));
}

static TSS2_RC refused_as_full(void)
{
    return refused_with(true, NC);
}

static TSS2_RC refused_before_the_hello(void)
{
    return refused_with(false, NP);
}

static TSS2_RC refused_without_a_reason(void)
{
    return refused_with(true, 0x12345678);
}

static TSS2_RC closed_without_a_word(void)
{
    return fake_daemon_turn_away(&daemon_, Tss2_Tcti_Tabrmd_Init, true, NULL, 0);
}

static TSS2_RC closed_in_the_middle_of_a_word(void)
{
    static const uint8_t half[] = {CONTROL_FRAME_TAG >> 8, CONTROL_FRAME_TAG & 0xFF, 0};

    return fake_daemon_turn_away(&daemon_, Tss2_Tcti_Tabrmd_Init, true, half, sizeof(half));
}

static TSS2_RC not_the_daemon(void)
{
    static const uint8_t other[] = "220 mail.example.org ESMTP\r\n";

    return fake_daemon_turn_away(&daemon_, Tss2_Tcti_Tabrmd_Init, true, other, sizeof(other) - 1);
}

static void open_link(struct fake_link *link)
{
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, link),
                     TSS2_RC_SUCCESS);
}

static void leave(struct fake_link *link)
{
    close(link->server);
    link->server = -1;
}

static TSS2_RC transmit(const struct fake_link *link, uint16_t tag, size_t size)
{
    uint8_t command[20] = {0};

    header_store(command, tag, sizeof(command), 0x17B);
    return Tss2_Tcti_Transmit(link->tcti, size, command);
}

static TSS2_RC receive(const struct fake_link *link)
{
    uint8_t buffer[64];
    size_t size = sizeof(buffer);

    return Tss2_Tcti_Receive(link->tcti, &size, buffer, TSS2_TCTI_TIMEOUT_BLOCK);
}

static TSS2_RC gone_before_a_command(void)
{
    struct fake_link link;
    TSS2_RC rc;

    open_link(&link);
    leave(&link);
    rc = transmit(&link, 0x8001, 20);
    assert_int_equal(transmit(&link, 0x8001, 20), NC);
    fake_link_close(&link);
    return rc;
}

/* Init as a trial, which is silent, is no reason to be silent from then on. */
static TSS2_RC gone_after_a_trial(void)
{
    struct fake_link link;
    TSS2_RC rc;

    open_link(&link);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus", 1);
    try_init(NULL);
    leave(&link);
    rc = transmit(&link, 0x8001, 20);
    fake_link_close(&link);
    return rc;
}

/* `size` bytes of a response whose header says `claims`, and then the end. */
static TSS2_RC gone_after(size_t size, uint32_t claims)
{
    uint8_t response[40] = {0};
    struct fake_link link;
    TSS2_RC rc;

    open_link(&link);
    fake_link_command(&link, 20, 1);
    header_store(response, 0x8001, claims, 0);
    fake_link_write(&link, response, size);
    leave(&link);
    rc = receive(&link);
    assert_int_equal(receive(&link), NC);
    fake_link_close(&link);
    return rc;
}

static TSS2_RC gone_before_an_answer(void)
{
    return gone_after(0, 40);
}

static TSS2_RC gone_in_a_header(void)
{
    return gone_after(5, 40);
}

static TSS2_RC gone_in_an_answer(void)
{
    return gone_after(20, 40);
}

static TSS2_RC answer_of_an_impossible_size(void)
{
    return gone_after(20, 9);
}

static TSS2_RC command_of_a_wrong_size(void)
{
    struct fake_link link;
    TSS2_RC rc;

    open_link(&link);
    rc = transmit(&link, 0x8001, 19);
    fake_link_close(&link);
    return rc;
}

static TSS2_RC command_like_a_control_frame(void)
{
    struct fake_link link;
    TSS2_RC rc;

    open_link(&link);
    rc = transmit(&link, CONTROL_FRAME_TAG, 20);
    fake_link_close(&link);
    return rc;
}

static TSS2_RC locality_refused(void)
{
    struct fake_link link;
    TSS2_RC rc;

    open_link(&link);
    fake_link_reply(&link, CONTROL_FRAME_SET_LOCALITY, NP);
    rc = Tss2_Tcti_SetLocality(link.tcti, 4);
    fake_link_close(&link);
    return rc;
}

static TSS2_RC locality_of_one_who_left(void)
{
    struct fake_link link;
    TSS2_RC rc;

    open_link(&link);
    leave(&link);
    rc = Tss2_Tcti_SetLocality(link.tcti, 0);
    fake_link_close(&link);
    return rc;
}

static const struct silence cases[] = {
    {"test_R67_told_bad_conf", bad_conf, BV, "\"host=localhost\"", NULL},
    {"test_R67_told_no_socket_file", no_socket_file, NC, "No such file or directory", NULL},
    {"test_R67_told_stale_socket_file", stale_socket_file, NC, "Connection refused", NULL},
    {"test_R67_told_socket_of_others", socket_of_others, NP, "in the group of that socket", NULL},
    {"test_R67_told_no_descriptors", no_descriptors, NC, "limit of open files", NULL},
    {"test_R67_told_stopped_daemon", stopped_daemon, NC, "is it stopped?", NULL},
    {"test_R67_told_refused_as_full", refused_as_full, NC, "--max-connections", NULL},
    {"test_R67_told_refused_before_the_hello", refused_before_the_hello, NP, "may not use it",
     NULL},
    {"test_R67_told_refused_without_a_reason", refused_without_a_reason, GF, "0x12345678", NULL},
    {"test_R67_told_closed_without_a_word", closed_without_a_word, NC, "without an answer", NULL},
    {"test_R67_told_closed_in_a_word", closed_in_the_middle_of_a_word, NC, "without an answer",
     NULL},
    {"test_R67_told_not_the_daemon", not_the_daemon, MR, "does not answer as tabrmd does", NULL},
    {"test_R67_told_gone_before_a_command", gone_before_a_command, IO, "broke while sending", NULL},
    {"test_R67_told_gone_after_a_trial", gone_after_a_trial, IO, "broke while sending", NULL},
    {"test_R67_told_gone_before_an_answer", gone_before_an_answer, IO, "closed the connection",
     NULL},
    {"test_R67_told_gone_in_a_header", gone_in_a_header, IO, "closed the connection", NULL},
    {"test_R67_told_gone_in_an_answer", gone_in_an_answer, IO, "closed the connection", NULL},
    {"test_R67_told_impossible_size", answer_of_an_impossible_size, MR, "size field", NULL},
    {"test_R67_told_wrong_size", command_of_a_wrong_size, BV, "19 bytes", NULL},
    {"test_R67_told_control_tag", command_like_a_control_frame, BV, "tag of a control frame", NULL},
    {"test_R67_told_locality_refused", locality_refused, BV, "locality 4", ""},
    {"test_R67_told_locality_of_one_who_left", locality_of_one_who_left, IO, "locality 0",
     "while sending"},
};

int main(void)
{
    int failed;

    fake_daemon_start(&daemon_);
    failed = silence_run("client silence", cases, sizeof(cases) / sizeof(cases[0]), NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
