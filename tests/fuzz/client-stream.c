/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients write into their sockets, through framing and the resource manager, to a chip that
 * is honest (client-stream.h is the language of the inputs). After each step the manager's books
 * must agree with themselves, with their journal and with the chip. Of sessions this file keeps
 * accounts of its own, from what clients were answered: whose each is, and the bytes that each was
 * saved to.
 */
#include "client-stream.h"

#include "engine/client-io.h"
#include "engine/command-cost.h"
#include "fuzz-chip.h"
#include "fuzz.h"
#include "mirror.h"
#include "rm-invariants.h"
#include "wire/handle.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTEXTS 8

/* A clean-up with more steps than this never ends. */
#define MAX_IDLE_STEPS 2000

struct peer {
    struct client_io io; /* the daemon's end */
    int fd;              /* the client's end, -1 when it is closed */
    struct rm_client *client;
};

struct seen_session {
    struct rm_client *user; /* who can use it; NULL: nobody, it is saved or gone */
};

struct world {
    struct rm_tpm spy; /* stands between manager and chip */
    struct rm_tpm *chip;
    struct rm *rm;
    struct peer peers[CLIENT_STREAM_CLIENTS];
    uint64_t cookies; /* of clients, so far */
    struct rm_client *running;
    struct desk desk;
    uint8_t *command, *response;    /* of just the manager's sizes, so that an overrun is noticed */
    struct blob contexts[CONTEXTS]; /* what clients were given, in a circle */
    unsigned context_count;
    struct seen_session sessions[256]; /* by the low bits of the handle */
};

static struct seen_session *seen(struct world *world, uint32_t handle)
{
    uint32_t index = handle & HANDLE_INDEX_MASK;

    fuzz_must(index < sizeof(world->sessions) / sizeof(world->sessions[0]),
              "a session with number %u", index);
    return &world->sessions[index];
}

/* Looks at a client's command on its way to the chip. Context commands and queries are the
 * manager's own. */
static void spy_on(struct world *world, const uint8_t *bytes, size_t size)
{
    uint32_t code = header_load(bytes).code;
    struct command command;
    uint8_t *copy;

    if (!world->running || code == TPM2_CC_ContextSave || code == TPM2_CC_ContextLoad
        || code == TPM2_CC_FlushContext || code == TPM2_CC_GetCapability || code == TPM2_CC_Startup)
        return;
    fuzz_must_hold(rm_invariants_command(world->running, bytes, size));
    copy = malloc(size);
    memcpy(copy, bytes, size);
    if (command_parse(&command, &world->rm->chip.commands, copy, size) == TPM2_RC_SUCCESS) {
        for (unsigned i = 0; i < command.session_count; i++) {
            uint32_t handle = command.sessions[i].handle;

            fuzz_must(!handle_is_session(handle) || seen(world, handle)->user == world->running,
                      "session 0x%08x of another client went to the chip", handle);
        }
    }
    free(copy);
}

static int spy_transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                        uint8_t *response, size_t capacity, size_t *response_size)
{
    struct world *world = (struct world *)tpm;

    if (world->rm)
        spy_on(world, command, size);
    return world->chip->transact(world->chip, locality, command, size, response, capacity,
                                 response_size);
}

static bool spy_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    struct world *world = (struct world *)tpm;

    return world->chip->backoff(world->chip, attempt);
}

static void open_peer(struct world *world, unsigned index)
{
    struct peer *peer = &world->peers[index];
    int fds[2];

    fuzz_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0,
              "no socket");
    client_io_init(&peer->io, fds[0], &world->desk);
    peer->fd = fds[1];
    peer->client =
        rm_client_new(world->rm, rm_user_get(world->rm, 1000 + index % 2), 1000 + index % 2);
    fuzz_must(peer->client, "no client");
    rm_client_set_cookie(peer->client, ++world->cookies);
}

