/* SPDX-License-Identifier: BSD-2-Clause */
#include "corpus-commands.h"

#include "wire/header.h"

#include <assert.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define OWNER       TPM2_RH_OWNER
#define ENDORSEMENT TPM2_RH_ENDORSEMENT
#define PLATFORM    TPM2_RH_PLATFORM
#define LOCKOUT     TPM2_RH_LOCKOUT
#define NONE        TPM2_RH_NULL
#define PCR         UINT32_C(16) /* the one that anybody may extend and reset */
#define KEY         UINT32_C(0x80000000)
#define KEY2        UINT32_C(0x80000001)
#define SESSION     UINT32_C(0x02000000)
#define POLICY      UINT32_C(0x03000000)
#define NV          UINT32_C(0x01500001)

/* TPM2B_SENSITIVE_CREATE without anything; an empty TPM2B_DATA and an empty PCR selection. */
#define SENSITIVE "0004 0000 0000"
#define NOTHING   "0000 00000000"

/* TPMT_PUBLIC: a storage key and two other keys on NIST P-256, an HMAC key, an AES key, data. */
#define STORAGE   "0023000b00030072 0000 000600800043 0010 0003 0010 0000 0000"
#define SIGNING   "0023000b00040072 0000 0010 0018000b 0003 0010 0000 0000"
#define AGREEMENT "0023000b00020072 0000 0010 0010 0003 0010 0000 0000"
#define HMAC_KEY  "0008000b00040072 0000 0005000b 0000"
#define AES_KEY   "0025000b00060072 0000 000600800043 0000"
#define DATA      "0008000b00000052 0000 0010 0000"
#define ECDAA_KEY "0023000b00040072 0000 0010 001a000b0000 0003 0010 0000 0000"
#define RSA_KEY   "0001000b00020072 0000 0010 0010 0800 00000000 0000"

/* The generator of P-256, which is a point on it. */
#define POINT_X "0020 6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define POINT_Y "0020 4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define POINT   "0044" POINT_X POINT_Y
#define PUBLIC  "0056 0023000b00040000 0000 0010 0010 0003 0010" POINT_X POINT_Y

#define DIGEST     "0020 0102030405060708 0102030405060708 0102030405060708 0102030405060708"
#define PCR_CHOICE "00000001 000b 03 010000"
#define SIGNATURE  "0018 000b" DIGEST DIGEST

#define DEFINE(attributes, size) "0000 000e 01500001 000b" attributes "0000" size

static const struct {
    char letter;
    struct corpus_command command;
} makings[] = {
    {'p', {TPM2_CC_CreatePrimary, "", 1, {OWNER}, 1, SENSITIVE "001a" STORAGE NOTHING, false}},
    {'s', {TPM2_CC_CreatePrimary, "", 1, {OWNER}, 1, SENSITIVE "0018" SIGNING NOTHING, false}},
    {'e', {TPM2_CC_CreatePrimary, "", 1, {OWNER}, 1, SENSITIVE "0016" AGREEMENT NOTHING, false}},
    {'k', {TPM2_CC_CreatePrimary, "", 1, {NONE}, 1, SENSITIVE "0010" HMAC_KEY NOTHING, false}},
    {'c', {TPM2_CC_CreatePrimary, "", 1, {NONE}, 1, SENSITIVE "0012" AES_KEY NOTHING, false}},
    {'d',
     {TPM2_CC_CreatePrimary,
      "",
      1,
      {PLATFORM},
      1,
      "0008 0000 0004 64617461 000e" DATA NOTHING,
      false}},
    {'a',
     {TPM2_CC_CreatePrimary, "", 1, {ENDORSEMENT}, 1, SENSITIVE "001a" ECDAA_KEY NOTHING, false}},
    {'r', {TPM2_CC_CreatePrimary, "", 1, {NONE}, 1, SENSITIVE "0016" RSA_KEY NOTHING, false}},
    {'x', {TPM2_CC_LoadExternal, "", 0, {0}, 0, "0000" PUBLIC "40000007", false}},
    {'h', {TPM2_CC_HashSequenceStart, "", 0, {0}, 0, "0000 000b", false}},
    {'E', {TPM2_CC_HashSequenceStart, "", 0, {0}, 0, "0000 0010", false}},
    {'S',
     {TPM2_CC_StartAuthSession,
      "",
      2,
      {NONE, NONE},
      0,
      "0010 00000000000000000000000000000000 0000 00 0010 000b",
      false}},
    {'P',
     {TPM2_CC_StartAuthSession,
      "",
      2,
      {NONE, NONE},
      0,
      "0010 00000000000000000000000000000000 0000 01 0010 000b",
      false}},
    {'T',
     {TPM2_CC_StartAuthSession,
      "",
      2,
      {NONE, NONE},
      0,
      "0010 00000000000000000000000000000000 0000 03 0010 000b",
      false}},
    {'n', {TPM2_CC_NV_DefineSpace, "", 1, {OWNER}, 1, DEFINE("82064006", "0008"), false}},
    {'N', {TPM2_CC_NV_DefineSpace, "", 1, {OWNER}, 1, DEFINE("02060016", "0008"), false}},
    {'b', {TPM2_CC_NV_DefineSpace, "", 1, {OWNER}, 1, DEFINE("02060026", "0008"), false}},
    {'X', {TPM2_CC_NV_DefineSpace, "", 1, {OWNER}, 1, DEFINE("02060046", "0020"), false}},
    {'w', {TPM2_CC_NV_Write, "", 2, {OWNER, NV}, 1, "0008 0102030405060708 0000", false}},
};

