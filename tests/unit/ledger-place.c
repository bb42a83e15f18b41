/* SPDX-License-Identifier: BSD-2-Clause */
#include "ledger-place.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int ledger_place_setup(void **state)
{
    struct ledger_place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    strcpy(place->dir, "/tmp/tabrmd-ledger.XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    *state = place;
    return 0;
}

int ledger_place_teardown(void **state)
{
    struct ledger_place *place = *state;
    char path[512];

    if (ledger_place_file(place, path, sizeof(path)))
        unlink(path);
    assert_int_equal(rmdir(place->dir), 0);
    free(place);
    return 0;
}

bool ledger_place_file(const struct ledger_place *place, char *path, size_t size)
{
    DIR *dir = opendir(place->dir);
    struct dirent *entry;
    unsigned count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            snprintf(path, size, "%s/%s", place->dir, entry->d_name);
            count++;
        }
    closedir(dir);
    assert_true(count <= 1);
    return count == 1;
}

struct ledger *ledger_place_open(const struct ledger_place *place, const char *owner,
                                 struct ledger_file **file)
{
    *file = ledger_file_open(place->dir, owner);
    assert_non_null(*file);
    return ledger_file_ledger(*file);
}
