/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One attacker of the soak as a program: soak-attacker INDEX SEED TALLY SOCKET BUS
 *
 * It is another user than the clients, and tries to keep the daemon from serving them: round by
 * round, each bounded in count and time, with rests between them. What the daemon makes of that is
 * not its concern: a connection that is refused or closed ends the round.
 */
#include "attack-crowd.h"
#include "bus-attacker.h"
#include "chance.h"
#include "raw-client.h"
#include "swtpm-ctrl.h"
#include "tally.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <tss2/tss2_tpm2_types.h>

#define ROUND_MS   300  /* of sending without end, */
#define TURNS      2000 /* or so often, */
#define TURN_MS    1000 /* and this long without being able to */
#define REST_MS    1000 /* between rounds, at most */
#define HANG_UPS   10
#define HANG_UP_MS 4
#define CONNECTS   300
#define CALLS      1000
#define VARIANTS   (8u * 1024 * 1024 / 4)
#define SAVED      80

struct attacker {
    struct tally *tally;
    const char *socket, *bus; /* paths */
    uint64_t chance;          /* state of the generator */
    struct attack_crowd crowd;
};

typedef void attack_round(struct attacker *attacker);

static void stream(struct attacker *attacker, attack_bytes_fn *write)
{
    gint64 end;

    attack_crowd_init(&attacker->crowd, write);
    if (!attack_crowd_connect(&attacker->crowd, attacker->socket))
        return;
    end = g_get_monotonic_time() + (gint64)ROUND_MS * 1000;
    for (unsigned i = 0; i < TURNS && g_get_monotonic_time() < end; i++)
        if (!attack_crowd_turn(&attacker->crowd, TURN_MS))
            break;
    attack_crowd_close(&attacker->crowd);
}

static void send_capabilities(struct attacker *attacker)
{
    stream(attacker, attack_bytes_capabilities);
}

static void send_mixture(struct attacker *attacker)
{
    stream(attacker, attack_bytes_mixture);
}

static void send_canceled(struct attacker *attacker)
{
    stream(attacker, attack_bytes_canceled);
}

static void send_hellos(struct attacker *attacker)
{
    stream(attacker, attack_bytes_hellos);
}

static void send_commands_and_hellos(struct attacker *attacker)
{
    stream(attacker, attack_bytes_commands_and_hellos);
}

static void hang_up(struct attacker *attacker)
{
    attack_crowd_init(&attacker->crowd, attack_bytes_primaries);
    for (unsigned i = 0; i < HANG_UPS; i++)
        if (attack_crowd_connect(&attacker->crowd, attacker->socket))
            attack_crowd_hang_up(&attacker->crowd, HANG_UP_MS);
}

static void connect_and_close(struct attacker *attacker)
{
    for (unsigned i = 0; i < CONNECTS; i++) {
        int fd = swtpm_connect(attacker->socket);

        if (fd >= 0)
            close(fd);
    }
}

/* A message that is too large to be read, up to its answer. */
static void send_large_message(struct attacker *attacker)
{
    int fd = bus_attacker_join(attacker->bus);
    size_t size;
    uint8_t *call = bus_attacker_large_call(VARIANTS, &size);

    if (fd >= 0 && bus_attacker_send(fd, call, size))
        g_free(bus_attacker_refusal(fd));
    if (fd >= 0)
        close(fd);
    g_free(call);
}

static void call_without_reply(struct attacker *attacker)
{
    int fd = bus_attacker_join(attacker->bus);
    size_t size;
    uint8_t *call =
        bus_attacker_call("CreateConnection", NULL, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED, &size);

    if (fd >= 0) {
        bus_attacker_send_calls(fd, call, size, CALLS);
        close(fd);
    }
    g_free(call);
}

/* Sessions that are saved and left behind: each beyond a limit is flushed, which the log says. */
static void leave_saved_sessions(struct attacker *attacker)
{
    for (unsigned i = 0; i < SAVED; i++) {
        struct raw_client *raw = raw_client_connect(attacker->socket);
        uint32_t handle;

        if (raw && raw_client_start_session(raw, &handle) == TPM2_RC_SUCCESS)
            raw_client_send_handle(raw, TPM2_CC_ContextSave, handle);
        raw_client_free(raw);
    }
}

static attack_round *const rounds[SOAK_ATTACKERS] = {
    hang_up,
    send_capabilities,
    send_mixture,
    send_canceled,
    send_hellos,
    send_commands_and_hellos,
    connect_and_close,
    send_large_message,
    call_without_reply,
    leave_saved_sessions,
};

/* From now on another user, who ends with the soak as before. */
static bool become_attacker(void)
{
    const struct passwd *user = getpwnam(SOAK_ATTACKER_USER);
    const struct group *group = getgrnam(SOAK_ATTACKER_GROUP);
    gid_t gid = group ? group->gr_gid : 0;

    return user && group && setgroups(1, &gid) == 0 && setresgid(gid, gid, gid) == 0
           && setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0
           && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0
           /* A sanitizer looks at its own process in the end. */
           && prctl(PR_SET_DUMPABLE, 1) == 0;
}

static void rest(struct attacker *attacker)
{
    struct timespec time = {0, (long)chance_below(&attacker->chance, REST_MS) * 1000000};

    nanosleep(&time, NULL);
}

int main(int argc, char **argv)
{
    static struct attacker attacker;
    unsigned long index = argc == 6 ? strtoul(argv[1], NULL, 10) : SOAK_ATTACKERS;

    if (index >= SOAK_ATTACKERS) {
        fprintf(stderr, "usage: soak-attacker INDEX SEED TALLY SOCKET BUS\n");
        return 64;
    }
    attacker.chance = chance_seed(strtoull(argv[2], NULL, 10) + index);
    attacker.tally = tally_open(argv[3]);
    attacker.socket = argv[4];
    attacker.bus = argv[5];
    if (!attacker.tally || !become_attacker()) {
        perror("soak-attacker");
        return 1;
    }
    while (atomic_load(&attacker.tally->stop) == 0) {
        rounds[index](&attacker);
        atomic_fetch_add(&attacker.tally->rounds[index], 1);
        rest(&attacker);
    }
    tally_close(attacker.tally);
    return 0;
}
