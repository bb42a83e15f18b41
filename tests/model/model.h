/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the clients of a program hold, as the test itself knows it, and the two TPMs that they talk
 * to at the same time: one through the resource manager, one without (reference.h). Each command
 * of a client goes to both; the answers must say the same, byte for byte but for handles and
 * contexts, and the manager's books must say what the model says.
 *
 * When a divergence shows, model_fail() tells it and ends the process.
 */
#pragma once

#include "chip-watch.h"
#include "digest.h"
#include "plain-journal.h"
#include "random.h"
#include "reference.h"
#include "rm/state.h"

#include <setjmp.h>

#define MODEL_CLIENTS    6
#define MODEL_THINGS     2048
#define MODEL_CONTEXTS   1024
#define MODEL_MATERIALS  64
#define MODEL_PERSISTENT 3
#define MODEL_NAME       34

/* Exit statuses of a program's process. */
#define MODEL_EXIT_OK       0
#define MODEL_EXIT_DIVERGED 3

enum thing_kind {
    KIND_HMAC_KEY,
    KIND_SEALED,
    KIND_SYMMETRIC,
    KIND_SYMMETRIC_PARENT,
    KIND_ECC_PARENT,
    KIND_ECC_SIGN,
    KIND_ECC_EXCHANGE,
    KIND_RSA_SIGN,
    KIND_PUBLIC, /* the public part only, of an ECC signing key */
    KIND_HASH_SEQUENCE,
    KIND_EVENT_SEQUENCE,
    KIND_HMAC_SEQUENCE,
    KIND_SESSION,
};

/* Which authPolicy a key has. */
enum key_policy {
    POLICY_NONE,
    POLICY_AUTH_VALUE,   /* PolicyAuthValue or PolicyPassword */
    POLICY_COMMAND_CODE, /* PolicyCommandCode of the command that its kind is for */
};

struct secret {
    uint8_t size;
    uint8_t bytes[15];
};

/* What is true of an object and of each copy of it. */
struct traits {
    enum thing_kind kind;
    enum key_policy policy;
    uint32_t hierarchy;
    struct secret auth;
    unsigned name_size;
    uint8_t name[MODEL_NAME];
    uint16_t point_size; /* x of an ECC key's public point */
    uint8_t point[66];
};

struct session_facts {
    uint8_t type; /* TPM2_SE */
    bool xor_encryption;
    bool auth_value_needed, password_needed; /* by the policy up to now */
    unsigned policy_steps;
    bool audited;        /* something */
    bool audits_handles; /* what it audited named sessions by handles, which the two TPMs chose */
    uint8_t key[DIGEST_SIZE];
    unsigned key_size;
    uint8_t nonce_tpm[DIGEST_SIZE];
    unsigned nonce_size;
    bool bound;
    struct secret bind_auth;
    unsigned bind_name_size;
    uint8_t bind_name[MODEL_NAME];
};

enum thing_state {
    THING_DEAD,
    THING_LIVE,  /* its owner can use it */
    THING_SAVED, /* a session that is out, in a context that a client has */
};

struct thing {
    uint32_t number;
    enum thing_state state;
    /* A fault has hit: what the chips still have of it may differ. Whether it lives is known when
     * the manager says that it does not. */
    bool unsure;
    bool ended;       /* the reference has it no more */
    bool reset;       /* because of a reset, which the manager will see */
    int owner;        /* a client, or -1: the session of a closed connection */
    uint32_t uid;     /* who pays for that */
    uint32_t handle;  /* by the manager */
    uint32_t session; /* the reference's handle of a session */
    uint32_t saved_at;
    struct traits traits;
    struct session_facts facts;
};

/* A context that a client was given. Nobody's in particular: it loads everywhere. */
struct saved_context {
    uint32_t number;
    uint32_t thing; /* whose it is; for a session the only one */
    struct traits traits;
    bool unsure; /* it may be dead, and the manager does not know */
    uint8_t *bytes;
    size_t size;
};

/* A key that TPM2_Create made. */
struct material {
    struct traits traits;
    uint8_t parent[MODEL_NAME];
    uint16_t private_size, public_size;
    uint8_t private_area[1024], public_area[512];
};

struct client {
    struct rm_client *client; /* NULL: not connected */
    uint32_t uid;
};

/* When the manager leaves its chip empty. */
enum release {
    RELEASE_AT_TIMES,  /* in steps of their own */
    RELEASE_EACH_STEP, /* as --idle-release=0 */
    RELEASE_NEVER,     /* as --idle-release=never: idle steps only tidy up */
};

