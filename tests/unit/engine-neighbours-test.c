/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who has the kernel's resource manager open, as inotify tells. A file in the test's own directory
 * stands for its device node, and times are made up.
 */
#include "engine/neighbours.h"

#include "fake-sys.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define START INT64_C(1000000)
#define NODE  "tpmrm7"

/* A long time after that, in which nothing was in doubt any more. */
#define LATER (START + 10 * OPENERS_DOUBT_MS)

struct street {
    struct fake_sys fake;
    struct neighbours neighbours;
};

/* The kernel's TPM is open, and nobody was met yet. */
static int setup(void **state)
{
    static struct street street;

    fake_sys_init(&street.fake, 7);
    fake_sys_put(&street.fake, NODE, "");
    neighbours_init(&street.neighbours, street.fake.path, street.fake.path);
    *state = &street;
    return 0;
}

static int teardown(void **state)
{
    struct street *street = *state;

    neighbours_leave(&street->neighbours);
    fake_sys_clear(&street->fake);
    return 0;
}

/* Whether somebody is there by what was seen up to `now`. */
static bool is_open(struct street *street, int64_t now)
{
    neighbours_look(&street->neighbours, now);
    return neighbours_view(&street->neighbours, now).open;
}

static void test_R64_unshared_chip_has_no_neighbours(void **state)
{
    struct street *street = *state;
    struct reserve_view view;

    close(street->fake.fd);
    street->fake.fd = -1;
    neighbours_meet(&street->neighbours, START);
    view = neighbours_view(&street->neighbours, START);
    assert_int_equal(street->neighbours.fd, -1);
    assert_false(view.shared || view.open || view.kernel_sessions || view.trusted_keys);
    assert_int_equal(view.watch_error, 0);
}

static void test_R64_kernel_without_a_manager_lets_nobody_in(void **state)
{
    struct street *street = *state;
    struct reserve_view view;

    fake_sys_remove(&street->fake, "class/tpmrm/tpmrm7");
    fake_sys_put(&street->fake, "class/tpm/tpm7/null_name", "");
    /* What could not be seen of another kernel's is of no matter. */
    neighbours_lose(&street->neighbours, EMFILE);
    neighbours_meet(&street->neighbours, START);
    view = neighbours_view(&street->neighbours, START);
    assert_true(view.shared && view.kernel_sessions);
    assert_false(view.open || view.watch_error);
}

static void test_R64_openers_come_and_go(void **state)
{
    struct street *street = *state;
    int one, two;

    neighbours_meet(&street->neighbours, START);
    assert_true(is_open(street, START));
    assert_false(is_open(street, START + OPENERS_DOUBT_MS));
    one = fake_sys_open(&street->fake, NODE);
    assert_true(is_open(street, LATER));
    two = fake_sys_open(&street->fake, NODE);
    assert_true(is_open(street, LATER));
    close(one);
    assert_true(is_open(street, LATER));
    assert_true(is_open(street, LATER + OPENERS_DOUBT_MS));
    close(two);
    assert_true(is_open(street, LATER));
    assert_false(is_open(street, LATER + OPENERS_DOUBT_MS));
}

static void test_R64_who_was_there_before_is_seen_to_leave(void **state)
{
    struct street *street = *state;
    int fd = fake_sys_open(&street->fake, NODE);

    neighbours_meet(&street->neighbours, START);
    assert_true(is_open(street, START));
    close(fd);
    assert_true(is_open(street, START));
    assert_true(is_open(street, START + OPENERS_DOUBT_MS - 1));
    assert_false(is_open(street, START + OPENERS_DOUBT_MS));
}

/* inotify tells of both opens by one event. */
static void test_R64_two_at_once_are_not_taken_for_one(void **state)
{
    struct street *street = *state;
    int one, two;

    neighbours_meet(&street->neighbours, START);
    one = fake_sys_open(&street->fake, NODE);
    two = fake_sys_open(&street->fake, NODE);
    assert_true(is_open(street, LATER));
    close(one);
    assert_true(is_open(street, LATER));
    assert_int_equal(write(two, "x", 1), 1);
    assert_true(is_open(street, LATER + 1));
    assert_true(is_open(street, LATER + OPENERS_DOUBT_MS + 1));
    close(two);
    is_open(street, LATER);
    assert_false(is_open(street, LATER + OPENERS_DOUBT_MS));
}

/* Each time one event tells of both opens, and each close has its own: they seem to be all there
 * were, and more. */
static void test_R64_who_opens_twice_hides_nobody(void **state)
{
    struct street *street = *state;
    int third;

    neighbours_meet(&street->neighbours, START);
    third = fake_sys_open(&street->fake, NODE);
    assert_true(is_open(street, LATER));
    for (unsigned round = 0; round < 3; round++) {
        int one = fake_sys_open(&street->fake, NODE), two = fake_sys_open(&street->fake, NODE);

        assert_true(is_open(street, LATER + 1));
        close(one);
        assert_true(is_open(street, LATER + 1));
        close(two);
        assert_true(is_open(street, LATER + 1));
    }
    assert_true(is_open(street, LATER + OPENERS_DOUBT_MS));
    close(third);
}

