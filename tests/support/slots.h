/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes a chip out of another one that has fewer slots, for the counting TCTI: of its loaded
 * objects and of its loaded sessions each the same number less. What the chip tells of its slots is
 * lowered, and a command that would need more of them is refused with the chip's own codes, so that
 * whoever uses it cannot do with more than it was told.
 *
 * A slot is taken by each transient object and each loaded session, by a persistent object while a
 * command names it, and by the object that TPM2_Create makes while it runs. What commands name and
 * make is what the chip says of them (TPMA_CC). How many slots are taken is kept as a bound from
 * above, since a session or an object can go in many ways; only when the bound is at the limit is
 * the chip asked.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <tss2/tss2_tcti.h>

struct slots;

/* A chip with `fewer` object slots and as many session slots less than it has; one of each is
 * always left. NULL when memory is out. */
struct slots *slots_new(uint32_t fewer);
void slots_free(struct slots *slots);

/*
 * Looks at a command (its header is there) before it goes to `chip`, which is idle and is asked in
 * here where that is needed. 0, or TPM_RC_OBJECT_MEMORY or TPM_RC_SESSION_MEMORY when the chip must
 * not get it, but that for an answer. A chip that does not answer refuses nothing: the command
 * itself will show what is wrong with it.
 */
TSS2_RC slots_judge(struct slots *slots, TSS2_TCTI_CONTEXT *chip, const uint8_t *command,
                    size_t size);

/* Takes note of the chip's answer to the command that was judged last, and lowers in place what it
 * tells of slots. */
void slots_learn(struct slots *slots, uint8_t *answer, size_t size);
