/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-service.h"

#include "doctor-process.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Programs that take the TPM for themselves, with the service of each. */
static const struct {
    const char *program, *unit;
} service_rivals[] = {{"tpm2-abrmd", "tpm2-abrmd"}, {"tcsd", "tcsd"}};

static const char *doctor_service_rival(const struct doctor_process *process)
{
    for (gsize i = 0; i < G_N_ELEMENTS(service_rivals); i++) {
        if (strcmp(process->name, service_rivals[i].program) == 0)
            return service_rivals[i].unit;
    }
    return NULL;
}

static void doctor_service_process(const struct doctor_place *place, struct doctor_report *report,
                                   const struct doctor_process *process)
{
    const char *rival = doctor_service_rival(process);
    bool own = strcmp(process->name, "tabrmd") == 0;
    g_autofree char *open =
        process->has_device ? g_strdup_printf(" and has %s open", place->device) : g_strdup("");

    if (rival)
        doctor_report_fault(
            report, DOCTOR_STOPPED, "other-daemon",
            g_strdup_printf("%s runs (pid %s)%s", process->name, process->pid, open),
            "it takes the TPM, which one daemon can have, or tabrmd's name on the bus",
            g_strdup_printf("sudo systemctl disable --now %s, and sudo systemctl "
                            "restart %s",
                            rival, place->unit));
    else if (process->has_device && !own)
        doctor_report_fault(
            report, DOCTOR_STOPPED, "device-busy",
            g_strdup_printf("%s (pid %s) has %s open", process->name, process->pid, place->device),
            "one program can have the TPM, and this one is not tabrmd",
            g_strdup_printf("end it, and have it use tabrmd: tabrmctl run -- %s", process->name));
    else if (own)
        doctor_report_note(report, "daemon", "tabrmd runs (pid %s)%s", process->pid, open);
}

/* Who has the device, and who would like to. */
static void doctor_service_processes(const struct doctor_machine *machine,
                                     struct doctor_report *report)
{
    g_autoptr(GPtrArray) list = doctor_process_list(machine);
    unsigned hidden = 0;

    for (guint i = 0; i < list->len; i++) {
        const struct doctor_process *process = list->pdata[i];

        hidden += process->hidden;
        doctor_service_process(machine->place, report, process);
    }
    if (hidden > 0)
        doctor_report_note(report, "openers",
                           "of %u processes it cannot be seen whether they have %s open; root can",
                           hidden, machine->place->device);
}

static bool doctor_service_masked(const struct doctor_machine *machine, const char *unit)
{
    static const char *const places[] = {"/etc/systemd/system", "/run/systemd/system"};

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(places[i], unit, NULL);
        g_autofree char *target = doctor_machine_link(machine, path);

        if (g_strcmp0(target, "/dev/null") == 0)
            return true;
    }
    return false;
}

/* What `systemctl show` says of the unit, or NULL where there is no systemd. */
static char *doctor_service_show(const struct doctor_machine *machine, const char *unit)
{
    g_autofree char *program =
        machine->root ? doctor_machine_path(machine, "/usr/bin/systemctl") : g_strdup("systemctl");
    const char *argv[] = {program, "show", unit, "--property=ActiveState,Result,ExecMainStatus",
                          NULL};
    char *out = NULL;

    if (!doctor_machine_has(machine, "/run/systemd/system"))
        return NULL;
    g_spawn_sync(NULL, (char **)(guintptr)argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, NULL,
                 NULL);
    return out;
}

/* The value of a property, up to the end of its line; "" where there is none. Freed by g_free(). */
static char *doctor_service_value(const char *shown, const char *property)
{
    const char *at = strstr(shown, property);

    if (!at)
        return g_strdup("");
    at += strlen(property);
    return g_strndup(at, strcspn(at, "\n"));
}

static void doctor_service_failed(struct doctor_report *report, const char *unit, const char *shown)
{
    g_autofree char *status = doctor_service_value(shown, "ExecMainStatus=");
    g_autofree char *result = doctor_service_value(shown, "Result=");

    doctor_report_fault(
        report, DOCTOR_STOPPED, "unit-failed",
        g_strdup_printf("%s has failed: %s, exit status %s", unit, result, status),
        "what its log says last is the cause; tabrmd(8) has the exit statuses",
        g_strdup_printf("journalctl --unit=%s --lines=20; then sudo systemctl restart "
                        "%s",
                        unit, unit));
}

