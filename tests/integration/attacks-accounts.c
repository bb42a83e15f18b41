/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What users can do to other users who come by the socket: take all there is, appear as many, fill
 * the log. Clients are processes' sockets that were connected as other users, also as the
 * subordinate ones of a user namespace, and handed over.
 */
#include "served.h"

#include "swtpm-ctrl.h"
#include "wire/header.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define GROUP "tss"

/* Users that no user database knows: of the machine, and those that a namespace's become. */
#define STRANGER     70000
#define SUBORDINATES 300000

#define NAMESPACE_USERS 65536

#define GUESTS 80

/* Programs that connect without end, and the connections that each of them has. */
#define FLOODS     4
#define FLOOD_HELD 40

#define RC_HANDLE 0xB0910
#define SESSIONS  64 /* of the chip */

/* How somebody connects. */
struct visit {
    uint32_t uid;   /* as whom; in the namespace, if there is one */
    unsigned count; /* with so many connections, as so many users if there is a namespace */
    bool namespace;
};

/* The rest is the child's, which has no use for cmocka. */

static bool child_sends(int channel, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = &fd, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    return sendmsg(channel, &message, MSG_NOSIGNAL) == 1;
}

/* Group tss stays with who enters a namespace. */
static bool child_joins(gid_t group, bool namespace, int channel)
{
    char byte;

    if (setgroups(1, &group) < 0 || setresgid(group, group, group) < 0)
        return false;
    if (!namespace)
        return true;
    /* Its users are mapped by whoever is outside. */
    return unshare(CLONE_NEWUSER) == 0 && send(channel, "", 1, MSG_NOSIGNAL) == 1
           && recv(channel, &byte, 1, 0) == 1 && setresuid(0, 0, 0) == 0;
}

static int child(const struct visit *visit, const char *socket, gid_t group, int channel)
{
    if (!child_joins(group, visit->namespace, channel))
        return 2;
    for (unsigned i = 0; i < visit->count; i++) {
        int fd;

        if (seteuid(visit->uid + (visit->namespace ? i : 0)) < 0)
            return 3;
        fd = swtpm_connect(socket);
        if (fd < 0 || !child_sends(channel, fd))
            return 4;
        close(fd);
        if (seteuid(0) < 0)
            return 5;
    }
    return 0;
}

/* Connects as one user of the namespace after the other, until it is told to end or nobody is left
 * to do so. */
static int child_floods(const char *socket, gid_t group, int channel)
{
    const pid_t parent = getppid();
    int held[FLOOD_HELD];
    char byte;

    if (!child_joins(group, true, channel))
        return 2;
    for (unsigned i = 0; i < FLOOD_HELD; i++)
        held[i] = -1;
    for (unsigned i = 0; getppid() == parent && recv(channel, &byte, 1, MSG_DONTWAIT) < 0; i++) {
        int *place = &held[i % FLOOD_HELD];

        if (*place >= 0)
            close(*place);
        if (seteuid(i % NAMESPACE_USERS) < 0)
            return 3;
        *place = swtpm_connect(socket);
        if (seteuid(0) < 0)
            return 5;
    }
    return 0;
}

static bool map_users(pid_t pid)
{
    char path[64], map[64];
    int fd, size = snprintf(map, sizeof(map), "0 %u %u\n", SUBORDINATES, NAMESPACE_USERS);
    bool mapped;

    snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    mapped = write(fd, map, (size_t)size) == size;
    close(fd);
    return mapped;
}

static void let_into_namespace(pid_t pid, int channel)
{
    char byte;

    assert_int_equal(recv(channel, &byte, 1, 0), 1);
    assert_true(map_users(pid));
    assert_int_equal(send(channel, "", 1, MSG_NOSIGNAL), 1);
}

struct flood {
    pid_t pid;
    int channel;
};

