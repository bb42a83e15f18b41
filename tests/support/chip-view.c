/* SPDX-License-Identifier: BSD-2-Clause */
#include "chip-view.h"

#include "tcti-swtpm.h"
#include "wire/command.h"

#include <tss2/tss2_tpm2_types.h>

#define ANSWER_MS 30000
/* Of the answer: header, moreData, capability, count. */
#define COUNT_AT   (HEADER_SIZE + 1 + 4)
#define HANDLES_AT (COUNT_AT + 4)

int chip_view_handles(const char *server, uint32_t first, uint32_t *handles, size_t max)
{
    TSS2_TCTI_CONTEXT *tcti = tcti_swtpm_new(server, NULL);
    uint8_t command[COMMAND_OWN_SIZE], answer[4096];
    size_t size = sizeof(answer);
    int count = -1;

    if (!tcti)
        return -1;
    size_t length = command_build_get_capability(command, TPM2_CAP_HANDLES, first, (uint32_t)max);
    if (Tss2_Tcti_Transmit(tcti, length, command) == TSS2_RC_SUCCESS
        && Tss2_Tcti_Receive(tcti, &size, answer, ANSWER_MS) == TSS2_RC_SUCCESS
        && size >= HANDLES_AT && header_load(answer).code == TPM2_RC_SUCCESS) {
        size_t told = load_be32(answer + COUNT_AT);

        if (told <= max && size >= HANDLES_AT + 4 * told) {
            for (size_t i = 0; i < told; i++)
                handles[i] = load_be32(answer + HANDLES_AT + 4 * i);
            count = (int)told;
        }
    }
    tcti_swtpm_free(tcti);
    return count;
}
