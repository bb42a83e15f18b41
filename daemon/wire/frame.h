/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a TPM command ends in a stream of bytes: its header says how long it is (TPM 2.0 Library
 * Part 1, "Command/Response Header"). Pure; nothing else of the command is looked at.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum frame_state {
    FRAME_PARTIAL, /* more bytes are needed */
    FRAME_WHOLE,
    FRAME_BAD, /* the size field is out of range: where the next command starts is unknown */
};

/*
 * Looks at the first `have` bytes of a stream whose commands have at most `max` bytes. *size is the
 * number of bytes of the command; while the size field is not there yet, the number of bytes up to
 * the end of that field.
 */
enum frame_state frame_look(const uint8_t *bytes, size_t have, size_t max, size_t *size);