static void flood_start(struct flood *flood, const struct world *world)
{
    const struct group *group = getgrnam(GROUP);
    char *socket = served_socket(world);
    int channel[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
    flood->pid = fork();
    assert_true(flood->pid >= 0);
    if (flood->pid == 0) {
        close(channel[0]);
        _exit(child_floods(socket, group->gr_gid, channel[1]));
    }
    close(channel[1]);
    flood->channel = channel[0];
    let_into_namespace(flood->pid, flood->channel);
    g_free(socket);
}

/* It went on until now. */
static void flood_end(struct flood *flood)
{
    int status;

    assert_int_equal(send(flood->channel, "", 1, MSG_NOSIGNAL), 1);
    close(flood->channel);
    assert_int_equal(waitpid(flood->pid, &status, 0), flood->pid);
    assert_int_equal(status, 0);
}

static struct raw_client *receive_client(int channel)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct raw_client *raw;

    if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
        return NULL;
    raw = g_new0(struct raw_client, 1);
    memcpy(&raw->fd, CMSG_DATA(&control.header), sizeof(raw->fd));
    fcntl(raw->fd, F_SETFL, fcntl(raw->fd, F_GETFL) | O_NONBLOCK);
    return raw;
}

/* Connects as the visit says. */
static void visit(const struct world *world, const struct visit *visit, struct raw_client **clients)
{
    const struct group *group = getgrnam(GROUP);
    char *socket = served_socket(world);
    int channel[2], status;
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(channel[0]);
        _exit(child(visit, socket, group->gr_gid, channel[1]));
    }
    close(channel[1]);
    if (visit->namespace)
        let_into_namespace(pid, channel[0]);
    for (unsigned i = 0; i < visit->count; i++) {
        clients[i] = receive_client(channel[0]);
        assert_non_null(clients[i]);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(channel[0]);
    g_free(socket);
}

static struct raw_client *visit_as(const struct world *world, uint32_t uid)
{
    struct raw_client *raw;

    visit(world, &(struct visit){.uid = uid, .count = 1}, &raw);
    return raw;
}

/* All sessions that the connection may have. */
static unsigned start_all(struct raw_client *raw)
{
    uint32_t handle;
    unsigned count = 0;

    while (raw_client_start_session(raw, &handle) == TPM2_RC_SUCCESS)
        count++;
    return count;
}

static void free_all(struct raw_client **clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        raw_client_free(clients[i]);
}

static bool can_visit(void)
{
    return geteuid() == 0 && getgrnam(GROUP) && getpwnam(GROUP)
           && getpwnam(GROUP)->pw_gid == getgrnam(GROUP)->gr_gid;
}

static bool has_namespaces(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER) != 0);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void leave_out_without(bool (*condition)(void), const char *reason)
{
    if (condition())
        return;
    print_message("left out: %s\n", reason);
    skip();
}

static int world_for_all(void **state)
{
    static const char *const args[] = {"--idle-release=never", "--max-connections=64", NULL};
    int error = served_world_with(state, args);
    const struct world *world = *state;

    /* The world's directory is its user's; here others come to it. */
    return error || chmod(world->dir, 0711) < 0 ? -1 : 0;
}

/* One user of a namespace after the other takes what a user may have. */
static void test_R53_subordinate_users_are_one_account(void **state)
{
    struct world *world = *state;
    struct raw_client *guests[24], *member, *root;
    unsigned held = 0;

    leave_out_without(can_visit, "it takes root, and user and group " GROUP);
    leave_out_without(has_namespaces, "there are no user namespaces");
    visit(world, &(struct visit){.count = 24, .namespace = true}, guests);
    for (unsigned i = 0; i < 24; i++)
        held += start_all(guests[i]);
    assert_in_range(held, 1, SESSIONS / 2);
    member = visit_as(world, getpwnam(GROUP)->pw_uid);
    assert_in_range(start_all(member), 8, SESSIONS / 2);
    root = served_raw_client(world);
    assert_in_range(start_all(root), 4, SESSIONS / 2);
    raw_client_free(root);
    raw_client_free(member);
    free_all(guests, 24);
}

