/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * swtpm's control channel over a Unix socket: a big-endian command code and its argument, answered
 * by a big-endian result, 0 for success. It reaches what TPM commands do not: power, locality,
 * cancel. swtpm serves one connection to it at a time, so each call below connects anew.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum swtpm_ctrl_code {
    SWTPM_CTRL_INIT = 2,
    SWTPM_CTRL_SHUTDOWN = 3,
    SWTPM_CTRL_SET_LOCALITY = 5,
    SWTPM_CTRL_CANCEL = 9,
    SWTPM_CTRL_STOP = 14,
};

/* Connects to a Unix stream socket, close-on-exec. Returns the descriptor or a negative errno. */
int swtpm_connect(const char *path);

/* Sends a command with `size` bytes of argument and waits for the result. Returns 0, the positive
 * result of swtpm, or a negative errno when the channel failed. */
int64_t swtpm_ctrl(const char *path, enum swtpm_ctrl_code code, const void *argument, size_t size);

/* Sends a command without argument; its result is read from the descriptor that is returned (or
 * a negative errno), so that the caller need not wait for a TPM that is at work. */
int swtpm_ctrl_send(const char *path, enum swtpm_ctrl_code code);

/* Turns the TPM's power off and on: all that is not in its NV memory is lost. */
int64_t swtpm_ctrl_power_cycle(const char *path);

/* True when the socket answers. */
bool swtpm_ctrl_answers(const char *path);
