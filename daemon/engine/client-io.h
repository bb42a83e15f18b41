/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket of a client: commands come out of it, responses go into it, and it never blocks. What
 * is received comes to the desk's buffers, and what is sent goes straight out of them.
 *
 * Only bytes that have to wait are kept here: the start of a command whose rest has not come, bytes
 * behind a command, bytes that were pulled in before the client's turn to look for control frames,
 * and the end of a response that the client has not read. Each of these is one buffer at the most,
 * and a client with nothing under way keeps no buffer.
 */
#pragma once

#include "engine/desk.h"
#include "engine/seats.h"
#include "rm/journal.h"

struct client_io_buffer {
    uint8_t *bytes;
    size_t start, end, capacity; /* what counts stands from start to end */
    uint32_t line;               /* of its extent in the journal, which may have more: */
    uint32_t gone;               /* bytes that were before the start */
};

struct client_io {
    struct desk *desk;        /* borrowed */
    uint64_t cookie;          /* names the connection in the journal; 0: it is not there */
    struct journal_mark mark; /* of its record, whose noter the owner has */
    int fd;
    bool bytes_only; /* no descriptors can come with them; who sends some is as good as gone */
    bool control;    /* control frames may come between commands (wire/control-frame.h) */
    bool maybe_more; /* the socket may have bytes that were not read */
    bool ended;      /* the client sends no more: the end of the stream is there to be read */
    struct client_io_buffer in, out;
    struct seat seat; /* of the connection, for the next daemon; the owner's to give back */
};

enum client_io_status {
    CLIENT_IO_FRAME,  /* a whole command */
    CLIENT_IO_AGAIN,  /* none now; more when the socket becomes readable */
    CLIENT_IO_BAD,    /* no command can start like this, or it was cut by the end of the stream */
    CLIENT_IO_CLOSED, /* the client is gone */
    CLIENT_IO_MEMORY, /* no memory, or room in the journal, for what has to be kept */
};

/* Takes over `fd`, a connected stream socket. The desk, which is borrowed, may be opened later. */
void client_io_init(struct client_io *io, int fd, struct desk *desk);

/* The connection is in the journal from the next commit on, if there is one. False without memory.
 * The record's owner is what `io` is embedded in, and fills it with client_io_note() and more. */
bool client_io_open(struct client_io *io);

/* Keeps more bytes as if they had come, or were to be sent, behind those that are kept. False
 * without memory. The socket is as it was with a former daemon. */
bool client_io_inherit(struct client_io *io, bool output, const uint8_t *bytes, size_t size);

/* Fills what a record has of the socket and of kept bytes; for a noter. */
void client_io_note(struct client_io *io, struct record_connection *record);

/* Ends and closes the socket, takes it out of the journal, and wipes the kept bytes. Harmless when
 * repeated. */
void client_io_clear(struct client_io *io);

/*
 * Reads the next command, or control frame, to one of the desk's buffers: the command's, or
 * scratch. With CLIENT_IO_FRAME its *size bytes stand there, and perhaps others behind them. The
 * caller wipes the buffer, also if there is no frame, when what came of it can be committed.
 */
enum client_io_status client_io_read(struct client_io *io, enum desk_buffer buffer, size_t *size);

/* The most that is read ahead of a client's turn. */
#define CLIENT_IO_AHEAD 256

/*
 * The first *have bytes of the frame that client_io_read() will give. Where no bytes are kept, up
 * to CLIENT_IO_AHEAD are read ahead and kept. *have is 0 when there are no bytes, or no memory to
 * keep them: then they stay in the socket.
 */
const uint8_t *client_io_ahead(struct client_io *io, size_t *have);

/* True when the next client_io_read() is likely to find something. */
bool client_io_readable(const struct client_io *io);

/* Where a control frame was found. */
enum client_io_place {
    CLIENT_IO_NOWHERE,
    CLIENT_IO_FRONT,  /* nothing was before it */
    CLIENT_IO_BEHIND, /* a whole command that waits is before it */
};

/* Keeps the bytes that the socket has, up to a command and a few control frames. 0, or a negative
 * errno: the client is gone or there is no memory. Then scratch may have bytes that are not kept;
 * the caller closes the client and wipes it. */
int client_io_pull(struct client_io *io);

/* Takes the first control frame out of the kept bytes; with `behind` also one behind a command.
 * `frame` has room for CONTROL_FRAME_MAX_REQUEST bytes. */
enum client_io_place client_io_take_control(struct client_io *io, bool behind, uint8_t *frame,
                                            size_t *size);

/*
 * Sends the first `size` bytes of one of the desk's buffers, the response's or the reply's, keeping
 * a copy of what the socket does not take, behind what was kept before. 0, or a negative errno: the
 * client is gone or there is no memory. desk_settle() is due in any case.
 */
int client_io_send(struct client_io *io, enum desk_buffer buffer, size_t size);

/* Sends the kept rest of a response. 0, also when some of it is left, or a negative errno. What was
 * sent is settled. */
int client_io_flush(struct client_io *io);

/* True while the client has not taken all of a response. */
static inline bool client_io_sending(const struct client_io *io)
{
    return io->out.bytes != NULL;
}
