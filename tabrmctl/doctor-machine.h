/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine that the doctor looks at: this one, or a tree of files that stands for one. */
#pragma once

#include "doctor-place.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DOCTOR_USER "tss" /* the service's user and group */

struct doctor_machine {
    const char *root; /* of the tree, or NULL: this machine */
    const char *user; /* whose rights are looked at; NULL: the caller's */
    const char *tcti; /* where tabrmd is */
    const struct doctor_place *place;
    bool has_user, has_group; /* that of the service is known */
    uid_t uid;
    gid_t gid;
    bool answers; /* tabrmd was reached */
    uint32_t rc;  /* of the TCTI, when it was not */
};

/* Learns who the service's user and group are. `place` is what it looks at, borrowed. */
void doctor_machine_init(struct doctor_machine *machine, const char *root, const char *user,
                         const struct doctor_place *place);

/* Where a file is; the caller frees it with g_free(). */
char *doctor_machine_path(const struct doctor_machine *machine, const char *path);

bool doctor_machine_has(const struct doctor_machine *machine, const char *path);

/* The first line of a file, or NULL; the caller frees it with g_free(). */
char *doctor_machine_line(const struct doctor_machine *machine, const char *path);

/* Where a symbolic link leads, as it says it, or NULL; the caller frees it with g_free(). */
char *doctor_machine_link(const struct doctor_machine *machine, const char *path);

/* True when the user database knows the user; *member says whether its groups are among them that
 * of the service. */
bool doctor_machine_lookup(const struct doctor_machine *machine, const char *name, bool *member);
