/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a daemon tells of itself, as plain data. Counts are since its start, times are microseconds,
 * and texts printable ASCII of a bounded length, whatever the daemon said. All belongs to the
 * model.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MODEL_BUCKETS 32

/* What a model can have. */
enum model_part {
    MODEL_CHIP = 1,
    MODEL_STATUS = 2,
    MODEL_CONNECTIONS = 4,
    MODEL_USERS = 8,
    MODEL_STATISTICS = 16,
    MODEL_SLOTS = 32,
    MODEL_LOCKOUT = 64,
};

/* The daemon, and the chip that it serves. */
struct model_chip {
    char *version;
    char *tpm; /* the TPM's name where there are several, or "" */
    char *manufacturer, *model, *firmware, *revision;
    char *state; /* a word of org.tabrmd.Manager1 */
    char *log_level;
    uint32_t object_slots, session_slots, active_sessions;
    uint32_t max_command, max_response; /* bytes */
};

struct model_trouble {
    char *kind; /* a word; "": there was none */
    char *text, *remedy;
    uint64_t time; /* since the epoch */
};

struct model_status {
    uint32_t connections;
    bool tpm_present;
    uint64_t client_commands, chip_commands, context_commands, refused_commands;
    uint64_t start_time; /* since the epoch; 0: not told */
    uint64_t chip_time;
    struct model_trouble trouble; /* the last one */
};

struct model_connection {
    uint64_t number;
    uint32_t pid, uid;
    char *user;    /* name of the user, or its number */
    char *program; /* "" unknown */
    char *origin, *state, *policy;
    uint64_t age;
    uint32_t objects, sessions;
    uint64_t commands, refusals, chip_time, queue_time;
    uint32_t command; /* TPM_CC of the one that runs; 0: none */
    uint32_t locality;
};

struct model_user {
    uint32_t account; /* base/account.h */
    char *name;
    uint32_t connections, objects, sessions;
    uint64_t commands, chip_time, queue_time, refusals;
    uint32_t max_connections, max_objects, max_sessions; /* 0: what its share is */
    char *priority;
};

struct model_slot {
    bool session; /* else it is an object */
    uint32_t handle;
    uint64_t number; /* of the connection; 0: nobody's, or not told */
    uint32_t account;
    char *user; /* of the account; "" where there is no connection */
};

struct model_count {
    char *name;
    uint64_t count;
};

struct model_statistics {
    GArray *commands;      /* struct model_count: of clients, by name or code, most first */
    GArray *chip_commands; /* struct model_count: by kind, as the next ones */
    GArray *swaps, *refusals;
    uint64_t from_cache, from_manager, failures, canceled;
    /* Bucket i counts times below 2^i microseconds and not below 2^(i-1). */
    uint64_t queue[MODEL_BUCKETS], chip[MODEL_BUCKETS];
    uint64_t queue_sum, chip_sum;
};

struct model_lockout {
    uint32_t counter, max_tries;
    uint32_t recovery, lockout_recovery; /* seconds */
    bool in_lockout;
};

struct model {
    unsigned parts;   /* enum model_part that are there */
    unsigned denied;  /* those that the daemon tells to others only */
    unsigned unknown; /* those that the daemon knows nothing of, as it is older */
    uint64_t now;     /* since the epoch */
    uint64_t moment;  /* the same by a clock that never jumps */
    struct model_chip chip;
    struct model_status status;
    GArray *connections; /* struct model_connection, by number */
    GArray *users;       /* struct model_user, who had the chip longest first */
    GArray *slots;       /* struct model_slot, by handle */
    struct model_statistics statistics;
    struct model_lockout lockout;
};

/* One with no part. */
struct model *model_new(void);

/* NULL is fine. */
void model_free(struct model *model);

static inline bool model_has(const struct model *model, enum model_part part)
{
    return (model->parts & part) != 0;
}

/* Of an array of the model. */
#define model_at(array, type, i) (&g_array_index((array), struct type, (i)))

/* The sum of an array of struct model_count. */
uint64_t model_total(const GArray *counts);

/* The count with this name; 0 where there is none. */
uint64_t model_count_of(const GArray *counts, const char *name);

/* Microseconds that the daemon has run; 0: not told. */
uint64_t model_uptime(const struct model *model);

/* A time that so many of a hundred of a histogram's are below, in microseconds; 0: there are none.
 */
uint64_t model_quantile(const uint64_t buckets[MODEL_BUCKETS], unsigned percent);
