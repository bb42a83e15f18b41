/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine while memory or descriptors are out, from its start to its end, over libtpms. The
 * engine and all below it are compiled once more for this, with seams.h.
 */
#include "alloc-fault.h"
#include "base/log.h"
#include "engine-tcti.h"
#include "engine-world.h"
#include "libtpms-chip.h"
#include "rm/chip.h"
#include "rm/rc.h"
#include "wire/handle.h"
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

/* More requests than anything here makes. */
#define MANY 10000

/* Places of clients. */
enum { BYSTANDER, SOCKET_CLIENT, GUEST, IDLER, NEWCOMER };

/* Commands of a client that does not read. */
#define UNREAD 40

static struct libtpms_chip *chip;

static bool chip_is_empty(void)
{
    uint32_t handle;

    return libtpms_chip_handles(chip, HANDLE_TRANSIENT_FIRST, &handle, 1) == 0
           && libtpms_chip_handles(chip, HANDLE_LOADED_SESSIONS, &handle, 1) == 0
           && libtpms_chip_handles(chip, HANDLE_SAVED_SESSIONS, &handle, 1) == 0;
}

static struct engine_world *prepare(void)
{
    struct engine_world *world = engine_world_new(true);

    assert_int_equal(alloc_fault_settled(0), 0);
    assert_true(chip_is_empty());
    world->chip.tpm = &chip->tpm;
    engine_world_listen(world);
    world->config.runtime_dir = world->dir;
    return world;
}

/* A record of sessions that could not be read stays: it may be a former daemon's. */
static void clear_directory(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    if (!directory)
        return;
    while ((entry = readdir(directory)))
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    assert_int_equal(rmdir(path), 0);
}

static void finish(struct engine_world *world)
{
    char dir[sizeof(world->dir)];

    strcpy(dir, world->dir);
    engine_world_teardown((void **)&world);
    clear_directory(dir);
    assert_int_equal(alloc_fault_settled(0), 0);
    assert_true(chip_is_empty());
}

/* What engine_new() left to the test. */
static void discard(struct engine_world *world)
{
    listener_free(world->listener);
    rmdir(world->dir);
    engine_chip_clear(&world->chip);
    pthread_mutex_destroy(&world->lock);
    free(world);
    assert_int_equal(alloc_fault_settled(0), 0);
}

static void work_as(struct engine_world *world, int client, uint8_t tag)
{
    struct engine_tcti *tcti = engine_tcti_new(world, client);
    struct workload workload;

    workload_init(&workload, tcti->esys, tag);
    workload_begin(&workload);
    workload_use(&workload);
    workload_move(&workload);
    workload_end(&workload);
    workload_expect_unhindered(&workload);
    workload_clear(&workload);
    engine_tcti_free(tcti);
}

/* A newcomer over each way in is served with all that there is. */
static void expect_open(struct engine_world *world)
{
    engine_world_connect_socket(world, NEWCOMER);
    engine_world_put_control(world, NEWCOMER, CONTROL_FRAME_HELLO, 0);
    assert_int_equal(engine_world_get_control(world, NEWCOMER, CONTROL_FRAME_HELLO), 0);
    work_as(world, NEWCOMER, 3);
    engine_world_disconnect(world, NEWCOMER);
    engine_world_connect(world, NEWCOMER, 2000);
    work_as(world, NEWCOMER, 3);
    engine_world_disconnect(world, NEWCOMER);
}

/* Starts the engine with request `nth` refused; false when the start took fewer. */
static bool start(enum alloc_fault_kind kind, unsigned nth, bool lasting)
{
    struct engine_world *world = prepare();
    struct engine_events events = engine_world_events(world);
    unsigned refused;

    alloc_fault_begin(kind, nth, lasting);
    world->engine = engine_new(&world->config, &events, world->listener);
    if (!world->engine) {
        assert_int_equal(errno, kind == ALLOC_FAULT_DESCRIPTORS ? EMFILE
                                : errno == EAGAIN               ? EAGAIN
                                                                : ENOMEM);
        alloc_fault_end();
        discard(world);
        return true;
    }
    world->listener = NULL;
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && !engine_world_flag(world, &world->failed)
                         && !engine_world_flag(world, &world->ready);
         i++)
        engine_world_pump(world);
    refused = alloc_fault_end();
    if (engine_world_flag(world, &world->ready))
        expect_open(world);
    else
        assert_true(refused > 0 && engine_world_flag(world, &world->failed)
                    && world->fault == TPM_FAULT_RESOURCES);
    finish(world);
    return refused > 0;
}

static void start_all(enum alloc_fault_kind kind, unsigned least)
{
    for (unsigned lasting = 0; lasting < 2; lasting++) {
        unsigned nth = 1;

        while (start(kind, nth, lasting))
            assert_true(++nth < MANY);
        assert_in_range(nth, least, MANY);
    }
}

static void test_R42_no_memory_to_start(void **state)
{
    (void)state;
    start_all(ALLOC_FAULT_MEMORY, 10);
}

