/* SPDX-License-Identifier: BSD-2-Clause */
#include "needs.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SKIPPED 77

static const struct need {
    const char *name, *package; /* of Debian */
    const char *pattern;        /* of its path, where that is not one of a program in PATH */
    const char *variable;       /* of the environment, which has another path */
} needs[] = {
    {"clevis-tpm2", "clevis-tpm2", "/usr/bin/clevis-encrypt-tpm2", NULL},
    {"dbus-daemon", "dbus-daemon", NULL, NULL},
    {"fapi-profiles", "tpm-udev", "/etc/tpm2-tss/fapi-profiles", NULL},
    {"haproxy", "haproxy", "/usr/sbin/haproxy", "TABRMD_TEST_HAPROXY"},
    {"nss_wrapper", "libnss-wrapper", "/usr/lib/*/libnss_wrapper.so", NULL},
    {"openssl", "openssl", NULL, NULL},
    {"ssh-agent", "openssh-client", NULL, NULL},
    {"sshd", "openssh-server", "/usr/sbin/sshd", "TABRMD_TEST_SSHD"},
    {"swtpm", "swtpm", NULL, NULL},
    {"tpm2-abrmd", "tpm2-abrmd", "/usr/sbin/tpm2-abrmd", "TABRMD_TEST_PEER_DAEMON"},
    {"tpm2-openssl", "tpm2-openssl", "/usr/lib/*/ossl-modules/tpm2.so", NULL},
    {"tpm2-pkcs11", "libtpm2-pkcs11-1", "/usr/lib/*/pkcs11/libtpm2_pkcs11.so*", NULL},
    {"tpm2-pytss", "python3-tpm2-pytss", "/usr/lib/python3/dist-packages/tpm2_pytss", NULL},
    {"tpm2-tools", "tpm2-tools", "/usr/bin/tpm2", NULL},
    {"tpm2_ptool", "libtpm2-pkcs11-tools", NULL, NULL},
};

static const struct need *find_need(const char *name)
{
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
        if (strcmp(needs[i].name, name) == 0)
            return &needs[i];
    return NULL;
}

static bool is_in_path(const char *program)
{
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    bool found = false;
    char *rest = path;

    for (char *directory = strsep(&rest, ":"); directory && !found;
         directory = strsep(&rest, ":")) {
        char file[4096];
        int length = snprintf(file, sizeof(file), "%s/%s", directory, program);

        found = length > 0 && (size_t)length < sizeof(file) && access(file, X_OK) == 0;
    }
    free(path);
    return found;
}

static bool is_there(const struct need *need)
{
    const char *elsewhere = need->variable ? getenv(need->variable) : NULL;
    const char *pattern = elsewhere && *elsewhere ? elsewhere : need->pattern;
    glob_t found;
    int status;

    if (!pattern)
        return is_in_path(need->name);
    status = glob(pattern, 0, NULL, &found);
    if (status == 0)
        globfree(&found);
    return status == 0;
}

/* The line is one of the test protocol too, for programs that speak it. */
static void leave(const struct need *need)
{
    const char *protocol = getenv("CMOCKA_MESSAGE_OUTPUT");
    const char *whole = getenv("TABRMD_TEST_WHOLE");

    if (whole && *whole) {
        fprintf(stderr, "%s is missing: install Debian's package %s\n", need->name, need->package);
        exit(EXIT_FAILURE);
    }
    printf("1..0 # SKIP %s is missing: install Debian's package %s\n", need->name, need->package);
    exit(protocol && strcmp(protocol, "TAP") == 0 ? EXIT_SUCCESS : SKIPPED);
}

__attribute__((constructor)) void needs_check(void)
{
    const char *names = getenv("TABRMD_TEST_NEEDS");
    char *copy = strdup(names ? names : "");
    char *rest = copy;

    for (char *name = strsep(&rest, " "); name; name = strsep(&rest, " ")) {
        const struct need *need = find_need(name);

        if (!need && *name) {
            fprintf(stderr, "TABRMD_TEST_NEEDS: nothing is known of %s\n", name);
            exit(EXIT_FAILURE);
        }
        if (need && !is_there(need))
            leave(need);
    }
    free(copy);
}
