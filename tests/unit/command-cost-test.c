/* SPDX-License-Identifier: BSD-2-Clause */
/* What commands are expected to cost, by what they ask for. */
#include "engine/command-cost.h"
#include "wire/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

struct bytes {
    uint8_t at[1024];
    size_t size;
};

static void put16(struct bytes *bytes, uint16_t value)
{
    store_be16(bytes->at + bytes->size, value);
    bytes->size += 2;
}

static void put32(struct bytes *bytes, uint32_t value)
{
    store_be32(bytes->at + bytes->size, value);
    bytes->size += 4;
}

static void put_zeros(struct bytes *bytes, uint16_t count)
{
    put16(bytes, count);
    memset(bytes->at + bytes->size, 0, count);
    bytes->size += count;
}

/* A command with one handle and a password authorization, up to its parameters. */
static struct bytes begin(uint32_t code)
{
    struct bytes bytes = {.size = HEADER_SIZE};

    header_store(bytes.at, TPM2_ST_SESSIONS, HEADER_SIZE, code);
    put32(&bytes, 0x80000000);
    put32(&bytes, 9 + 3);
    put32(&bytes, TPM2_RS_PW);
    put_zeros(&bytes, 0);
    bytes.at[bytes.size++] = 0;
    put_zeros(&bytes, 3);
    return bytes;
}

static struct bytes create(uint32_t code, uint16_t sensitive, uint16_t type)
{
    struct bytes bytes = begin(code);

    put_zeros(&bytes, sensitive);
    put16(&bytes, 100);
    put16(&bytes, type);
    return bytes;
}

static struct bytes sign(uint16_t digest, uint16_t scheme)
{
    struct bytes bytes = begin(TPM2_CC_Sign);

    put_zeros(&bytes, digest);
    put16(&bytes, scheme);
    return bytes;
}

static struct bytes bare(uint32_t code)
{
    struct bytes bytes = {.size = HEADER_SIZE};

    header_store(bytes.at, TPM2_ST_NO_SESSIONS, HEADER_SIZE, code);
    return bytes;
}

/* A command that makes a key, whose template is whole: of `type`, with a scheme that has a hash and
 * a symmetric algorithm as an ECC or RSA storage key has them, or without. */
static struct bytes create_sized(uint16_t type, bool schemes, uint16_t size)
{
    struct bytes bytes = create(TPM2_CC_CreatePrimary, 7, type);

    put16(&bytes, TPM2_ALG_SHA256);
    put32(&bytes, 0x30072);
    put_zeros(&bytes, schemes ? 32 : 0); /* policy */
    put16(&bytes, schemes ? TPM2_ALG_AES : TPM2_ALG_NULL);
    if (schemes) {
        put16(&bytes, 128);
        put16(&bytes, TPM2_ALG_CFB);
    }
    put16(&bytes, schemes ? TPM2_ALG_RSASSA : TPM2_ALG_NULL);
    if (schemes)
        put16(&bytes, TPM2_ALG_SHA256);
    put16(&bytes, size);
    put_zeros(&bytes, 40);
    return bytes;
}

/* One whose scheme has a number of the client's choice. */
static struct bytes create_counting(uint16_t count)
{
    struct bytes bytes = create(TPM2_CC_CreatePrimary, 7, TPM2_ALG_ECC);

    put16(&bytes, TPM2_ALG_SHA256);
    put32(&bytes, 0x30072);
    put_zeros(&bytes, 0);
    put16(&bytes, TPM2_ALG_NULL);
    put16(&bytes, TPM2_ALG_ECDAA);
    put16(&bytes, TPM2_ALG_SHA256);
    put16(&bytes, count);
    put16(&bytes, TPM2_ECC_NIST_P521);
    put_zeros(&bytes, 40);
    return bytes;
}

static struct bytes self_test(uint8_t full)
{
    struct bytes bytes = bare(TPM2_CC_SelfTest);

    bytes.at[bytes.size++] = full;
    return bytes;
}

static struct bytes start_session(uint32_t key, uint32_t bind)
{
    struct bytes bytes = bare(TPM2_CC_StartAuthSession);