/* What is chosen for a whole program. */
struct setting {
    uint64_t program;
    unsigned clients;
    bool spilling;   /* see reference.h */
    unsigned faults; /* steps of 100 that meet one */
    bool resets;
    bool deaths;                    /* of daemons; see deaths.h */
    enum chip_watch_fault sabotage; /* what the model must notice */
    enum release release;
    unsigned object_slots, session_slots;
    uint32_t gap;
    struct rm_reserve reserve;
    struct rm_limits limits;
};

struct model {
    struct setting setting;
    struct libtpms_chip *chip;
    struct chip_watch watch;
    struct rm *rm;
    struct chip facts;          /* of the chip, as the manager has them at first */
    struct plain_journal plain; /* the manager's journal */
    int reference;
    bool trace;
    unsigned *reason; /* see struct program */
    unsigned step;

    struct client clients[MODEL_CLIENTS];
    struct thing things[MODEL_THINGS];
    uint32_t thing_count; /* number 0 is none */
    struct saved_context contexts[MODEL_CONTEXTS];
    uint32_t context_count;
    struct material materials[MODEL_MATERIALS];
    uint32_t material_count;
    struct traits persistent[MODEL_PERSISTENT]; /* the key that was last put there */
    uint32_t saves;
    uint64_t exchanges;     /* commands so far */
    bool reset_not_started; /* the chip was reset and not started since: the manager may not know */
    unsigned exclusive_since; /* a step: an audit session is exclusive since then; 0: none is */

    struct random deaths;   /* chances of the daemon's, in this step */
    jmp_buf death;          /* where the next daemon begins */
    bool mortal;            /* it may die now */
    bool died;              /* one has, and what it had on its heap is left there */
    bool asked_late;        /* the next one asked the chip after the client's command */
    enum run_phase phase;   /* of the client's command when the daemon died */
    const uint8_t *command; /* of the client */
    size_t command_size;

    uint8_t response[REFERENCE_BYTES]; /* the manager's last answer */
    size_t response_size;
    uint8_t other[REFERENCE_BYTES]; /* the reference's */
    size_t other_size;
};

/* A model and its two TPMs: `chip` is started and empty, and facts are what chip_read() said. */
struct model *model_new(struct libtpms_chip *chip, const struct chip *facts,
                        const struct setting *setting, bool trace);

void model_free(struct model *model);

__attribute__((format(printf, 2, 3), noreturn)) void model_fail(struct model *model,
                                                                const char *format, ...);
__attribute__((format(printf, 2, 3))) void model_trace(struct model *model, const char *format,
                                                       ...);

/* The things that a client can use. */
struct thing *model_find(struct model *model, unsigned client, uint32_t handle);

/* One of those that a client can use and that pass the test; NULL when there is none. */
typedef bool model_test(const struct thing *thing);
struct thing *model_pick(struct model *model, struct random *random, unsigned client,
                         model_test *test);

bool thing_is_object(const struct thing *thing);
bool thing_is_session(const struct thing *thing);

/* Whether the client may see and flush the thing: it is the client's, or a session that a closed
 * connection of the same user left saved. */
bool model_belongs(const struct model *model, const struct thing *thing, unsigned client);
bool thing_is_sequence(const struct thing *thing);

/* Enters what a command made, which model_next() has numbered. */
uint32_t model_next(struct model *model);
struct thing *model_add(struct model *model, unsigned client, uint32_t number,
                        const struct traits *traits);

/* Live objects and sessions in slots, of one client (or all: -1) . */
unsigned model_count(const struct model *model, int client, model_test *test);

/* Asks the chip itself whether it has had its startup. */
bool model_chip_is_started(struct model *model);

/* The manager has answered without its chip what the reference had its chip run, which ends the
 * exclusiveness of an audit session there. Ends it here as well. */
void model_end_exclusive(struct model *model);

/* The manager has asked its chip something, and the reference is asked as well: there no audit
 * session is exclusive from here on. */
void model_ask_reference(struct model *model);

/* After something was sent to the manager: a session whose only context was in an answer that was
 * lost cannot live, and those of closed connections go when the chip has no handles left. */
void model_note_faults(struct model *model);

void model_kill(struct model *model, struct thing *thing);
void model_forget(struct model *model, struct thing *thing);

void model_connect(struct model *model, unsigned client);
void model_disconnect(struct model *model, unsigned client);
void model_idle(struct model *model, unsigned steps, bool release);
void model_power_cycle(struct model *model);

/* Things whose TPM state the reference has lost die in the model; with `unsure` the manager may
 * find out later. */
void model_ask_who_lives(struct model *model, bool unsure);
