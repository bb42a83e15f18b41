/* SPDX-License-Identifier: BSD-2-Clause */
/* What the built library shows to the outside, read with nm and readelf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* The output of a shell command that must succeed. */
static void output_of(const char *command, char *out, size_t size)
{
    FILE *pipe = popen(command, "re");
    size_t used;

    assert_non_null(pipe);
    used = fread(out, 1, size - 1, pipe);
    out[used] = '\0';
    assert_int_equal(pclose(pipe), 0);
    assert_true(used > 0);
}

static void test_R45_exports_two_symbols(void **state)
{
    char symbols[4096];

    (void)state;
    output_of("nm -D --defined-only --format=posix '" TEST_TCTI_LIBRARY
              "' | awk '{ print $1 }' | LC_ALL=C sort",
              symbols, sizeof(symbols));
    assert_string_equal(symbols, "Tss2_Tcti_Info\nTss2_Tcti_Tabrmd_Init\n");
}

static void test_R45_needs_libc_alone(void **state)
{
    char needed[4096], *line, *rest;

    (void)state;
    output_of("readelf -dW '" TEST_TCTI_LIBRARY "' | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\].*/\\1/p'",
              needed, sizeof(needed));
    for (line = strtok_r(needed, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        print_message("needs %s\n", line);
        /* libc.so.6 of glibc, libc.so or libc.musl-x86_64.so.1 of musl */
        if (strncmp(line, "libc.", 5) == 0 || strncmp(line, "ld-linux", 8) == 0)
            continue;
        assert_true(SANITIZED
                    && (strncmp(line, "libasan.", 8) == 0 || strncmp(line, "libubsan.", 9) == 0));
    }
}

static void test_soname(void **state)
{
    char name[256];

    (void)state;
    output_of("readelf -dW '" TEST_TCTI_LIBRARY "' | sed -n 's/.*(SONAME).*\\[\\(.*\\)\\].*/\\1/p'",
              name, sizeof(name));
    assert_string_equal(name, "libtss2-tcti-tabrmd.so.0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R45_exports_two_symbols),
        cmocka_unit_test(test_R45_needs_libc_alone),
        cmocka_unit_test(test_soname),
    };

    return cmocka_run_group_tests_name("client abi", tests, NULL, NULL);
}
