/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/command-cost.h"

#include "wire/header.h"

#include <stdbool.h>
#include <tss2/tss2_tpm2_types.h>

#define MS UINT64_C(1000000)

/* What the command says about its cost, and where. */
enum command_cost_shape {
    COMMAND_COST_PLAIN,  /* nothing */
    COMMAND_COST_FLAG,   /* its first parameter is a byte that tells a long command from a short */
    COMMAND_COST_SALT,   /* its first handle is that of a key to decrypt with, or TPM_RH_NULL */
    COMMAND_COST_PUBLIC, /* behind a sized buffer, a TPM2B_PUBLIC, or what begins as that does */
    COMMAND_COST_SCHEME, /* behind a sized buffer, a signing scheme, or a signature */
};

/* The parts of a kind, beside the code. 0 is for what is not known. */
struct command_cost_trait {
    uint16_t algorithm; /* type of the key, or algorithm of the signature */
    uint16_t size;      /* of the key: bits, or the curve; or 1 for the longer one of two */
};

/* Sizes above this one are one kind. */
#define COMMAND_COST_SIZE_MAX 0x3fff

/* Where a command stands in the table. */
#define COMMAND_COST_ROW(code) ((code)-TPM2_CC_FIRST)

/* TPM 2.0 Library Part 3 has the handles and the parameters; the milliseconds are those of common
 * discrete TPMs. */
static const struct command_cost_row {
    unsigned handles;
    enum command_cost_shape shape;
    uint32_t ms; /* 0: the command is none of these */
} command_cost_table[] = {
    [COMMAND_COST_ROW(TPM2_CC_ActivateCredential)] = {2, COMMAND_COST_PLAIN, 150},
    [COMMAND_COST_ROW(TPM2_CC_Certify)] = {2, COMMAND_COST_SCHEME, 90},
    [COMMAND_COST_ROW(TPM2_CC_CertifyCreation)] = {2, COMMAND_COST_PLAIN, 90},
    [COMMAND_COST_ROW(TPM2_CC_Commit)] = {1, COMMAND_COST_PLAIN, 90},
    [COMMAND_COST_ROW(TPM2_CC_Create)] = {1, COMMAND_COST_PUBLIC, 250},
    [COMMAND_COST_ROW(TPM2_CC_CreateLoaded)] = {1, COMMAND_COST_PUBLIC, 250},
    [COMMAND_COST_ROW(TPM2_CC_CreatePrimary)] = {1, COMMAND_COST_PUBLIC, 250},
    [COMMAND_COST_ROW(TPM2_CC_ECDH_KeyGen)] = {1, COMMAND_COST_PLAIN, 90},
    [COMMAND_COST_ROW(TPM2_CC_ECDH_ZGen)] = {1, COMMAND_COST_PLAIN, 90},
    [COMMAND_COST_ROW(TPM2_CC_GetSessionAuditDigest)] = {3, COMMAND_COST_SCHEME, 90},
    [COMMAND_COST_ROW(TPM2_CC_GetTime)] = {2, COMMAND_COST_SCHEME, 90},
    [COMMAND_COST_ROW(TPM2_CC_Import)] = {1, COMMAND_COST_PUBLIC, 100},
    [COMMAND_COST_ROW(TPM2_CC_Load)] = {1, COMMAND_COST_PUBLIC, 80},
    [COMMAND_COST_ROW(TPM2_CC_LoadExternal)] = {0, COMMAND_COST_PUBLIC, 30},
    [COMMAND_COST_ROW(TPM2_CC_MakeCredential)] = {1, COMMAND_COST_PLAIN, 30},
    [COMMAND_COST_ROW(TPM2_CC_NV_Certify)] = {3, COMMAND_COST_SCHEME, 90},
    [COMMAND_COST_ROW(TPM2_CC_NV_DefineSpace)] = {1, COMMAND_COST_PLAIN, 30},
    [COMMAND_COST_ROW(TPM2_CC_NV_Write)] = {2, COMMAND_COST_PLAIN, 30},
    [COMMAND_COST_ROW(TPM2_CC_Quote)] = {1, COMMAND_COST_SCHEME, 90},
    [COMMAND_COST_ROW(TPM2_CC_RSA_Decrypt)] = {1, COMMAND_COST_PLAIN, 150},
    [COMMAND_COST_ROW(TPM2_CC_SelfTest)] = {0, COMMAND_COST_FLAG, 500},
    [COMMAND_COST_ROW(TPM2_CC_Sign)] = {1, COMMAND_COST_SCHEME, 90},
    [COMMAND_COST_ROW(TPM2_CC_StartAuthSession)] = {2, COMMAND_COST_SALT, 15},
    [COMMAND_COST_ROW(TPM2_CC_VerifySignature)] = {1, COMMAND_COST_SCHEME, 50},
    [COMMAND_COST_ROW(TPM2_CC_ZGen_2Phase)] = {1, COMMAND_COST_PLAIN, 150},
};

