/* SPDX-License-Identifier: BSD-2-Clause */
/* What somebody who may send any command can do to a TPM with empty authorizations. */
#pragma once

#include "esys-client.h"

#define ATTACK_KEY 0x81000010 /* root's persistent key, with the password "key" */
#define ATTACK_NV  0x01500010 /* root's NV index */

/* A client, and one more session for its commands, or ESYS_TR_NONE. */
struct hand {
    struct esys_client *client;
    ESYS_TR more;
};

typedef TSS2_RC attack_fn(const struct hand *hand);

struct attack {
    const char *what;
    attack_fn *run;
    uint32_t code;          /* of its command */
    const char *refused_by; /* the mildest policy */
};

/* In an order in which each can follow those before it. */
#define ATTACKS 15
extern const struct attack attacks[ATTACKS];

/* Makes ATTACK_KEY and ATTACK_NV. */
TSS2_RC attack_furnish(struct esys_client *root);

/* Some of them. */
attack_fn attack_extend_pcr, attack_set_clock, attack_adjust_clock, attack_reset_lockout,
    attack_take_lockout, attack_clear;
