/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-process.h"

#include <string.h>

static void doctor_process_free(gpointer data)
{
    struct doctor_process *process = data;

    g_free(process->pid);
    g_free(process->name);
    g_free(process);
}

/* A package that was upgraded while its program runs. */
#define PROCESS_DELETED " (deleted)"

/* The second name of tabrmd, and of its threads one that tpm2-abrmd has not. */
#define PROCESS_SECOND_NAME "tpm2-abrmd"
#define PROCESS_THREAD      "engine"

static bool doctor_process_has_thread(const struct doctor_machine *machine, const char *pid,
                                      const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/task", pid);
    g_autofree char *whole = doctor_machine_path(machine, path);
    g_autoptr(GDir) directory = g_dir_open(whole, 0, NULL);
    const char *thread;
    bool found = false;

    while (directory && !found && (thread = g_dir_read_name(directory))) {
        g_autofree char *comm = g_build_filename(path, thread, "comm", NULL);
        g_autofree char *line = doctor_machine_line(machine, comm);

        found = g_strcmp0(line, name) == 0;
    }
    return found;
}

/* By what the kernel shows of each process to all users. */
static char *doctor_process_name_of_hidden(const struct doctor_machine *machine, const char *pid)
{
    g_autofree char *comm = g_strdup_printf("/proc/%s/comm", pid);
    g_autofree char *name = doctor_machine_line(machine, comm);

    if (g_strcmp0(name, PROCESS_SECOND_NAME) == 0
        && doctor_process_has_thread(machine, pid, PROCESS_THREAD))
        return g_strdup("tabrmd");
    return g_steal_pointer(&name);
}

static char *doctor_process_name(const struct doctor_machine *machine, const char *pid)
{
    g_autofree char *exe = g_strdup_printf("/proc/%s/exe", pid);
    g_autofree char *file = doctor_machine_link(machine, exe);

    if (!file)
        return doctor_process_name_of_hidden(machine, pid);
    if (g_str_has_suffix(file, PROCESS_DELETED))
        file[strlen(file) - strlen(PROCESS_DELETED)] = '\0';
    return g_path_get_basename(file);
}

static void doctor_process_look(const struct doctor_machine *machine,
                                struct doctor_process *process)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/fd", process->pid);
    g_autofree char *whole = doctor_machine_path(machine, path);
    g_autoptr(GDir) directory = g_dir_open(whole, 0, NULL);
    const char *fd;

    process->hidden = directory == NULL;
    while (directory && !process->has_device && (fd = g_dir_read_name(directory))) {
        g_autofree char *link = g_build_filename(path, fd, NULL);
        g_autofree char *target = doctor_machine_link(machine, link);

        process->has_device = g_strcmp0(target, machine->place->device) == 0;
    }
}

GPtrArray *doctor_process_list(const struct doctor_machine *machine)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(doctor_process_free);
    g_autofree char *path = doctor_machine_path(machine, "/proc");
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *pid;

    while (directory && (pid = g_dir_read_name(directory))) {
        char *name = g_ascii_isdigit(*pid) ? doctor_process_name(machine, pid) : NULL;
        struct doctor_process *process;

        if (!name)
            continue;
        process = g_new0(struct doctor_process, 1);
        *process = (struct doctor_process){.pid = g_strdup(pid), .name = name};
        doctor_process_look(machine, process);
        g_ptr_array_add(list, process);
    }
    return list;
}
