/* SPDX-License-Identifier: BSD-2-Clause */
/* Names in the answers to commands that make objects: where they stand, and answers cut at every
 * length. */
#include "wire/created-name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tss2/tss2_tpm2_types.h>

#define NAME "\0\x0bnameisthis"
#define SIZE 11

static const struct {
    uint32_t code;
    const char *parameters;
    size_t size;
} answers[] = {
    {TPM2_CC_Load, NAME, 13},
    {TPM2_CC_LoadExternal, NAME, 13},
    {TPM2_CC_CreateLoaded, "\0\3pri\0\2pu" NAME, 9 + 13},
    {TPM2_CC_CreatePrimary, "\0\2pu\0\0\0\1h\x80\x21\x40\0\0\1\0\1t" NAME, 18 + 13},
};
#define ANSWERS (sizeof(answers) / sizeof(answers[0]))

/* Looks into bytes of just this size. */
static bool finds(uint32_t code, uint8_t attributes, const char *parameters, size_t size)
{
    struct command command = {.code = code, .session_count = 1};
    struct response response = {.parameters_size = size, .session_attributes = {attributes}};
    const uint8_t *name;
    size_t name_size;
    bool found;

    response.bytes = malloc(size + 1);
    assert_non_null(response.bytes);
    /* The last byte that there is is the last parameter's. */
    response.parameters_at = 1;
    memcpy(response.bytes + 1, parameters, size);
    name = created_name_find(&command, &response, &name_size);
    found = name != NULL;
    if (found) {
        assert_int_equal(name_size, SIZE);
        assert_memory_equal(name, &NAME[2], SIZE);
        assert_ptr_equal(name + name_size, response.bytes + 1 + size);
    }
    free(response.bytes);
    return found;
}

static void test_names_are_found(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ANSWERS; i++)
        assert_true(finds(answers[i].code, 0, answers[i].parameters, answers[i].size));
    assert_false(finds(TPM2_CC_HMAC_Start, 0, answers[0].parameters, answers[0].size));
    assert_false(finds(TPM2_CC_ContextLoad, 0, answers[0].parameters, answers[0].size));
}

/* Only the first parameter is encrypted. */
static void test_encrypted_names_are_not_believed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ANSWERS; i++) {
        bool is_first = answers[i].size == SIZE + 2;

        assert_int_equal(
            finds(answers[i].code, TPMA_SESSION_ENCRYPT, answers[i].parameters, answers[i].size),
            !is_first);
        assert_true(finds(answers[i].code, TPMA_SESSION_DECRYPT | TPMA_SESSION_CONTINUESESSION,
                          answers[i].parameters, answers[i].size));
    }
}

static void test_answers_that_are_cut_have_none(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ANSWERS; i++) {
        for (size_t size = 0; size < answers[i].size; size++)
            assert_false(finds(answers[i].code, 0, answers[i].parameters, size));
    }
    /* An empty one is none, and neither is one with something behind it. */
    assert_false(finds(TPM2_CC_Load, 0, "\0\0", 2));
    assert_false(finds(TPM2_CC_Load, 0, "\0\1ab", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found),
        cmocka_unit_test(test_encrypted_names_are_not_believed),
        cmocka_unit_test(test_answers_that_are_cut_have_none),
    };

    return cmocka_run_group_tests_name("wire-created-name", tests, NULL, NULL);
}
