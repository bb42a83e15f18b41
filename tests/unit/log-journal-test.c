/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of the journal as they are put together. */
#include "base/log-journal.h"

#include "journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All that a line can be about. */
static const struct log_about all = {
    .account = 1000,
    .of_user = true,
    .uid = 1000,
    .connection = UINT64_MAX,
    .pid = 4711,
    .program = "tpm2_sign",
    .command = 0x15D,
    .command_name = "Sign",
    .answered = true,
    .response = 0xB0120,
    .duration = UINT64_MAX,
};

static void build(struct journal_entry *entry, enum log_event event, const struct log_about *about,
                  const char *text)
{
    entry->size = log_journal_build(entry->bytes, 4, event, about, text);
    assert_in_range(entry->size, 1, LOG_JOURNAL_MAX);
}

static void expect(const struct journal_entry *entry, const char *name, const char *text)
{
    const char *field = journal_entry_field(entry, name);

    if (!text) {
        assert_null(field);
        return;
    }
    assert_non_null(field);
    assert_string_equal(field, text);
}

static void test_R101_an_entry_has_the_fields_of_its_event(void **state)
{
    struct journal_entry entry;

    (void)state;
    build(&entry, LOG_EVENT_COMMAND_REFUSED, &all, "no");
    assert_int_equal(journal_entry_fields(&entry), 14);
    expect(&entry, "PRIORITY", "4");
    expect(&entry, "SYSLOG_FACILITY", "3");
    expect(&entry, "SYSLOG_IDENTIFIER", "tabrmd");
    expect(&entry, "MESSAGE_ID", log_events[LOG_EVENT_COMMAND_REFUSED].id);
    expect(&entry, "TABRMD_EVENT", "command-refused");
    expect(&entry, "TABRMD_CONNECTION", "18446744073709551615");
    expect(&entry, "TABRMD_UID", "1000");
    expect(&entry, "TABRMD_PID", "4711");
    expect(&entry, "TABRMD_PROGRAM", "tpm2_sign");
    expect(&entry, "TABRMD_COMMAND", "Sign");
    expect(&entry, "TABRMD_COMMAND_CODE", "0x15D");
    expect(&entry, "TABRMD_RESPONSE_CODE", "0xB0120");
    expect(&entry, "TABRMD_DURATION_USEC", "18446744073709551615");
    expect(&entry, "MESSAGE", "no");
}

/* What is not known has no field, and root's number is one. */
static void test_R101_an_entry_has_no_field_for_what_is_not_known(void **state)
{
    struct log_about root = log_about_user(0, 0);
    struct journal_entry entry;

    (void)state;
    build(&entry, LOG_EVENT_NONE, &LOG_NOBODY, "");
    assert_int_equal(journal_entry_fields(&entry), 4);
    expect(&entry, "MESSAGE", "");
    build(&entry, LOG_EVENT_STARTED, &root, "on");
    assert_int_equal(journal_entry_fields(&entry), 7);
    expect(&entry, "TABRMD_UID", "0");
    root.program = "";
    build(&entry, LOG_EVENT_STARTED, &root, "on");
    assert_int_equal(journal_entry_fields(&entry), 7);
}

/* Who chooses the name of its program chooses that field and no other. */
static void test_R101_no_text_can_forge_a_field(void **state)
{
    static const char forged[] = "x\nTABRMD_UID=0\nMESSAGE_ID=ff\nPRIORITY\n\1\0\0\0\0\0\0\0"
                                 "0\n";
    struct log_about about = log_about_user(1000, 1000);
    struct journal_entry entry;

    (void)state;
    about.program = forged;
    build(&entry, LOG_EVENT_NONE, &about, forged);
    assert_int_equal(journal_entry_fields(&entry), 6);
    expect(&entry, "PRIORITY", "4");
    expect(&entry, "MESSAGE_ID", NULL);
    expect(&entry, "TABRMD_UID", "1000");
    expect(&entry, "TABRMD_PROGRAM", forged);
    expect(&entry, "MESSAGE", forged);
}

/* Texts of any length leave an entry that can be read. */
static void test_R101_a_long_text_is_cut(void **state)
{
    static char text[2 * LOG_JOURNAL_MAX];
    struct log_about about = all;
    struct journal_entry entry;

    (void)state;
    about.program = text;
    about.command_name = text;
    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        text[length] = 'x';
        build(&entry, LOG_EVENT_COMMAND_REFUSED, &about, text);
        assert_int_equal(journal_entry_fields(&entry), 14);
        assert_in_range(strlen(journal_entry_field(&entry, "MESSAGE")),
                        length < 1024 ? length + 1 : 1024, length + 1);
        assert_in_range(strlen(journal_entry_field(&entry, "TABRMD_PROGRAM")), 1, 64);
    }
}

static void test_R102_each_event_has_a_name_and_an_id_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LOG_EVENT_NONE; i++) {
        const struct log_event_row *row = &log_events[i];

        assert_int_equal(strspn(row->id, "0123456789abcdef"), 32);
        assert_int_equal(strlen(row->id), 32);
        assert_true(row->level > LOG_LEVEL_SILENT);
        assert_int_equal(i < LOG_EVENTS_LIMITED, row->many != NULL);
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(row->id, log_events[k].id);
            assert_string_not_equal(row->name, log_events[k].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R101_an_entry_has_the_fields_of_its_event),
        cmocka_unit_test(test_R101_an_entry_has_no_field_for_what_is_not_known),
        cmocka_unit_test(test_R101_no_text_can_forge_a_field),
        cmocka_unit_test(test_R101_a_long_text_is_cut),
        cmocka_unit_test(test_R102_each_event_has_a_name_and_an_id_of_its_own),
    };

    return cmocka_run_group_tests_name("log-journal", tests, NULL, NULL);
}
