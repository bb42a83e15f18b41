/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a person may want to find in the log, or leave out of it. Each event has a name and a
 * message id (MESSAGE_ID= of systemd.journal-fields(7)), which stay what they are for good, and a
 * level. tabrmd(8) lists them; a check compares the list with the table.
 */
#pragma once

#include "base/log-level.h"

enum log_event {
    /* Those that clients can cause at will; they have limits (base/log-limit.h). */
    LOG_EVENT_CONNECTION_REFUSED, /* somebody gets no connection */
    LOG_EVENT_CONNECTION_ENDED,   /* a client is let go for what it sent */
    LOG_EVENT_ADMISSION_PAUSED,   /* nobody can be let in */
    LOG_EVENT_USER_UNKNOWN,       /* the user database does not say who is a member */
    LOG_EVENT_CALL_REFUSED,       /* a call on the bus that may not be, or one too many */
    LOG_EVENT_CALLS_UNANSWERED,   /* calls on the bus get no answer: those before were not read */
    LOG_EVENT_COMMAND_REFUSED,    /* a command that its sender may not send */
    LOG_EVENT_PASSWORDS_USED_UP,  /* an account's budget of wrong passwords */
    LOG_EVENT_LOCALITY_REFUSED,   /* a locality that the user may not have */
    LOG_EVENT_LIMIT_REACHED,      /* a client has all the objects or sessions that it may have */
    LOG_EVENT_SESSION_DISCARDED,  /* a saved session of a closed connection is flushed */
    LOG_EVENT_NO_SESSIONS,        /* all active sessions of the TPM are taken */
    LOG_EVENT_TPM_SILENT,         /* the TPM does not answer a client's command */
    LOG_EVENT_TPM_ANSWER_BAD,     /* its answer cannot be used */
    LOG_EVENT_LOCKOUT,            /* it refuses authorizations: too many were wrong */
    LOG_EVENTS_LIMITED,           /* their number */

    LOG_EVENT_COMMAND = LOG_EVENTS_LIMITED, /* a client's command was answered */
    LOG_EVENT_STARTED,                      /* clients are served from now on */
    LOG_EVENT_STOPPING,                     /* they are no more, as the daemon was told to end */
    LOG_EVENT_HANDING_OVER,                 /* the next daemon is to serve them */
    LOG_EVENT_RESTORED,                     /* those of a former daemon are served again */
    LOG_EVENT_NOT_RESTORED,                 /* they are not: what it left cannot be used */
    LOG_EVENT_FAILED,                       /* the daemon ends by itself */
    LOG_EVENT_RELOADED,                     /* the configuration was read again */
    LOG_EVENT_RELOAD_FAILED,                /* and cannot be used */
    LOG_EVENT_BUS_LOST,                     /* the bus, or the name on it, is gone */
    LOG_EVENT_BUS_BACK,                     /* it is back */
    LOG_EVENT_WATCHDOG,                     /* the engine gives no sign of life */
    LOG_EVENT_TPM_FOUND,                    /* the TPM was opened at the start */
    LOG_EVENT_TPM_LEFTOVERS,                /* things of another time were flushed from it */
    LOG_EVENT_TPM_LOST,                     /* it is gone and is opened again */
    LOG_EVENT_TPM_BACK,                     /* it answers again */
    LOG_EVENT_TPM_RESET,                    /* it lost what clients had in it */
    LOG_EVENT_TPM_FAILURE,                  /* it is in failure mode */
    LOG_EVENT_TPM_DISABLED,                 /* the kernel has given it up */
    LOG_EVENT_SLEEP_UNSAVED,                /* what it holds may be lost while the machine sleeps */
    LOG_EVENT_AUTHORIZATION_EMPTY,          /* it can be taken over by any member */
    LOG_EVENT_LOG_INCOMPLETE,               /* lines of the log are missing */
    LOG_EVENT_NONE                          /* the number of all; no event */
};

struct log_event_row {
    const char *name;
    const char *id; /* 32 hexadecimal digits */
    enum log_level level;
    const char *many; /* "<n> more lines about ...", of those with limits */
};

extern const struct log_event_row log_events[LOG_EVENT_NONE];