    put32(&bytes, key);
    put32(&bytes, bind);
    put_zeros(&bytes, 32);
    return bytes;
}

static uint64_t kind(struct bytes bytes)
{
    return command_cost_kind(bytes.at, bytes.size);
}

static void test_R60_unknown_commands_have_usual_costs(void **state)
{
    struct command_cost costs = {0};
    uint64_t random = command_cost_expected(&costs, kind(bare(TPM2_CC_GetRandom)));
    uint64_t signature = command_cost_expected(&costs, kind(sign(32, TPM2_ALG_ECDSA)));
    uint64_t key =
        command_cost_expected(&costs, kind(create(TPM2_CC_CreatePrimary, 7, TPM2_ALG_ECC)));
    uint64_t rsa =
        command_cost_expected(&costs, kind(create(TPM2_CC_CreatePrimary, 7, TPM2_ALG_RSA)));

    (void)state;
    assert_int_equal(random, 10 * MS);
    /* Far enough apart for the express lane. */
    assert_true(random <= signature / 4);
    assert_true(key > signature && rsa > key);
}

static void test_R60_costs_are_learned_for_each_kind(void **state)
{
    struct command_cost costs = {0};
    uint64_t kinds[] = {
        kind(bare(TPM2_CC_GetRandom)),
        kind(begin(TPM2_CC_GetRandom)),
        kind(sign(32, TPM2_ALG_ECDSA)),
        kind(sign(20, TPM2_ALG_RSASSA)),
        kind(create(TPM2_CC_Create, 0, TPM2_ALG_ECC)),
        kind(create(TPM2_CC_Create, 130, TPM2_ALG_RSA)),
        kind(create(TPM2_CC_Load, 200, TPM2_ALG_RSA)),
    };
    size_t count = sizeof(kinds) / sizeof(kinds[0]);

    (void)state;
    for (size_t i = 0; i < count; i++)
        command_cost_learn(&costs, kinds[i], (i + 1) * MS);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(command_cost_expected(&costs, kinds[i]), (i + 1) * MS);
        for (size_t k = 0; k < i; k++)
            assert_true(kinds[k] != kinds[i]);
    }
}