static void forget_user(struct world *world, const struct rm_client *client)
{
    for (unsigned i = 0; i < sizeof(world->sessions) / sizeof(world->sessions[0]); i++) {
        if (world->sessions[i].user == client)
            world->sessions[i].user = NULL;
    }
}

static void close_peer(struct world *world, unsigned index)
{
    struct peer *peer = &world->peers[index];

    if (!peer->client)
        return;
    forget_user(world, peer->client);
    rm_client_free(peer->client);
    client_io_clear(&peer->io);
    if (peer->fd >= 0)
        close(peer->fd);
    *peer = (struct peer){.fd = -1};
}

/* A client that was given this very context, and that no load has used up. */
static struct blob *find_context(struct world *world, const uint8_t *bytes, size_t size)
{
    for (unsigned i = 0; i < CONTEXTS; i++) {
        if (blob_equal(&world->contexts[i], bytes, size))
            return &world->contexts[i];
    }
    return NULL;
}

/* Takes note of what a client was answered. `copy` is its command as it was sent. */
static void note_answer(struct world *world, struct rm_client *client, uint8_t *copy, size_t size,
                        const uint8_t *response, size_t response_size)
{
    const uint8_t *body = response + HEADER_SIZE;
    struct command command;
    struct blob *context;

    if (header_load(response).code != TPM2_RC_SUCCESS
        || command_parse(&command, &world->rm->chip.commands, copy, size) != TPM2_RC_SUCCESS)
        return;
    switch (command.code) {
    case TPM2_CC_StartAuthSession:
        seen(world, load_be32(body))->user = client;
        return;
    case TPM2_CC_ContextSave:
        context = &world->contexts[world->context_count++ % CONTEXTS];
        fuzz_must(blob_set(context, body, response_size - HEADER_SIZE), "no memory");
        if (handle_is_session(command.handles[0]))
            seen(world, command.handles[0])->user = NULL;
        return;
    case TPM2_CC_ContextLoad:
        if (!handle_is_session(load_be32(body)))
            return;
        fuzz_must(!seen(world, load_be32(body))->user, "session 0x%08x was loaded and is live",
                  load_be32(body));
        seen(world, load_be32(body))->user = client;
        context = find_context(world, copy + HEADER_SIZE, size - HEADER_SIZE);
        /* One that was pushed out of the circle is good all the same. */
        if (context)
            blob_clear(context);
        return;
    case TPM2_CC_FlushContext:
        if (handle_is_session(load_be32(copy + HEADER_SIZE)))
            seen(world, load_be32(copy + HEADER_SIZE))->user = NULL;
        return;
    default:
        return;
    }
}

static void run_command(struct world *world, struct peer *peer, size_t size)
{
    const uint8_t *frame = world->desk.bytes[DESK_COMMAND];
    uint8_t *copy = malloc(size), *taken;
    size_t answer;
    ssize_t got;

    fuzz_must(copy, "no memory");
    memcpy(copy, frame, size);
    memcpy(world->command, frame, size);
    world->running = peer->client;
    answer = rm_execute(world->rm, peer->client, world->command, size, world->response);
    world->running = NULL;
    while (rm_settle(world->rm))
        ;
    desk_wipe(&world->desk, DESK_COMMAND);
    fuzz_must(answer >= HEADER_SIZE && answer <= rm_response_capacity(world->rm)
                  && header_load(world->response).size == answer,
              "an answer of %zu bytes", answer);
    note_answer(world, peer->client, copy, size, world->response, answer);
    free(copy);
    desk_store(&world->desk, DESK_RESPONSE, world->response, answer);
    fuzz_must(client_io_send(&peer->io, DESK_RESPONSE, answer) == 0, "the answer is not sent");
    desk_wipe(&world->desk, DESK_RESPONSE);
    taken = malloc(answer);
    got = recv(peer->fd, taken, answer, MSG_DONTWAIT);
    fuzz_must(got == (ssize_t)answer && memcmp(taken, world->response, answer) == 0,
              "another answer came than was sent");
    free(taken);
    fuzz_must_hold(rm_invariants_books(world->rm));
}