static void test_R42_no_descriptors_to_start(void **state)
{
    (void)state;
    start_all(ALLOC_FAULT_DESCRIPTORS, 4);
}

/* A listening socket that cannot be made leaves nothing behind that looks like one. */
static void test_R42_no_memory_for_the_listening_socket(void **state)
{
    char dir[] = "/tmp/tabrmd-memory.XXXXXX", path[sizeof(dir) + 8], text[LISTENER_TEXT];
    struct listener *listener;
    enum listener_fault fault;
    unsigned nth = 0;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/socket", dir);
    do {
        alloc_fault_begin(ALLOC_FAULT_MEMORY, ++nth, false);
        listener = listener_new(path, "root", &fault, text);
        alloc_fault_end();
        if (listener)
            break;
        assert_int_equal(fault, LISTENER_RESOURCES);
        assert_non_null(strstr(text, path));
        assert_int_equal(access(path, F_OK), -1);
        assert_int_equal(alloc_fault_settled(0), 0);
    } while (nth < MANY);
    assert_in_range(nth, 3, MANY);
    listener_free(listener);
    assert_int_equal(rmdir(dir), 0);
}

/* Waits for bytes or the end of the stream, not for ever: who could not be let in yet waits. */
static bool await_answer(struct engine_world *world, int client)
{
    for (unsigned i = 0; i < 20 && !engine_world_has_answer(world, client, 0); i++)
        engine_world_pump(world);
    return engine_world_has_answer(world, client, 0);
}

/* Reads one answer. False when the client was let go: at once, or after a last word that says
 * that memory is out. */
static bool take_answer(struct engine_world *world, int client)
{
    uint8_t bytes[64];
    struct header header;

    engine_world_await_answer(world, client);
    if (recv(world->clients[client], bytes, HEADER_SIZE, MSG_WAITALL) != HEADER_SIZE)
        return false;
    header = header_load(bytes);
    assert_in_range(header.size, HEADER_SIZE, sizeof(bytes));
    if (header.size > HEADER_SIZE)
        assert_int_equal(recv(world->clients[client], bytes + HEADER_SIZE,
                              header.size - HEADER_SIZE, MSG_WAITALL),
                         header.size - HEADER_SIZE);
    if (control_frame_is(bytes))
        return load_be32(bytes + HEADER_SIZE) == 0;
    assert_true(header.code == 0 || header.code == RM_RC_MEMORY || header.code == RM_RC_CANCELED);
    return header.code != RM_RC_MEMORY;
}

/* Bytes of a client that may have been let go. */
static void put(struct engine_world *world, int client, const uint8_t *bytes, size_t size)
{
    send(world->clients[client], bytes, size, MSG_NOSIGNAL);
}

/* Comes through the listening socket, with a hello, a command in two parts, two at once, and one
 * with its cancel. */
static void run_socket_client(struct engine_world *world)
{
    uint8_t bytes[2 * ENGINE_CHIP_RANDOM];
    size_t size;

    engine_world_connect_socket(world, SOCKET_CLIENT);
    size = control_frame_request_store(bytes, CONTROL_FRAME_HELLO, 0);
    put(world, SOCKET_CLIENT, bytes, size);
    if (!await_answer(world, SOCKET_CLIENT) || !take_answer(world, SOCKET_CLIENT))
        return;
    engine_chip_random(bytes, 8);
    put(world, SOCKET_CLIENT, bytes, 5);
    engine_world_pump(world);
    put(world, SOCKET_CLIENT, bytes + 5, ENGINE_CHIP_RANDOM - 5);
    if (!take_answer(world, SOCKET_CLIENT))
        return;
    engine_chip_random(bytes + ENGINE_CHIP_RANDOM, 8);
    put(world, SOCKET_CLIENT, bytes, sizeof(bytes));
    if (!take_answer(world, SOCKET_CLIENT) || !take_answer(world, SOCKET_CLIENT))
        return;
    size = control_frame_request_store(bytes + ENGINE_CHIP_RANDOM, CONTROL_FRAME_CANCEL, 0);
    put(world, SOCKET_CLIENT, bytes, ENGINE_CHIP_RANDOM + size);
    if (take_answer(world, SOCKET_CLIENT))
        take_answer(world, SOCKET_CLIENT);
}

/* Requests of the main thread: refused at once, or answered. */
static void request(struct engine_world *world)
{
    int errors[3] = {engine_query(world->engine, world),
                     engine_cancel(world->engine, 100 + BYSTANDER, world),
                     engine_set_locality(world->engine, 100 + BYSTANDER, 0, world)};
    unsigned accepted = 0;

    for (unsigned i = 0; i < 3; i++) {
        assert_true(errors[i] == 0 || errors[i] == -ENOMEM);
        accepted += errors[i] == 0;
    }
    engine_world_await_number(world, &world->answers, accepted);
    pthread_mutex_lock(&world->lock);
    world->answers = 0;
    pthread_mutex_unlock(&world->lock);
}

