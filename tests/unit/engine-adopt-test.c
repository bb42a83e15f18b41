/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine that goes on with the clients of one that was killed, in a process of its own, while
 * memory is out or the clock jumps. The test is the TPM of both, and the service manager. The
 * engine is compiled once more for this, with seams.h.
 */
#include "alloc-fault.h"
#include "base/log.h"
#include "crash-bytes.h"
#include "emulator.h"
#include "engine-world.h"
#include "engine/idle.h"
#include "fake-clock.h"
#include "keeper-notice.h"
#include "libtpms-chip.h"
#include "rm/rc.h"

#include <glib.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KEPT     (KEEPER_SPARE + 8)
#define REQUESTS 400 /* for memory; more than a start makes */

struct scene {
    struct engine_world *world;
    struct libtpms_chip *chip;
    char dir[32], path[64];
    int manager;               /* the service manager's socket, */
    struct keeper_store store; /* and what it keeps */
    struct keeper *keeper;
    struct passed passed;
    pid_t former;           /* the process of an engine */
    int orders[2], done[2]; /* to it, and from it */
    int newcomer[2];        /* for a client that comes to it later */
    uint32_t session;
};

static void scene_begin(struct scene *scene)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int yes = 1;

    *scene = (struct scene){.world = engine_world_new(true), .chip = libtpms_chip_new()};
    scene->world->chip.tpm = &scene->chip->tpm;
    keeper_store_init(&scene->store, KEPT);
    strcpy(scene->dir, "/tmp/tabrmd-adopt.XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    snprintf(scene->path, sizeof(scene->path), "%s/notify", scene->dir);
    strcpy(address.sun_path, scene->path);
    scene->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(scene->manager, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(scene->manager, (const struct sockaddr *)&address, sizeof(address)), 0);
    scene->keeper = keeper_new(scene->path, KEPT);
    assert_non_null(scene->keeper);
    scene->world->config.keeper = scene->keeper;
    /* A session that is being saved when its daemon is killed is lost. */
    scene->world->config.idle_release_ms = IDLE_NEVER;
    scene->world->config.passed = &scene->passed;
    passed_init(&scene->passed);
}

static void scene_end(struct scene *scene)
{
    void *world = scene->world;

    assert_int_equal(engine_world_teardown(&world), 0);
    keeper_free(scene->keeper);
    passed_clear(&scene->passed);
    keeper_store_clear(&scene->store);
    close(scene->manager);
    unlink(scene->path);
    rmdir(scene->dir);
    libtpms_chip_free(scene->chip);
}

/* The service manager reads what it was sent. */
static void follow(struct scene *scene)
{
    struct keeper_notice notice;

    while (keeper_notice_take(&notice, scene->manager))
        keeper_notice_follow(&notice, &scene->store);
    keeper_store_drop(&scene->store);
}

/* Passes what is kept to the next engine. */
static void pass(struct scene *scene)
{
    int *kept = keeper_store_descriptors(&scene->store);
    char *names = keeper_store_names(&scene->store), *rest = names, *name;

    passed_init(&scene->passed);
    for (unsigned i = 0; i < scene->store.count; i++) {
        int fd = dup(kept[i]);

        name = strsep(&rest, ":");
        if (strcmp(name, KEEPER_JOURNAL_0) == 0)
            scene->passed.journals[0] = fd;
        else if (strcmp(name, KEEPER_JOURNAL_1) == 0)
            scene->passed.journals[1] = fd;
        else
            assert_true(passed_add(&scene->passed, fd));
    }
    g_free(names);
    g_free(kept);
}