const struct corpus_command corpus_commands[] = {
    {TPM2_CC_NV_UndefineSpaceSpecial, "n", 2, {NV, PLATFORM}, 2, "", true},
    {TPM2_CC_EvictControl, "p", 2, {OWNER, KEY}, 1, "81000001", false},
    {TPM2_CC_HierarchyControl, "ps", 1, {PLATFORM}, 1, "40000001 00", false},
    {TPM2_CC_NV_UndefineSpace, "n", 2, {OWNER, NV}, 1, "", false},
    {TPM2_CC_ChangeEPS, "a", 1, {PLATFORM}, 1, "", false},
    {TPM2_CC_ChangePPS, "d", 1, {PLATFORM}, 1, "", false},
    {TPM2_CC_Clear, "pd", 1, {PLATFORM}, 1, "", false},
    {TPM2_CC_ClearControl, "", 1, {LOCKOUT}, 1, "01", false},
    {TPM2_CC_ClockSet, "", 1, {OWNER}, 1, "0000000000100000", false},
    {TPM2_CC_HierarchyChangeAuth, "", 1, {OWNER}, 1, "0002 7077", false},
    {TPM2_CC_NV_DefineSpace, "", 1, {OWNER}, 1, DEFINE("02060006", "0010"), false},
    {TPM2_CC_PCR_Allocate, "", 1, {PLATFORM}, 1, "00000001 000b 03 ffffff", false},
    {TPM2_CC_PCR_SetAuthPolicy, "", 1, {PLATFORM}, 1, "0000 0010 00000014", false},
    {TPM2_CC_PP_Commands, "", 1, {PLATFORM}, 1, "00000000 00000000", true},
    {TPM2_CC_SetPrimaryPolicy, "", 1, {OWNER}, 1, "0000 0010", false},
    {TPM2_CC_ClockRateAdjust, "", 1, {OWNER}, 1, "00", false},
    {TPM2_CC_CreatePrimary, "", 1, {OWNER}, 1, SENSITIVE "001a" STORAGE NOTHING, false},
    {TPM2_CC_NV_GlobalWriteLock, "", 1, {OWNER}, 1, "", false},
    {TPM2_CC_GetCommandAuditDigest, "s", 2, {ENDORSEMENT, KEY}, 2, "0000 0010", false},
    {TPM2_CC_NV_Increment, "N", 2, {OWNER, NV}, 1, "", false},
    {TPM2_CC_NV_SetBits, "b", 2, {OWNER, NV}, 1, "0000000000000001", false},
    {TPM2_CC_NV_Extend, "X", 2, {OWNER, NV}, 1, "0002 6162", false},
    {TPM2_CC_NV_Write, "n", 2, {OWNER, NV}, 1, "0002 6162 0001", false},
    {TPM2_CC_NV_WriteLock, "n", 2, {OWNER, NV}, 1, "", false},
    {TPM2_CC_DictionaryAttackLockReset, "", 1, {LOCKOUT}, 1, "", false},
    {TPM2_CC_DictionaryAttackParameters, "", 1, {LOCKOUT}, 1, "00000020 00000100 00000100", false},
    {TPM2_CC_NV_ChangeAuth, "n", 1, {NV}, 1, "0002 7077", true},
    {TPM2_CC_PCR_Event, "", 1, {PCR}, 1, "0002 6162", false},
    {TPM2_CC_PCR_Reset, "", 1, {PCR}, 1, "", false},
    {TPM2_CC_SequenceComplete, "h", 1, {KEY}, 1, "0002 6162 40000007", false},
    {TPM2_CC_SetAlgorithmSet, "", 1, {PLATFORM}, 1, "00000000", false},
    {TPM2_CC_SetCommandCodeAuditStatus,
     "",
     1,
     {OWNER},
     1,
     "0010 00000001 0000017b 00000000",
     false},
    {TPM2_CC_IncrementalSelfTest, "", 0, {0}, 0, "00000001 000b", false},
    {TPM2_CC_SelfTest, "", 0, {0}, 0, "00", false},
    {TPM2_CC_Startup, "", 0, {0}, 0, "0000", true},
    {TPM2_CC_Shutdown, "", 0, {0}, 0, "0000", false},
    {TPM2_CC_StirRandom, "", 0, {0}, 0, "0002 6162", false},
    {TPM2_CC_ActivateCredential, "sp", 2, {KEY, KEY2}, 2, "0002 6162 0002 6162", true},
    {TPM2_CC_Certify, "ps", 2, {KEY, KEY2}, 2, "0002 6162 0010", false},
    {TPM2_CC_PolicyNV, "nwP", 3, {OWNER, NV, POLICY}, 1, "0002 0102 0000 0000", false},
    {TPM2_CC_CertifyCreation, "s", 2, {KEY, KEY}, 1, "0000" DIGEST "0010 8021 40000001 0000", true},
    {TPM2_CC_Duplicate, "sp", 2, {KEY, KEY2}, 1, "0000 0010", true},
    {TPM2_CC_GetTime, "s", 2, {ENDORSEMENT, KEY}, 2, "0000 0010", false},
    {TPM2_CC_GetSessionAuditDigest, "sS", 3, {ENDORSEMENT, KEY, SESSION}, 2, "0000 0010", true},
    {TPM2_CC_NV_Read, "nw", 2, {OWNER, NV}, 1, "0004 0002", false},
    {TPM2_CC_NV_ReadLock, "nw", 2, {OWNER, NV}, 1, "", false},
    {TPM2_CC_ObjectChangeAuth, "sp", 2, {KEY, KEY2}, 1, "0002 7077", true},
    {TPM2_CC_PolicySecret, "P", 2, {OWNER, POLICY}, 1, "0000 0000 0000 00000000", false},
    {TPM2_CC_Rewrap, "pp", 2, {KEY, KEY2}, 1, "0002 6162 0000 0002 6162", true},
    {TPM2_CC_Create, "p", 1, {KEY}, 1, SENSITIVE "0018" SIGNING NOTHING, false},
    {TPM2_CC_ECDH_ZGen, "e", 1, {KEY}, 1, POINT, false},
    {TPM2_CC_HMAC, "k", 1, {KEY}, 1, "0002 6162 0010", false},
    {TPM2_CC_Import, "p", 1, {KEY}, 1, "0000" PUBLIC "0004 00000000 0000 0010", true},
    {TPM2_CC_Load, "p", 1, {KEY}, 1, "0004 00000000 0018" SIGNING, true},
    {TPM2_CC_Quote, "s", 1, {KEY}, 1, "0000 0010" PCR_CHOICE, false},
    {TPM2_CC_RSA_Decrypt, "r", 1, {KEY}, 1, "0004 61626364 0010 0000", true},
    {TPM2_CC_HMAC_Start, "k", 1, {KEY}, 1, "0000 0010", false},
    {TPM2_CC_SequenceUpdate, "h", 1, {KEY}, 1, "0002 6162", false},
    {TPM2_CC_Sign, "s", 1, {KEY}, 1, DIGEST "0010 8024 40000007 0000", false},
    {TPM2_CC_Unseal, "d", 1, {KEY}, 1, "", false},
    {TPM2_CC_PolicySigned, "sT", 2, {KEY, POLICY}, 0, "0000 0000 0000 00000000" SIGNATURE, false},
    {TPM2_CC_ContextLoad,
     "",
     0,
     {0},
     0,
     "0000000000000001 80000000 40000001 0008 0102030405060708",
     true},
    {TPM2_CC_ContextSave, "s", 1, {KEY}, 0, "", false},
    {TPM2_CC_ECDH_KeyGen, "e", 1, {KEY}, 0, "", false},
    {TPM2_CC_EncryptDecrypt,
     "c",
     1,
     {KEY},
     1,
     "00 0043 0010 00000000000000000000000000000000 0004 61626364",
     false},
    {TPM2_CC_FlushContext, "s", 0, {0}, 0, "80000000", false},
    {TPM2_CC_LoadExternal, "", 0, {0}, 0, "0000" PUBLIC "40000007", false},
    {TPM2_CC_MakeCredential,
     "p",
     1,
     {KEY},
     0,
     "0004 61626364 0022 000b"
     "0102030405060708010203040506070801020304050607080102030405060708",
     false},
    {TPM2_CC_NV_ReadPublic, "n", 1, {NV}, 0, "", false},
    {TPM2_CC_PolicyAuthorize,
     "T",
     1,
     {POLICY},
     0,
     "0000 0000 0022 000b0102030405060708010203040506070801020304050607080102030405060708"
     "8022 40000007 0000",
     false},
    {TPM2_CC_PolicyAuthValue, "P", 1, {POLICY}, 0, "", false},
    {TPM2_CC_PolicyCommandCode, "P", 1, {POLICY}, 0, "0000017b", false},
    {TPM2_CC_PolicyCounterTimer, "P", 1, {POLICY}, 0, "0001 00 0000 0000", false},
    {TPM2_CC_PolicyCpHash, "P", 1, {POLICY}, 0, DIGEST, false},
    {TPM2_CC_PolicyLocality, "P", 1, {POLICY}, 0, "01", false},
    {TPM2_CC_PolicyNameHash, "P", 1, {POLICY}, 0, DIGEST, false},
    {TPM2_CC_PolicyOR, "T", 1, {POLICY}, 0, "00000002" DIGEST DIGEST, false},
    {TPM2_CC_PolicyTicket,
     "P",
     1,
     {POLICY},
     0,
     "0000 0000 0000 0002 6162 8025 40000001 0000",
     true},
    {TPM2_CC_ReadPublic, "s", 1, {KEY}, 0, "", false},
    {TPM2_CC_RSA_Encrypt, "r", 1, {KEY}, 0, "0004 61626364 0010 0000", false},
    {TPM2_CC_StartAuthSession,
     "s",
     2,
     {NONE, KEY},
     0,
     "0010 00000000000000000000000000000000 0000 00 000600800043 000b",
     false},
    {TPM2_CC_VerifySignature, "x", 1, {KEY}, 0, DIGEST SIGNATURE, true},
    {TPM2_CC_ECC_Parameters, "", 0, {0}, 0, "0003", false},
    {TPM2_CC_GetCapability, "ss", 0, {0}, 0, "00000001 80000001 00000010", false},
    {TPM2_CC_GetRandom, "", 0, {0}, 0, "0010", false},
    {TPM2_CC_GetTestResult, "", 0, {0}, 0, "", false},
    {TPM2_CC_Hash, "", 0, {0}, 0, "0002 6162 000b 40000007", false},
    {TPM2_CC_PCR_Read, "", 0, {0}, 0, PCR_CHOICE, false},
    {TPM2_CC_PolicyPCR, "P", 1, {POLICY}, 0, "0000" PCR_CHOICE, false},
    {TPM2_CC_PolicyRestart, "P", 1, {POLICY}, 0, "", false},
    {TPM2_CC_ReadClock, "", 0, {0}, 0, "", false},
    {TPM2_CC_PCR_Extend,
     "",
     1,
     {PCR},
     1,
     "00000001 000b"
     "0102030405060708010203040506070801020304050607080102030405060708",
     false},
    {TPM2_CC_PCR_SetAuthValue, "", 1, {PCR}, 1, "0002 7077", true},
    {TPM2_CC_NV_Certify, "snw", 3, {KEY, OWNER, NV}, 2, "0000 0010 0004 0000", false},
    {TPM2_CC_EventSequenceComplete, "E", 2, {PCR, KEY}, 2, "0002 6162", false},
    {TPM2_CC_HashSequenceStart, "", 0, {0}, 0, "0002 7077 000b", false},
    {TPM2_CC_PolicyPhysicalPresence, "P", 1, {POLICY}, 0, "", false},
    {TPM2_CC_PolicyDuplicationSelect, "P", 1, {POLICY}, 0, "0000 0002 6162 00", false},
    {TPM2_CC_PolicyGetDigest, "P", 1, {POLICY}, 0, "", false},
    {TPM2_CC_TestParms, "", 0, {0}, 0, "0023 000600800043 0010 0003 0010", false},
    {TPM2_CC_Commit, "a", 1, {KEY}, 1, "0004 0000 0000 0000 0000", false},
    {TPM2_CC_PolicyPassword, "P", 1, {POLICY}, 0, "", false},
    {TPM2_CC_ZGen_2Phase, "e", 1, {KEY}, 1, POINT POINT "0019 0001", true},
    {TPM2_CC_EC_Ephemeral, "", 0, {0}, 0, "0003", false},
    {TPM2_CC_PolicyNvWritten, "P", 1, {POLICY}, 0, "01", false},
    {TPM2_CC_PolicyTemplate, "P", 1, {POLICY}, 0, DIGEST, false},
    {TPM2_CC_CreateLoaded, "p", 1, {KEY}, 1, SENSITIVE "0018" SIGNING, false},
    {TPM2_CC_PolicyAuthorizeNV, "nwP", 3, {OWNER, NV, POLICY}, 1, "", true},
    {TPM2_CC_EncryptDecrypt2,
     "c",
     1,
     {KEY},
     1,
     "0004 61626364 00 0043 0010 00000000000000000000000000000000",
     false},
    {TPM2_CC_CertifyX509, "ss", 2, {KEY, KEY2}, 2, "0000 0010 0002 3000", true},
};

