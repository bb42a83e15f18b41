/* SPDX-License-Identifier: BSD-2-Clause */
#include "suite.h"

static int make(void **state, const struct world_setup *setup)
{
    *state = world_new(setup);
    return *state ? 0 : -1;
}

int suite_usual_world(void **state)
{
    return make(state, NULL);
}

int suite_world(void **state)
{
    static const char *const args[] = {"--idle-release=never", NULL};

    return make(state, &(struct world_setup){.args = args});
}

int suite_empty_world(void **state)
{
    return make(state, &(struct world_setup){.no_daemon = true});
}

void suite_leave_out_of(enum world_variant variant, const char *reason)
{
    if (world_variant() != variant)
        return;
    print_message("left out: %s\n", reason);
    skip();
}

int suite_end_world(void **state)
{
    bool good = world_free(*state);

    *state = NULL;
    return good ? 0 : -1;
}