/* The word in the journal that is kept now. */
static uint32_t starts(const struct scene *scene)
{
    int fd = keeper_store_find(&scene->store, KEEPER_JOURNAL_0);
    struct stat status;
    uint32_t count;
    uint8_t *bytes;

    if (fd < 0)
        fd = keeper_store_find(&scene->store, KEEPER_JOURNAL_1);
    assert_int_equal(fstat(fd, &status), 0);
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(bytes != MAP_FAILED);
    assert_non_null(journal_image_facts(bytes, (size_t)status.st_size));
    count = journal_image_facts(bytes, (size_t)status.st_size)->starts;
    munmap(bytes, (size_t)status.st_size);
    return count;
}

/* In the process of an engine, whose TPM is in another one. */
static void await_ready(struct engine_world *world)
{
    while (!engine_world_flag(world, &world->ready))
        poll(NULL, 0, 1);
}

enum order { ORDER_JUMP = 'j', ORDER_CONNECT = 'c' };

/* A client comes, and before the engine's thread sees it all is over, or soon after. */
static void connect_and_die(struct scene *scene)
{
    const struct peer_groups groups = {.known = true};

    assert_int_equal(
        engine_connect(scene->world->engine, 200, 1000, 0, &groups, scene->newcomer[0]), 0);
    kill(getpid(), SIGKILL);
}

static void run_former(struct scene *scene, int client)
{
    struct engine_events events = engine_world_events(scene->world);
    const struct peer_groups groups = {.known = true};
    char order = 'r';

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    scene->world->engine = engine_new(&scene->world->config, &events, NULL);
    assert_non_null(scene->world->engine);
    await_ready(scene->world);
    if (client >= 0)
        assert_int_equal(engine_connect(scene->world->engine, 100, 1000, 0, &groups, client), 0);
    while (write(scene->done[1], &order, 1) == 1 && read(scene->orders[0], &order, 1) == 1)
        if (order == ORDER_JUMP)
            fake_clock_jump(LEGACY_TRUST_MS);
        else
            connect_and_die(scene);
    _exit(0);
}

/* The other process has done what it was told. */
static void await_done(struct scene *scene)
{
    struct pollfd done = {scene->done[0], POLLIN, 0};
    char order;

    while (poll(&done, 1, 0) == 0)
        engine_world_pump(scene->world);
    assert_int_equal(read(scene->done[0], &order, 1), 1);
}

/* An engine in another process, to which client 0 connects unless it has a connection. */
static void begin_former(struct scene *scene)
{
    int pair[2] = {-1, -1}, *client = &scene->world->clients[0];

    if (*client < 0) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        *client = pair[1];
    }
    assert_int_equal(pipe(scene->orders), 0);
    assert_int_equal(pipe(scene->done), 0);
    scene->former = fork();
    assert_true(scene->former >= 0);
    if (scene->former == 0) {
        close(*client);
        close(scene->orders[1]);
        run_former(scene, pair[0]);
    }
    if (pair[0] >= 0)
        close(pair[0]);
    passed_clear(&scene->passed);
    await_done(scene);
    follow(scene);
}

static void kill_former(struct scene *scene)
{
    int status;

    kill(scene->former, SIGKILL);
    assert_int_equal(waitpid(scene->former, &status, 0), scene->former);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    for (unsigned i = 0; i < 2; i++) {
        close(scene->orders[i]);
        close(scene->done[i]);
    }
    follow(scene);
    /* Nothing of it is under way to the TPM any more. */
    engine_chip_mend(&scene->world->chip);
}

static void order_former(struct scene *scene, enum order order)
{
    char byte = (char)order;

    assert_int_equal(write(scene->orders[1], &byte, 1), 1);
}

/* Makes the clock of the former engine's process jump, which it then sees. */
static void jump_former(struct scene *scene)
{
    order_former(scene, ORDER_JUMP);
    await_done(scene);
}

static void put(struct scene *scene, struct crash_bytes *command)
{
    crash_bytes_end(command);
    engine_world_put(scene->world, 0, command->bytes, command->size);
}

