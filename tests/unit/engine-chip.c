/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine-chip.h"

#include "wire/header.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

/* The bound of every wait, milliseconds. */
#define CHIP_WAIT_MS 20000

static void chip_pair(int *pair)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

void engine_chip_init_as(struct engine_chip *chip, const char *words)
{
    int pair[2];

    *chip = (struct engine_chip){0};
    chip_pair(pair);
    chip->fd = pair[0];
    chip->tcti_fd = pair[1];
    snprintf(chip->conf, sizeof(chip->conf), "%s:%s%d", TEST_TCTI_PIPE, words, chip->tcti_fd);
}

void engine_chip_init(struct engine_chip *chip, bool polls)
{
    engine_chip_init_as(chip, polls ? "" : "nopoll,");
}

void engine_chip_clear(struct engine_chip *chip)
{
    close(chip->fd);
    close(chip->tcti_fd);
}

void engine_chip_break(struct engine_chip *chip)
{
    shutdown(chip->fd, SHUT_RDWR);
}

void engine_chip_mend(struct engine_chip *chip)
{
    int pair[2];

    chip_pair(pair);
    assert_true(dup2(pair[1], chip->tcti_fd) >= 0);
    close(pair[1]);
    close(chip->fd);
    chip->fd = pair[0];
}

static bool chip_readable(const struct engine_chip *chip, int timeout)
{
    struct pollfd handle = {chip->fd, POLLIN, 0};

    return poll(&handle, 1, timeout) == 1;
}

/* Takes one packet off; true when it is a command. */
static bool chip_take_packet(struct engine_chip *chip)
{
    ssize_t count = recv(chip->fd, chip->packet, sizeof(chip->packet), 0);
    struct header header;

    assert_true(count >= HEADER_SIZE);
    chip->size = (size_t)count;
    header = header_load(chip->packet);
    if (header.tag == ENGINE_CHIP_CANCEL) {
        chip->cancels++;
        return false;
    }
    if (header.tag == ENGINE_CHIP_LOCALITY) {
        chip->localities++;
        chip->locality = (uint8_t)header.code;
        return false;
    }
    return true;
}

void engine_chip_take(struct engine_chip *chip)
{
    do {
        assert_true(chip_readable(chip, CHIP_WAIT_MS));
    } while (!chip_take_packet(chip));
}

bool engine_chip_has_command(struct engine_chip *chip)
{
    uint8_t header[HEADER_SIZE];

    while (chip_readable(chip, 0)) {
        if (recv(chip->fd, header, sizeof(header), MSG_PEEK) != HEADER_SIZE)
            return false;
        if (load_be16(header) != ENGINE_CHIP_CANCEL && load_be16(header) != ENGINE_CHIP_LOCALITY)
            return true;
        chip_take_packet(chip);
    }
    return false;
}

static void chip_send(struct engine_chip *chip, const uint8_t *bytes, size_t size)
{
    assert_int_equal(send(chip->fd, bytes, size, MSG_NOSIGNAL), size);
}

void engine_chip_answer_code(struct engine_chip *chip, uint32_t code)
{
    uint8_t response[HEADER_SIZE];

    header_store(response, TPM2_ST_NO_SESSIONS, HEADER_SIZE, code);
    chip_send(chip, response, sizeof(response));
}

static void chip_ask(struct engine_chip *chip)
{
    uint8_t response[ENGINE_CHIP_MAX];
    size_t size;

    assert_int_equal(chip->tpm->transact(chip->tpm, chip->locality, chip->packet, chip->size,
                                         response, sizeof(response), &size),
                     0);
    chip_send(chip, response, size);
}

void engine_chip_answer(struct engine_chip *chip)
{
    /* TPMA_CC of the commands that this TPM has; neither has handles. */
    static const uint32_t commands[] = {TPM2_CC_GetCapability, TPM2_CC_GetRandom};
    uint8_t response[HEADER_SIZE + 25] = {0};
    size_t size = HEADER_SIZE;

    if (chip->tpm) {
        chip_ask(chip);
        return;
    }
    if (header_load(chip->packet).code == TPM2_CC_GetRandom) {
        size += 2; /* an empty TPM2B_DIGEST */
    } else if (header_load(chip->packet).code == TPM2_CC_ReadClock) {
        size += 25; /* TPMS_TIME_INFO */
    } else if (header_load(chip->packet).code == TPM2_CC_GetCapability) {
        uint32_t capability = load_be32(chip->packet + HEADER_SIZE);

        size += 1 + 4 + 4; /* moreData, capability, count */
        store_be32(response + HEADER_SIZE + 1, capability);
        if (capability == TPM2_CAP_COMMANDS) {
            store_be32(response + HEADER_SIZE + 5, 2);
            store_be32(response + HEADER_SIZE + 9, commands[0]);
            store_be32(response + HEADER_SIZE + 13, commands[1]);
            size += sizeof(commands);
        }
    }
    header_store(response, TPM2_ST_NO_SESSIONS, (uint32_t)size, TPM2_RC_SUCCESS);
    chip_send(chip, response, size);
}

void engine_chip_random(uint8_t *out, uint16_t mark)
{
    header_store(out, TPM2_ST_NO_SESSIONS, ENGINE_CHIP_RANDOM, TPM2_CC_GetRandom);
    store_be16(out + HEADER_SIZE, mark);
}

uint16_t engine_chip_mark(const struct engine_chip *chip)
{
    return header_load(chip->packet).code == TPM2_CC_GetRandom
               ? load_be16(chip->packet + HEADER_SIZE)
               : 0;
}
