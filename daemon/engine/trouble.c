/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/trouble.h"

#include "rm/rc.h"

static const struct {
    const char *kind, *text, *remedy;
} troubles[TROUBLES] = {
    [TROUBLE_NONE] = {"", "", ""},
    [TROUBLE_LOST] = {"tpm-lost", "the TPM does not answer; tabrmd tries to open it again",
                      "look at the kernel's messages about it (journalctl -k -g tpm); if it does "
                      "not come back, power the machine off and on"},
    [TROUBLE_GONE] = {"tpm-failed", "there is no TPM to work with",
                      "see why in tabrmd's log (journalctl -u tabrmd), and with tabrmctl doctor"},
    [TROUBLE_FAILURE_MODE] = {"tpm-failure-mode",
                              "the TPM is in failure mode and refuses all commands but two",
                              "power the machine off and on; if that does not help, update the "
                              "TPM's firmware or replace it"},
    [TROUBLE_LOCKOUT] = {"lockout",
                         "the TPM counted too many wrong passwords and refuses protected keys",
                         "wait until it has recovered, or end the lockout with the lockout "
                         "authorization (tpm2_dictionarylockout --clear-lockout)"},
    [TROUBLE_NO_SESSIONS] = {"no-sessions", "all sessions of the TPM are in use",
                             "end programs that hold sessions (tabrmctl list shows them), or flush "
                             "those of programs that ended (tpm2_flushcontext --loaded-session)"},
};

const char *trouble_kind(enum trouble trouble)
{
    return troubles[trouble].kind;
}

const char *trouble_text(enum trouble trouble)
{
    return troubles[trouble].text;
}

const char *trouble_remedy(enum trouble trouble)
{
    return troubles[trouble].remedy;
}

enum trouble trouble_of_code(uint32_t code)
{
    switch (code) {
    case TPM2_RC_FAILURE:
        return TROUBLE_FAILURE_MODE;
    case TPM2_RC_LOCKOUT:
        return TROUBLE_LOCKOUT;
    case TPM2_RC_SESSION_HANDLES:
    case RM_RC_SESSION_HANDLES:
        return TROUBLE_NO_SESSIONS;
    default:
        return TROUBLE_NONE;
    }
}
