/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Journals that other daemons left. Those that are kept here, one of each version that a daemon
 * reads, are read, and say what they said when they were written; all others are refused, each for
 * what it is.
 *
 * The arguments are the kept journals. Where this machine lays records out as none of them does,
 * there is nothing to be read, and the tests say so.
 */
#include "describe.h"
#include "kept.h"
#include "plain-journal.h"
#include "rm/journal-image.h"
#include "rm/journal-layout.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MOST 16

#define ADVICE                                                                                   \
    "what a journal's bytes mean has changed; raise JOURNAL_VERSION, have the reader take what " \
    "the version before wrote, and keep a journal of the new one: see "                          \
    "tests/journals/make-journal.c"

struct shelf_of_kept {
    struct kept all[MOST];
    const char *paths[MOST];
    unsigned count;
};

static struct shelf_of_kept kept;

static struct journal_header *header_of(const struct kept *journal)
{
    return (struct journal_header *)(void *)journal->bytes;
}

static enum journal_verdict look(const struct kept *journal)
{
    struct journal_image image;

    return journal_image_open(&image, journal->bytes, journal->size, PLAIN_JOURNAL_OWNER);
}

static bool is_our_layout(const struct kept *journal)
{
    return header_of(journal)->magic == JOURNAL_MAGIC
           && header_of(journal)->layout == journal_layout();
}

/* The journal of this version and of this machine's layout; the test ends without one. */
static struct kept *ours(void)
{
    for (unsigned i = 0; i < kept.count; i++) {
        if (is_our_layout(&kept.all[i]) && header_of(&kept.all[i])->version == JOURNAL_VERSION)
            return &kept.all[i];
    }
#if defined(__x86_64__) && !defined(__ILP32__)
    fail_msg("no journal of version %d is kept for this layout: %s", JOURNAL_VERSION, ADVICE);
#endif
    print_message("no journal is kept that this machine's layout could have\n");
    skip();
    return NULL;
}

static void test_kept_journals_say_what_they_said(void **state)
{
    (void)state;
    ours();
    for (unsigned i = 0; i < kept.count; i++) {
        char *words = NULL;
        size_t size;
        FILE *out;

        if (!is_our_layout(&kept.all[i])) {
            assert_int_equal(look(&kept.all[i]), JOURNAL_FOREIGN);
            continue;
        }
        out = open_memstream(&words, &size);
        assert_non_null(out);
        describe(out, kept.all[i].bytes, kept.all[i].size, PLAIN_JOURNAL_OWNER);
        fclose(out);
        if (strcmp(words, kept.all[i].words) != 0)
            fail_msg("%s does not say what it said: %s. It is read as\n%s", kept.paths[i], ADVICE,
                     words);
        free(words);
    }
}

/* All that a daemon reads is kept. */
static void test_each_version_that_is_read_is_kept(void **state)
{
    (void)state;
    ours();
    for (unsigned version = JOURNAL_OLDEST; version <= JOURNAL_VERSION; version++) {
        unsigned found = 0;

        for (unsigned i = 0; i < kept.count; i++)
            found += is_our_layout(&kept.all[i]) && header_of(&kept.all[i])->version == version;
        assert_int_equal(found, 1);
    }
    assert_in_range(JOURNAL_VERSION - JOURNAL_OLDEST, 0, 1);
}

static void test_other_versions_are_refused(void **state)
{
    struct kept *journal = ours();
    uint32_t version = header_of(journal)->version;

    (void)state;
    /* Whatever else is different in them. */
    header_of(journal)->layout++;
    header_of(journal)->version = JOURNAL_OLDEST - 1;
    assert_int_equal(look(journal), JOURNAL_OLDER);
    header_of(journal)->version = JOURNAL_VERSION + 1;
    assert_int_equal(look(journal), JOURNAL_NEWER);
    header_of(journal)->version = UINT32_MAX;
    assert_int_equal(look(journal), JOURNAL_NEWER);
    header_of(journal)->layout--;
    header_of(journal)->version = version;
    assert_int_equal(look(journal), JOURNAL_GOOD);
}

/* The same journal, with its header as a machine of the other byte order writes it. */
static void turn_round(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        uint8_t byte = bytes[i];

        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
}

static void test_foreign_journals_are_refused(void **state)
{
    struct kept *journal = ours();
    struct journal_header *header = header_of(journal);
    struct journal_image image;

    (void)state;
    header->magic ^= 1;
    assert_int_equal(look(journal), JOURNAL_FOREIGN);
    header->magic ^= 1;
    turn_round((uint8_t *)&header->magic, sizeof(header->magic));
    assert_int_equal(look(journal), JOURNAL_FOREIGN);
    turn_round((uint8_t *)&header->magic, sizeof(header->magic));
    header->layout ^= 0x80;
    assert_int_equal(look(journal), JOURNAL_FOREIGN);
    header->layout ^= 0x80;
    assert_int_equal(
        journal_image_open(&image, journal->bytes, journal->size, PLAIN_JOURNAL_OWNER + 1),
        JOURNAL_FOREIGN);
    assert_int_equal(look(journal), JOURNAL_GOOD);
}