/* Serves all that a client has written. */
static void serve(struct world *world, unsigned index)
{
    struct peer *peer = &world->peers[index];
    size_t capacity = rm_command_capacity(world->rm), size;

    while (peer->client) {
        /* Some are looked at before it is their turn. */
        const uint8_t *ahead = index % 2 ? client_io_ahead(&peer->io, &size) : NULL;

        if (ahead && size >= HEADER_SIZE)
            fuzz_must(command_cost_kind(ahead, size) != 0, "a command of no kind");
        switch (client_io_read(&peer->io, DESK_COMMAND, &size)) {
        case CLIENT_IO_FRAME:
            fuzz_must(size >= HEADER_SIZE && size <= capacity, "a frame of %zu bytes", size);
            run_command(world, peer, size);
            break;
        case CLIENT_IO_AGAIN:
            desk_wipe(&world->desk, DESK_COMMAND);
            return;
        case CLIENT_IO_BAD:
        case CLIENT_IO_CLOSED:
        case CLIENT_IO_MEMORY:
            close_peer(world, index);
            break;
        }
    }
}

static void write_to(struct world *world, unsigned index, const uint8_t *bytes, size_t size)
{
    struct peer *peer = &world->peers[index];
    ssize_t count;

    if (size == 0)
        return;
    count = send(peer->fd, bytes, size, MSG_NOSIGNAL);
    fuzz_must(count == (ssize_t)size || errno == EPIPE, "the socket takes no %zu bytes", size);
    serve(world, index);
}

static void step_frame(struct world *world, unsigned index, struct fuzz_input *input)
{
    uint16_t tag = fuzz_byte(input) & 1 ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS;
    uint32_t code = fuzz_word(input);
    uint8_t frame[HEADER_SIZE + UINT16_MAX];
    size_t size = fuzz_word(input);
    const uint8_t *body = fuzz_bytes(input, size, &size);

    if (HEADER_SIZE + size > rm_command_capacity(world->rm))
        return;
    header_store(frame, tag, (uint32_t)(HEADER_SIZE + size), code);
    if (size)
        memcpy(frame + HEADER_SIZE, body, size);
    write_to(world, index, frame, HEADER_SIZE + size);
}

static void step_replay(struct world *world, unsigned index, struct fuzz_input *input)
{
    const struct blob *context = &world->contexts[fuzz_byte(input) % CONTEXTS];
    uint16_t at = fuzz_word(input);
    uint8_t frame[CHIP_MIN_BUFFER];
    size_t size;

    if (blob_empty(context) || HEADER_SIZE + context->size > sizeof(frame))
        return;
    size = command_build_context_load(frame, context->bytes, context->size);
    if (at)
        frame[HEADER_SIZE + at % context->size] ^= 1;
    write_to(world, index, frame, size);
}

static void idle(struct world *world, bool release)
{
    unsigned steps = 0;

    while (rm_idle(world->rm, release ? RM_IDLE_EMPTY : RM_IDLE_TIDY) == RM_IDLE_MORE) {
        fuzz_must_hold(rm_invariants_books(world->rm));
        fuzz_must(++steps < MAX_IDLE_STEPS, "clean-up does not end");
    }
}

static void step(struct world *world, struct fuzz_input *input)
{
    uint8_t op = fuzz_byte(input);
    unsigned index = op & 3;
    const uint8_t *bytes;
    size_t size;

    if (!world->peers[index].client)
        open_peer(world, index);
    switch ((enum client_stream_step)(op >> 2 & 7)) {
    case CLIENT_STREAM_CHUNK:
        size = (size_t)fuzz_byte(input) + 1;
        bytes = fuzz_bytes(input, size, &size);
        write_to(world, index, bytes, size);
        break;
    case CLIENT_STREAM_FRAME:
        step_frame(world, index, input);
        break;
    case CLIENT_STREAM_REPLAY:
        step_replay(world, index, input);
        break;
    case CLIENT_STREAM_CLOSE:
        close_peer(world, index);
        break;
    case CLIENT_STREAM_IDLE:
        idle(world, false);
        break;
    case CLIENT_STREAM_RELEASE:
        idle(world, true);
        break;
    case CLIENT_STREAM_POWER:
        fuzz_chip_power_cycle(world->chip);
        break;
    case CLIENT_STREAM_HANGUP:
        shutdown(world->peers[index].fd, SHUT_WR);
        serve(world, index);
        break;
    }
    fuzz_must_hold(rm_invariants_books(world->rm));
    fuzz_must_hold(rm_invariants_chip(world->rm, world->chip));
}

