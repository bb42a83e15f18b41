/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of the engine, whichever way it came.
 *
 * A client is ended at any time, also while functions up the stack have it at hand: so
 * client_close() only marks it, and clients_reap() frees it where the stack is clear.
 */
#pragma once

#include "base/log-about.h"
#include "engine/client-io.h"
#include "engine/clients.h"
#include "engine/peer-groups.h"
#include "engine/rules.h"

/* The least charge for anything that is done for a client, nanoseconds: what that costs the engine
 * beside the measured time, by system calls and cold caches. */
#define CLIENT_COST_MIN UINT64_C(20000)

/* Its values are in the journal (rm/journal-records.h). */
enum client_state {
    CLIENT_ADMITTED, /* not served yet: what its user is is to be known first */
    CLIENT_OPEN,
    CLIENT_DRAINING, /* goes when it has taken its last response */
    CLIENT_CLOSED,   /* to be freed */
};

/* What is done with a client's command. */
enum client_command {
    CLIENT_COMMAND_NONE,     /* it has none, or it was not read yet */
    CLIENT_COMMAND_READ,     /* its turn has come */
    CLIENT_COMMAND_CANCELED, /* while it was only read */
    CLIENT_COMMAND_SUBMITTED /* to the resource manager */
};

struct client {
    struct clients *set;
    struct list link; /* in its bucket by id, of those without an id, of those to free; or free for
                       * the use of whoever admitted it */
    struct watch watch;
    struct client_io io;
    struct user *user;                 /* whose it is; NULL while its account is not known: */
    struct admission_unknown *unknown; /* then this is not */
    struct scheduler_client turn;
    struct rm_client *rm; /* made with the first command */
    uint64_t policy;      /* number of the policies by which it has its own */
    uint64_t id;          /* of one from the bus */
    uint32_t uid;         /* for what it is permitted, and the log */
    struct peer_groups groups;
    bool member; /* its user is one of the socket's group; else it is a guest */
    struct user_rules rules;
    struct client_record record;
    bool opened;      /* it was served */
    uint8_t locality; /* of its next commands */
    enum client_state state;
    enum client_origin origin;
    enum client_command command;
};

/*
 * A client of user number `uid` behind the stream socket `fd`, which it takes over on success. Its
 * user is not set, its groups are not known and its rules not set; its origin is the bus. The loop
 * knows its socket, without events. 0 or a negative errno. Any thread.
 */
int client_new(struct clients *clients, uint32_t uid, int fd, struct client **client);

/* Frees a client that was never opened nor closed. NULL is fine. */
void client_free(struct client *client);

/* Has an admitted client, which is on no list, served from now on; its user is charged for that. */
void client_open(struct client *client);

/* Has a client that was opened go on where a former daemon left it: `state` and `locality` are as
 * they were, `rm` is what it has in the manager, or NULL; kept bytes are there already. */
void client_resume(struct client *client, struct rm_client *rm, enum client_state state,
                   uint8_t locality);

/* What the log tells of a client. */
struct log_about client_about(struct client *client);

/* Ends a client; it is still there until clients_reap(). */
void client_close(struct client *client);

/* Lets a client go with a last response that says `code`. */
void client_dismiss(struct client *client, uint32_t code);

/* Sends a client what is for it: the first `size` bytes of the desk's response, or what was put
 * into the desk's reply, which is wiped. The client is closed when that cannot be. */
void client_answer(struct client *client, size_t size);
void client_reply(struct client *client);

/* Reads the client's next frame to one of the desk's buffers, as client_io_read() does. Deals with
 * everything that is none, and then the buffer is wiped. */
bool client_read(struct client *client, enum desk_buffer buffer, size_t *size);

/* Puts a client that may do something in line, or lets it go. */
void client_queue(struct client *client);

/* Charges a client for what is done for it outside of its turn: a control frame, or a look for
 * one. */
void client_bill(struct client *client);

/* What the client's next command will likely find in the chip; for the scheduler. */
enum rm_affinity client_affinity(const struct scheduler_client *turn);

/* The client whose place in the order of service this is. */
struct client *client_of_turn(struct scheduler_client *turn);

/* Cancels the command that the client sent and that was read, but not submitted: its answer is in
 * the desk's response. */
void client_cancel_read(struct client *client);

/* Cancels the command that the client sent and that was not read yet. A TSS2_RC. */
uint32_t client_cancel_waiting(struct client *client);

/* The same in two steps, for a client that is open and takes its answers. Between them comes
 * client_reply(): the command's answer is in the desk's reply, and more may be put behind it. */
uint32_t client_cancel_begin(struct client *client);
void client_cancel_end(struct client *client);

/* What holds for the client from now on. A locality that it may no longer have becomes 0. Also
 * inside of a TPM command. */
void client_set_rules(struct client *client, const struct user_rules *rules);

/* Sets the locality of the client's next commands; false when its user may not have that one. */
bool client_set_locality(struct client *client, uint8_t locality);

/* Makes the resource manager's side of the client, if there is none yet, for its next command.
 * False without memory. Not inside of a TPM command. */
bool client_prepare(struct client *client, struct rm *rm);
