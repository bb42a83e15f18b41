/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of TPM handles: the top byte says which (TPM 2.0 Library Part 2, clause 7.2). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HANDLE_INDEX_MASK UINT32_C(0x00FFFFFF)

/* The first handle of a kind. In queries of the TPM's capabilities 0x02...... lists all loaded
 * sessions and 0x03...... all saved ones, whatever their handles are. */
#define HANDLE_LOADED_SESSIONS UINT32_C(0x02000000)
#define HANDLE_SAVED_SESSIONS  UINT32_C(0x03000000)
#define HANDLE_TRANSIENT_FIRST UINT32_C(0x80000000)

static inline bool handle_is_transient(uint32_t handle)
{
    return handle >> 24 == 0x80;
}

static inline bool handle_is_persistent(uint32_t handle)
{
    return handle >> 24 == 0x81;
}

/* HMAC (0x02) and policy (0x03) sessions share one numbering: the low 24 bits name the session. */
static inline bool handle_is_session(uint32_t handle)
{
    return handle >> 24 == 0x02 || handle >> 24 == 0x03;
}
