/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine-world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 20000

static void on_ready(void *data)
{
    struct engine_world *world = data;

    pthread_mutex_lock(&world->lock);
    world->ready = true;
    pthread_mutex_unlock(&world->lock);
}

static void on_restored(void *data, const struct engine_restored *restored)
{
    struct engine_world *world = data;

    pthread_mutex_lock(&world->lock);
    world->restored++;
    world->last_restored = *restored;
    pthread_mutex_unlock(&world->lock);
}

static void on_failed(void *data, enum tpm_fault fault, const char *text)
{
    struct engine_world *world = data;

    (void)text;
    pthread_mutex_lock(&world->lock);
    world->failed = true;
    world->fault = fault;
    pthread_mutex_unlock(&world->lock);
}

static void on_heard(void *data, uint64_t id)
{
    struct engine_world *world = data;

    (void)id;
    pthread_mutex_lock(&world->lock);
    world->heard++;
    pthread_mutex_unlock(&world->lock);
}

static void on_gone(void *data, uint64_t id)
{
    struct engine_world *world = data;

    (void)id;
    pthread_mutex_lock(&world->lock);
    world->gone++;
    pthread_mutex_unlock(&world->lock);
}

static void on_answered(void *data, void *token, const struct engine_answer *answer)
{
    struct engine_world *world = data;

    pthread_mutex_lock(&world->lock);
    world->answers++;
    world->token = token;
    world->told = *answer;
    pthread_mutex_unlock(&world->lock);
}

static void on_suspended(void *data)
{
    struct engine_world *world = data;

    pthread_mutex_lock(&world->lock);
    world->suspended++;
    pthread_mutex_unlock(&world->lock);
}

static void on_state(void *data, enum engine_state state)
{
    struct engine_world *world = data;

    pthread_mutex_lock(&world->lock);
    if (world->state_count < ENGINE_WORLD_STATES)
        world->states[world->state_count++] = state;
    pthread_mutex_unlock(&world->lock);
}

static void on_trouble(void *data, enum trouble trouble)
{
    struct engine_world *world = data;

    pthread_mutex_lock(&world->lock);
    world->troubles[trouble]++;
    pthread_mutex_unlock(&world->lock);
}

void engine_world_state_unseen(void *data, enum engine_state state)
{
    (void)data;
    (void)state;
}

void engine_world_trouble_unseen(void *data, enum trouble trouble)
{
    (void)data;
    (void)trouble;
}

static void on_handed_over(void *data)
{
    struct engine_world *world = data;

    pthread_mutex_lock(&world->lock);
    world->handed_over = true;
    pthread_mutex_unlock(&world->lock);
}

static void on_stopped(void *data)
{
    struct engine_world *world = data;

    pthread_mutex_lock(&world->lock);
    world->stopped = true;
    pthread_mutex_unlock(&world->lock);
}

unsigned engine_world_number(struct engine_world *world, const unsigned *number)
{
    unsigned value;

    pthread_mutex_lock(&world->lock);
    value = *number;
    pthread_mutex_unlock(&world->lock);
    return value;
}

bool engine_world_flag(struct engine_world *world, const bool *flag)
{
    bool value;

    pthread_mutex_lock(&world->lock);
    value = *flag;
    pthread_mutex_unlock(&world->lock);
    return value;
}

/* Waits a moment for the TPM to get a command, or for descriptor `fd`, and lets the TPM answer. */
static void pump(struct engine_world *world, int fd)
{
    struct pollfd handles[2] = {{world->chip.fd, POLLIN, 0}, {fd, POLLIN, 0}};

    poll(handles, 2, 5);
    while (engine_chip_has_command(&world->chip)) {
        engine_chip_take(&world->chip);
        engine_chip_answer(&world->chip);
    }
}

void engine_world_pump(struct engine_world *world)
{
    pump(world, -1);
}

void engine_world_await_answer(struct engine_world *world, int client)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && !engine_world_has_answer(world, client, 0);
         i++)
        pump(world, world->clients[client]);
    assert_true(engine_world_has_answer(world, client, 0));
}

