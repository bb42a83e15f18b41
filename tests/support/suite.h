/* SPDX-License-Identifier: BSD-2-Clause */
/* What each integration test needs of cmocka: a world of its own as its state. */
#pragma once

#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Makes the usual world. */
int suite_usual_world(void **state);

/* Makes a world whose daemon keeps what is loaded for as long as it can, so that counts
 * do not depend on how fast the machine is. */
int suite_world(void **state);

/* Makes a world without a daemon. */
int suite_empty_world(void **state);

/* Fails the test unless the daemon ends as it should. */
int suite_end_world(void **state);

/* Leaves the test out, and says why, where it is about the very thing that the variant changes. */
void suite_leave_out_of(enum world_variant variant, const char *reason);

#define suite_test(function) cmocka_unit_test_setup_teardown(function, suite_world, suite_end_world)
#define suite_usual_test(function) \
    cmocka_unit_test_setup_teardown(function, suite_usual_world, suite_end_world)
#define suite_empty_test(function) \
    cmocka_unit_test_setup_teardown(function, suite_empty_world, suite_end_world)