/* Comes as over the bus. False when it was refused. */
static bool come(struct engine_world *world, int client, uint32_t uid)
{
    const struct peer_groups groups = {.known = true};
    int pair[2], small = 1, error;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    error = engine_connect(world->engine, 100 + (uint64_t)client, uid, 0, &groups, pair[0]);
    if (error == 0) {
        world->clients[client] = pair[1];
        return true;
    }
    assert_int_equal(error, -ENOMEM);
    close(pair[0]);
    close(pair[1]);
    return false;
}

/* Sends without reading, so that its answers must be kept; then reads until it is let go. */
static void idle(struct engine_world *world)
{
    uint8_t bytes[ENGINE_CHIP_RANDOM];
    unsigned answered = 0, commands;

    engine_chip_random(bytes, 8);
    for (unsigned i = 0; i < UNREAD; i++)
        put(world, IDLER, bytes, sizeof(bytes));
    /* Until the TPM gets no more of them, because there is no room for the answers. */
    do {
        commands = chip->commands;
        engine_world_pump(world);
    } while (chip->commands != commands);
    while (answered < UNREAD && take_answer(world, IDLER))
        answered++;
}

/* A day of the engine's with the memory short from request `nth` on; false when it took fewer. */
static bool spend_day(unsigned nth, bool lasting)
{
    struct engine_world *world = prepare();
    struct engine_tcti *old, *guest;
    struct workload before, during;
    unsigned gone = 0, refused;

    engine_world_start(world);
    engine_world_connect(world, BYSTANDER, 1000);
    old = engine_tcti_new(world, BYSTANDER);
    workload_init(&before, old->esys, 1);
    workload_begin(&before);
    workload_use(&before);

    alloc_fault_begin(ALLOC_FAULT_MEMORY, nth, lasting);
    run_socket_client(world);
    request(world);
    if (come(world, GUEST, 2000)) {
        guest = engine_tcti_new(world, GUEST);
        workload_init(&during, guest->esys, 2);
        workload_begin(&during);
        workload_use(&during);
        workload_move(&during);
        workload_end(&during);
        workload_clear(&during);
        engine_tcti_free(guest);
        engine_world_disconnect(world, GUEST);
        engine_world_await_number(world, &world->gone, ++gone);
    }
    if (come(world, IDLER, 3000)) {
        idle(world);
        engine_world_disconnect(world, IDLER);
        engine_world_await_number(world, &world->gone, ++gone);
    }
    engine_suspend(world->engine);
    engine_world_await_number(world, &world->suspended, 1);
    engine_resume(world->engine);
    refused = alloc_fault_end();

    engine_world_disconnect(world, SOCKET_CLIENT);
    assert_false(engine_world_flag(world, &world->failed));
    expect_open(world);
    workload_use(&before);
    workload_move(&before);
    workload_end(&before);
    workload_expect_unhindered(&before);
    workload_clear(&before);
    engine_tcti_free(old);
    finish(world);
    return refused > 0;
}

static void spend_days(bool lasting)
{
    unsigned nth = 1;

    while (spend_day(nth, lasting))
        assert_true(++nth < MANY);
    assert_in_range(nth, 40, MANY);
}

static void test_R42_each_allocation_refused(void **state)
{
    (void)state;
    spend_days(false);
}

static void test_R42_all_allocations_refused_from_one_on(void **state)
{
    (void)state;
    spend_days(true);
}

/* Nothing is left in the chip by an engine that ends without memory. */
static void test_R37_R42_no_memory_to_end(void **state)
{
    struct engine_world *world = prepare();
    struct engine_tcti *tcti;
    struct workload workload;
    TPMS_CONTEXT *saved = NULL;

    (void)state;
    engine_world_start(world);
    engine_world_connect(world, GUEST, 2000);
    tcti = engine_tcti_new(world, GUEST);
    workload_init(&workload, tcti->esys, 2);
    workload_begin(&workload);
    workload_use(&workload);
    assert_int_equal(Esys_ContextSave(tcti->esys, workload.sessions[0], &saved), TSS2_RC_SUCCESS);
    Esys_Free(saved);
    assert_false(chip_is_empty());
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 1, true);
    engine_stop(world->engine);
    engine_world_await_flag(world, &world->stopped);
    alloc_fault_end();
    assert_int_equal(engine_world_number(world, &world->gone), 1);
    assert_true(chip_is_empty());
    workload_clear(&workload);
    engine_tcti_free(tcti);
    finish(world);
}

static int group_setup(void **state)
{
    int64_t detail;

    (void)state;
    /* ESYS tells of each error code on stderr; here errors are what is asked for. */
    setenv("TSS2_LOG", "all+NONE", 0);
    chip = libtpms_chip_new();
    return chip_startup(&chip->tpm, NULL, &detail) == CHIP_OK ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    libtpms_chip_free(chip);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R42_no_memory_to_start),
        cmocka_unit_test(test_R42_no_descriptors_to_start),
        cmocka_unit_test(test_R42_no_memory_for_the_listening_socket),
        cmocka_unit_test(test_R42_each_allocation_refused),
        cmocka_unit_test(test_R42_all_allocations_refused_from_one_on),
        cmocka_unit_test(test_R37_R42_no_memory_to_end),
    };

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_SILENT);
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
