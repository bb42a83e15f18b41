/* SPDX-License-Identifier: BSD-2-Clause */
/* A directory of the test's own for one record of sessions. */
#pragma once

#include "engine/ledger-file.h"

#include <stdbool.h>
#include <stddef.h>

struct ledger_place {
    char dir[32];
};

/* cmocka fixtures, whose state is the place. What is left in it is one record at the most. */
int ledger_place_setup(void **state);
int ledger_place_teardown(void **state);

/* The path of the only file in it; false when there is none. */
bool ledger_place_file(const struct ledger_place *place, char *path, size_t size);

/* Opens the record of `owner`, as ledger_file_open() does. */
struct ledger *ledger_place_open(const struct ledger_place *place, const char *owner,
                                 struct ledger_file **file);
