/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocols by which programs speak to a TPM that they take for a simulator. Pure: bytes that a
 * program sent go in, and out comes what is to be done about the first request among them.
 *
 * raw    a command, and its response, with nothing around them
 * mssim  of Microsoft's reference code (TcpServer.c): a command port, and a platform port next to
 * it swtpm  of swtpm: commands as in raw, and a control channel (swtpm's tpm_ioctl.h)
 *
 * The TPM is real, and others use it: what would reset it or change its power, storage or physical
 * presence is answered as done, and does nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a command, and of a response. */
#define BRIDGE_TPM_MAX 4096
/* Bytes of a request, whatever stands around the command in it. */
#define BRIDGE_REQUEST_MAX (BRIDGE_TPM_MAX + 16)
/* Bytes of a reply: a response and what stands around it. */
#define BRIDGE_REPLY_MAX (BRIDGE_TPM_MAX + 8)

enum bridge_action {
    BRIDGE_WAIT,     /* more bytes are needed */
    BRIDGE_COMMAND,  /* `command` is for the TPM, and its response for the program */
    BRIDGE_ANSWER,   /* `reply` is all */
    BRIDGE_CANCEL,   /* commands that the TPM works on are to be cancelled; then `reply` */
    BRIDGE_LOCALITY, /* later commands have `locality`: `reply`, or `refusal` where they may not */
    BRIDGE_DATA,     /* the descriptor that came along is a channel for commands: in the same way */
    BRIDGE_END,      /* the program says good-bye */
    BRIDGE_BAD,      /* no request: where the next one would start is unknown */
};

struct bridge_request {
    enum bridge_action action;
    size_t size;            /* bytes that the request takes of those that came */
    const uint8_t *command; /* in the bytes that were looked at */
    size_t command_size;
    bool has_locality; /* the request says the command's locality itself */
    uint8_t locality;
    uint8_t reply[16], refusal[16];
    size_t reply_size, refusal_size;
};

/* Looks at the first `have` bytes of a stream, at most BRIDGE_REQUEST_MAX. */
typedef void bridge_look(const uint8_t *bytes, size_t have, struct bridge_request *request);

struct bridge_protocol {
    const char *name;
    bridge_look *commands;
    bridge_look *control; /* of the second channel, or NULL where there is none */
    bool shared; /* clients connect anew for each command, and find there what they have loaded */
    const char *ibm; /* what IBM's TSS calls the protocol of the first channel */
    /* Puts `size` bytes of response, at most BRIDGE_TPM_MAX, into `reply`, which has
     * BRIDGE_REPLY_MAX; the reply's size. */
    size_t (*wrap)(const uint8_t *response, size_t size, uint8_t *reply);
};

/* The protocol of this name, or NULL. */
const struct bridge_protocol *bridge_protocol_find(const char *name);

/* The names of all, for people. */
#define BRIDGE_PROTOCOLS "raw, mssim and swtpm"

extern const struct bridge_protocol bridge_raw_protocol, bridge_mssim_protocol,
    bridge_swtpm_protocol;

/* Channel of commands with nothing around them. */
bridge_look bridge_raw_look;
size_t bridge_raw_wrap(const uint8_t *response, size_t size, uint8_t *reply);