const size_t corpus_command_count = sizeof(corpus_commands) / sizeof(corpus_commands[0]);

const struct corpus_command *corpus_making(char letter)
{
    for (size_t i = 0; i < sizeof(makings) / sizeof(makings[0]); i++) {
        if (makings[i].letter == letter)
            return &makings[i].command;
    }
    return NULL;
}

const struct corpus_command *corpus_find(uint32_t code)
{
    for (size_t i = 0; i < corpus_command_count; i++) {
        if (corpus_commands[i].code == code)
            return &corpus_commands[i];
    }
    return NULL;
}

static uint8_t digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Spaces are for the reader. */
static size_t put_hex(uint8_t *out, const char *text)
{
    size_t count = 0;

    for (text += strspn(text, " "); *text; text += 2 + strspn(text + 2, " "))
        out[count++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
    return count;
}

size_t corpus_build(const struct corpus_command *command, uint32_t session, uint8_t *out)
{
    size_t at = HEADER_SIZE;

    for (unsigned i = 0; i < command->handle_count; i++, at += 4)
        store_be32(out + at, command->handles[i]);
    if (command->authorizations > 0) {
        store_be32(out + at, 9 * command->authorizations);
        at += 4;
    }
    for (unsigned i = 0; i < command->authorizations; i++, at += 9) {
        memset(out + at, 0, 9);
        store_be32(out + at, session ? session : TPM2_RS_PW);
        if (session)
            out[at + 6] = TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_AUDIT;
    }
    at += put_hex(out + at, command->parameters);
    assert(at <= CORPUS_COMMAND_MAX);
    header_store(out, command->authorizations ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS,
                 (uint32_t)at, command->code);
    return at;
}
