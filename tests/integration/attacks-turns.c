/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a user can do to the order of service: hang up on expensive commands, ask for what costs the
 * TPM nothing, cancel, talk to the daemon without end. While a child of the test does that over the
 * socket as one user, another user works, and comes anew by both ways; all of its commands are
 * answered within a time that is far more than they take, and far less than they took where nothing
 * guards against the attack.
 */
#include "served.h"

#include "attack-crowd.h"
#include "wire/header.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define GROUP    "tss"
#define ATTACKER 70000 /* a user that no user database knows */

#define COMMANDS  200   /* of the other user, */
#define PAUSE_MS  5     /* between them, so that the attack goes on meanwhile, */
#define NEWCOMERS 10    /* and how often it comes by each way, and makes a key: */
#define ALL_IN_MS 60000 /* all of that */

struct attack {
    const char *name;
    attack_bytes_fn *write;
    unsigned hang_up_ms; /* all connections close after so long, and come again; 0: they stay */
};

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};

/* The rest is the child's, up to its end; it has no use for cmocka. */

static struct attack_crowd crowd;

/* All connections have been at work once. */
static bool child_tells(int channel)
{
    return send(channel, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 || errno == EAGAIN;
}

/* Until something fails. */
static void child_stays(int channel)
{
    unsigned turns = 0;

    while (attack_crowd_turn(&crowd, -1))
        if (++turns == 2 * ATTACK_CROWD && !child_tells(channel))
            return;
}

/* Goes on until it is killed. */
static int child(const struct attack *attack, const char *socket, gid_t group, int channel)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setgroups(1, &group) < 0 || setresgid(group, group, group) < 0
        || setresuid(ATTACKER, ATTACKER, ATTACKER) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return 2;
    attack_crowd_init(&crowd, attack->write);
    do {
        if (!attack_crowd_connect(&crowd, socket))
            return 3;
        if (!attack->hang_up_ms) {
            child_stays(channel);
            return 4;
        }
        attack_crowd_hang_up(&crowd, attack->hang_up_ms);
    } while (child_tells(channel));
    return 5;
}

/* The child, at work. */
static pid_t begin(const struct world *world, const struct attack *attack, int channel[2])
{
    const struct group *group = getgrnam(GROUP);
    char *socket = served_socket(world), byte;
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, channel), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(channel[0]);
        _exit(child(attack, socket, group->gr_gid, channel[1]));
    }
    g_free(socket);
    close(channel[1]);
    assert_int_equal(recv(channel[0], &byte, 1, 0), 1);
    return pid;
}

/* Ends the child, which was at work until now. */
static void end(pid_t attacker)
{
    int status;

    assert_int_equal(waitpid(attacker, &status, WNOHANG), 0);
    kill(attacker, SIGKILL);
    assert_int_equal(waitpid(attacker, &status, 0), attacker);
}

static int compare(const void *a, const void *b)
{
    gint64 left = *(const gint64 *)a, right = *(const gint64 *)b;

    return left < right ? -1 : left > right;
}

/* How long the client waits for random bytes, microseconds. */
static gint64 wait_of(struct raw_client *raw)
{
    gint64 since = g_get_monotonic_time();

    assert_non_null(raw);
    assert_int_equal(raw_client_transact(raw, get_random, sizeof(get_random)), TPM2_RC_SUCCESS);
    return g_get_monotonic_time() - since;
}

/* How long it waits for a key. */
static gint64 wait_for_key(struct raw_client *raw)
{
    uint8_t command[ATTACK_BYTES_MAX], response[ATTACK_BYTES_MAX];
    gint64 since = g_get_monotonic_time(), wait;

    assert_true(raw_client_send(raw, command, attack_bytes_primary(command)));
    assert_true(raw_client_receive(raw, response, sizeof(response)) > HEADER_SIZE + 4);
    wait = g_get_monotonic_time() - since;
    assert_int_equal(header_load(response).code, TPM2_RC_SUCCESS);
    assert_int_equal(
        raw_client_send_handle(raw, TPM2_CC_FlushContext, load_be32(response + HEADER_SIZE)),
        TPM2_RC_SUCCESS);
    return wait;
}

/* The same for one that connects for random bytes. */
static gint64 wait_of_newcomer(struct world *world, enum served_way way)
{
    gint64 since = g_get_monotonic_time();
    struct raw_client *raw = way == SERVED_BUS ? raw_client_new(world) : served_raw_client(world);

    wait_of(raw);
    raw_client_free(raw);
    return g_get_monotonic_time() - since;
}

static gint64 longer(gint64 a, gint64 b)
{
    return a > b ? a : b;
}

/* The other user's work, which is to be done in time. */
static void work(struct world *world, const char *name)
{
    struct raw_client *raw = served_raw_client(world);
    gint64 since = g_get_monotonic_time(), waits[COMMANDS], newcomer = 0, key = 0;

    for (unsigned i = 0; i < COMMANDS; i++) {
        poll(NULL, 0, PAUSE_MS);
        waits[i] = wait_of(raw);
        if (i % (COMMANDS / NEWCOMERS) != 0)
            continue;
        newcomer = longer(newcomer, wait_of_newcomer(world, SERVED_BUS));
        newcomer = longer(newcomer, wait_of_newcomer(world, SERVED_SOCKET));
        key = longer(key, wait_for_key(raw));
    }
    assert_in_range(g_get_monotonic_time() - since, 0, (gint64)ALL_IN_MS * 1000);
    raw_client_free(raw);
    qsort(waits, COMMANDS, sizeof(*waits), compare);
    print_message(
        "%s: median %.1f ms, worst %.1f ms, newcomers up to %.1f ms, keys up to %.1f ms\n", name,
        (double)waits[COMMANDS / 2] / 1e3, (double)waits[COMMANDS - 1] / 1e3,
        (double)newcomer / 1e3, (double)key / 1e3);
}

static void attacked(void **state)
{
    const struct attack *attack = *state;
    struct world *world = NULL;
    pid_t attacker;
    int channel[2];

    if (geteuid() != 0 || !getgrnam(GROUP)) {
        print_message("left out: it takes root, and group " GROUP "\n");
        skip();
    }
    assert_int_equal(served_world((void **)&world), 0);
    /* The world's directory is its user's; here others come to it. */
    assert_int_equal(chmod(world->dir, 0711), 0);
    attacker = begin(world, attack, channel);
    work(world, attack->name);
    end(attacker);
    close(channel[0]);
    assert_true(world_free(world));
}

static const struct attack attacks[] = {
    {"test_R49_hanging_up_on_expensive_commands", attack_bytes_primaries, 4},
    {"test_R50_answers_from_the_books", attack_bytes_capabilities, 0},
    {"test_R50_a_mixture_of_cheap_and_expensive", attack_bytes_mixture, 0},
    {"test_R51_commands_and_their_cancels", attack_bytes_canceled, 0},
    {"test_R51_control_frames", attack_bytes_hellos, 0},
    {"test_R51_control_frames_beside_commands", attack_bytes_commands_and_hellos, 0},
};

#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

int main(void)
{
    struct CMUnitTest tests[ATTACKS];

    for (size_t i = 0; i < ATTACKS; i++)
        tests[i] = (struct CMUnitTest){
            .name = attacks[i].name,
            .test_func = attacked,
            .initial_state = (void *)(uintptr_t)&attacks[i],
        };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
