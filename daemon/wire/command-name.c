/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/command-name.h"

#include <stddef.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define NAME(command) [TPM2_CC_##command - TPM2_CC_FIRST] = #command

/* Commands of the TPM 2.0 Library that not every tpm2-tss knows yet. */
#define LATER(code, command) [(code)-TPM2_CC_FIRST] = #command

/* What has the code of something else. */
static const struct {
    const char *name;
    uint32_t code;
} other_names[] = {
    {"MAC", TPM2_CC_HMAC},
    {"MAC_Start", TPM2_CC_HMAC_Start},
};

static const char *const command_names[] = {
    NAME(NV_UndefineSpaceSpecial),
    NAME(EvictControl),
    NAME(HierarchyControl),
    NAME(NV_UndefineSpace),
    NAME(ChangeEPS),
    NAME(ChangePPS),
    NAME(Clear),
    NAME(ClearControl),
    NAME(ClockSet),
    NAME(HierarchyChangeAuth),
    NAME(NV_DefineSpace),
    NAME(PCR_Allocate),
    NAME(PCR_SetAuthPolicy),
    NAME(PP_Commands),
    NAME(SetPrimaryPolicy),
    NAME(FieldUpgradeStart),
    NAME(ClockRateAdjust),
    NAME(CreatePrimary),
    NAME(NV_GlobalWriteLock),
    NAME(GetCommandAuditDigest),
    NAME(NV_Increment),
    NAME(NV_SetBits),
    NAME(NV_Extend),
    NAME(NV_Write),
    NAME(NV_WriteLock),
    NAME(DictionaryAttackLockReset),
    NAME(DictionaryAttackParameters),
    NAME(NV_ChangeAuth),
    NAME(PCR_Event),
    NAME(PCR_Reset),
    NAME(SequenceComplete),
    NAME(SetAlgorithmSet),
    NAME(SetCommandCodeAuditStatus),
    NAME(FieldUpgradeData),
    NAME(IncrementalSelfTest),
    NAME(SelfTest),
    NAME(Startup),
    NAME(Shutdown),
    NAME(StirRandom),
    NAME(ActivateCredential),
    NAME(Certify),
    NAME(PolicyNV),
    NAME(CertifyCreation),
    NAME(Duplicate),
    NAME(GetTime),
    NAME(GetSessionAuditDigest),
    NAME(NV_Read),
    NAME(NV_ReadLock),
    NAME(ObjectChangeAuth),
    NAME(PolicySecret),
    NAME(Rewrap),
    NAME(Create),
    NAME(ECDH_ZGen),
    NAME(HMAC),
    NAME(Import),
    NAME(Load),
    NAME(Quote),
    NAME(RSA_Decrypt),
    NAME(HMAC_Start),
    NAME(SequenceUpdate),
    NAME(Sign),
    NAME(Unseal),
    NAME(PolicySigned),
    NAME(ContextLoad),
    NAME(ContextSave),
    NAME(ECDH_KeyGen),
    NAME(EncryptDecrypt),
    NAME(FlushContext),
    NAME(LoadExternal),
    NAME(MakeCredential),
    NAME(NV_ReadPublic),
    NAME(PolicyAuthorize),
    NAME(PolicyAuthValue),
    NAME(PolicyCommandCode),
    NAME(PolicyCounterTimer),
    NAME(PolicyCpHash),
    NAME(PolicyLocality),
    NAME(PolicyNameHash),
    NAME(PolicyOR),
    NAME(PolicyTicket),
    NAME(ReadPublic),
    NAME(RSA_Encrypt),
    NAME(StartAuthSession),
    NAME(VerifySignature),
    NAME(ECC_Parameters),
    NAME(FirmwareRead),
    NAME(GetCapability),
    NAME(GetRandom),
    NAME(GetTestResult),
    NAME(Hash),
    NAME(PCR_Read),
    NAME(PolicyPCR),
    NAME(PolicyRestart),
    NAME(ReadClock),
    NAME(PCR_Extend),
    NAME(PCR_SetAuthValue),
    NAME(NV_Certify),
    NAME(EventSequenceComplete),
    NAME(HashSequenceStart),
    NAME(PolicyPhysicalPresence),
    NAME(PolicyDuplicationSelect),
    NAME(PolicyGetDigest),
    NAME(TestParms),
    NAME(Commit),
    NAME(PolicyPassword),
    NAME(ZGen_2Phase),
    NAME(EC_Ephemeral),
    NAME(PolicyNvWritten),
    NAME(PolicyTemplate),
    NAME(CreateLoaded),
    NAME(PolicyAuthorizeNV),
    NAME(EncryptDecrypt2),
    NAME(AC_GetCapability),
    NAME(AC_Send),
    NAME(Policy_AC_SendSelect),
    NAME(CertifyX509),
    NAME(ACT_SetTimeout),
    LATER(0x199, ECC_Encrypt),
    LATER(0x19A, ECC_Decrypt),
    LATER(0x19B, PolicyCapability),
    LATER(0x19C, PolicyParameters),
    LATER(0x19D, NV_DefineSpace2),
    LATER(0x19E, NV_ReadPublic2),
    LATER(0x19F, SetCapability),
    LATER(0x1A0, ReadOnlyControl),
    LATER(0x1A1, PolicyTransportSPDM),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *command_name(uint32_t code)
{
    /* Codes below the first command's wrap around to large numbers. */
    uint32_t index = code - TPM2_CC_FIRST;
    const char *name = index < COUNT(command_names) ? command_names[index] : NULL;

    return name ? name : "(unknown)";
}

uint32_t command_name_find(const char *name)
{
    static const char prefix[] = "TPM2_";

    if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
        name += sizeof(prefix) - 1;
    for (uint32_t i = 0; i < COUNT(command_names); i++) {
        if (command_names[i] && strcmp(command_names[i], name) == 0)
            return TPM2_CC_FIRST + i;
    }
    for (size_t i = 0; i < COUNT(other_names); i++) {
        if (strcmp(other_names[i].name, name) == 0)
            return other_names[i].code;
    }
    return 0;
}

const char *command_name_next(uint32_t *code)
{
    if (*code < TPM2_CC_FIRST)
        *code = TPM2_CC_FIRST - 1;
    while (++*code - TPM2_CC_FIRST < COUNT(command_names)) {
        if (command_names[*code - TPM2_CC_FIRST])
            return command_names[*code - TPM2_CC_FIRST];
    }
    return NULL;
}