/* The code of the next answer, which is at `answer`. */
static uint32_t get(struct scene *scene, uint8_t answer[CRASH_BYTES])
{
    int fd = scene->world->clients[0];
    uint32_t size;

    engine_world_await_answer(scene->world, 0);
    assert_int_equal(recv(fd, answer, HEADER_SIZE, MSG_WAITALL), HEADER_SIZE);
    size = header_load(answer).size;
    assert_in_range(size, HEADER_SIZE, CRASH_BYTES);
    if (size > HEADER_SIZE)
        assert_int_equal(recv(fd, answer + HEADER_SIZE, size - HEADER_SIZE, MSG_WAITALL),
                         size - HEADER_SIZE);
    return header_load(answer).code;
}

static void start_session(struct scene *scene)
{
    uint8_t answer[CRASH_BYTES];
    struct crash_bytes command;

    crash_bytes_start_session(&command, TPM2_SE_POLICY);
    put(scene, &command);
    assert_int_equal(get(scene, answer), TPM2_RC_SUCCESS);
    scene->session = load_be32(answer + HEADER_SIZE);
}

/* A command that names the session. */
static void put_use(struct scene *scene)
{
    struct crash_bytes command;

    crash_bytes_named(&command, TPM2_CC_PolicyRestart, scene->session);
    put(scene, &command);
}

static uint32_t use(struct scene *scene)
{
    uint8_t answer[CRASH_BYTES];

    put_use(scene);
    return get(scene, answer);
}

/* The TPM gets the use of the session, and answers nothing. */
static void take_use(struct scene *scene)
{
    struct engine_chip *chip = &scene->world->chip;

    put_use(scene);
    engine_chip_take(chip);
    for (unsigned i = 0; header_load(chip->packet).code != TPM2_CC_PolicyRestart; i++) {
        assert_in_range(i, 0, 100);
        engine_chip_answer(chip);
        engine_chip_take(chip);
    }
}

/* A daemon that has served for a minute after a crash has shown that it does not die of what it was
 * left. */
static void test_a_minute_of_service_ends_a_row_of_crashes(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    begin_former(&scene);
    start_session(&scene);
    kill_former(&scene);
    for (unsigned i = 0; i < LEGACY_GIVES_UP + 1; i++) {
        pass(&scene);
        begin_former(&scene);
        assert_int_equal(starts(&scene), 1);
        assert_int_equal(use(&scene), TPM2_RC_SUCCESS);
        jump_former(&scene);
        assert_int_equal(use(&scene), TPM2_RC_SUCCESS);
        assert_int_equal(use(&scene), TPM2_RC_SUCCESS);
        assert_int_equal(starts(&scene), 0);
        kill_former(&scene);
    }
    /* Without that, three are a row. */
    for (unsigned i = 1; i < LEGACY_GIVES_UP; i++) {
        pass(&scene);
        begin_former(&scene);
        assert_int_equal(starts(&scene), i);
        assert_int_equal(use(&scene), TPM2_RC_SUCCESS);
        kill_former(&scene);
    }
    pass(&scene);
    engine_world_start(scene.world);
    assert_int_equal(scene.world->restored, 0);
    engine_world_expect_end(scene.world, 0);
    scene_end(&scene);
}

/* Starts the engine in this process, with what is passed. False when there is none in the end. */
static bool try_engine(struct scene *scene)
{
    struct engine_world *world = scene->world;
    struct engine_events events = engine_world_events(world);

    world->failed = false;
    world->engine = engine_new(&world->config, &events, NULL);
    passed_clear(&scene->passed);
    if (!world->engine)
        return false;
    while (!engine_world_flag(world, &world->ready) && !engine_world_flag(world, &world->failed))
        engine_world_pump(world);
    if (engine_world_flag(world, &world->ready))
        return true;
    assert_true(engine_world_flag(world, &world->failed));
    assert_int_equal(world->fault, TPM_FAULT_RESOURCES);
    engine_world_end(world);
    world->stopped = false;
    engine_chip_mend(&world->chip);
    follow(scene);
    return false;
}

