/* SPDX-License-Identifier: BSD-2-Clause */
#include "shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct shell *shell_new(struct world *world)
{
    static unsigned number;
    struct shell *shell = g_new0(struct shell, 1);

    number++;
    shell->out_path = g_strdup_printf("%s/%u.out", world->dir, number);
    shell->err_path = g_strdup_printf("%s/%u.err", world->dir, number);
    shell->process.pidfd = -1;
    return shell;
}

static struct shell *shell_spawn(struct world *world, const char *const *argv,
                                 const char *const *env)
{
    struct shell *shell = shell_new(world);
    char *work = world_path(world, "work");
    struct process_setup setup = {.argv = argv,
                                  .env = env,
                                  .directory = work,
                                  .out = shell->out_path,
                                  .err = shell->err_path};

    if (!process_start(&shell->process, &setup)) {
        fprintf(stderr, "shell: cannot start %s\n", argv[0]);
        shell_free(shell);
        shell = NULL;
    }
    g_free(work);
    return shell;
}

struct shell *shell_start(struct world *world, const char *script)
{
    const char *libdir = world->setup.tools_libdir
                             ? world->setup.tools_libdir
                             : world_env("TABRMD_TEST_TOOLS_LIBDIR", TEST_TOOLS_LIBDIR);
    char *library_path = g_strdup_printf("LD_LIBRARY_PATH=%s", libdir);
    char *address = g_strdup_printf("DBUS_SESSION_BUS_ADDRESS=%s", world->address);
    const char *env[] = {library_path, address, "TPM2TOOLS_TCTI=tabrmd:bus_type=session", NULL};
    const char *member = world_member();
    const char *argv[] = {"setpriv",        "--reuid", member, "--regid", member,
                          "--clear-groups", "sh",      "-euc", script,    NULL};
    struct shell *shell = shell_spawn(world, argv + (member ? 0 : 6), env);

    g_free(address);
    g_free(library_path);
    return shell;
}

struct shell *shell_start_daemon(struct world *world, const char *const *args,
                                 const char *const *env)
{
    GPtrArray *argv = g_ptr_array_new();
    struct shell *shell;

    g_ptr_array_add(argv, (gpointer)(uintptr_t)world_env("TABRMD_TEST_DAEMON", TEST_DAEMON));
    g_ptr_array_add(argv, (gpointer)(uintptr_t)WORLD_NO_CONFIG);
    for (; *args; args++)
        g_ptr_array_add(argv, (gpointer)(uintptr_t)*args);
    g_ptr_array_add(argv, NULL);
    shell = shell_spawn(world, (const char *const *)argv->pdata, env);
    g_ptr_array_free(argv, TRUE);
    return shell;
}

static char *read_file(const char *path)
{
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

int shell_finish(struct shell *shell)
{
    if (process_wait(&shell->process, WORLD_TOOL_MS)) {
        shell->status = process_exit_status(&shell->process);
    } else {
        shell->status = -1;
        process_end(&shell->process, 0);
    }
    g_free(shell->out);
    g_free(shell->err);
    shell->out = read_file(shell->out_path);
    shell->err = read_file(shell->err_path);
    return shell->status;
}

void shell_free(struct shell *shell)
{
    if (!shell)
        return;
    process_end(&shell->process, 0);
    g_free(shell->out_path);
    g_free(shell->err_path);
    g_free(shell->out);
    g_free(shell->err);
    g_free(shell);
}

int shell_run(struct world *world, const char *script, bool expect_success, char **out)
{
    struct shell *shell = shell_start(world, script);
    int status = shell ? shell_finish(shell) : -1;

    if (expect_success && shell && status != 0)
        fprintf(stderr, "shell: status %d of: %s\n%s%s", status, script, shell->out, shell->err);
    if (out)
        *out = g_strdup(shell && shell->out ? g_strchomp(shell->out) : "");
    shell_free(shell);
    return status;
}