/* Starts chip and manager as the daemon does. */
static void start(struct world *world, uint8_t kind)
{
    static const struct rm_limits limits[] = {
        {3, 2, 0, 0, 2, false},
        {8, 4, 10, 6, 3, true},
        {64, 16, 0, 0, 4, true},
        {200, 64, 300, 64, 16, false},
    };
    const struct rm_reserve reserve = {.objects = kind % 3, .sessions = kind / 3 % 3};
    struct chip facts;
    int64_t detail;
    unsigned flushed;

    world->spy = (struct rm_tpm){spy_transact, spy_backoff};
    world->chip = fuzz_chip_new(kind);
    fuzz_must(chip_startup(&world->spy, NULL, &detail) == CHIP_OK, "no Startup");
    fuzz_must(chip_flush_leftovers(&world->spy, true, &flushed, &detail) == CHIP_OK, "no flush");
    fuzz_must(chip_read(&facts, &world->spy, &detail) == CHIP_OK, "no properties");
    world->rm = rm_new(&world->spy, &facts, &limits[kind >> 6]);
    fuzz_must(world->rm, "no manager");
    rm_set_reserve(world->rm, &reserve);
    mirror_begin(world->rm);
    world->command = malloc(rm_command_capacity(world->rm));
    world->response = malloc(rm_response_capacity(world->rm));
    fuzz_must(world->command && world->response
                  && desk_open(&world->desk, NULL, rm_command_capacity(world->rm),
                               rm_response_capacity(world->rm)),
              "no memory");
}

/* Whatever was sent before, a new client is served. */
static void serve_newcomer(struct world *world)
{
    uint8_t frame[HEADER_SIZE + 2];

    close_peer(world, 0);
    open_peer(world, 0);
    header_store(frame, TPM2_ST_NO_SESSIONS, sizeof(frame), TPM2_CC_GetRandom);
    store_be16(frame + HEADER_SIZE, 8);
    write_to(world, 0, frame, sizeof(frame));
    fuzz_must(header_load(world->response).code == TPM2_RC_SUCCESS,
              "GetRandom of a new client is answered with 0x%x", header_load(world->response).code);
}

/* When the last client is gone and the clean-up is done, the chip holds no more than the sessions
 * that clients had saved. */
static void finish(struct world *world)
{
    serve_newcomer(world);
    for (unsigned i = 0; i < CLIENT_STREAM_CLIENTS; i++)
        close_peer(world, i);
    idle(world, true);
    fuzz_must_hold(rm_invariants_chip(world->rm, world->chip));
    fuzz_must(world->rm->books_in_doubt || world->rm->condition == TPM_FAILURE_MODE
                  || (world->rm->objects_loaded == 0 && world->rm->sessions_loaded == 0),
              "%u objects and %u sessions stay in the chip", world->rm->objects_loaded,
              world->rm->sessions_loaded);
    mirror_end(world->rm);
    fuzz_chip_free(world->chip);
    for (unsigned i = 0; i < CONTEXTS; i++)
        blob_clear(&world->contexts[i]);
    desk_close(&world->desk);
    free(world->command);
    free(world->response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct world world = {0};

    for (unsigned i = 0; i < CLIENT_STREAM_CLIENTS; i++)
        world.peers[i].fd = -1;
    start(&world, fuzz_byte(&input));
    while (input.size > 0)
        step(&world, &input);
    finish(&world);
    return 0;
}