static void test_a_journal_that_is_cut_short_is_damaged(void **state)
{
    struct kept *journal = ours();
    struct journal_image image;

    (void)state;
    for (size_t size = JOURNAL_PAGE; size < journal->size; size += JOURNAL_PAGE) {
        enum journal_verdict verdict =
            journal_image_open(&image, journal->bytes, size, PLAIN_JOURNAL_OWNER);

        assert_int_equal(verdict, JOURNAL_DAMAGED);
    }
    assert_int_equal(
        journal_image_open(&image, journal->bytes, JOURNAL_PAGE - 1, PLAIN_JOURNAL_OWNER),
        JOURNAL_FOREIGN);
}

/* Flips each byte of some, one at a time. */
static void expect_damage(struct kept *journal, void *at, size_t size)
{
    uint8_t *bytes = at;

    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x41;
        assert_int_equal(look(journal), JOURNAL_DAMAGED);
        bytes[i] ^= 0x41;
    }
}

static void test_damaged_records_are_found(void **state)
{
    struct kept *journal = ours();
    const struct journal_header *header = header_of(journal);
    struct journal_cell *cells = (struct journal_cell *)(void *)(journal->bytes + header->cells_at);
    unsigned records = 0, extents = 0;

    (void)state;
    for (uint32_t cell = 1; cell <= header->cells; cell++) {
        struct journal_half *half =
            (struct journal_half *)journal_valid_half(&cells[cell], header->committed);
        uint32_t lines[2];

        if (!half || journal_is_hot((enum journal_kind)half->kind))
            continue;
        records++;
        expect_damage(journal, half->payload, JOURNAL_PAYLOAD);
        expect_damage(journal, &half->check, 8);
        journal_named_lines((enum journal_kind)half->kind, half->payload, lines);
        for (unsigned i = 0; i < 2; i++) {
            uint8_t *bytes = journal->bytes + header->shelf_at + (size_t)lines[i] * JOURNAL_LINE;
            struct journal_extent *extent = (struct journal_extent *)(void *)bytes;

            if (lines[i] == 0)
                continue;
            extents++;
            expect_damage(journal, extent, sizeof(*extent) + extent->size);
        }
    }
    assert_in_range(records, 15, 100);
    assert_in_range(extents, 8, 100);
    assert_int_equal(look(journal), JOURNAL_GOOD);
}

static void test_a_damaged_header_is_found(void **state)
{
    struct kept *journal = ours();
    struct journal_header *header = header_of(journal), before = *header;

    (void)state;
    expect_damage(journal, &header->generation,
                  offsetof(struct journal_header, complete)
                      - offsetof(struct journal_header, generation));
    header->cells = UINT32_MAX;
    assert_int_equal(look(journal), JOURNAL_DAMAGED);
    header->cells = before.cells;
    header->lines = UINT32_MAX;
    assert_int_equal(look(journal), JOURNAL_DAMAGED);
    header->lines = before.lines / 2;
    assert_int_equal(look(journal), JOURNAL_DAMAGED);
    header->lines = before.lines;
    /* Halves of commits that are still to come. */
    header->committed -= 2;
    assert_int_equal(look(journal), JOURNAL_DAMAGED);
    header->committed = before.committed;
    header->complete = 0;
    assert_int_equal(look(journal), JOURNAL_INCOMPLETE);
    header->complete = 1;
    header->ended = 1;
    assert_int_equal(look(journal), JOURNAL_ENDED);
    header->ended = 0;
    assert_int_equal(look(journal), JOURNAL_GOOD);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_journals_say_what_they_said),
        cmocka_unit_test(test_each_version_that_is_read_is_kept),
        cmocka_unit_test(test_other_versions_are_refused),
        cmocka_unit_test(test_foreign_journals_are_refused),
        cmocka_unit_test(test_a_journal_that_is_cut_short_is_damaged),
        cmocka_unit_test(test_damaged_records_are_found),
        cmocka_unit_test(test_a_damaged_header_is_found),
    };
    int failed;

    for (int i = 1; i < argc && kept.count < MOST; i++) {
        if (!kept_read(&kept.all[kept.count], argv[i])) {
            fprintf(stderr, "%s is no kept journal\n", argv[i]);
            return 1;
        }
        kept.paths[kept.count++] = argv[i];
    }
    failed = cmocka_run_group_tests_name("journals", tests, NULL, NULL);
    while (kept.count > 0)
        kept_clear(&kept.all[--kept.count]);
    return failed;
}
