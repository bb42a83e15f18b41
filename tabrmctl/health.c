/* SPDX-License-Identifier: BSD-2-Clause */
#include "health.h"

#include <string.h>

static const struct {
    const char *state; /* of org.tabrmd.Manager1 */
    struct health health;
} health_states[] = {
    {"starting",
     {false, INK_WARN, "starting",
      "the TPM is taken over; programs wait until that is done. `tabrmctl doctor` says what keeps "
      "it, if it stays"}},
    {"suspended",
     {false, INK_WARN, "suspended",
      "the machine goes to sleep, and commands wait until it is awake again"}},
    {"lost",
     {false, INK_BAD, "TPM lost",
      "the TPM does not answer, and is tried again and again; `tabrmctl doctor` looks for the "
      "cause"}},
    {"failed",
     {false, INK_BAD, "TPM failed",
      "the TPM is in failure mode: switch the machine off and on; tpm2_gettestresult tells more"}},
    {"stopping", {false, INK_WARN, "stopping", "tabrmd ends; no command is served any more"}},
};

static const struct health health_locked = {
    false, INK_BAD, "locked out",
    "too many wrong passwords: keys under the protection against guessing are refused. "
    "tpm2_dictionarylockout --clear-lockout --auth=PASSWORD ends that, or waiting"};
static const struct health health_absent = {
    false, INK_BAD, "no TPM", "there is no TPM to serve; `tabrmctl doctor` looks for the cause"};
static const struct health health_healthy = {true, INK_GOOD, "healthy", ""};

/* The TPM was not asked for the lockout, or did not tell. */
static const struct health health_serving = {true, INK_GOOD, "serving", ""};

struct health health_of(const struct model *model)
{
    const char *state = model->chip.state ? model->chip.state : "";

    for (gsize i = 0; i < G_N_ELEMENTS(health_states); i++) {
        if (strcmp(health_states[i].state, state) == 0)
            return health_states[i].health;
    }
    if (!model->status.tpm_present)
        return health_absent;
    if (!model_has(model, MODEL_LOCKOUT))
        return health_serving;
    return model->lockout.in_lockout ? health_locked : health_healthy;
}