/* The service, masked. Its socket may be, as tabrmd makes its own then. */
static void doctor_service_mask(const struct doctor_machine *machine, struct doctor_report *report)
{
    const char *unit = machine->place->unit;
    g_autofree char *service = g_strdup_printf("%s.service", unit);

    if (doctor_service_masked(machine, service))
        doctor_report_fault(report, DOCTOR_STOPPED, "unit-masked",
                            g_strdup_printf("%s is masked", service),
                            "systemd starts it for nobody, neither at boot nor when a client comes",
                            g_strdup_printf("sudo systemctl unmask %s && sudo systemctl enable "
                                            "--now %s",
                                            unit, unit));
}

static void doctor_service_unit(const struct doctor_machine *machine, struct doctor_report *report,
                                const char *unit)
{
    g_autofree char *shown = doctor_service_show(machine, unit);
    g_autofree char *state = shown ? doctor_service_value(shown, "ActiveState=") : NULL;

    if (!shown)
        return;
    if (strcmp(state, "failed") == 0)
        doctor_service_failed(report, unit, shown);
    else
        doctor_report_note(report, "unit", "%s is %s", unit, state);
}

/* The policy lets the service have its name, and members of the group call it. */
static void doctor_service_policy(const struct doctor_machine *machine,
                                  struct doctor_report *report)
{
    static const char *const places[] = {"/usr/share/dbus-1/system.d", "/etc/dbus-1/system.d"};
    const char *policy = machine->place->policy;

    if (!doctor_machine_has(machine, "/run/dbus/system_bus_socket")) {
        doctor_report_note(report, "bus", "there is no system bus");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(places[i], policy, NULL);

        if (doctor_machine_has(machine, path)) {
            doctor_report_note(report, "bus", "its policy is %s", path);
            return;
        }
    }
    doctor_report_fault(
        report, DOCTOR_SHUT_OUT, "bus-policy",
        g_strdup_printf("the system bus has no policy %s", policy),
        "without, it lets tabrmd have no name and nobody call it",
        g_strdup("install tabrmd once more (meson install, or its package), and sudo "
                 "systemctl reload dbus"));
}

void doctor_service_look(const struct doctor_machine *machine, struct doctor_report *report)
{
    g_autofree char *service = g_strdup_printf("%s.service", machine->place->unit);
    g_autofree char *socket = g_strdup_printf("%s.socket", machine->place->unit);

    doctor_service_processes(machine, report);
    doctor_service_mask(machine, report);
    doctor_service_unit(machine, report, service);
    doctor_service_unit(machine, report, socket);
    doctor_service_policy(machine, report);
}

/* The errno of connecting to the socket, or 0. */
static int doctor_service_connect(const struct doctor_machine *machine)
{
    g_autofree char *path = doctor_machine_path(machine, machine->place->socket);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, error = 0;

    if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
        return ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        error = errno;
    close(fd);
    return error;
}

void doctor_service_look_at_socket(const struct doctor_machine *machine,
                                   struct doctor_report *report)
{
    const struct doctor_place *place = machine->place;
    int error = doctor_service_connect(machine);
    bool expected = error == 0 || error == EACCES || error == EAGAIN;

    if (expected || machine->answers || report->stopped)
        doctor_report_note(report, "socket", "%s: %s", place->socket,
                           error == 0 ? "somebody listens" : g_strerror(error));
    else if (error == ENOENT)
        doctor_report_fault(report, DOCTOR_SHUT_OUT, "socket-absent",
                            g_strdup_printf("there is no socket %s", place->socket),
                            "programs connect there first; it is there while tabrmd runs, or waits "
                            "for clients as its socket unit",
                            g_strdup_printf("sudo systemctl enable --now %s; no-socket= in its "
                                            "configuration has to be off",
                                            place->unit));
    else
        doctor_report_fault(
            report, DOCTOR_SHUT_OUT, "socket-dead",
            g_strdup_printf("nobody listens on %s: %s", place->socket, g_strerror(error)),
            "programs connect there first",
            g_strdup_printf("sudo systemctl restart %s", place->unit));
}
