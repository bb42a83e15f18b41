/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups of a peer are those that the kernel tells. */
#include "emulator.h"
#include "engine/peer-groups.h"

#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 5000

static void test_R75_the_kernel_tells_the_groups_of_a_peer(void **state)
{
    struct peer_groups groups;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(peer_groups_of_socket(&groups, pair[0]));
    assert_true(groups.known);
    assert_true(peer_groups_have(&groups, getegid()));
    assert_int_equal(groups.count, getgroups(0, NULL) + 1);
    assert_false(peer_groups_have(&groups, (gid_t)-1));
    peer_groups_clear(&groups);
    peer_groups_clear(&groups);
    assert_false(groups.known);
    assert_false(peer_groups_have(&groups, getegid()));
    close(pair[0]);
    close(pair[1]);
}

/* In a process of its own, for its groups are changed. Whether all is well. */
static int with_many_groups(void)
{
    static gid_t ids[MANY];
    struct peer_groups groups;
    int pair[2];

    for (unsigned i = 0; i < MANY; i++)
        ids[i] = 100000 + i;
    if (setgroups(MANY, ids) < 0 || setegid(77) < 0
        || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return 1;
    /* What a process becomes later is of no account. */
    if (setegid(0) < 0 || setgroups(0, NULL) < 0)
        return 2;
    if (!peer_groups_of_socket(&groups, pair[0]) || !groups.known || groups.count != MANY + 1
        || !peer_groups_have(&groups, 77) || !peer_groups_have(&groups, 100000)
        || !peer_groups_have(&groups, 100000 + MANY - 1) || peer_groups_have(&groups, 0))
        return 3;
    peer_groups_clear(&groups);
    return 0;
}

static void test_R75_a_peer_may_have_many_groups(void **state)
{
    int status;
    pid_t child;

    (void)state;
    if (geteuid() != 0 || emulator_is_kernel())
        skip(); /* an emulator tells no groups (SO_PEERGROUPS) */
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(with_many_groups());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_R75_what_is_no_socket_has_no_known_groups(void **state)
{
    struct peer_groups groups;
    int pair[2];

    (void)state;
    assert_int_equal(pipe(pair), 0);
    assert_true(peer_groups_of_socket(&groups, pair[0]));
    assert_false(groups.known);
    assert_int_equal(groups.count, 0);
    assert_true(peer_groups_of_socket(&groups, -1));
    assert_false(groups.known);
    close(pair[0]);
    close(pair[1]);
}

static void test_R75_copies_are_of_their_own_memory(void **state)
{
    gid_t ids[] = {4, 5};
    struct peer_groups from = {true, 2, ids}, copy;

    (void)state;
    assert_true(peer_groups_copy(&copy, &from));
    ids[0] = 6;
    assert_true(copy.known);
    assert_true(peer_groups_have(&copy, 4));
    assert_false(peer_groups_have(&copy, 6));
    peer_groups_clear(&copy);
    assert_true(peer_groups_copy(&copy, &(struct peer_groups){.known = true}));
    assert_true(copy.known);
    assert_int_equal(copy.count, 0);
    peer_groups_clear(&copy);
    assert_true(peer_groups_copy(&copy, &(struct peer_groups){0}));
    assert_false(copy.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R75_the_kernel_tells_the_groups_of_a_peer),
        cmocka_unit_test(test_R75_a_peer_may_have_many_groups),
        cmocka_unit_test(test_R75_what_is_no_socket_has_no_known_groups),
        cmocka_unit_test(test_R75_copies_are_of_their_own_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