/* Whether the connection has ended. */
static bool is_ended(struct scene *scene)
{
    uint8_t byte;

    follow(scene);
    return recv(scene->world->clients[0], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

enum outcome { SERVED, ENDED, SERVED_LATER };

/* Has an engine go on with a client whose answer was lost, while request number `nth` for memory is
 * refused: it does so, or ends the connection, or cannot start; then the next one goes on. */
static enum outcome adopt_without(struct scene *scene, unsigned nth, unsigned *refused)
{
    uint8_t answer[CRASH_BYTES];
    bool started;

    begin_former(scene);
    start_session(scene);
    take_use(scene);
    kill_former(scene);
    pass(scene);
    alloc_fault_begin(ALLOC_FAULT_MEMORY, nth, false);
    started = try_engine(scene);
    *refused = alloc_fault_end();
    if (!started) {
        pass(scene);
        assert_true(try_engine(scene));
    }
    if (is_ended(scene)) {
        assert_true(started);
        return ENDED;
    }
    assert_int_equal(get(scene, answer), RM_RC_FAILURE);
    assert_int_equal(use(scene), 0xB0910);
    return started ? SERVED : SERVED_LATER;
}

static void test_R42_want_of_memory_keeps_no_session_of_a_lost_answer(void **state)
{
    unsigned refused = 1, nth = 0, outcomes[3] = {0};

    (void)state;
    while (refused > 0) {
        struct scene scene;
        enum outcome outcome;

        assert_in_range(++nth, 1, REQUESTS);
        scene_begin(&scene);
        outcome = adopt_without(&scene, nth, &refused);
        outcomes[outcome]++;
        scene_end(&scene);
        assert_true(refused > 0 || outcome == SERVED);
    }
    /* All of these happen. */
    assert_true(outcomes[SERVED] > 1 && outcomes[ENDED] > 0 && outcomes[SERVED_LATER] > 0);
}

/* Waits for the end of the former engine's process. */
static void await_end(const struct scene *scene)
{
    siginfo_t end;

    assert_int_equal(waitid(P_PID, (id_t)scene->former, &end, WEXITED | WNOWAIT), 0);
}

static atomic_bool database_answers;

static int ask_database(uint32_t uid, gid_t group)
{
    (void)uid;
    (void)group;
    while (!database_answers)
        poll(NULL, 0, 1);
    return 1;
}

/* Whose a connection is stands in its seat from when its creator gets it: so that is told, whether
 * the former engine had heard of it or not, and the user database of the user or not. */
static void test_who_came_in_the_last_moment_is_known(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct scene scene;

        scene_begin(&scene);
        database_answers = i % 2;
        scene.world->config.accounts.lookup = ask_database;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, scene.newcomer), 0);
        begin_former(&scene);
        order_former(&scene, ORDER_CONNECT);
        await_end(&scene);
        close(scene.newcomer[0]);
        kill_former(&scene);
        pass(&scene);
        assert_true(try_engine(&scene));
        assert_int_equal(scene.world->restored, 2);
        assert_int_equal(scene.world->last_restored.id, 200);
        assert_int_equal(scene.world->last_restored.uid, 1000);
        assert_false(scene.world->last_restored.heard);
        database_answers = true;
        close(scene.newcomer[1]);
        scene_end(&scene);
    }
}

static int reset(void **state)
{
    (void)state;
    fake_clock_reset();
    alloc_fault_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_minute_of_service_ends_a_row_of_crashes, reset),
        cmocka_unit_test_teardown(test_who_came_in_the_last_moment_is_known, reset),
        cmocka_unit_test_teardown(test_R42_want_of_memory_keeps_no_session_of_a_lost_answer, reset),
    };

    log_threshold = LOG_LEVEL_SILENT;
    emulator_lacks("cookies of sockets (SO_COOKIE)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
