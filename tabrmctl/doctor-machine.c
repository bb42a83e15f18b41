/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-machine.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* More groups than a user has. */
#define MACHINE_GROUPS 4096

char *doctor_machine_path(const struct doctor_machine *machine, const char *path)
{
    return g_strconcat(machine->root ? machine->root : "", path, NULL);
}

bool doctor_machine_has(const struct doctor_machine *machine, const char *path)
{
    g_autofree char *whole = doctor_machine_path(machine, path);

    return access(whole, F_OK) == 0;
}

char *doctor_machine_line(const struct doctor_machine *machine, const char *path)
{
    g_autofree char *whole = doctor_machine_path(machine, path);
    char *text = NULL;

    if (!g_file_get_contents(whole, &text, NULL, NULL))
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    return text;
}

char *doctor_machine_link(const struct doctor_machine *machine, const char *path)
{
    g_autofree char *whole = doctor_machine_path(machine, path);

    return g_file_read_link(whole, NULL);
}

/* A file of a tree, to be read. */
static FILE *doctor_machine_open(const struct doctor_machine *machine, const char *path)
{
    g_autofree char *whole = doctor_machine_path(machine, path);

    return fopen(whole, "re");
}

/* The entry of a user, which the next call overwrites. */
static const struct passwd *doctor_machine_passwd(const struct doctor_machine *machine,
                                                  const char *name)
{
    const struct passwd *entry = NULL;
    FILE *file;

    if (!machine->root)
        return getpwnam(name);
    file = doctor_machine_open(machine, "/etc/passwd");
    while (file && (entry = fgetpwent(file)) && strcmp(entry->pw_name, name) != 0)
        ;
    if (file)
        fclose(file);
    return entry;
}

static const struct group *doctor_machine_group(const struct doctor_machine *machine)
{
    const struct group *entry = NULL;
    FILE *file;

    if (!machine->root)
        return getgrnam(DOCTOR_USER);
    file = doctor_machine_open(machine, "/etc/group");
    while (file && (entry = fgetgrent(file)) && strcmp(entry->gr_name, DOCTOR_USER) != 0)
        ;
    if (file)
        fclose(file);
    return entry;
}

void doctor_machine_init(struct doctor_machine *machine, const char *root, const char *user,
                         const struct doctor_place *place)
{
    const struct passwd *entry;
    const struct group *group;

    *machine = (struct doctor_machine){.root = root, .user = user, .place = place};
    entry = doctor_machine_passwd(machine, DOCTOR_USER);
    machine->has_user = entry != NULL;
    machine->uid = entry ? entry->pw_uid : 0;
    group = doctor_machine_group(machine);
    machine->has_group = group != NULL;
    machine->gid = group ? group->gr_gid : 0;
}

/* Whether the group's entry in the tree lists the user. */
static bool doctor_machine_listed(const struct doctor_machine *machine, const char *name)
{
    const struct group *group = doctor_machine_group(machine);

    return group && g_strv_contains((const char *const *)group->gr_mem, name);
}

static bool doctor_machine_known(const struct doctor_machine *machine, const char *name, gid_t own)
{
    gid_t *groups = g_new(gid_t, MACHINE_GROUPS);
    int count = MACHINE_GROUPS;
    bool known = false;

    if (getgrouplist(name, own, groups, &count) >= 0) {
        for (int i = 0; i < count; i++)
            known = known || groups[i] == machine->gid;
    }
    g_free(groups);
    return known;
}

bool doctor_machine_lookup(const struct doctor_machine *machine, const char *name, bool *member)
{
    const struct passwd *entry = doctor_machine_passwd(machine, name);

    if (!entry)
        return false;
    *member = machine->has_group && (entry->pw_gid == machine->gid || entry->pw_uid == 0);
    if (!*member && machine->has_group)
        *member = machine->root ? doctor_machine_listed(machine, name)
                                : doctor_machine_known(machine, name, entry->pw_gid);
    return true;
}
