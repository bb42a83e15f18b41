/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a connection sends over and over to delay others: bytes that are written to `out`, of at
 * most ATTACK_BYTES_MAX. Some attacks take two kinds of connections: those with even numbers, and
 * those with odd ones. The functions return how many bytes they wrote.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ATTACK_BYTES_MAX 4096

typedef size_t attack_bytes_fn(uint8_t *out, unsigned connection);

/* CreatePrimary of an ECC P-256 key, which the chip takes time for. */
size_t attack_bytes_primary(uint8_t *out);
attack_bytes_fn attack_bytes_primaries;

/* Many a GetCapability that the daemon answers by itself. */
attack_bytes_fn attack_bytes_capabilities;

/* The same beside commands that the chip takes time for. */
attack_bytes_fn attack_bytes_mixture;

/* Commands, each with its cancel. */
attack_bytes_fn attack_bytes_canceled;

/* Control frames, and the same beside commands whose answers are waited for. */
attack_bytes_fn attack_bytes_hellos;
attack_bytes_fn attack_bytes_commands_and_hellos;
