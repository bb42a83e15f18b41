/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a command will likely cost, by what it asks for: its code, whether it has an authorization
 * area, the algorithm and the size of its key where the command shows these, and of the others what
 * makes one many times as long as the next. That is its kind. The costs of the kinds are learned
 * from the chip; as long as nothing is known of one, it is what a usual discrete TPM needs.
 *
 * Pure. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define COMMAND_COST_KINDS 256 /* that are remembered at a time; a power of 2 */

/* All zero at first. */
struct command_cost {
    struct {
        uint64_t kind, nanoseconds;
    } learned[COMMAND_COST_KINDS];
};

/* The kind of the command whose first `have` bytes are at `command`, the header at the least. Never
 * 0. Any bytes may be given, and nothing beyond the first `have` is read. */
uint64_t command_cost_kind(const uint8_t *command, size_t have);

/* What a command of this kind is expected to cost, nanoseconds. */
uint64_t command_cost_expected(const struct command_cost *costs, uint64_t kind);

/* A command of this kind has cost so many nanoseconds. Only for one that the chip carried out: what
 * was refused says nothing about the next one of its kind. */
void command_cost_learn(struct command_cost *costs, uint64_t kind, uint64_t nanoseconds);
