/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes a chip out of another one that has one more command, a vendor's without handles, for the
 * counting TCTI: the chip lists it, and answers it without sessions with nothing but success.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: there is none. */
struct vendor_command {
    uint32_t code; /* TPM_CC with the vendor bit, which is its TPMA_CC too */
    bool listed;   /* the command that is under way asks for the list of commands */
};

/* The command of a number in words; one with code 0 when it is none. */
struct vendor_command vendor_command_read(const char *text);

/* Looks at a command. True when it is the vendor's, which is not for the other chip. */
bool vendor_command_is(struct vendor_command *vendor, const uint8_t *command, size_t size);

/* Adds it to the answer of `size` bytes to what was looked at last, if that is the end of the list
 * and there is room. The size of the answer. */
size_t vendor_command_add(const struct vendor_command *vendor, uint8_t *answer, size_t size,
                          size_t capacity);
