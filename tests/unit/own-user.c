/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's own user, whom the engine permits what root may. The tests' clients are other users,
 * also when one of those runs the test. */
#include <unistd.h>

uid_t geteuid(void)
{
    return 900;
}
