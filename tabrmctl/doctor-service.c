/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-service.h"

#include "doctor-process.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SERVICE_UNIT   "tabrmd.service"
#define SERVICE_POLICY "com.intel.tss2.Tabrmd.conf"

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

static void doctor_service_process(struct doctor_report *report,
                                   const struct doctor_process *process)
{
    const char *rival = doctor_service_rival(process);
    bool own = strcmp(process->name, "tabrmd") == 0;

    if (rival)
        doctor_report_fault(
            report, DOCTOR_STOPPED, "other-daemon",
            g_strdup_printf("%s runs (pid %s)%s", process->name, process->pid,
                            process->has_device ? " and has " DOCTOR_DEVICE " open" : ""),
            "it takes the TPM, which one daemon can have, or tabrmd's name on the bus",
            g_strdup_printf("sudo systemctl disable --now %s, and sudo systemctl "
                            "restart tabrmd",
                            rival));
    else if (process->has_device && !own)
        doctor_report_fault(
            report, DOCTOR_STOPPED, "device-busy",
            g_strdup_printf("%s (pid %s) has " DOCTOR_DEVICE " open", process->name, process->pid),
            "one program can have the TPM, and this one is not tabrmd",
            g_strdup_printf("end it, and have it use tabrmd: tabrmctl run -- %s", process->name));
    else if (own)
        doctor_report_note(report, "daemon", "tabrmd runs (pid %s)%s", process->pid,
                           process->has_device ? " and has " DOCTOR_DEVICE " open" : "");
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
        doctor_service_process(report, process);
    }
    if (hidden > 0)
        doctor_report_note(report, "openers",
                           "of %u processes it cannot be seen whether they have " DOCTOR_DEVICE
                           " open; root can",
                           hidden);
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
    if (doctor_service_masked(machine, SERVICE_UNIT))
        doctor_report_fault(report, DOCTOR_STOPPED, "unit-masked",
                            g_strdup(SERVICE_UNIT " is masked"),
                            "systemd starts it for nobody, neither at boot nor when a client comes",
                            g_strdup("sudo systemctl unmask tabrmd && sudo systemctl enable --now "
                                     "tabrmd"));
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
    static const char *const places[] = {"/usr/share/dbus-1/system.d/" SERVICE_POLICY,
                                         "/etc/dbus-1/system.d/" SERVICE_POLICY};

    if (!doctor_machine_has(machine, "/run/dbus/system_bus_socket")) {
        doctor_report_note(report, "bus", "there is no system bus");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        if (doctor_machine_has(machine, places[i])) {
            doctor_report_note(report, "bus", "its policy is %s", places[i]);
            return;
        }
    }
    doctor_report_fault(
        report, DOCTOR_SHUT_OUT, "bus-policy",
        g_strdup("the system bus has no policy " SERVICE_POLICY),
        "without, it lets tabrmd have no name and nobody call it",
        g_strdup("install tabrmd once more (meson install, or its package), and sudo "
                 "systemctl reload dbus"));
}

void doctor_service_look(const struct doctor_machine *machine, struct doctor_report *report)
{
    doctor_service_processes(machine, report);
    doctor_service_mask(machine, report);
    doctor_service_unit(machine, report, SERVICE_UNIT);
    doctor_service_unit(machine, report, "tabrmd.socket");
    doctor_service_policy(machine, report);
}

/* The errno of connecting to the socket, or 0. */
static int doctor_service_connect(const struct doctor_machine *machine)
{
    g_autofree char *path = doctor_machine_path(machine, DOCTOR_SOCKET);
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
    int error = doctor_service_connect(machine);
    bool expected = error == 0 || error == EACCES || error == EAGAIN;

    if (expected || machine->answers || report->stopped)
        doctor_report_note(report, "socket", DOCTOR_SOCKET ": %s",
                           error == 0 ? "somebody listens" : g_strerror(error));
    else if (error == ENOENT)
        doctor_report_fault(report, DOCTOR_SHUT_OUT, "socket-absent",
                            g_strdup("there is no socket " DOCTOR_SOCKET),
                            "programs connect there first; it is there while tabrmd runs, or waits "
                            "for clients as tabrmd.socket",
                            g_strdup("sudo systemctl enable --now tabrmd; no-socket= in its "
                                     "configuration has to be off"));
    else
        doctor_report_fault(
            report, DOCTOR_SHUT_OUT, "socket-dead",
            g_strdup_printf("nobody listens on " DOCTOR_SOCKET ": %s", g_strerror(error)),
            "programs connect there first", g_strdup("sudo systemctl restart tabrmd"));
}
