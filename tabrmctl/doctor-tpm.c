/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks by two commands that anybody may send and that change nothing: for the state that is
 * permanent (Part 2, "TPM_PT"), and for a session, which ends with the connection.
 */
#include "doctor-tpm.h"

#include "wire/header.h"

#include <string.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

#define TPM_BYTES 4096
/* Milliseconds until an answer is given up; others may be at work on the chip. */
#define TPM_PATIENCE_MS 60000
/* Of a response code: without the layer that made it. */
#define TPM_RC_MASK 0xFFF
/* Properties that are asked for: all that vary. */
#define TPM_PROPERTIES 64

struct doctor_answer {
    TSS2_RC rc; /* of the transport, or of the TPM */
    uint8_t bytes[TPM_BYTES];
    size_t size;
};

static void doctor_tpm_ask(TSS2_TCTI_CONTEXT *tcti, const uint8_t *command, size_t size,
                           struct doctor_answer *answer)
{
    answer->size = sizeof(answer->bytes);
    answer->rc = Tss2_Tcti_Transmit(tcti, size, command);
    if (answer->rc == TSS2_RC_SUCCESS)
        answer->rc = Tss2_Tcti_Receive(tcti, &answer->size, answer->bytes, TPM_PATIENCE_MS);
    if (answer->rc == TSS2_RC_SUCCESS && answer->size < HEADER_SIZE)
        answer->rc = TSS2_TCTI_RC_MALFORMED_RESPONSE;
    if (answer->rc == TSS2_RC_SUCCESS)
        answer->rc = header_load(answer->bytes).code;
}

/* True, and it was told, where the TPM answers as in Part 1, "Failure Mode". */
static bool doctor_tpm_failed(struct doctor_report *report, TSS2_RC rc)
{
    if ((rc & TPM_RC_MASK) != TPM2_RC_FAILURE)
        return false;
    doctor_report_fault(
        report, DOCTOR_ASIDE, "failure-mode", g_strdup("the TPM is in failure mode"),
        "a self test of the chip failed; it does nothing until it is reset",
        g_strdup("switch the machine off and on, a warm start may not do; if it stays, "
                 "the chip or its firmware is broken: tpm2_gettestresult tells more"));
    return true;
}

/* A property's value, or `otherwise`. */
static uint32_t doctor_tpm_property(const TPML_TAGGED_TPM_PROPERTY *list, uint32_t property,
                                    uint32_t otherwise)
{
    for (uint32_t i = 0; i < list->count && i < G_N_ELEMENTS(list->tpmProperty); i++) {
        if (list->tpmProperty[i].property == property)
            return list->tpmProperty[i].value;
    }
    return otherwise;
}

static void doctor_tpm_lockout(struct doctor_report *report, const TPML_TAGGED_TPM_PROPERTY *list)
{
    uint32_t counter = doctor_tpm_property(list, TPM2_PT_LOCKOUT_COUNTER, 0);
    uint32_t most = doctor_tpm_property(list, TPM2_PT_MAX_AUTH_FAIL, 0);
    uint32_t interval = doctor_tpm_property(list, TPM2_PT_LOCKOUT_INTERVAL, 0);

    if (doctor_tpm_property(list, TPM2_PT_PERMANENT, 0) & TPMA_PERMANENT_INLOCKOUT)
        doctor_report_fault(
            report, DOCTOR_ASIDE, "lockout",
            g_strdup_printf("the TPM is locked out after %u wrong passwords", counter),
            "keys and data under the protection against guessing are refused "
            "(0x921), with the right password too",
            g_strdup_printf("tpm2_dictionarylockout --clear-lockout, with the lockout "
                            "password in --auth; or wait: one try comes back in %u s",
                            interval));
    else
        doctor_report_note(report, "lockout",
                           "%u of %u wrong passwords until the TPM is locked out", counter, most);
}

