/* SPDX-License-Identifier: BSD-2-Clause */
/* What the system's user database is asked, and what its answers mean. The test plays it. */
#include "engine/membership.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GROUP       7
#define OWN_GROUP   8
#define MOST_ENTRY  (1 << 20)
#define MOST_GROUPS 65536

/* What the database says of every user, and of the group. */
static struct {
    int error;       /* that it gives */
    bool known;      /* whether there is such a user, or group */
    size_t needs;    /* bytes of an entry */
    gid_t own_group; /* of the user */
    int groups;      /* of the user, all but one numbered from 1000 on */
    int place;       /* in which of them the group stands; -1: it is not a member */
    int says;        /* how many groups it says it has, where it has no room for them; 0: all */
    char **listed;   /* members of the group */
} database;

static unsigned lists_asked; /* of groups of a user */

/* NAME stands for user 1000 + its first letter; one that begins with '-' is none, and with '!' an
 * error. */
int getpwnam_r(const char *restrict name, struct passwd *restrict entry, char *restrict buffer,
               size_t size, struct passwd **restrict result)
{
    (void)buffer;
    assert_true(size >= 65536);
    *entry = (struct passwd){.pw_uid = 1000 + (uid_t)name[0]};
    *result = name[0] == '-' || name[0] == '!' ? NULL : entry;
    return name[0] == '!' ? EIO : 0;
}

int getpwuid_r(uid_t uid, struct passwd *restrict entry, char *restrict buffer, size_t size,
               struct passwd **restrict result)
{
    *result = NULL;
    if (database.error != 0)
        return database.error;
    if (size < database.needs)
        return ERANGE;
    memset(buffer, 'x', database.needs);
    *entry = (struct passwd){.pw_name = buffer, .pw_uid = uid, .pw_gid = database.own_group};
    *result = database.known ? entry : NULL;
    return 0;
}

int getgrouplist(const char *name, gid_t group, gid_t *groups, int *count)
{
    int room = *count, i;

    (void)name;
    assert_int_equal(group, OWN_GROUP);
    lists_asked++;
    for (i = 0; i < database.groups && i < room; i++)
        groups[i] = i == database.place ? GROUP : 1000 + (gid_t)i;
    *count = database.groups;
    if (database.groups <= room)
        return database.groups;
    if (database.says != 0)
        *count = database.says;
    return -1;
}

int getgrgid_r(gid_t group, struct group *restrict entry, char *restrict buffer, size_t size,
               struct group **restrict result)
{
    (void)buffer;
    assert_int_equal(group, GROUP);
    assert_int_equal(size, MOST_ENTRY);
    *entry = (struct group){.gr_gid = group, .gr_mem = database.listed};
    *result = database.known ? entry : NULL;
    return database.error;
}

static int setup(void **state)
{
    (void)state;
    memset(&database, 0, sizeof(database));
    database.known = true;
    database.own_group = OWN_GROUP;
    database.place = -1;
    lists_asked = 0;
    return 0;
}

static void test_R53_entries_of_all_sizes(void **state)
{
    static const size_t sizes[] = {0, 1023, 1024, 1025, 4096, 4097, MOST_ENTRY - 1, MOST_ENTRY};

    (void)state;
    database.own_group = GROUP;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        database.needs = sizes[i];
        assert_int_equal(membership_lookup(1000, GROUP), 1);
    }
    database.needs = MOST_ENTRY + 1;
    assert_int_equal(membership_lookup(1000, GROUP), -ERANGE);
}

static void test_R53_users_that_there_are_not(void **state)
{
    static const int none[] = {ENOENT, ESRCH, EBADF, EPERM};

    (void)state;
    database.own_group = GROUP;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        database.error = none[i];
        assert_int_equal(membership_lookup(1000, GROUP), 0);
    }
    database.error = EIO;
    assert_int_equal(membership_lookup(1000, GROUP), -EIO);
    database.error = 0;
    database.known = false;
    assert_int_equal(membership_lookup(1000, GROUP), 0);
}

static void test_R53_a_users_own_group_counts(void **state)
{
    (void)state;
    database.own_group = GROUP;
    assert_int_equal(membership_lookup(1000, GROUP), 1);
    assert_int_equal(lists_asked, 0);
}

/* Wherever the group stands among those of the user, up to as many as are read. */
static void test_R53_one_of_many_groups(void **state)
{
    static const struct {
        int groups, place, member;
        unsigned asked;
    } cases[] = {
        {0, -1, 0, 1},
        {1, 0, 1, 1},
        {1, -1, 0, 1},
        {64, 63, 1, 1},
        {65, 64, 1, 2},
        {65, -1, 0, 2},
        {MOST_GROUPS, MOST_GROUPS - 1, 1, 2},
        /* Of more the first are looked at. */
        {MOST_GROUPS + 1, 63, 1, 1},
        {MOST_GROUPS + 1, 64, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        database.groups = cases[i].groups;
        database.place = cases[i].place;
        lists_asked = 0;
        assert_int_equal(membership_lookup(1000, GROUP), cases[i].member);
        assert_int_equal(lists_asked, cases[i].asked);
    }
}

/* A database that says that there is no room, and not how much it takes, is not asked for ever. */
static void test_R53_a_database_that_never_has_room(void **state)
{
    (void)state;
    database.groups = 65;
    database.says = 64;
    database.place = 3;
    assert_int_equal(membership_lookup(1000, GROUP), 1);
    assert_int_equal(lists_asked, 1);
    database.says = 10;
    database.place = 20;
    assert_int_equal(membership_lookup(1000, GROUP), 0);
}

static char *names(const char *name)
{
    return (char *)(uintptr_t)name;
}

static void test_R53_whom_the_group_lists(void **state)
{
    char *listed[] = {names("a"), names("-"), names("b"), names("!"), names("c"), NULL};
    uint32_t uids[4] = {1, 2, 3, 4};

    (void)state;
    database.listed = listed;
    assert_int_equal(membership_list(GROUP, uids, 4), 3);
    assert_int_equal(uids[0], 1000 + 'a');
    assert_int_equal(uids[1], 1000 + 'b');
    assert_int_equal(uids[2], 1000 + 'c');
    assert_int_equal(uids[3], 4);
    uids[1] = 2;
    assert_int_equal(membership_list(GROUP, uids, 1), 1);
    assert_int_equal(uids[1], 2);
    assert_int_equal(membership_list(GROUP, uids, 0), 0);
    database.known = false;
    assert_int_equal(membership_list(GROUP, uids, 4), 0);
    database.known = true;
    database.error = EIO;
    assert_int_equal(membership_list(GROUP, uids, 4), 0);
}

int main(void)
{
#define DATABASE_TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        DATABASE_TEST(test_R53_entries_of_all_sizes),
        DATABASE_TEST(test_R53_users_that_there_are_not),
        DATABASE_TEST(test_R53_a_users_own_group_counts),
        DATABASE_TEST(test_R53_one_of_many_groups),
        DATABASE_TEST(test_R53_a_database_that_never_has_room),
        DATABASE_TEST(test_R53_whom_the_group_lists),
    };
#undef DATABASE_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