static void test_R64_replaced_node_is_watched(void **state)
{
    struct street *street = *state;
    int fd;

    neighbours_meet(&street->neighbours, START);
    fake_sys_remove(&street->fake, NODE);
    fake_sys_put(&street->fake, NODE, "");
    assert_true(is_open(street, LATER));
    assert_false(is_open(street, LATER + OPENERS_DOUBT_MS));
    fd = fake_sys_open(&street->fake, NODE);
    assert_true(is_open(street, LATER + OPENERS_DOUBT_MS));
    close(fd);
}

/* What an inotify descriptor watches, by the kernel's word. */
static unsigned watches(int fd)
{
    char path[64], line[512];
    unsigned count = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        count += strncmp(line, "inotify ", strlen("inotify ")) == 0;
    fclose(file);
    return count;
}

/* A node that was moved away is watched no longer: the folder is, and the node of now. */
static void test_R64_moved_nodes_are_watched_no_longer(void **state)
{
    struct street *street = *state;
    char from[64], to[64];

    neighbours_meet(&street->neighbours, START);
    snprintf(from, sizeof(from), "%s/%s", street->fake.path, NODE);
    snprintf(to, sizeof(to), "%s/moved", street->fake.path);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(watches(street->neighbours.fd), 2);
        assert_int_equal(rename(from, to), 0);
        fake_sys_put(&street->fake, NODE, "");
        neighbours_look(&street->neighbours, START);
    }
    fake_sys_remove(&street->fake, "moved");
}

static void test_R64_absent_node_is_waited_for(void **state)
{
    struct street *street = *state;

    fake_sys_remove(&street->fake, NODE);
    neighbours_meet(&street->neighbours, START);
    assert_true(is_open(street, LATER));
    assert_int_equal(neighbours_view(&street->neighbours, LATER).watch_error, ENOENT);
    fake_sys_put(&street->fake, NODE, "");
    assert_true(is_open(street, LATER));
    assert_int_equal(neighbours_view(&street->neighbours, LATER).watch_error, 0);
    assert_false(is_open(street, LATER + OPENERS_DOUBT_MS));
    /* And once more. */
    fake_sys_remove(&street->fake, NODE);
    assert_true(is_open(street, LATER + OPENERS_DOUBT_MS));
    assert_true(is_open(street, LATER + 10 * OPENERS_DOUBT_MS));
    assert_int_equal(neighbours_view(&street->neighbours, LATER).watch_error, ENOENT);
}

static void test_R64_missed_events_are_in_doubt(void **state)
{
    struct street *street = *state;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    unsigned most;
    int fd;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u", &most), 1);
    fclose(file);
    neighbours_meet(&street->neighbours, START);
    fd = fake_sys_open(&street->fake, NODE);
    for (unsigned i = 0; i < most / 2 + 2; i++)
        close(fake_sys_open(&street->fake, NODE));
    close(fd);
    for (unsigned i = 0; i < most / 16; i++)
        neighbours_look(&street->neighbours, LATER);
    assert_true(is_open(street, LATER));
    assert_false(is_open(street, LATER + OPENERS_DOUBT_MS));
}

/* The TPM was opened anew, and with it all else. */
static void test_R64_neighbours_are_met_anew(void **state)
{
    struct street *street = *state;

    neighbours_meet(&street->neighbours, START);
    assert_false(is_open(street, LATER));
    neighbours_meet(&street->neighbours, LATER);
    assert_true(is_open(street, LATER));
    assert_false(is_open(street, LATER + OPENERS_DOUBT_MS));
    neighbours_lose(&street->neighbours, EMFILE);
    assert_true(is_open(street, LATER + OPENERS_DOUBT_MS));
    assert_int_equal(neighbours_view(&street->neighbours, LATER).watch_error, EMFILE);
}

#define STREET_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREET_TEST(test_R64_unshared_chip_has_no_neighbours),
        STREET_TEST(test_R64_kernel_without_a_manager_lets_nobody_in),
        STREET_TEST(test_R64_openers_come_and_go),
        STREET_TEST(test_R64_who_was_there_before_is_seen_to_leave),
        STREET_TEST(test_R64_two_at_once_are_not_taken_for_one),
        STREET_TEST(test_R64_who_opens_twice_hides_nobody),
        STREET_TEST(test_R64_replaced_node_is_watched),
        STREET_TEST(test_R64_moved_nodes_are_watched_no_longer),
        STREET_TEST(test_R64_absent_node_is_waited_for),
        STREET_TEST(test_R64_missed_events_are_in_doubt),
        STREET_TEST(test_R64_neighbours_are_met_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
