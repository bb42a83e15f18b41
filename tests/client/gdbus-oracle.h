/* SPDX-License-Identifier: BSD-2-Clause */
/* What GDBus makes of the bytes of a message, beside what the client library makes of them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define GDBUS_ORACLE_WHY 512

enum gdbus_oracle {
    GDBUS_ORACLE_BOTH_READ, /* and understand the same */
    GDBUS_ORACLE_BOTH_REFUSE,
    GDBUS_ORACLE_WE_REFUSE,     /* what GDBus reads */
    GDBUS_ORACLE_GDBUS_REFUSES, /* what we read: we do not look at everything */
    GDBUS_ORACLE_DISAGREE,
};

/* Reads the message twice. What GDBus says against it, or what is not the same, is at `why`. */
enum gdbus_oracle gdbus_oracle_ask(const uint8_t *bytes, size_t size, char why[GDBUS_ORACLE_WHY]);