/* One of these must not be rated by what another one cost. */
static void test_R60_what_makes_a_command_long_is_part_of_its_kind(void **state)
{
    uint64_t kinds[] = {
        kind(self_test(0)),
        kind(self_test(1)),
        kind(start_session(TPM2_RH_NULL, TPM2_RH_NULL)),
        kind(start_session(0x80000000, TPM2_RH_NULL)),
        kind(create_sized(TPM2_ALG_RSA, false, 2048)),
        kind(create_sized(TPM2_ALG_RSA, false, 3072)),
        kind(create_sized(TPM2_ALG_RSA, false, 4096)),
        kind(create_sized(TPM2_ALG_ECC, false, TPM2_ECC_NIST_P256)),
        kind(create_sized(TPM2_ALG_ECC, false, TPM2_ECC_NIST_P521)),
        kind(create_sized(TPM2_ALG_KEYEDHASH, false, 0)),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        for (size_t k = 0; k < i; k++)
            assert_true(kinds[k] != kinds[i]);
    /* But what has no part in it is not. */
    assert_int_equal(kind(start_session(0x81000001, 0x80000000)), kinds[3]);
    assert_int_equal(kind(create_sized(TPM2_ALG_RSA, true, 3072)), kinds[5]);
    assert_int_equal(kind(create_sized(TPM2_ALG_ECC, true, TPM2_ECC_NIST_P521)), kinds[8]);
    /* Nor can a client make up kinds that the chip carries out. */
    assert_int_equal(kind(create_counting(1)), kinds[8]);
    assert_int_equal(kind(create_counting(2)), kinds[8]);
}

static void test_R60_a_longer_key_is_expected_to_cost_more(void **state)
{
    struct command_cost costs = {0};
    uint64_t before = 0;

    (void)state;
    for (uint16_t bits = 1024; bits <= 4096; bits += 1024) {
        uint64_t cost = command_cost_expected(&costs, kind(create_sized(TPM2_ALG_RSA, true, bits)));

        assert_true(cost > before);
        before = cost;
    }
    /* No size that somebody makes up costs hours. */
    assert_in_range(command_cost_expected(&costs, kind(create_sized(TPM2_ALG_RSA, true, 0xffff))),
                    before, before);
    assert_true(command_cost_expected(&costs, kind(start_session(0x80000000, TPM2_RH_NULL)))
                > command_cost_expected(&costs, kind(start_session(TPM2_RH_NULL, TPM2_RH_NULL))));
}

/* Of all sizes that a template can name. */
static void test_R60_no_longer_key_is_expected_to_cost_less(void **state)
{
    struct command_cost costs = {0};
    uint64_t before = 1, cost;

    (void)state;
    for (uint16_t bits = 1; bits < 5000; bits++) {
        cost = command_cost_expected(&costs, kind(create_sized(TPM2_ALG_RSA, true, bits)));
        assert_true(cost >= before);
        before = cost;
    }
}

static void test_R60_what_a_key_is_expected_to_cost(void **state)
{
    static const struct {
        uint16_t type, size;
        uint64_t ms;
    } cases[] = {
        {TPM2_ALG_ECC, TPM2_ECC_NIST_P256, 250},
        {TPM2_ALG_ECC, 0xffff, 250},
        {TPM2_ALG_KEYEDHASH, 2048, 250},
        /* A size that is none is one that is not known, and most have this. */
        {TPM2_ALG_RSA, 0, 2500},
        {TPM2_ALG_RSA, 1, 250},
        {TPM2_ALG_RSA, 1024, 250},
        {TPM2_ALG_RSA, 2048, 2500},
        {TPM2_ALG_RSA, 3072, 50 * 250},
        {TPM2_ALG_RSA, 4096, 160 * 250},
        {TPM2_ALG_RSA, 4097, 160 * 250},
    };
    static const uint32_t codes[] = {TPM2_CC_Create, TPM2_CC_CreateLoaded, TPM2_CC_CreatePrimary};
    struct command_cost costs = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t k = 0; k < sizeof(codes) / sizeof(codes[0]); k++) {
            struct bytes bytes = create_sized(cases[i].type, true, cases[i].size);

            store_be32(bytes.at + 6, codes[k]);
            assert_int_equal(command_cost_expected(&costs, kind(bytes)), cases[i].ms * MS);
        }
    assert_int_equal(command_cost_expected(&costs, kind(start_session(1, TPM2_RH_NULL))), 150 * MS);
    assert_int_equal(command_cost_expected(&costs, kind(start_session(TPM2_RH_NULL, TPM2_RH_NULL))),
                     15 * MS);
    assert_int_equal(command_cost_expected(&costs, kind(self_test(1))), 500 * MS);
}

/* What is learned, to the nanosecond. */
static void test_R60_what_is_learned_is_exact(void **state)
{
    struct command_cost costs = {0};
    uint64_t random = kind(bare(TPM2_CC_GetRandom));

    (void)state;
    /* The first one is believed, up to three times of what is usual. */
    command_cost_learn(&costs, random, 30 * MS);
    assert_int_equal(command_cost_expected(&costs, random), 30 * MS);
    /* Then a fourth of the way. */
    command_cost_learn(&costs, random, 10 * MS);
    assert_int_equal(command_cost_expected(&costs, random), 25 * MS);
    command_cost_learn(&costs, random, 75 * MS);
    assert_int_equal(command_cost_expected(&costs, random), 37500000);
    command_cost_learn(&costs, random, 1000 * MS);
    assert_int_equal(command_cost_expected(&costs, random), 56250000);
    costs = (struct command_cost){0};
    command_cost_learn(&costs, random, 31 * MS);
    assert_int_equal(command_cost_expected(&costs, random), 30 * MS);
}

