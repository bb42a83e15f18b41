/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that one integration test needs, in a directory of its own: a fresh swtpm behind Unix
 * sockets, a private D-Bus, and the daemon between them with the counting TCTI below it. No test
 * sees another's world, and no port or name outside of the directory is used.
 *
 * What is tested comes from the environment, else from the build:
 *   TABRMD_TEST_DAEMON       the daemon
 *   TABRMD_TEST_CLIENT       the client library that the test process itself loads
 *   TABRMD_TEST_TOOLS_LIBDIR the directory with the client library for tpm2-tools
 *   TABRMD_TEST_COUNTING     the counting TCTI
 *   TABRMD_TEST_PEER_DAEMON  the packaged tpm2-abrmd
 *   TABRMD_TEST_PEER_LIBDIR  the directory with the packaged client library
 *   TABRMD_TEST_VARIANT      how the daemon under test is run, or on what, in all worlds:
 *                            `idle-at-once` releases what is loaded as soon as no command waits
 *                            (--idle-release=0), `never-idle` never does (--idle-release=never),
 *                            and `two-slots` has a chip with an object slot and a session slot
 *                            fewer (slots.h); with `member` and `guarded` programs run as a
 *                            member of the socket's group, under --policy=standard and guarded,
 *                            where the test is root and there is one; empty for what each test
 *                            asks for. Another daemon than the one under test is run as ever
 * Functions that return NULL or false have said on standard error why.
 */
#pragma once

#include "counts.h"
#include "process.h"

#include <gio/gio.h>
#include <stddef.h>

/* Bounds of all waiting, in milliseconds; far beyond what a slow machine needs. */
#define WORLD_START_MS 30000
#define WORLD_END_MS   30000
#define WORLD_TOOL_MS  120000

/* For a daemon under test, so that it does not read what this machine's is told to be. */
#define WORLD_NO_CONFIG "--config=/dev/null"

enum world_variant {
    WORLD_USUAL,
    WORLD_IDLE_AT_ONCE,
    WORLD_NEVER_IDLE,
    WORLD_TWO_SLOTS,
    WORLD_MEMBER,
    WORLD_GUARDED,
    WORLD_VARIANTS
};

/* Slots for objects, and as many for sessions, of swtpm. */
#define WORLD_SLOTS 3

/* What a world is to be other than usual; all zero is the usual one. The strings are borrowed for
 * as long as the world lives. */
struct world_setup {
    const char *daemon;       /* another daemon than the one under test */
    const char *const *args;  /* more arguments for the daemon, NULL-ended */
    const char *const *env;   /* its environment, as in struct process_setup */
    const char *tools_libdir; /* another client library for tpm2-tools */
    const char *tcti;         /* more configuration for the counting TCTI: "profile=discrete" */
    const char *neighbour;    /* what another user of the chip wants: "2/1", see counting-conf.h */
    const char *bus_rules;    /* more rules for the bus policy: "<deny own='...'/>" */
    bool tpm12;               /* swtpm plays a TPM 1.2 */
    bool all_slots;           /* the chip has all its slots in each variant */
    bool no_daemon;           /* world_start_daemon() is called by the test */
};

struct world {
    struct world_setup setup;
    char dir[32];  /* the world's directory; tools run in `dir`/work */
    char *tcti;    /* loader string of the counting TCTI */
    char *address; /* of the bus; also in DBUS_SESSION_BUS_ADDRESS */
    GDBusConnection *bus;
    struct process swtpm, bus_daemon, daemon;
    struct counts *counts;
    struct counts *refused; /* behind which commands the neighbour found no room, or NULL */
};

/* A world with its daemon ready to serve. */
struct world *world_new(const struct world_setup *setup);

/*
 * Ends all processes of the world and frees it. True when the daemon, if it still ran, ended on
 * SIGTERM with status 0, and no sanitizer had anything to say; else its log goes to standard
 * error. NULL is fine.
 */
bool world_free(struct world *world);

/* Starts the daemon and waits until it owns its bus name; another daemon than the one under test
 * must have its object there, too. */
bool world_start_daemon(struct world *world);

/* The command line by which the world's daemon is started, to be freed with g_strfreev(): for who
 * starts it otherwise. */
char **world_daemon_argv(const struct world *world);

/* Ends the daemon with SIGTERM. Its exit status, or -1 when it had to be killed. */
int world_stop_daemon(struct world *world);

/* Ends the daemon with SIGKILL. */
void world_kill_daemon(struct world *world);

/* True when somebody owns the bus name. */
bool world_name_owned(const struct world *world, const char *name);

/* Path of a file in the world's directory; the caller frees it with g_free(). */
char *world_path(const struct world *world, const char *name);

/* What the daemon has written so far; the caller frees it with g_free(). */
char *world_daemon_log(const struct world *world);

/* The script of the counting TCTI's faults (see faults.h); "" ends all faults. */
bool world_set_faults(const struct world *world, const char *script);

/*
 * The handles from `first` on that are of its kind (0x80000000, 0x81000000, 0x02000000 for loaded
 * sessions, 0x03000000 for saved ones), asked of the chip itself; the daemon must not run. How
 * many were written to `handles`, or -1.
 */
int world_chip_handles(const struct world *world, uint32_t first, uint32_t *handles, size_t max);

/* True when the chip holds no transient object and no session, loaded or saved. */
bool world_chip_empty(const struct world *world);

/* Turns swtpm's power off and on, under whoever is connected. */
bool world_power_cycle(const struct world *world);

/* Waits up to `ms` milliseconds until `check` is true of `argument`, looking every few. */
bool world_poll(bool (*check)(void *argument), void *argument, int ms);

/* The variant that is asked for. A value that is none makes world_new() fail. */
enum world_variant world_variant(void);

/* The last argument of a daemon under test, so that it overrides those before it; NULL when the
 * variant has none. */
const char *world_variant_option(void);

/* The user and group that programs run as in this variant, or NULL: as the test. */
const char *world_member(void);

/* Slots for objects, and as many for sessions, that the chip has in this variant. */
unsigned world_slots(void);

/* The value of an environment variable, or `otherwise` where it is not set or empty. */
const char *world_env(const char *name, const char *otherwise);

/* The client library that the test process loads, as a TCTI loader string for this bus. */
char *world_client_conf(void);

/* Paths of the packaged daemon and of its client library's directory. */
const char *world_peer_daemon(void);
const char *world_peer_libdir(void);
