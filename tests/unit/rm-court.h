/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resource manager on a chip that counts the commands of clients, keeps the last one, and
 * answers all of them alike; and commands dressed in every way that a parser sees.
 */
#pragma once

#include "rm/state.h"

#define VENDOR       UINT32_C(0x20000001)
#define OTHER_VENDOR UINT32_C(0x20000002)

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define COURT_CLIENTS  3
#define COURT_COMMANDS 21

/* Commands of the chip with the handles that they have. */
struct court_command {
    uint32_t code;
    unsigned handles;
};
extern const struct court_command court_commands[COURT_COMMANDS];

struct counted_chip {
    struct rm_tpm tpm;
    uint32_t answer; /* to all but GetCapability */
    uint32_t permanent;
    struct tries_rule tries;
    unsigned commands, queries; /* of clients, and of the manager, for the last command */
    uint8_t last[CHIP_MIN_BUFFER];
    size_t last_size;
};

/* The last two clients are of one account. */
struct court {
    struct counted_chip chip;
    struct rm *rm;
    struct rm_client *clients[COURT_CLIENTS];
    uint8_t sent[CHIP_MIN_BUFFER], response[CHIP_MIN_BUFFER];
    size_t size;
};

/* cmocka fixtures: users 1000 and 1001, who may send everything. */
int court_setup(void **state);
int court_teardown(void **state);

void court_set_policy(struct court *court, unsigned client, enum policy_preset preset);

/* How a command is dressed: three passwords stand where an audit session would. */
enum variant { PLAIN, PASSWORD, PASSWORD_AND_MORE, PARAMETERS, BAD_TAG, VARIANTS };

/* Writes a command with these handles; its size. */
size_t court_build(uint8_t *out, uint32_t code, const uint32_t *handles, unsigned count,
                   enum variant variant);

/* Sends bytes; the response code. */
uint32_t court_send(struct court *court, unsigned client, const uint8_t *command, size_t size);

/* Sends a command of the chip's with `first` for its first handle, and an NV index for others. */
uint32_t court_send_variant(struct court *court, unsigned client, uint32_t code, uint32_t first,
                            enum variant variant);
