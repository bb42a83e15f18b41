/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients, their turns and the resource manager on a chip of the test's own, with a journal; and
 * the question that a crash asks at any instant: has each byte of each client a place, and only
 * one? What a client said is answered, or comes again with the journal, or is in the socket.
 */
#pragma once

#include "engine-crowd.h"
#include "engine/dispatch.h"
#include "plain-journal.h"

#define HALL_CLIENTS  3
#define HALL_BYTES    (1 << 17) /* that a client says and hears, at most */
#define HALL_FRAMES   2000
#define HALL_CAPACITY (1024 * 1024)

/* The command that clients send. It has a number, and how many bytes the answer is to have; the
 * answer has the same number. */
#define HALL_COMMAND (UINT32_C(0x20000001))

struct hall_frame {
    size_t at, size;
    uint32_t number; /* of a command */
    bool control;
    uint32_t operation; /* of a control frame */
    uint8_t locality;
    unsigned before; /* commands that were said before it */
};

/* What one client said and heard. */
struct hall_talk {
    struct client *client;
    uint8_t written[HALL_BYTES]; /* frames, of which the first `said` bytes are sent */
    size_t written_size, said;
    struct hall_frame frames[HALL_FRAMES];
    unsigned frame_count, commands;
    uint8_t heard[HALL_BYTES]; /* that it took from its socket */
    size_t heard_size;
};

/* How often a crash would have left this; all of it is to be met. */
struct hall_met {
    unsigned taken, kept_in, received;    /* pieces of input */
    unsigned kept_out, sending, answered; /* pieces of output */
    unsigned lost;
    unsigned canceled; /* commands */
};

struct hall {
    struct plain_journal plain;
    struct rm_tpm tpm;
    struct rm *rm;
    struct crowd crowd;
    struct tpm_link link; /* without a TPM */
    struct control_channel channel;
    struct dispatch dispatch;
    struct hall_talk talks[HALL_CLIENTS];
    void (*meanwhile)(struct hall *hall); /* inside of a TPM command; NULL: nothing */
    uint32_t numbers;
    unsigned busy;      /* commands that the chip is too busy for at first */
    unsigned instants;  /* at which the question was asked */
    unsigned wrong;     /* and answered with no */
    const char *reason; /* of the first one */
};

/* Since the test put it to 0. */
extern struct hall_met hall_met;

/* The one hall. Its clients 0 and 1 are from the socket, 2 is from the bus. */
extern struct hall hall;

void hall_open(void);
void hall_close(void);

/* A client has something more to say: a command with an answer of so many bytes, or a control
 * frame. */
void hall_write_command(unsigned index, size_t size, size_t answer);
void hall_write_control(unsigned index, uint32_t operation, uint8_t locality);

/* Or what no command can begin with. */
void hall_write_bad(unsigned index);

/* It says up to `size` bytes of that; takes up to `size` bytes of what it was sent. */
void hall_say(unsigned index, size_t size);
void hall_hear(unsigned index, size_t size);

/* From now on the journal has no more room for what waits. */
void hall_take_room(void);

/* A turn, if it is anybody's. */
void hall_turn(void);

/* Asks the question. errno stays. */
void hall_ask(void);
