/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-device.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

static void doctor_device_absent(const struct doctor_machine *machine, struct doctor_report *report)
{
    const struct doctor_place *place = machine->place;
    bool driven = doctor_machine_has(machine, place->sysfs);

    if (machine->answers) {
        doctor_report_note(report, "device", "there is no %s; tabrmd serves another TPM",
                           place->device);
        return;
    }
    doctor_report_fault(
        report, DOCTOR_STOPPED, "device-absent",
        g_strdup_printf("there is no %s%s", place->device,
                        driven ? ", though the kernel drives a TPM"
                               : " and no driver has found a TPM"),
        "tabrmd serves this device, and its service does not start without",
        g_strdup(driven ? "sudo udevadm trigger --subsystem-match=tpm; a container has to be given "
                          "the device"
                        : "switch the TPM (PTT, fTPM) on in the firmware's settings; in a virtual "
                          "machine add one; sudo modprobe tpm_crb or tpm_tis loads a driver"));
}

static void doctor_device_version(const struct doctor_machine *machine,
                                  struct doctor_report *report)
{
    const char *sysfs = machine->place->sysfs;
    g_autofree char *version_file = g_build_filename(sysfs, "tpm_version_major", NULL);
    g_autofree char *driver_link = g_build_filename(sysfs, "device/driver", NULL);
    g_autofree char *version = doctor_machine_line(machine, version_file);
    g_autofree char *driver = doctor_machine_link(machine, driver_link);
    g_autofree char *name = driver ? g_path_get_basename(driver) : g_strdup("unknown");

    if (g_strcmp0(version, "1") == 0)
        doctor_report_fault(
            report, DOCTOR_STOPPED, "tpm-1.2", g_strdup("the chip is a TPM 1.2"),
            "tabrmd needs a TPM 2.0; the two have different commands",
            g_strdup("look in the firmware's settings for another TPM or mode (2.0, "
                     "PTT, fTPM); for this one there is the package trousers"));
    else
        doctor_report_note(report, "device", "driver %s, TPM version %s", name,
                           version ? version : "not told by this kernel");
}

/* What the kernel itself does with the chip. */
static void doctor_device_kernel(const struct doctor_machine *machine, struct doctor_report *report)
{
    const struct doctor_place *place = machine->place;
    g_autofree char *null_name = g_build_filename(place->sysfs, "null_name", NULL);
    bool manager = doctor_machine_has(machine, place->manager);
    bool sessions = doctor_machine_has(machine, null_name);
    bool keys = doctor_machine_has(machine, "/sys/module/trusted");

    doctor_report_note(report, "kernel", "it offers %s%s%s; %s; %s", manager ? "" : "no ",
                       place->manager, manager ? ", for which slots stay free" : "",
                       sessions ? "it keeps sessions of its own" : "it keeps no sessions",
                       keys ? "it may load trusted keys" : "it loads no trusted keys");
}

static char *doctor_device_owner(const struct doctor_machine *machine, const struct stat *node)
{
    const struct passwd *user = machine->root ? NULL : getpwuid(node->st_uid);
    const struct group *group = machine->root ? NULL : getgrgid(node->st_gid);
    g_autofree char *uid = g_strdup_printf("%u", node->st_uid);
    g_autofree char *gid = g_strdup_printf("%u", node->st_gid);

    return g_strdup_printf("%s:%s, mode %04o", user ? user->pw_name : uid,
                           group ? group->gr_name : gid, node->st_mode & 07777);
}

/* Whether the service may read and write it. */
static bool doctor_device_open_to_service(const struct doctor_machine *machine,
                                          const struct stat *node)
{
    if (node->st_uid == machine->uid)
        return (node->st_mode & 0600) == 0600;
    if (machine->has_group && node->st_gid == machine->gid)
        return (node->st_mode & 060) == 060;
    return (node->st_mode & 06) == 06;
}

static void doctor_device_rights(const struct doctor_machine *machine, struct doctor_report *report,
                                 const struct stat *node)
{
    g_autofree char *owner = doctor_device_owner(machine, node);
    const char *device = machine->place->device;

    if (!machine->has_user)
        return;
    if (doctor_device_open_to_service(machine, node))
        doctor_report_note(report, "owner", "%s is of %s", device, owner);
    else
        doctor_report_fault(
            report, DOCTOR_STOPPED, "device-owner",
            g_strdup_printf("%s is of %s, not open to user %s", device, owner, DOCTOR_USER),
            "the service runs as this user, and cannot open the TPM",
            g_strdup_printf("sudo apt-get install tpm-udev && sudo udevadm trigger %s; for now, "
                            "sudo chown " DOCTOR_USER ": %s && sudo chmod 660 %s",
                            device, device, device));
}

void doctor_device_look(const struct doctor_machine *machine, struct doctor_report *report)
{
    g_autofree char *path = doctor_machine_path(machine, machine->place->device);
    struct stat node;

    doctor_device_kernel(machine, report);
    if (stat(path, &node) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        doctor_device_absent(machine, report);
        return;
    }
    doctor_device_version(machine, report);
    doctor_device_rights(machine, report, &node);
}
