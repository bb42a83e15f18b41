/* SPDX-License-Identifier: BSD-2-Clause */
/* What somebody who may send any command can do to a TPM with empty authorizations. */
#pragma once

#include "esys-client.h"

#define ATTACK_DENIED 0xB0120 /* what a command gets that a policy refuses */

#define ATTACK_KEY 0x81000010 /* root's persistent key, with the password "key" */
#define ATTACK_NV  0x01500010 /* root's NV index */

/* A client, one more session for its commands, or ESYS_TR_NONE, and one that authorizes them; with
 * 0 a password does. */
struct hand {
    struct esys_client *client;
    ESYS_TR more;
    ESYS_TR session;
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

/* Has an attack that is refused, before the TPM is asked. */
void attack_expect_refused(const struct world *world, const struct hand *hand,
                           const struct attack *attack);

/* Has each of them that the preset refuses: by a password, with an audit session, and by an HMAC
 * session. */
void attack_expect_refusals(const struct world *world, struct esys_client *client,
                            const char *policy);

/* Some of them. */
attack_fn attack_extend_pcr, attack_set_clock, attack_adjust_clock, attack_reset_lockout,
    attack_take_lockout, attack_clear;