/* The same with connections: those that are refused are the guests' own. */
static void test_R53_subordinate_users_do_not_take_all_connections(void **state)
{
    struct world *world = *state;
    struct raw_client *guests[GUESTS], *member;
    unsigned served = 0;
    uint32_t handle;

    leave_out_without(can_visit, "it takes root, and user and group " GROUP);
    leave_out_without(has_namespaces, "there are no user namespaces");
    visit(world, &(struct visit){.count = GUESTS, .namespace = true}, guests);
    for (unsigned i = 0; i < GUESTS; i++)
        served += raw_client_send_handle(guests[i], TPM2_CC_ReadPublic, 0x80000000) == RC_HANDLE;
    /* Of 64 connections 8 are kept for root. */
    assert_in_range(served, 1, (64 - 8) / 2);
    member = visit_as(world, getpwnam(GROUP)->pw_uid);
    assert_int_equal(raw_client_start_session(member, &handle), TPM2_RC_SUCCESS);
    raw_client_free(member);
    free_all(guests, GUESTS);
}

/* Guests have all that they may, and new ones come without end. A member that only its own group
 * tells, whom the daemon was never asked for, is let in on its own account. */
static void test_R53_a_flood_of_subordinate_users_refuses_no_member(void **state)
{
    struct world *world = *state;
    struct raw_client *guests[GUESTS], *members[4];
    struct flood floods[FLOODS];

    leave_out_without(can_visit, "it takes root, and user and group " GROUP);
    leave_out_without(has_namespaces, "there are no user namespaces");
    visit(world, &(struct visit){.count = GUESTS, .namespace = true}, guests);
    for (unsigned i = 0; i < FLOODS; i++)
        flood_start(&floods[i], world);
    visit(world, &(struct visit){.uid = getpwnam(GROUP)->pw_uid, .count = 4}, members);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(raw_client_send_handle(members[i], TPM2_CC_ReadPublic, 0x80000000),
                         RC_HANDLE);
    for (unsigned i = 0; i < FLOODS; i++)
        flood_end(&floods[i]);
    free_all(members, 4);
    free_all(guests, GUESTS);
}

static void test_R54_two_users_do_not_lock_out_root(void **state)
{
    struct world *world = *state;
    struct raw_client *first[4], *second[4], *root;

    leave_out_without(can_visit, "it takes root, and user and group " GROUP);
    visit(world, &(struct visit){.uid = getpwnam(GROUP)->pw_uid, .count = 4}, first);
    visit(world, &(struct visit){.uid = STRANGER, .count = 4}, second);
    for (unsigned i = 0; i < 4; i++)
        start_all(first[i]);
    for (unsigned i = 0; i < 4; i++)
        start_all(second[i]);
    root = served_raw_client(world);
    assert_non_null(root);
    assert_in_range(start_all(root), 4, SESSIONS);
    raw_client_free(root);
    free_all(first, 4);
    free_all(second, 4);
}

/* Saved sessions of closed connections, one after the other: each beyond the limit is flushed, and
 * was worth a line. */
static void test_R57_a_client_cannot_fill_the_log(void **state)
{
    struct world *world = *state;
    unsigned lines = 0;
    uint32_t handle;
    char *log;

    for (unsigned i = 0; i < 100; i++) {
        struct raw_client *raw = served_raw_client(world);

        assert_non_null(raw);
        assert_int_equal(raw_client_start_session(raw, &handle), TPM2_RC_SUCCESS);
        assert_int_equal(raw_client_send_handle(raw, TPM2_CC_ContextSave, handle), 0);
        raw_client_free(raw);
    }
    assert_int_equal(world_stop_daemon(world), 0);
    log = world_daemon_log(world);
    for (const char *at = log; (at = strstr(at, "is flushed")); at++)
        lines++;
    assert_in_range(lines, 1, 10);
    assert_non_null(strstr(log, "more lines about saved sessions"));
    g_free(log);
}

#define ATTACK(name) cmocka_unit_test_setup_teardown(name, world_for_all, suite_end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ATTACK(test_R53_subordinate_users_are_one_account),
        ATTACK(test_R53_subordinate_users_do_not_take_all_connections),
        ATTACK(test_R53_a_flood_of_subordinate_users_refuses_no_member),
        ATTACK(test_R54_two_users_do_not_lock_out_root),
        ATTACK(test_R57_a_client_cannot_fill_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
