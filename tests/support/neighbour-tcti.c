/* SPDX-License-Identifier: BSD-2-Clause */
#include "neighbour-tcti.h"

#include "counts.h"
#include "wire/header.h"

#include <stdlib.h>

struct neighbour_tcti {
    struct neighbour neighbour;
    struct counts *refused;
};

struct neighbour_tcti *neighbour_tcti_new(const struct neighbour_wants *wants, const char *refused)
{
    struct neighbour_tcti *self = calloc(1, sizeof(*self));

    if (!self)
        return NULL;
    self->neighbour.wants = *wants;
    self->refused = counts_open(refused);
    if (!self->refused) {
        free(self);
        return NULL;
    }
    return self;
}

void neighbour_tcti_free(struct neighbour_tcti *neighbour)
{
    if (!neighbour)
        return;
    counts_close(neighbour->refused);
    free(neighbour);
}

static uint32_t send_to_chip(void *chip, const uint8_t *command, size_t size, uint8_t *response)
{
    size_t answer = NEIGHBOUR_BYTES;

    if (Tss2_Tcti_Transmit(chip, size, command) != TSS2_RC_SUCCESS
        || Tss2_Tcti_Receive(chip, &answer, response, TSS2_TCTI_TIMEOUT_BLOCK) != TSS2_RC_SUCCESS
        || answer < HEADER_SIZE)
        return UINT32_MAX;
    return header_load(response).code;
}

void neighbour_tcti_between(struct neighbour_tcti *neighbour, TSS2_TCTI_CONTEXT *chip,
                            uint32_t code)
{
    /* A chip that is not started yet refuses. */
    if (neighbour->neighbour.key_size == 0
        && !neighbour_prepare(&neighbour->neighbour, send_to_chip, chip))
        return;
    if (!neighbour_try(&neighbour->neighbour, send_to_chip, chip))
        counts_add(neighbour->refused, code);
}
