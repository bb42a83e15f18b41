/* SPDX-License-Identifier: BSD-2-Clause */
/* How a peer of the manager's socket greets. */
#include "bus/manager-greeting.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum manager_greeting_step say(struct manager_greeting *greeting, const char *line,
                                      const char **reply)
{
    char bytes[128] = "";
    size_t nul = greeting->lines == 0;

    *reply = "";
    g_strlcpy(bytes + nul, line, sizeof(bytes) - nul);
    return manager_greeting_line(greeting, (const uint8_t *)bytes, strlen(line) + nul, reply);
}

static void test_R90_a_greeting_in_each_form(void **state)
{
    struct manager_greeting greeting;
    const char *reply;

    (void)state;
    manager_greeting_init(&greeting);
    assert_int_equal(say(&greeting, "AUTH\r\n", &reply), MANAGER_GREETING_REPLY);
    assert_string_equal(reply, "REJECTED EXTERNAL\r\n");
    assert_int_equal(say(&greeting, "AUTH DBUS_COOKIE_SHA1 30\r\n", &reply),
                     MANAGER_GREETING_REPLY);
    assert_string_equal(reply, "REJECTED EXTERNAL\r\n");
    assert_int_equal(say(&greeting, "DATA\r\n", &reply), MANAGER_GREETING_REPLY);
    assert_string_equal(reply, "ERROR\r\n");
    assert_int_equal(say(&greeting, "AUTH EXTERNAL\r\n", &reply), MANAGER_GREETING_REPLY);
    assert_string_equal(reply, "DATA\r\n");
    assert_int_equal(say(&greeting, "DATA\r\n", &reply), MANAGER_GREETING_REPLY);
    assert_memory_equal(reply, "OK ", 3);
    assert_int_equal(say(&greeting, "NEGOTIATE_UNIX_FD\r\n", &reply), MANAGER_GREETING_REPLY);
    assert_string_equal(reply, "AGREE_UNIX_FD\r\n");
    assert_int_equal(say(&greeting, "BEGIN\r\n", &reply), MANAGER_GREETING_BEGUN);
}

static void test_R93_greetings_that_are_none(void **state)
{
    struct manager_greeting greeting;
    const char *reply;

    (void)state;
    manager_greeting_init(&greeting);
    assert_int_equal(say(&greeting, "BEGIN\r\n", &reply), MANAGER_GREETING_BROKEN);
    manager_greeting_init(&greeting);
    assert_int_equal(manager_greeting_line(&greeting, (const uint8_t *)"AUTH\r\n", 6, &reply),
                     MANAGER_GREETING_BROKEN);
    manager_greeting_init(&greeting);
    assert_int_equal(say(&greeting, "AUTH\n", &reply), MANAGER_GREETING_BROKEN);
    manager_greeting_init(&greeting);
    assert_int_equal(manager_greeting_line(&greeting, (const uint8_t *)"\n", 1, &reply),
                     MANAGER_GREETING_BROKEN);
    manager_greeting_init(&greeting);
    for (unsigned i = 0; i < MANAGER_GREETING_LINES; i++)
        assert_int_equal(say(&greeting, "AUTH\r\n", &reply), MANAGER_GREETING_REPLY);
    assert_int_equal(say(&greeting, "AUTH\r\n", &reply), MANAGER_GREETING_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R90_a_greeting_in_each_form),
        cmocka_unit_test(test_R93_greetings_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