/* A command in which the machine stood still makes no others of its kind expensive. */
static void test_R60_one_command_does_not_spoil_the_guess(void **state)
{
    struct command_cost costs = {0};
    uint64_t random = kind(bare(TPM2_CC_GetRandom));

    (void)state;
    command_cost_learn(&costs, random, 60000 * MS);
    assert_in_range(command_cost_expected(&costs, random), 0, 30 * MS);
    for (unsigned i = 0; i < 20; i++)
        command_cost_learn(&costs, random, 10 * MS);
    assert_in_range(command_cost_expected(&costs, random), 10 * MS, 11 * MS);
    command_cost_learn(&costs, random, 60000 * MS);
    assert_in_range(command_cost_expected(&costs, random), 10 * MS, 17 * MS);
    /* But what has become expensive is soon known to be. */
    for (unsigned i = 0; i < 20; i++)
        command_cost_learn(&costs, random, 500 * MS);
    assert_in_range(command_cost_expected(&costs, random), 400 * MS, 500 * MS);
}

/* What the parameters' sizes are does not matter, nor how much of them is there. */
static void test_kind_is_that_of_the_algorithm_alone(void **state)
{
    struct bytes cut = sign(64, TPM2_ALG_ECDSA);
    uint64_t whole = kind(cut), plain;

    (void)state;
    assert_int_equal(kind(sign(0, TPM2_ALG_ECDSA)), whole);
    assert_int_equal(kind(sign(20, TPM2_ALG_ECDSA)), whole);
    cut.size = HEADER_SIZE;
    plain = kind(cut);
    assert_true(plain != 0 && plain != whole);
    for (cut = sign(64, TPM2_ALG_ECDSA); cut.size > HEADER_SIZE; cut.size--)
        assert_true(kind(cut) == plain || kind(cut) == whole);
}

/* Sizes that lead out of the command. */
static void test_any_bytes_have_a_kind(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        /* Its own memory, so that a read beyond its end is seen. */
        struct bytes bytes = i % 2 ? create_sized(TPM2_ALG_RSA, i % 4 == 1, 2048) : sign(9, 0);
        size_t have = HEADER_SIZE + (size_t)rand_r(&seed) % (bytes.size - HEADER_SIZE);
        uint8_t *copy = malloc(have);

        assert_non_null(copy);
        memcpy(copy, bytes.at, have);
        for (size_t at = HEADER_SIZE; at < have; at++)
            if (rand_r(&seed) % 4 == 0)
                copy[at] = (uint8_t)rand_r(&seed);
        assert_true(command_cost_kind(copy, have) != 0);
        free(copy);
    }
}

/* More kinds than there is room for: each one's cost is its own, or the usual one. */
static void test_many_kinds_push_each_other_out(void **state)
{
    struct command_cost costs = {0};
    unsigned known = 0;

    (void)state;
    for (uint32_t code = 0; code < 10 * COMMAND_COST_KINDS; code++)
        command_cost_learn(&costs, kind(bare(0x20000000 + code)), (1 + code) * 1000);
    for (uint32_t code = 0; code < 10 * COMMAND_COST_KINDS; code++) {
        uint64_t cost = command_cost_expected(&costs, kind(bare(0x20000000 + code)));

        assert_true(cost == (1 + code) * 1000 || cost == 10 * MS);
        known += cost != 10 * MS;
    }
    assert_in_range(known, 1, COMMAND_COST_KINDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R60_unknown_commands_have_usual_costs),
        cmocka_unit_test(test_R60_costs_are_learned_for_each_kind),
        cmocka_unit_test(test_R60_what_makes_a_command_long_is_part_of_its_kind),
        cmocka_unit_test(test_R60_a_longer_key_is_expected_to_cost_more),
        cmocka_unit_test(test_R60_no_longer_key_is_expected_to_cost_less),
        cmocka_unit_test(test_R60_what_a_key_is_expected_to_cost),
        cmocka_unit_test(test_R60_what_is_learned_is_exact),
        cmocka_unit_test(test_R60_one_command_does_not_spoil_the_guess),
        cmocka_unit_test(test_kind_is_that_of_the_algorithm_alone),
        cmocka_unit_test(test_any_bytes_have_a_kind),
        cmocka_unit_test(test_many_kinds_push_each_other_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
