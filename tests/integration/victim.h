/* SPDX-License-Identifier: BSD-2-Clause */
/* A client that does nobody any harm: it has a key and a session, and signs with them. */
#pragma once

#include "esys-client.h"

struct victim {
    struct esys_client *client;
    ESYS_TR key, session;
};

/* Connects to the world that was made last. False when something of it fails; victim_end() is due
 * either way. */
bool victim_begin(struct victim *victim);

/* Whether it can go on with its key and session. Disconnects it. */
bool victim_end(struct victim *victim);
