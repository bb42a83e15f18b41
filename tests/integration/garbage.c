/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients that send rubbish, half of something or nothing, beside clients that work. */
#include "esys-client.h"
#include "raw-client.h"
#include "suite.h"

#include "wire/command.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define WORKERS 4
#define ROUNDS  20

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 32};

/* Several clients at work in turn, each with a key of its own. */
static void work(void)
{
    struct esys_client *clients[WORKERS];
    ESYS_TR keys[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++) {
        clients[i] = esys_client_new();
        assert_non_null(clients[i]);
        assert_int_equal(esys_client_key(clients[i], &keys[i]), TSS2_RC_SUCCESS);
    }
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < WORKERS; i++)
            assert_int_equal(esys_client_sign(clients[i], keys[i], ESYS_TR_PASSWORD),
                             TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < WORKERS; i++)
        esys_client_free(clients[i]);
}

/* Writes until neither the socket nor the daemon takes more. */
static void fill(struct raw_client *raw)
{
    while (send(raw->fd, get_random, sizeof(get_random), MSG_NOSIGNAL) == sizeof(get_random))
        ;
}

static void test_R11_stalled_and_deaf_clients_delay_nobody(void **state)
{
    struct world *world = *state;
    struct raw_client *in_header = raw_client_new(world), *in_body = raw_client_new(world);
    struct raw_client *deaf = raw_client_new(world);

    assert_non_null(in_header);
    assert_non_null(in_body);
    assert_non_null(deaf);
    assert_true(raw_client_send(in_header, get_random, 4));
    assert_true(raw_client_send(in_body, get_random, 11));
    fill(deaf);
    work();
    /* Who stalled goes on where it stood. */
    assert_int_equal(raw_client_transact(in_header, get_random + 4, sizeof(get_random) - 4), 0);
    assert_int_equal(raw_client_transact(in_body, get_random + 11, 1), 0);
    raw_client_free(deaf);
    raw_client_free(in_body);
    raw_client_free(in_header);
}

/* A small generator, so that a failure repeats. */
static uint32_t noise(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Bytes with no sense at all; the daemon answers or hangs up, whichever it likes. */
static void send_noise(struct world *world, uint32_t *seed)
{
    struct raw_client *raw = raw_client_new(world);
    uint8_t bytes[512];

    assert_non_null(raw);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)noise(seed);
    (void)!send(raw->fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
    raw_client_free(raw);
}

/* A sane header and a sane code over noise: each must get an answer. */
static void send_framed_noise(struct raw_client *raw, uint32_t *seed)
{
    uint8_t command[256];
    uint32_t size = HEADER_SIZE + noise(seed) % (sizeof(command) - HEADER_SIZE);
    uint32_t code = TPM2_CC_FIRST + noise(seed) % (TPM2_CC_LAST - TPM2_CC_FIRST + 1);
    bool sessions = noise(seed) % 2;

    /* These would change the chip under the feet of everybody. */
    if (code == TPM2_CC_Clear || code == TPM2_CC_Shutdown || code == TPM2_CC_FieldUpgradeStart)
        code = TPM2_CC_GetRandom;
    for (size_t i = HEADER_SIZE; i < size; i++)
        command[i] = (uint8_t)noise(seed);
    header_store(command, sessions ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, size, code);
    assert_int_not_equal(raw_client_transact(raw, command, size), UINT32_MAX);
}

static void test_R10_noise_harms_nobody(void **state)
{
    struct world *world = *state;
    struct raw_client *framed = raw_client_new(world);
    uint32_t seed = 20240229;

    assert_non_null(framed);
    for (unsigned i = 0; i < 40; i++) {
        send_noise(world, &seed);
        for (unsigned k = 0; k < 10; k++)
            send_framed_noise(framed, &seed);
    }
    raw_client_free(framed);
    work();
}

static void test_R10_a_bare_get_capability_and_a_huge_context_are_answered(void **state)
{
    static const uint8_t bare[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x7A};
    struct world *world = *state;
    struct raw_client *raw = raw_client_new(world);
    uint8_t load[4096] = {0};

    assert_non_null(raw);
    assert_int_not_equal(raw_client_transact(raw, bare, sizeof(bare)), UINT32_MAX);
    header_store(load, TPM2_ST_NO_SESSIONS, sizeof(load), TPM2_CC_ContextLoad);
    load[HEADER_SIZE + 8] = 0x02;
    assert_int_not_equal(raw_client_transact(raw, load, sizeof(load)), UINT32_MAX);
    assert_int_not_equal(raw_client_transact(raw, load, sizeof(load)), 0);
    assert_int_equal(raw_client_transact(raw, get_random, sizeof(get_random)), 0);
    raw_client_free(raw);
}

static void test_R12_an_impossible_size_is_answered_and_the_connection_closed(void **state)
{
    static const uint32_t sizes[] = {0, 9, 0x00100000, 0xFFFFFFFF};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct raw_client *raw = raw_client_new(world);
        uint8_t header[HEADER_SIZE];

        assert_non_null(raw);
        header_store(header, TPM2_ST_NO_SESSIONS, sizes[i], TPM2_CC_GetRandom);
        assert_int_equal(raw_client_transact(raw, header, sizeof(header)), 0xB0142);
        assert_true(raw_client_closed(raw));
        raw_client_free(raw);
    }
}

static void test_R13_malformed_commands_get_their_codes(void **state)
{
    static const struct {
        uint32_t code;
        uint8_t size, bytes[24];
    } bad[] = {
        /* ReadPublic without its handle. */
        {0xB009A, 10, {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x73}},
        /* GetRandom with authorizationSize 8. */
        {0xB0144, 22, {0x80, 0x02, 0, 0,    0, 22, 0, 0, 0x01, 0x7B, 0,
                       0,    0,    8, 0x40, 0, 0,  9, 0, 0,    0,    0}},
        /* FlushContext with a session. */
        {0xB0145, 23, {0x80, 0x02, 0,    0, 0, 23, 0, 0, 0x01, 0x65, 0, 0,
                       0,    9,    0x40, 0, 0, 9,  0, 0, 0,    0,    0}},
        /* A command that no TPM has. */
        {0x143, 10, {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x1E}},
    };
    struct raw_client *raw = raw_client_new(*state);

    assert_non_null(raw);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(raw_client_transact(raw, bad[i].bytes, bad[i].size), bad[i].code);
    assert_int_equal(raw_client_transact(raw, get_random, sizeof(get_random)), 0);
    raw_client_free(raw);
}

static void test_bytes_that_come_one_at_a_time_are_a_command_all_the_same(void **state)
{
    struct raw_client *raw = raw_client_new(*state);
    uint8_t response[64];

    assert_non_null(raw);
    for (size_t i = 0; i < sizeof(get_random); i++)
        assert_true(raw_client_send(raw, get_random + i, 1));
    assert_int_equal(raw_client_receive(raw, response, sizeof(response)), HEADER_SIZE + 2 + 32);
    assert_int_equal(header_load(response).code, 0);
    raw_client_free(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        suite_test(test_R11_stalled_and_deaf_clients_delay_nobody),
        suite_test(test_R10_noise_harms_nobody),
        suite_test(test_R10_a_bare_get_capability_and_a_huge_context_are_answered),
        suite_test(test_R12_an_impossible_size_is_answered_and_the_connection_closed),
        suite_test(test_R13_malformed_commands_get_their_codes),
        suite_test(test_bytes_that_come_one_at_a_time_are_a_command_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
