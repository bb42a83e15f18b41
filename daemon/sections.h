/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What configuration files say of users: sections for one user, for the members of a group, and for
 * all, with the text of each key. A user or a group is looked up when its section is read, and has
 * one section, whatever it is called by; of several values of a key the last one counts. Main
 * thread.
 */
#pragma once

#include "rule-keys.h"
#include "setting.h"

#include <glib.h>

enum section_kind { SECTION_FOR_ALL, SECTION_FOR_USER, SECTION_FOR_GROUP };

struct section {
    enum section_kind kind;
    char *title; /* as it stands between the brackets, where it was read first */
    char *name;  /* of the user or the group; NULL for SECTION_FOR_ALL */
    char *place; /* "FILE:LINE" of where it was read last */
    bool found;  /* there is such a user or group, and it */
    uint32_t id; /* has this number */
    struct setting of[SECTION_KEYS]; /* by enum rule_key and enum section_key */
};

/* All zero: there are none. */
struct sections {
    GPtrArray *all; /* of struct section, in the order of their reading; NULL: none */
};

/* Looks a user or a group up, by number or name, into *id. The number that chown() takes for "none"
 * is nobody's. False when there is none. */
bool sections_look_up(enum section_kind kind, const char *name, uint32_t *id);

/* The section of a kind for `name`, which is NULL for SECTION_FOR_ALL; made where there is none
 * yet, and without a place then. */
struct section *sections_get(struct sections *sections, enum section_kind kind, const char *name);

/* The section of the same subject as `section`, or NULL. */
struct section *sections_find(const struct sections *sections, const struct section *section);

void sections_clear(struct sections *sections);

/* Adds all that is said to a file that is to be written, each with its place. */
void sections_show(const struct sections *sections, GKeyFile *file);

/* The titles of sections of which the two differ, in brackets and with commas between; to be freed
 * with g_free(). */
char *sections_differences(const struct sections *one, const struct sections *other);
