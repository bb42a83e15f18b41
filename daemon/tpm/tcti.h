/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TSS2 TCTI behind the resource manager's abstract TPM (TCG TSS 2.0 TCTI Specification). While
 * the TPM works, the thread waits for the TCTI's poll handles and for a descriptor of the caller's,
 * so that the caller can serve others meanwhile. A TCTI without poll handles makes that wait a
 * blocking call. One thread.
 */
#pragma once

#include "rm/tpm.h"

struct tcti;

/* What the caller wants done while the TPM works. All are called on the thread that waits. */
struct tcti_waiter {
    int fd;                     /* serve() is called while it is readable; -1 for none */
    void (*serve)(void *data);  /* also called when timeout() has passed */
    int (*timeout)(void *data); /* milliseconds from now, -1 for never, or TCTI_GIVE_UP */
    void *data;
};

/* A timeout() that ends the wait: the command fails with -ECANCELED, the TCTI is closed. */
#define TCTI_GIVE_UP (-2)

/* A TCTI that is not open yet; copies *waiter. NULL with errno set on failure. */
struct tcti *tcti_new(const struct tcti_waiter *waiter);

/* Closes and frees. NULL is fine. */
void tcti_free(struct tcti *tcti);

/*
 * Opens the TCTI that the loader's configuration string names, closing the one before. Returns the
 * TSS2_RC: TSS2_TCTI_RC_MEMORY also for want of a descriptor of its own. May block for as long as
 * the TCTI takes to connect.
 */
uint32_t tcti_open(struct tcti *tcti, const char *conf);

void tcti_close(struct tcti *tcti);

/* False before tcti_open() and after the transport broke: commands fail with -ENOTCONN then. */
bool tcti_is_open(const struct tcti *tcti);

/* True when commands run without the waiter's calls: the TCTI has no poll handles. */
bool tcti_blocks(const struct tcti *tcti);

/* Since when, on the monotonic clock in milliseconds, the TCTI has been busy with a command or with
 * being opened; 0 when it is not. Any thread. */
int64_t tcti_busy_since(const struct tcti *tcti);

/* Asks the TPM to cancel the running command, which still gets its answer. The TSS2_RC. */
uint32_t tcti_cancel(struct tcti *tcti);

/* The abstract TPM; lives as long as `tcti`. */
struct rm_tpm *tcti_tpm(struct tcti *tcti);
