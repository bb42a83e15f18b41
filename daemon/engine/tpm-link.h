/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's link to the TPM: a TCTI, with a ledger of our sessions. Taking the TPM over removes
 * what a former daemon left in it; a TCTI whose transport broke is opened again.
 */
#pragma once

#include "engine/ledger-file.h"
#include "engine/loop.h"
#include "rm/chip.h"
#include "tpm/fault.h"
#include "tpm/tcti.h"

struct tpm_link_config {
    const char *conf;        /* the TCTI loader's configuration string */
    const char *name;        /* tells daemons on one TPM apart */
    const char *runtime_dir; /* where the record of sessions is kept; NULL: nowhere */
    const char *sys;         /* where sysfs is */
    bool flush_all;          /* at start, flush sessions of others too */
};

enum tpm_link_state {
    TPM_LINK_ABSENT,  /* not taken over */
    TPM_LINK_LOST,    /* its transport broke, and no command was answered since */
    TPM_LINK_PRESENT, /* taken over, or back */
};

struct tpm_link {
    struct rm_tpm tpm; /* the TCTI's, for the manager */
    enum tpm_link_state state;
    struct loop *loop;
    struct tpm_link_config config; /* copies */
    struct tcti *tcti;
    struct ledger_file *ledger;
    uint64_t owner; /* hash of configuration and name */
    void (*before)(void *data);
    void *data;
    struct timer reopen; /* armed until the next attempt */
    int reopen_wait_ms;
    bool disabled; /* it was said that the kernel has disabled it, */
    bool gone;     /* and that its device is gone */
};

/* What tpm_link_poll() found. */
enum tpm_link_news {
    TPM_LINK_AS_BEFORE,
    TPM_LINK_REOPENED, /* there is a transport again */
    TPM_LINK_GONE,     /* its device is, and nobody needs it any more */
};

/*
 * An absent link; copies the configuration. `before` is called with `data` before each command that
 * goes to the TPM, and `waiter` is what goes on while it works. 0, or a negative errno: then
 * tpm_link_clear() is due all the same.
 */
int tpm_link_init(struct tpm_link *link, struct loop *loop, const struct tpm_link_config *config,
                  const struct tcti_waiter *waiter, void (*before)(void *data), void *data);

/* After tpm_link_give_back(), or where it was never taken over. */
void tpm_link_clear(struct tpm_link *link);

/* Opens the TPM and starts it; *restarted says that it was reset before. False with the fault and a
 * sentence when there is none to work with. */
bool tpm_link_open(struct tpm_link *link, bool *restarted, enum tpm_fault *fault,
                   char text[TPM_FAULT_TEXT]);

/* Takes the open TPM over; its properties go to *chip. What a former daemon left in it goes, unless
 * it is this one's now (`inherits`). May be repeated. False as above. */
bool tpm_link_take(struct tpm_link *link, bool inherits, struct chip *chip, enum tpm_fault *fault,
                   char text[TPM_FAULT_TEXT]);

/* With flush_all, flushes the sessions that are not in the record of ours. */
void tpm_link_flush_others(struct tpm_link *link);

/* Tries to get a lost TPM back, when it is time for that. `answers` says that the manager's last
 * command was answered, and `needed` that a device which went away is to be waited for. With
 * TPM_LINK_GONE there is a sentence in `text`. */
enum tpm_link_news tpm_link_poll(struct tpm_link *link, bool answers, bool needed,
                                 char text[TPM_FAULT_TEXT]);

/* Closes the TPM; `clean` flushes the sessions in the record before. */
void tpm_link_give_back(struct tpm_link *link, bool clean);

/* What tells this TPM, as used under this daemon's name, from others; once it was opened. */
uint64_t tpm_link_owner(const struct tpm_link *link);

/* The record of our sessions, once it was opened. */
struct ledger *tpm_link_ledger(const struct tpm_link *link);

/* True while there is a transport. */
bool tpm_link_is_open(const struct tpm_link *link);

/* Asks the TPM to cancel the running command, which still gets its answer. A TSS2_RC. */
uint32_t tpm_link_cancel(const struct tpm_link *link);

/* Since when the TPM has been busy, as tcti_busy_since() says it. Any thread. */
int64_t tpm_link_busy_since(const struct tpm_link *link);
