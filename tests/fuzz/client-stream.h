/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The language of the inputs of the target client-stream. A first byte chooses the chip (see
 * fuzz-chip.h) and, with its bits 6 and 7, the limits of a client. Steps follow, until the input
 * ends. The first byte of a step says in bits 0 and 1 which client it is about and in bits 2 to 4
 * what happens:
 *
 *   CHUNK    u8 n           the client writes the n + 1 bytes that follow
 *   FRAME    u8 tag, u16 code, u16 n   it writes a whole command of n bytes behind the header; of
 *                           the tag bit 0 says whether it has sessions
 *   REPLAY   u8 n, u16 m    it loads context number n of those that clients were given last, with
 *                           a bit turned over at byte m, or with none if m is 0
 *   CLOSE                   it closes its connection
 *   IDLE                    the manager cleans up to the end
 *   RELEASE                 and leaves the chip empty
 *   POWER                   the chip loses its power and gets it back
 *   HANGUP                  it writes no more, but what it wrote before is run
 */
#pragma once

enum client_stream_step {
    CLIENT_STREAM_CHUNK,
    CLIENT_STREAM_FRAME,
    CLIENT_STREAM_REPLAY,
    CLIENT_STREAM_CLOSE,
    CLIENT_STREAM_IDLE,
    CLIENT_STREAM_RELEASE,
    CLIENT_STREAM_POWER,
    CLIENT_STREAM_HANGUP,
};

#define CLIENT_STREAM_CLIENTS            4
#define CLIENT_STREAM_STEP(client, step) ((uint8_t)((step) << 2 | (client)))
