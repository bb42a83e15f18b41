/* SPDX-License-Identifier: BSD-2-Clause */
#include "discrete.h"

#include <stddef.h>
#include <tss2/tss2_tpm2_types.h>

static const struct {
    uint32_t code, ms;
} discrete_profile[] = {
    {TPM2_CC_ContextLoad, 25}, {TPM2_CC_ContextSave, 20},
    {TPM2_CC_FlushContext, 4}, {TPM2_CC_Sign, 90},
    {TPM2_CC_Load, 80},        {TPM2_CC_CreatePrimary, 250},
    {TPM2_CC_GetRandom, 10},   {TPM2_CC_StartAuthSession, 15},
};
#define DISCRETE_OTHER_MS 10

uint32_t discrete_ms(uint32_t code)
{
    for (size_t i = 0; i < sizeof(discrete_profile) / sizeof(discrete_profile[0]); i++)
        if (discrete_profile[i].code == code)
            return discrete_profile[i].ms;
    return DISCRETE_OTHER_MS;
}