#define COMMAND_COST_ROWS (sizeof(command_cost_table) / sizeof(command_cost_table[0]))

/* All other commands. */
#define COMMAND_COST_OTHER (10 * MS)

/* One command moves what is expected of the next one as if it had cost so many times as much as was
 * expected, at the most: what costs more for good is learned in a few commands. */
#define COMMAND_COST_OUTLIER 3

/* How much longer than for an elliptic curve the chip takes to find an RSA key of 2048 bits. */
#define COMMAND_COST_RSA_CREATION 10

/* The longest RSA keys of TPMs. */
#define COMMAND_COST_RSA_BITS 4096

/* How much longer StartAuthSession takes when it decrypts a salt. */
#define COMMAND_COST_SALTED 10

/* The row of a command, or NULL. */
static const struct command_cost_row *command_cost_row(uint32_t code)
{
    uint32_t row = COMMAND_COST_ROW(code);

    /* Codes below the first one are far above the last. */
    return row < COMMAND_COST_ROWS && command_cost_table[row].ms ? &command_cost_table[row] : NULL;
}

/* The 16-bit integer `at`; 0 when the command is known only up to there, or ends. */
static uint16_t command_cost_load(const uint8_t *command, size_t have, size_t at)
{
    return at <= have && have - at >= 2 ? load_be16(command + at) : 0;
}

/* Where the parameters begin; beyond `have` when that cannot be told. */
static size_t command_cost_parameters(const uint8_t *command, size_t have, unsigned handles)
{
    size_t at = HEADER_SIZE + 4 * (size_t)handles;

    if (load_be16(command) != TPM2_ST_SESSIONS)
        return at;
    if (have < at + 4 || load_be32(command + at) > have)
        return have + 1;
    return at + 4 + load_be32(command + at);
}

/* Bytes behind the algorithm of a TPMT_SYM_DEF_OBJECT or of a key's scheme. */
static size_t command_cost_details(uint16_t algorithm)
{
    switch (algorithm) {
    case TPM2_ALG_NULL:
    case TPM2_ALG_RSAES:
        return 0;
    case TPM2_ALG_TDES:
    case TPM2_ALG_AES:
    case TPM2_ALG_SM4:
    case TPM2_ALG_CAMELLIA: /* keyBits, mode */
    case TPM2_ALG_ECDAA:    /* hashAlg, count */
        return 4;
    default: /* hashAlg */
        return 2;
    }
}

/* Where what stands behind one of these, which is `at`, begins. */
static size_t command_cost_skip(const uint8_t *command, size_t have, size_t at)
{
    return at + 2 + command_cost_details(command_cost_load(command, have, at));
}

/* Of a TPMT_PUBLIC, or a template (Part 2, clauses 12.2.3 and 12.2.4). */
static struct command_cost_trait command_cost_public(const uint8_t *command, size_t have, size_t at)
{
    struct command_cost_trait trait = {.algorithm = command_cost_load(command, have, at)};

