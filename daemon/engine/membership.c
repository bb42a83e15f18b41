/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/membership.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>

/* The longest entry, and the most groups of one user, that are read. */
#define MEMBERSHIP_MAX_ENTRY  (1 << 20)
#define MEMBERSHIP_MAX_GROUPS 65536

/* The longest entry of a user that the group lists. */
#define MEMBERSHIP_LISTED 65536

/* The user's entry, its strings in *buffer, which is to be freed. 1, 0 when there is none, or a
 * negative errno. */
static int membership_entry(uint32_t uid, struct passwd *entry, char **buffer)
{
    struct passwd *found = NULL;
    int error = ERANGE;

    *buffer = NULL;
    for (size_t size = 1024; error == ERANGE && size <= MEMBERSHIP_MAX_ENTRY; size *= 4) {
        char *larger = realloc(*buffer, size);

        if (!larger)
            return -ENOMEM;
        *buffer = larger;
        error = getpwuid_r(uid, entry, *buffer, size, &found);
    }
    /* getpwuid(3) lists what systems say when there is no such user. */
    if (error == ENOENT || error == ESRCH || error == EBADF || error == EPERM)
        return 0;
    return error ? -error : found != NULL;
}

/* Whether the group is one of the user's: 1, 0, or a negative errno. */
static int membership_among_groups(const struct passwd *entry, gid_t group)
{
    int count = 64, room, member = 0;
    gid_t *groups = NULL;

    do {
        gid_t *larger = realloc(groups, (size_t)count * sizeof(*groups));

        if (!larger) {
            free(groups);
            return -ENOMEM;
        }
        groups = larger;
        room = count;
        /* Without room for all of them it says in `count` how many there are. */
    } while (getgrouplist(entry->pw_name, entry->pw_gid, groups, &count) < 0 && count > room
             && count <= MEMBERSHIP_MAX_GROUPS);
    for (int i = 0; i < count && i < room && !member; i++)
        member = groups[i] == group;
    free(groups);
    return member;
}

int membership_lookup(uint32_t uid, gid_t group)
{
    struct passwd entry;
    char *buffer;
    int known = membership_entry(uid, &entry, &buffer);

    if (known == 1 && entry.pw_gid != group)
        known = membership_among_groups(&entry, group);
    free(buffer);
    return known;
}

static bool membership_uid(const char *name, uint32_t *uid)
{
    struct passwd entry, *found = NULL;
    char *buffer = malloc(MEMBERSHIP_LISTED);

    if (buffer && getpwnam_r(name, &entry, buffer, MEMBERSHIP_LISTED, &found) == 0 && found)
        *uid = found->pw_uid;
    free(buffer);
    return found != NULL;
}

unsigned membership_list(gid_t group, uint32_t *uids, unsigned max)
{
    char *buffer = malloc(MEMBERSHIP_MAX_ENTRY);
    struct group entry, *found = NULL;
    unsigned count = 0;

    if (buffer && getgrgid_r(group, &entry, buffer, MEMBERSHIP_MAX_ENTRY, &found) == 0 && found) {
        for (char **name = entry.gr_mem; *name && count < max; name++)
            count += membership_uid(*name, &uids[count]);
    }
    free(buffer);
    return count;
}
