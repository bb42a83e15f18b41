/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration of the counting TCTI: KEY=VALUE, comma separated.
 *
 *   server=PATH       swtpm's Unix socket for TPM commands
 *   ctrl=PATH         swtpm's Unix control socket; without it no cancel and no locality
 *   next=CONF         instead of the two: any TCTI loader string; takes the rest of the line
 *   counts=PATH       the table of counts.h; what the chip's user sends counts, answered or not
 *   trace=PATH        a line is appended for each command: its code, and the four bytes behind
 *                     the header, which are the first handle of a command that has one
 *   profile=discrete  delays as of a discrete chip
 *   fewer=COUNT       slots for objects and for sessions that the chip has less; see slots.h
 *   vendor=CODE       one more command, a vendor's, by its code in hexadecimal; see
 *                     vendor-command.h
 *   faults=PATH       the script of faults.h
 *   neighbour=PATH    another user of the chip, who uses it after each command; PATH is the table
 *                     of neighbour-tcti.h
 *   wants=O/S         objects and sessions that the neighbour holds at a time, a digit each; with
 *                     two objects it also loads a key under a persistent parent. 1/1 otherwise
 */
#pragma once

#include "neighbour.h"

#include <stdbool.h>

struct counting_conf {
    const char *server, *ctrl, *next, *counts, *trace, *profile, *faults, *fewer, *neighbour,
        *vendor;
    struct neighbour_wants wants;
};

/* Cuts `text` into the parts of the configuration, in place; `conf` points into it. False when it
 * is none. */
bool counting_conf_parse(struct counting_conf *conf, char *text);
