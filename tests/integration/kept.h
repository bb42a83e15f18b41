/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A served world (served.h) whose daemon is run by a service manager that keeps descriptors
 * (keeper.h): the daemon is started again when it is killed, and gets back what it stored. Clients
 * come by served_client() and served_raw_client().
 */
#pragma once

#include "keeper.h"
#include "served.h"

/* Descriptors that are kept, as in the service's unit. */
#define KEPT_MAX 1152

/* The state of a test. */
struct kept {
    struct world *world;
    struct keeper *keeper;
};

/* A kept world with its daemon ready; kept_empty_world() without one. */
int kept_world(void **state);
int kept_empty_world(void **state);

struct kept_setup {
    const char *const *args; /* more arguments for the daemon, NULL-ended */
    unsigned max;            /* descriptors that are kept; 0: none */
    bool system_bus;         /* the world's bus is the daemon's system bus */
    bool no_daemon;          /* keeper_start() is called by the test */
};

/* Other ones. */
int kept_world_as(void **state, const struct kept_setup *setup);
int kept_world_with(void **state, const char *const *args, unsigned max);

/* Kills the daemon, after which there is none; and has the next one started, and ready. */
void kept_begin_gap(const struct kept *kept);
void kept_end_gap(const struct kept *kept);

/* The daemons have written this. */
void kept_expect_log(const struct kept *kept, const char *text);

/* Fails the test unless a daemon that runs ends as it should, and leaves nothing in the chip. */
int kept_end_world(void **state);

#define kept_test(function) cmocka_unit_test_setup_teardown(function, kept_world, kept_end_world)
#define kept_empty_test(function) \
    cmocka_unit_test_setup_teardown(function, kept_empty_world, kept_end_world)
