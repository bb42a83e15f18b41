/* SPDX-License-Identifier: BSD-2-Clause */
/* Another user of the world's chip, straight at swtpm, which serves one at a time: the daemon must
 * not run. What goes wrong fails the test. */
#pragma once

#include "esys-client.h"

/* Has the chip started, if it was reset. To be freed with chip_user_free(). */
struct esys_client *chip_user_new(const struct world *world);
void chip_user_free(struct esys_client *user);

/* A session that the user saved, and left the chip; the context to be freed with Esys_Free(). */
TPMS_CONTEXT *chip_user_session(const struct world *world);
