/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of users for a model, by the system's user database. */
#pragma once

#include "model.h"

/*
 * Fills in who the connections, users and slots of the model are of: a user's name, its number
 * where it has none, "guests" and "new users" for those accounts (base/account.h). Asks for each
 * number once.
 */
void user_names_fill(struct model *model);
