/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a former daemon had at its desk (desk.h) when it ended, read from its journal, at whatever
 * instant that was: of each connection, the input that was taken from the socket and not answered,
 * and the output that is owed. Pure functions; the bytes are read only and may be anything.
 */
#pragma once

#include "rm/journal-image.h"
#include "wire/header.h"

struct desk_remains {
    const struct journal_image *image; /* borrowed */
    struct record_run run;             /* the command at hand */
    struct record_move in, out;        /* the receive and the send that were under way, if any */
    size_t received, sent;             /* bytes by which they had come on */
    const uint8_t *bytes[DESK_KEPT];
    uint8_t lost_answer[HEADER_SIZE]; /* to a command whose outcome is not known */
};

/* False when what the image has of the desk cannot be: it is damaged. The image, which is borrowed,
 * is good by journal_image_open(). */
bool desk_remains_read(struct desk_remains *remains, const struct journal_image *image);

struct desk_piece {
    const uint8_t *bytes; /* in the image, or in the remains */
    size_t size;          /* may be 0 */
};

#define DESK_PIECES 3

/* Of one connection. */
struct desk_stream {
    struct record_connection record;
    struct desk_piece in[DESK_PIECES];  /* kept input, in order */
    struct desk_piece out[DESK_PIECES]; /* kept output, in order */
    /* The client's command that was on its way to the TPM, or of 0 bytes: its outcome is not known.
     * Its answer, RM_RC_FAILURE, is the last piece of the output. */
    struct desk_piece lost;
};

/* The stream of the connection whose record is in `cell`. False when it is damaged, or no
 * connection's. */
bool desk_remains_stream(const struct desk_remains *remains, uint32_t cell,
                         struct desk_stream *stream);