void engine_world_await_number(struct engine_world *world, const unsigned *number, unsigned value)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && engine_world_number(world, number) != value;
         i++)
        engine_world_pump(world);
    assert_int_equal(engine_world_number(world, number), value);
}

void engine_world_await_flag(struct engine_world *world, const bool *flag)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && !engine_world_flag(world, flag); i++)
        engine_world_pump(world);
    assert_true(engine_world_flag(world, flag));
}

struct engine_world *engine_world_new(bool polls)
{
    struct engine_world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    pthread_mutex_init(&world->lock, NULL);
    for (int i = 0; i < ENGINE_WORLD_CLIENTS; i++)
        world->clients[i] = -1;
    engine_chip_init(&world->chip, polls);
    world->config = (struct engine_config){
        .tcti = world->chip.conf,
        .name = "test",
        .rules.limits = {.objects_per_client = 64,
                         .sessions_per_client = 16,
                         .abandoned_per_uid = 16},
    };
    return world;
}

void engine_world_listen(struct engine_world *world)
{
    char text[LISTENER_TEXT];
    enum listener_fault fault;

    strcpy(world->dir, "/tmp/tabrmd-engine.XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    snprintf(world->socket, sizeof(world->socket), "%s/socket", world->dir);
    world->listener = listener_new(world->socket, "root", &fault, text);
    assert_non_null(world->listener);
}

struct engine_events engine_world_events(struct engine_world *world)
{
    return (struct engine_events){.ready = on_ready,
                                  .restored = on_restored,
                                  .failed = on_failed,
                                  .client_heard = on_heard,
                                  .client_gone = on_gone,
                                  .answered = on_answered,
                                  .suspended = on_suspended,
                                  .state = on_state,
                                  .trouble = on_trouble,
                                  .handed_over = on_handed_over,
                                  .stopped = on_stopped,
                                  .data = world};
}

void engine_world_start(struct engine_world *world)
{
    struct engine_events events = engine_world_events(world);

    world->engine = engine_new(&world->config, &events, world->listener);
    assert_non_null(world->engine);
    world->listener = NULL;
    engine_world_await_flag(world, &world->ready);
}

int engine_world_setup(void **state)
{
    *state = engine_world_new(true);
    engine_world_start(*state);
    return 0;
}

int engine_world_setup_blocking(void **state)
{
    *state = engine_world_new(false);
    engine_world_start(*state);
    return 0;
}

int engine_world_setup_limits(void **state)
{
    struct engine_world *world = engine_world_new(true);

    world->config.max_connections = 6; /* one of them for root */
    world->config.rules.connections_per_user = 3;
    engine_world_listen(world);
    engine_world_start(world);
    *state = world;
    return 0;
}

int engine_world_setup_socket(void **state)
{
    struct engine_world *world = engine_world_new(true);

    engine_world_listen(world);
    engine_world_start(world);
    *state = world;
    return 0;
}

void engine_world_disconnect(struct engine_world *world, int client)
{
    close(world->clients[client]);
    world->clients[client] = -1;
}

void engine_world_end(struct engine_world *world)
{
    engine_stop(world->engine);
    engine_world_await_flag(world, &world->stopped);
    engine_free(world->engine);
    world->engine = NULL;
}

int engine_world_teardown(void **state)
{
    struct engine_world *world = *state;

    if (world->engine)
        engine_world_end(world);
    if (world->dir[0]) {
        assert_int_equal(access(world->socket, F_OK), -1);
        rmdir(world->dir);
    }
    for (int i = 0; i < ENGINE_WORLD_CLIENTS; i++)
        if (world->clients[i] >= 0)
            close(world->clients[i]);
    engine_chip_clear(&world->chip);
    pthread_mutex_destroy(&world->lock);
    free(world);
    return 0;
}

void engine_world_connect(struct engine_world *world, int client, uint32_t uid)
{
    const struct peer_groups groups = {.known = true};
    int pair[2], small = 1;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    /* So that a response soon finds no room. */
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    world->clients[client] = pair[1];
    assert_int_equal(
        engine_connect(world->engine, 100 + (uint64_t)client, uid, 0, &groups, pair[0]), 0);
}

void engine_world_reach(struct engine_world *world, int client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, world->socket);
    assert_int_equal(
        connect(world->clients[client], (const struct sockaddr *)&address, sizeof(address)), 0);
}