    if (trait.algorithm != TPM2_ALG_RSA && trait.algorithm != TPM2_ALG_ECC)
        return trait;
    at += 8; /* type, nameAlg, objectAttributes */
    at += 2 + (size_t)command_cost_load(command, have, at);
    at = command_cost_skip(command, have, at); /* symmetric */
    at = command_cost_skip(command, have, at); /* scheme */
    trait.size = command_cost_load(command, have, at);
    return trait;
}

/* What the command shows. */
static struct command_cost_trait command_cost_trait(const uint8_t *command, size_t have,
                                                    const struct command_cost_row *row)
{
    size_t at = command_cost_parameters(command, have, row->handles), behind;

    behind = at + 2 + (size_t)command_cost_load(command, have, at);
    switch (row->shape) {
    case COMMAND_COST_PLAIN:
        break;
    case COMMAND_COST_FLAG:
        return (struct command_cost_trait){.size = at < have && command[at] != 0};
    case COMMAND_COST_SALT:
        return (struct command_cost_trait){
            .size = have >= HEADER_SIZE + 4 && load_be32(command + HEADER_SIZE) != TPM2_RH_NULL};
    case COMMAND_COST_PUBLIC:
        return command_cost_public(command, have, behind + 2);
    case COMMAND_COST_SCHEME:
        return (struct command_cost_trait){.algorithm = command_cost_load(command, have, behind)};
    }
    return (struct command_cost_trait){0};
}

/* From the top: code, algorithm, size, and whether there is an authorization area. */
uint64_t command_cost_kind(const uint8_t *command, size_t have)
{
    struct header header = header_load(command);
    const struct command_cost_row *row = command_cost_row(header.code);
    struct command_cost_trait trait = {0};

    if (row)
        trait = command_cost_trait(command, have, row);
    if (trait.size > COMMAND_COST_SIZE_MAX)
        trait.size = COMMAND_COST_SIZE_MAX;
    return (uint64_t)header.code << 32 | (uint64_t)trait.algorithm << 16 | (uint64_t)trait.size << 2
           | (header.tag == TPM2_ST_SESSIONS ? 2 : 1);
}

/* Its place in the table of what was learned. */
static unsigned command_cost_place(uint64_t kind)
{
    return (unsigned)(kind * UINT64_C(0x9E3779B97F4A7C15) >> 56) % COMMAND_COST_KINDS;
}

/* How many times as long as for an elliptic curve a key of this kind takes. The work to find primes
 * grows with the fourth power of their length. */
static uint64_t command_cost_creation(const struct command_cost_trait *trait)
{
    uint64_t bits = trait->size < COMMAND_COST_RSA_BITS ? trait->size : COMMAND_COST_RSA_BITS;
    uint64_t times =
        COMMAND_COST_RSA_CREATION * bits * bits / 2048 * bits / 2048 * bits / 2048 / 2048;

    if (trait->algorithm != TPM2_ALG_RSA)
        return 1;
    if (bits == 0)
        return COMMAND_COST_RSA_CREATION;
    return times > 1 ? times : 1;
}

static uint64_t command_cost_usual(uint64_t kind)
{
    uint32_t code = (uint32_t)(kind >> 32);
    const struct command_cost_row *row = command_cost_row(code);
    const struct command_cost_trait trait = {(uint16_t)(kind >> 16),
                                             (uint16_t)(kind >> 2 & COMMAND_COST_SIZE_MAX)};
    uint64_t usual;

    if (!row)
        return COMMAND_COST_OTHER;
    usual = row->ms * MS;
    switch (code) {
    case TPM2_CC_Create:
    case TPM2_CC_CreateLoaded:
    case TPM2_CC_CreatePrimary:
        return command_cost_creation(&trait) * usual;
    case TPM2_CC_StartAuthSession:
        return trait.size ? COMMAND_COST_SALTED * usual : usual;
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
