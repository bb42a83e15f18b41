/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-user.h"

#include <pwd.h>
#include <unistd.h>

#define USER_SYSUSERS "sudo systemd-sysusers makes both"

/* Whether this process itself has the group. */
static bool doctor_user_has_group(gid_t gid)
{
    int count = MAX(getgroups(0, NULL), 0);
    gid_t *groups = g_new(gid_t, MAX(count, 1));
    bool has = getegid() == gid;

    count = getgroups(count, groups);
    for (int i = 0; i < count; i++)
        has = has || groups[i] == gid;
    g_free(groups);
    return has;
}

static void doctor_user_no_member(struct doctor_report *report, const char *name)
{
    doctor_report_fault(report, DOCTOR_SHUT_OUT, "no-member",
                        g_strdup_printf("user %s is not in group %s", name, DOCTOR_USER),
                        "the bus and the socket let root and this group in, and nobody else",
                        g_strdup_printf("sudo usermod --append --groups %s %s, and log in anew",
                                        DOCTOR_USER, name));
}

static void doctor_user_named(const struct doctor_machine *machine, struct doctor_report *report)
{
    bool member;

    if (!doctor_machine_lookup(machine, machine->user, &member))
        doctor_report_fault(
            report, DOCTOR_ASIDE, "no-user", g_strdup_printf("there is no user %s", machine->user),
            "the membership of this user was asked for", g_strdup("name another one in --user"));
    else if (!member)
        doctor_user_no_member(report, machine->user);
    else
        doctor_report_note(report, "member", "user %s may use tabrmd", machine->user);
}

static void doctor_user_caller(const struct doctor_machine *machine, struct doctor_report *report)
{
    const struct passwd *entry;
    g_autofree char *name = NULL;
    bool member = false;

    if (geteuid() == 0 || doctor_user_has_group(machine->gid)) {
        doctor_report_note(report, "member", "who asks may use tabrmd");
        return;
    }
    entry = getpwuid(geteuid());
    name = entry ? g_strdup(entry->pw_name) : g_strdup_printf("%u", geteuid());
    if (doctor_machine_lookup(machine, name, &member) && member)
        doctor_report_fault(
            report, DOCTOR_SHUT_OUT, "not-yet-member",
            g_strdup_printf("user %s is in group %s, but not in this session", name, DOCTOR_USER),
            "a session has the groups that its user had when it began",
            g_strdup("log out and in again"));
    else
        doctor_user_no_member(report, name);
}

void doctor_user_look(const struct doctor_machine *machine, struct doctor_report *report)
{
    if (!machine->has_user)
        doctor_report_fault(report, DOCTOR_STOPPED, "user-absent",
                            g_strdup("there is no user " DOCTOR_USER),
                            "the service runs as this user", g_strdup(USER_SYSUSERS));
    if (!machine->has_group)
        doctor_report_fault(
            report, DOCTOR_SHUT_OUT, "group-absent", g_strdup("there is no group " DOCTOR_USER),
            "who may use the TPM is a member of this group", g_strdup(USER_SYSUSERS));
    else if (machine->user)
        doctor_user_named(machine, report);
    else
        doctor_user_caller(machine, report);
}