void engine_world_connect_socket(struct engine_world *world, int client)
{
    world->clients[client] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(world->clients[client] >= 0);
    engine_world_reach(world, client);
}

void engine_world_put_control(struct engine_world *world, int client, uint32_t operation,
                              uint8_t locality)
{
    uint8_t frame[CONTROL_FRAME_MAX_REQUEST];
    size_t size = control_frame_request_store(frame, operation, locality);

    engine_world_put(world, client, frame, size);
}

uint32_t engine_world_get_control(struct engine_world *world, int client, uint32_t operation)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE];

    assert_true(engine_world_has_answer(world, client, WAIT_MS));
    assert_int_equal(recv(world->clients[client], reply, sizeof(reply), MSG_WAITALL),
                     sizeof(reply));
    assert_true(control_frame_is(reply));
    assert_int_equal(header_load(reply).size, sizeof(reply));
    assert_int_equal(header_load(reply).code, operation);
    return load_be32(reply + HEADER_SIZE);
}

void engine_world_put(struct engine_world *world, int client, const uint8_t *bytes, size_t size)
{
    assert_int_equal(send(world->clients[client], bytes, size, MSG_NOSIGNAL), size);
}

void engine_world_put_random(struct engine_world *world, int client, uint16_t mark)
{
    uint8_t command[ENGINE_CHIP_RANDOM];

    engine_chip_random(command, mark);
    engine_world_put(world, client, command, sizeof(command));
}

bool engine_world_has_answer(struct engine_world *world, int client, int timeout)
{
    struct pollfd handle = {world->clients[client], POLLIN, 0};

    return poll(&handle, 1, timeout) == 1;
}

uint32_t engine_world_get_any(struct engine_world *world, int client, size_t *size)
{
    uint8_t header[HEADER_SIZE], rest[64];
    int fd = world->clients[client];

    assert_true(engine_world_has_answer(world, client, WAIT_MS));
    assert_int_equal(recv(fd, header, sizeof(header), MSG_WAITALL), HEADER_SIZE);
    *size = header_load(header).size;
    assert_in_range(*size, HEADER_SIZE, HEADER_SIZE + sizeof(rest));
    if (*size > HEADER_SIZE)
        assert_int_equal(recv(fd, rest, *size - HEADER_SIZE, MSG_WAITALL), *size - HEADER_SIZE);
    return header_load(header).code;
}

uint32_t engine_world_get(struct engine_world *world, int client, size_t size)
{
    size_t said;
    uint32_t code = engine_world_get_any(world, client, &said);

    assert_int_equal(said, size);
    return code;
}

void engine_world_expect_end(struct engine_world *world, int client)
{
    uint8_t byte;

    assert_true(engine_world_has_answer(world, client, WAIT_MS));
    assert_true(recv(world->clients[client], &byte, 1, 0) <= 0);
}

void engine_world_expect_served(struct engine_world *world, int client)
{
    engine_world_put_random(world, client, 99);
    engine_world_await_answer(world, client);
    assert_int_equal(engine_world_get(world, client, ENGINE_WORLD_ANSWER), 0);
}

uint32_t engine_world_request(struct engine_world *world, int error)
{
    unsigned before = 0;
    void *token;

    assert_int_equal(error, 0);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && !engine_world_number(world, &world->answers);
         i++)
        poll(NULL, 0, 5);
    before = engine_world_number(world, &world->answers);
    assert_int_equal(before, 1);
    pthread_mutex_lock(&world->lock);
    world->answers = 0;
    world->answer = world->told;
    token = world->token;
    pthread_mutex_unlock(&world->lock);
    assert_ptr_equal(token, world);
    return world->answer.rc;
}

void engine_world_take(struct engine_world *world, uint16_t mark)
{
    engine_chip_take(&world->chip);
    assert_int_equal(engine_chip_mark(&world->chip), mark);
}
