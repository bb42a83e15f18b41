/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients of the engine without an engine: what they stand on, and the other ends of their
 * sockets. One thread. */
#pragma once

#include "engine/client.h"

#define CROWD_MEMBERS  8
#define CROWD_CAPACITY 256       /* bytes of the longest command */
#define CROWD_RESPONSE (1 << 20) /* and of the longest answer */

struct crowd {
    struct loop loop;
    struct scheduler scheduler;
    struct users users;
    struct admission admission;
    struct desk desk;
    struct clients clients;
    struct rules *rules;     /* that have none for anybody */
    int ends[CROWD_MEMBERS]; /* the clients' own ends; -1: closed */
};

/* Commands have up to `capacity` bytes. */
void crowd_init(struct crowd *crowd, size_t capacity);

/* The same with a journal, which is borrowed, and answers of up to `response` bytes. */
void crowd_init_kept(struct crowd *crowd, struct journal *journal, size_t capacity,
                     size_t response);

/* Closes all clients and frees them. */
void crowd_clear(struct crowd *crowd);

/* Client number `index` of a user, admitted and not opened; its id is its number and 100. One from
 * the socket has a control channel. */
struct client *crowd_admit(struct crowd *crowd, unsigned index, uint32_t uid,
                           enum client_origin origin);

/* The same, opened. */
struct client *crowd_join(struct crowd *crowd, unsigned index, uint32_t uid,
                          enum client_origin origin);

/* The client's own doing. */
void crowd_put(struct crowd *crowd, unsigned index, const void *bytes, size_t size);
void crowd_put_random(struct crowd *crowd, unsigned index);
void crowd_put_control(struct crowd *crowd, unsigned index, uint32_t operation, uint8_t locality);
void crowd_hang_up(struct crowd *crowd, unsigned index);

/* Whether there is something to read. */
bool crowd_has_answer(const struct crowd *crowd, unsigned index);

/* The code of the next response, which must be there; or the rc of the next control reply. */
uint32_t crowd_get(struct crowd *crowd, unsigned index);
uint32_t crowd_get_control(struct crowd *crowd, unsigned index, uint32_t operation);

/* Has the loop look what happened. */
void crowd_look(struct crowd *crowd);
