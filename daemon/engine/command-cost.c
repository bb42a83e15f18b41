/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/command-cost.h"

#include "wire/header.h"

#include <stdbool.h>
#include <tss2/tss2_tpm2_types.h>

#define MS UINT64_C(1000000)

/* Where the parameters name an algorithm, if they do: what stands behind the first parameter, which
 * is a sized buffer. */
enum command_cost_shape {
    COMMAND_COST_PLAIN,  /* nowhere */
    COMMAND_COST_PUBLIC, /* a TPM2B_PUBLIC, or what begins as that does; its type */
    COMMAND_COST_SCHEME, /* a signing scheme, or a signature; its algorithm */
};

/* TPM 2.0 Library Part 3 has the handles and the parameters; the milliseconds are those of common
 * discrete TPMs. */
static const struct {
    uint32_t code;
    unsigned handles;
    enum command_cost_shape shape;
    uint32_t ms;
} command_cost_table[] = {
    {TPM2_CC_ActivateCredential, 2, COMMAND_COST_PLAIN, 150},
    {TPM2_CC_Certify, 2, COMMAND_COST_SCHEME, 90},
    {TPM2_CC_CertifyCreation, 2, COMMAND_COST_PLAIN, 90},
    {TPM2_CC_Commit, 1, COMMAND_COST_PLAIN, 90},
    {TPM2_CC_Create, 1, COMMAND_COST_PUBLIC, 250},
    {TPM2_CC_CreateLoaded, 1, COMMAND_COST_PUBLIC, 250},
    {TPM2_CC_CreatePrimary, 1, COMMAND_COST_PUBLIC, 250},
    {TPM2_CC_ECDH_KeyGen, 1, COMMAND_COST_PLAIN, 90},
    {TPM2_CC_ECDH_ZGen, 1, COMMAND_COST_PLAIN, 90},
    {TPM2_CC_GetSessionAuditDigest, 3, COMMAND_COST_SCHEME, 90},
    {TPM2_CC_GetTime, 2, COMMAND_COST_SCHEME, 90},
    {TPM2_CC_Import, 1, COMMAND_COST_PUBLIC, 100},
    {TPM2_CC_Load, 1, COMMAND_COST_PUBLIC, 80},
    {TPM2_CC_LoadExternal, 0, COMMAND_COST_PUBLIC, 30},
    {TPM2_CC_MakeCredential, 1, COMMAND_COST_PLAIN, 30},
    {TPM2_CC_NV_Certify, 3, COMMAND_COST_SCHEME, 90},
    {TPM2_CC_NV_DefineSpace, 1, COMMAND_COST_PLAIN, 30},
    {TPM2_CC_NV_Write, 2, COMMAND_COST_PLAIN, 30},
    {TPM2_CC_Quote, 1, COMMAND_COST_SCHEME, 90},
    {TPM2_CC_RSA_Decrypt, 1, COMMAND_COST_PLAIN, 150},
    {TPM2_CC_SelfTest, 0, COMMAND_COST_PLAIN, 500},
    {TPM2_CC_Sign, 1, COMMAND_COST_SCHEME, 90},
    {TPM2_CC_StartAuthSession, 2, COMMAND_COST_PLAIN, 15},
    {TPM2_CC_VerifySignature, 1, COMMAND_COST_SCHEME, 50},
    {TPM2_CC_ZGen_2Phase, 1, COMMAND_COST_PLAIN, 150},
};

#define COMMAND_COST_ROWS (sizeof(command_cost_table) / sizeof(command_cost_table[0]))

/* All other commands. */
#define COMMAND_COST_OTHER (10 * MS)

/* One command moves what is expected of the next one as if it had cost so many times as much as was
 * expected, at the most: what costs more for good is learned in a few commands. */
#define COMMAND_COST_OUTLIER 3

/* How much longer than for an elliptic curve the chip takes to find an RSA key. */
#define COMMAND_COST_RSA_CREATION 10

/* The row of the table, or COMMAND_COST_ROWS. */
static size_t command_cost_row(uint32_t code)
{
    size_t row = 0;

    while (row < COMMAND_COST_ROWS && command_cost_table[row].code != code)
        row++;
    return row;
}

/* The 16-bit integer `at`; 0 when the command is known only up to there, or ends. */
static uint16_t command_cost_load(const uint8_t *command, size_t have, size_t at)
{
    return at <= have && have - at >= 2 ? load_be16(command + at) : 0;
}

/* The algorithm that the command shows; 0 (TPM_ALG_ERROR) for none. */
static uint16_t command_cost_algorithm(const uint8_t *command, size_t have, size_t row)
{
    size_t at = HEADER_SIZE + 4 * (size_t)command_cost_table[row].handles;

    if (command_cost_table[row].shape == COMMAND_COST_PLAIN)
        return 0;
    if (load_be16(command) == TPM2_ST_SESSIONS) {
        if (have < at + 4 || load_be32(command + at) > have)
            return 0;
        at += 4 + load_be32(command + at);
    }
    at += 2 + (size_t)command_cost_load(command, have, at);
    return command_cost_load(command, have,
                             command_cost_table[row].shape == COMMAND_COST_PUBLIC ? at + 2 : at);
}

uint64_t command_cost_kind(const uint8_t *command, size_t have)
{
    struct header header = header_load(command);
    size_t row = command_cost_row(header.code);
    uint16_t algorithm = row < COMMAND_COST_ROWS ? command_cost_algorithm(command, have, row) : 0;

    return (uint64_t)header.code << 32 | (uint64_t)algorithm << 16
           | (header.tag == TPM2_ST_SESSIONS ? 2 : 1);
}

/* Its place in the table of what was learned. */
static unsigned command_cost_place(uint64_t kind)
{
    return (unsigned)(kind * UINT64_C(0x9E3779B97F4A7C15) >> 56) % COMMAND_COST_KINDS;
}

static uint64_t command_cost_usual(uint64_t kind)
{
    size_t row = command_cost_row((uint32_t)(kind >> 32));
    uint64_t usual;

    if (row == COMMAND_COST_ROWS)
        return COMMAND_COST_OTHER;
    usual = command_cost_table[row].ms * MS;
    switch (command_cost_table[row].code) {
    case TPM2_CC_Create:
    case TPM2_CC_CreateLoaded:
    case TPM2_CC_CreatePrimary:
        return (uint16_t)(kind >> 16) == TPM2_ALG_RSA ? COMMAND_COST_RSA_CREATION * usual : usual;
    default:
        return usual;
    }
}

uint64_t command_cost_expected(const struct command_cost *costs, uint64_t kind)
{
    unsigned place = command_cost_place(kind);

    return costs->learned[place].kind == kind ? costs->learned[place].nanoseconds
                                              : command_cost_usual(kind);
}

void command_cost_learn(struct command_cost *costs, uint64_t kind, uint64_t nanoseconds)
{
    unsigned place = command_cost_place(kind);
    bool known = costs->learned[place].kind == kind;
    uint64_t before = command_cost_expected(costs, kind);

    /* The process or the whole machine may have stood still in the middle of a command. */
    if (nanoseconds / COMMAND_COST_OUTLIER > before)
        nanoseconds = COMMAND_COST_OUTLIER * before;
    /* The first one says more than the usual value, which is another chip's. */
    if (!known)
        before = nanoseconds;
    costs->learned[place].kind = kind;
    costs->learned[place].nanoseconds = before - before / 4 + nanoseconds / 4;
}
