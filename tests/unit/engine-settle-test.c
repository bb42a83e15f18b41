/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a command took of the slots that are for the TPM's other users is free again before the
 * engine waits for anything, however many steps that takes. The engine's thread is the test's own,
 * and looks each time that it is about to wait; the TPM is libtpms, with three slots of each kind.
 */
#include "engine/server.h"

#include "base/log.h"
#include "engine-world.h"
#include "fake-sys.h"
#include "libtpms-chip.h"
#include "wire/bytes.h"
#include "wire/header.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cmocka.h>

#define SESSIONS 3
#define LOOKS    10000000

struct stage {
    struct server server;
    struct engine_chip chip;
    struct libtpms_chip *tpm;
    struct fake_sys sys;
    pthread_t player;
    atomic_bool over;
    struct timer look; /* due before each wait */
    int end;           /* the client's own */
    uint8_t answers[4096];
    size_t size;
    unsigned looks, unsettled;
    uint64_t context_commands; /* when the last answer came, and was looked for */
};

/* Plays the TPM. */
static void *play(void *data)
{
    struct stage *stage = data;

    while (!atomic_load(&stage->over)) {
        struct pollfd handle = {stage->chip.fd, POLLIN, 0};

        if (poll(&handle, 1, 5) != 1 || !engine_chip_has_command(&stage->chip))
            continue;
        engine_chip_take(&stage->chip);
        engine_chip_answer(&stage->chip);
    }
    return NULL;
}

/* An HMAC session, without a key or a salt. */
static size_t build_start(uint8_t *out)
{
    size_t at = HEADER_SIZE;

    store_be32(out + at, TPM2_RH_NULL);
    store_be32(out + at + 4, TPM2_RH_NULL);
    store_be16(out + at + 8, 16);
    memset(out + at + 10, 7, 16);
    store_be16(out + at + 26, 0);
    out[at + 28] = TPM2_SE_HMAC;
    store_be16(out + at + 29, TPM2_ALG_NULL);
    store_be16(out + at + 31, TPM2_ALG_SHA256);
    at += 33;
    header_store(out, TPM2_ST_NO_SESSIONS, (uint32_t)at, TPM2_CC_StartAuthSession);
    return at;
}

/* A command with all the sessions at once. That their HMACs are wrong only the TPM can tell. */
static size_t build_with_sessions(uint8_t *out)
{
    size_t at = HEADER_SIZE + 4;

    for (uint32_t i = 0; i < SESSIONS; i++, at += 9) {
        store_be32(out + at, TPM2_HMAC_SESSION_FIRST + i);
        memset(out + at + 4, 0, 5);
        out[at + 6] = TPMA_SESSION_CONTINUESESSION;
    }
    store_be32(out + HEADER_SIZE, SESSIONS * 9);
    store_be16(out + at, 8);
    at += 2;
    header_store(out, TPM2_ST_SESSIONS, (uint32_t)at, TPM2_CC_GetRandom);
    return at;
}

/* A client that has sent all its commands. */
static void connect_client(struct stage *stage)
{
    const struct peer_groups groups = {.known = true};
    struct client *client;
    uint8_t commands[512];
    size_t size = 0;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(newcomers_admit(&stage->server.newcomers,
                                     &(struct seat_holder){.uid = 1000, .groups = &groups}, pair[0],
                                     &client),
                     0);
    stage->end = pair[1];
    for (unsigned i = 0; i < SESSIONS; i++)
        size += build_start(commands + size);
    size += build_with_sessions(commands + size);
    assert_int_equal(send(stage->end, commands, size, 0), size);
    client->id = 77;
    server_welcome(&stage->server, client);
}

/* How many answers the client has got. */
static unsigned count_answers(struct stage *stage)
{
    ssize_t got = recv(stage->end, stage->answers + stage->size,
                       sizeof(stage->answers) - stage->size, MSG_DONTWAIT);
    unsigned count = 0;
    size_t at = 0;

    stage->size += got > 0 ? (size_t)got : 0;
    while (stage->size - at >= HEADER_SIZE
           && stage->size - at >= header_load(stage->answers + at).size) {
        at += header_load(stage->answers + at).size;
        count++;
    }
    return count;
}

static void look_due(struct timer *timer)
{
    struct stage *stage = list_entry(timer, struct stage, look);
    struct rm *rm = stage->server.managed.rm;

    assert_true(++stage->looks < LOOKS);
    if (stage->end < 0) {
        connect_client(stage);
    } else {
        stage->unsettled += rm_settle(rm);
        if (count_answers(stage) == SESSIONS + 1) {
            stage->context_commands = rm_stats(rm)->context_commands;
            server_stop(&stage->server, 15000);
            return;
        }
    }
    loop_arm(&stage->server.loop, &stage->look, 0);
}

static void on_ready(void *data)
{
    struct stage *stage = data;

    loop_arm(&stage->server.loop, &stage->look, 0);
}

static void on_client(void *data, uint64_t id)
{
    (void)data;
    (void)id;
}

static void on_told(void *data)
{
    (void)data;
}

static void run(struct stage *stage)
{
    const struct engine_events events = {.ready = on_ready,
                                         .client_heard = on_client,
                                         .client_gone = on_client,
                                         .state = engine_world_state_unseen,
                                         .trouble = engine_world_trouble_unseen,
                                         .data = stage};
    const struct server_config config = {
        .tpm = {.link = {.conf = stage->chip.conf, .name = "test", .sys = stage->sys.path},
                .limits = {.objects_per_client = 8, .sessions_per_client = 8},
                .dev = stage->sys.path,
                .reserve = {RESERVE_SLOTS, 2, 2},
                .release_ms = IDLE_NEVER},
        .newcomers.rules.limits = {.objects_per_client = 8, .sessions_per_client = 8}};

    assert_int_equal(server_init(&stage->server, &config, &events, NULL, on_told, NULL), 0);
    assert_int_equal(pthread_create(&stage->player, NULL, play, stage), 0);
    server_run(&stage->server);
    atomic_store(&stage->over, true);
    pthread_join(stage->player, NULL);
    server_reap(&stage->server);
    server_clear(&stage->server);
}

static void test_R63_room_is_left_before_the_engine_waits(void **state)
{
    static struct stage stage = {.end = -1};

    (void)state;
    log_threshold = LOG_LEVEL_SILENT;
    engine_chip_init(&stage.chip, true);
    stage.tpm = libtpms_chip_new();
    stage.chip.tpm = &stage.tpm->tpm;
    fake_sys_init(&stage.sys, 7);
    timer_init(&stage.look, look_due);
    run(&stage);
    /* Two sessions left after the last command, each saved; so that there was something to do. */
    assert_int_equal(header_load(stage.answers).code, TPM2_RC_SUCCESS);
    assert_in_range(stage.context_commands, 2 * SESSIONS, LOOKS);
    assert_int_equal(stage.unsettled, 0);
    close(stage.end);
    engine_chip_clear(&stage.chip);
    libtpms_chip_free(stage.tpm);
    fake_sys_clear(&stage.sys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R63_room_is_left_before_the_engine_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