static bool doctor_tpm_state(TSS2_TCTI_CONTEXT *tcti, struct doctor_report *report)
{
    uint8_t command[HEADER_SIZE + 12];
    struct doctor_answer answer;
    TPMS_CAPABILITY_DATA data = {0};
    size_t at = HEADER_SIZE + 1; /* behind moreData */

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_GetCapability);
    store_be32(command + 10, TPM2_CAP_TPM_PROPERTIES);
    store_be32(command + 14, TPM2_PT_VAR);
    store_be32(command + 18, TPM_PROPERTIES);
    doctor_tpm_ask(tcti, command, sizeof(command), &answer);
    if (doctor_tpm_failed(report, answer.rc))
        return false;
    if (answer.rc == TSS2_RC_SUCCESS)
        answer.rc = Tss2_MU_TPMS_CAPABILITY_DATA_Unmarshal(answer.bytes, answer.size, &at, &data);
    if (answer.rc != TSS2_RC_SUCCESS)
        doctor_report_note(report, "lockout", "not told: %s", Tss2_RC_Decode(answer.rc));
    else
        doctor_tpm_lockout(report, &data.data.tpmProperties);
    return true;
}

static void doctor_tpm_no_session(const struct doctor_place *place, struct doctor_report *report,
                                  TSS2_RC rc)
{
    if ((rc & TPM_RC_MASK) == TPM2_RC_CONTEXT_GAP)
        doctor_report_fault(
            report, DOCTOR_ASIDE, "context-gap",
            g_strdup("an old session keeps the TPM from beginning new ones"),
            "the numbers of saved sessions may be a certain gap apart, and tabrmd "
            "renews those that it knows; this one is another program's",
            g_strdup_printf("end the programs that use %s or %s beside it; or sudo systemctl "
                            "restart %s with flush-all=yes",
                            place->device, place->manager, place->unit));
    else
        doctor_report_fault(report, DOCTOR_ASIDE, "no-sessions",
                            g_strdup("the TPM has no session left"),
                            "most programs begin one for a password or a policy, and fail",
                            g_strdup_printf("end the programs that hold them; sessions that no "
                                            "program knows any more go with flush-all=yes in "
                                            "tabrmd.conf(5) and sudo systemctl restart %s",
                                            place->unit));
}

static void doctor_tpm_session(const struct doctor_place *place, TSS2_TCTI_CONTEXT *tcti,
                               struct doctor_report *report)
{
    /* tpmKey, bind: none; a nonce of 16; no salt; HMAC; no symmetric algorithm; SHA-256. */
    uint8_t command[HEADER_SIZE + 8 + 2 + 16 + 2 + 1 + 2 + 2] = {0};
    struct doctor_answer answer;

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_StartAuthSession);
    store_be32(command + 10, TPM2_RH_NULL);
    store_be32(command + 14, TPM2_RH_NULL);
    store_be16(command + 18, 16);
    command[38] = TPM2_SE_HMAC;
    store_be16(command + 39, TPM2_ALG_NULL);
    store_be16(command + 41, TPM2_ALG_SHA256);
    doctor_tpm_ask(tcti, command, sizeof(command), &answer);
    if (doctor_tpm_failed(report, answer.rc))
        return;
    switch (answer.rc & TPM_RC_MASK) {
    case TPM2_RC_CONTEXT_GAP:
    case TPM2_RC_SESSION_HANDLES:
    case TPM2_RC_SESSION_MEMORY:
        doctor_tpm_no_session(place, report, answer.rc);
        break;
    default:
        doctor_report_note(report, "sessions", "%s",
                           answer.rc == TSS2_RC_SUCCESS ? "there are some left"
                                                        : Tss2_RC_Decode(answer.rc));
    }
}

void doctor_tpm_look(struct doctor_machine *machine, struct doctor_report *report)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;

    machine->rc = Tss2_TctiLdr_Initialize(machine->tcti, &tcti);
    machine->answers = machine->rc == TSS2_RC_SUCCESS;
    if (machine->answers && doctor_tpm_state(tcti, report))
        doctor_tpm_session(machine->place, tcti, report);
    Tss2_TctiLdr_Finalize(&tcti);
}

void doctor_tpm_conclude(const struct doctor_machine *machine, struct doctor_report *report)
{
    TSS2_RC rc = machine->rc;

    if (machine->answers)
        return;
    if (report->explained)
        doctor_report_note(report, "answer", "\"%s\": %s", machine->tcti, Tss2_RC_Decode(rc));
    else
        doctor_report_fault(report, DOCTOR_ASIDE, "no-answer",
                            g_strdup_printf("tabrmd does not answer by the TCTI \"%s\": %s",
                                            machine->tcti, Tss2_RC_Decode(rc)),
                            "no program can use the TPM through it",
                            g_strdup_printf("sudo systemctl restart %s; journalctl --unit=%s says "
                                            "what is wrong",
                                            machine->place->unit, machine->place->unit));
}
