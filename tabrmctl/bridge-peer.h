/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose program is at the other end of a socket of this machine. */
#pragma once

enum bridge_peer {
    BRIDGE_PEER_MINE,  /* this process's user, or root */
    BRIDGE_PEER_OTHER, /* another user */
    BRIDGE_PEER_GONE,  /* it has closed the connection, or cannot be found out */
};

/*
 * Whose program is at the other end of the connected socket `fd`. A port of the loopback interface
 * is open to all users of the machine, who are not to have this one's rights to the TPM.
 */
enum bridge_peer bridge_peer_find(int fd);
