/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine-crowd.h"

#include "wire/control-frame.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

/* Bytes of an answer that a test reads. */
#define CROWD_ANSWER 512

void crowd_init(struct crowd *crowd, size_t capacity)
{
    crowd_init_kept(crowd, NULL, capacity, CROWD_RESPONSE);
}

void crowd_init_kept(struct crowd *crowd, struct journal *journal, size_t capacity, size_t response)
{
    const struct rules_config config = {
        .limits = {.objects_per_client = 64, .sessions_per_client = 64, .abandoned_per_uid = 16}};

    crowd->rules = rules_new(&config);
    assert_non_null(crowd->rules);
    assert_int_equal(loop_init(&crowd->loop), 0);
    scheduler_init(&crowd->scheduler, client_affinity);
    assert_int_equal(users_init(&crowd->users), 0);
    admission_init(&crowd->admission, &crowd->users, 0);
    admission_set_open(&crowd->admission, true);
    clients_init(&crowd->clients, &crowd->loop, &crowd->scheduler, &crowd->admission, &crowd->desk);
    assert_true(desk_open(&crowd->desk, journal, capacity, response));
    clients_meet_journal(&crowd->clients);
    for (unsigned i = 0; i < CROWD_MEMBERS; i++)
        crowd->ends[i] = -1;
}

void crowd_clear(struct crowd *crowd)
{
    struct client_end end;

    clients_close(&crowd->clients);
    while (clients_reap(&crowd->clients, &end))
        ;
    clients_clear(&crowd->clients);
    desk_close(&crowd->desk);
    admission_clear(&crowd->admission);
    users_clear(&crowd->users);
    rules_unreference(crowd->rules);
    loop_clear(&crowd->loop);
    for (unsigned i = 0; i < CROWD_MEMBERS; i++)
        if (crowd->ends[i] >= 0)
            close(crowd->ends[i]);
}

struct client *crowd_admit(struct crowd *crowd, unsigned index, uint32_t uid,
                           enum client_origin origin)
{
    struct user_rules rules;
    struct client *client;
    int pair[2], small = 1;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    /* So that a response soon finds no room. */
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    crowd->ends[index] = pair[1];
    assert_int_equal(client_new(&crowd->clients, uid, pair[0], &client), 0);
    assert_int_equal(admission_enter(&crowd->admission, uid, 0, &client->user), 0);
    client->origin = origin;
    client->id = 100 + index;
    client->io.control = origin == CLIENT_FROM_SOCKET;
    rules_find(crowd->rules, uid, &client->groups, uid, &rules);
    client_set_rules(client, &rules);
    return client;
}

struct client *crowd_join(struct crowd *crowd, unsigned index, uint32_t uid,
                          enum client_origin origin)
{
    struct client *client = crowd_admit(crowd, index, uid, origin);

    client_open(client);
    return client;
}

void crowd_put(struct crowd *crowd, unsigned index, const void *bytes, size_t size)
{
    assert_int_equal(send(crowd->ends[index], bytes, size, MSG_NOSIGNAL), size);
}

void crowd_put_random(struct crowd *crowd, unsigned index)
{
    uint8_t command[HEADER_SIZE + 2];

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_GetRandom);
    store_be16(command + HEADER_SIZE, 8);
    crowd_put(crowd, index, command, sizeof(command));
}

void crowd_put_control(struct crowd *crowd, unsigned index, uint32_t operation, uint8_t locality)
{
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST];

    crowd_put(crowd, index, frame, control_frame_request_store(frame, operation, locality));
}

void crowd_hang_up(struct crowd *crowd, unsigned index)
{
    close(crowd->ends[index]);
    crowd->ends[index] = -1;
}

bool crowd_has_answer(const struct crowd *crowd, unsigned index)
{
    struct pollfd handle = {crowd->ends[index], POLLIN, 0};

    return poll(&handle, 1, 0) == 1;
}

/* Reads one frame. */
static struct header crowd_read(struct crowd *crowd, unsigned index, uint8_t *bytes)
{
    size_t size;

    assert_true(crowd_has_answer(crowd, index));
    assert_int_equal(recv(crowd->ends[index], bytes, HEADER_SIZE, MSG_DONTWAIT), HEADER_SIZE);
    size = header_load(bytes).size;
    assert_in_range(size, HEADER_SIZE, CROWD_ANSWER);
    if (size > HEADER_SIZE)
        assert_int_equal(
            recv(crowd->ends[index], bytes + HEADER_SIZE, size - HEADER_SIZE, MSG_DONTWAIT),
            size - HEADER_SIZE);
    return header_load(bytes);
}

uint32_t crowd_get(struct crowd *crowd, unsigned index)
{
    uint8_t bytes[CROWD_ANSWER];
    struct header header = crowd_read(crowd, index, bytes);

    assert_false(control_frame_is(bytes));
    return header.code;
}

uint32_t crowd_get_control(struct crowd *crowd, unsigned index, uint32_t operation)
{
    uint8_t bytes[CROWD_ANSWER];
    struct header header = crowd_read(crowd, index, bytes);

    assert_true(control_frame_is(bytes));
    assert_int_equal(header.size, CONTROL_FRAME_REPLY_SIZE);
    assert_int_equal(header.code, operation);
    return load_be32(bytes + HEADER_SIZE);
}

void crowd_look(struct crowd *crowd)
{
    loop_run(&crowd->loop, 0, 1);
}
