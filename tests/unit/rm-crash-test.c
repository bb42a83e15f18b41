/* SPDX-License-Identifier: BSD-2-Clause */
/* A daemon that dies at any commit and at any command to the chip loses nothing that the chip can
 * give back; see crash-world.h. */
#include "crash-check.h"
#include "crash-steps.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SLOTS 3 /* of libtpms, for objects and for loaded sessions */

/* Keys leave their slots, come back, are shared, flushed, and found again as orphans. */
static void work_with_keys(struct crash_world *world)
{
    struct holding *keys[5], *copy;

    for (unsigned i = 0; i < 5; i++) {
        keys[i] = crash_key(world, i % 2, i == 3 ? TPM2_RH_NULL : TPM2_RH_OWNER);
        crash_read(world, keys[i]);
    }
    for (unsigned i = 0; i < 5; i++)
        crash_use(world, keys[i]);
    copy = crash_share(world, keys[0], 2);
    crash_use(world, copy);
    crash_flush(world, keys[0]);
    crash_use(world, keys[1]);
    crash_use(world, copy);
    crash_flush(world, copy);
    crash_use(world, crash_share(world, keys[4], 0));
    crash_idle(world, RM_IDLE_TIDY);
    crash_idle(world, RM_IDLE_SAVE);
}

/* What was flushed comes back from its context, which the manager has not got any more. */
static void load_what_is_not_known(struct crash_world *world)
{
    struct holding *key = crash_key(world, 0, TPM2_RH_OWNER), *copy;

    copy = crash_share(world, key, 1);
    crash_flush(world, key);
    crash_flush(world, copy);
    crash_idle(world, RM_IDLE_EMPTY);
    copy = crash_reload(world, 2);
    crash_use(world, copy);
}

/* Sequences change with each use, and live in one place. */
static void work_with_sequences(struct crash_world *world)
{
    struct holding *sequences[4];

    for (unsigned i = 0; i < 4; i++) {
        sequences[i] = crash_sequence(world, i % 2);
        crash_feed(world, sequences[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        crash_feed(world, sequences[i]);
    crash_idle(world, RM_IDLE_SAVE);
    crash_feed(world, sequences[3]);
    crash_finish(world, sequences[0]);
    crash_flush(world, sequences[1]);
    crash_use(world, crash_key(world, 0, TPM2_RH_OWNER));
}

static void work_with_sessions(struct crash_world *world)
{
    struct holding *sessions[5], *audit = crash_hmac_session(world, 0);

    for (unsigned i = 0; i < 5; i++) {
        sessions[i] = crash_session(world, i % 2);
        for (unsigned j = 0; j < i; j++)
            crash_policy(world, sessions[i]);
    }
    for (unsigned i = 0; i < 5; i++)
        crash_policy(world, sessions[i]);
    crash_save_session(world, sessions[0]);
    crash_save_session(world, sessions[4]);
    crash_load_session(world, sessions[0], 1);
    crash_policy(world, sessions[0]);
    crash_flush(world, sessions[1]);
    crash_flush(world, sessions[4]);
    crash_last_use(world, audit);
    crash_idle(world, RM_IDLE_TIDY);
    crash_idle(world, RM_IDLE_EMPTY);
    crash_policy(world, sessions[3]);
}

/* Saved sessions grow too old for the chip, and are loaded and saved once more. */
static void keep_sessions_young(struct crash_world *world)
{
    struct holding *saved = crash_session(world, 0), *busy[4];

    crash_policy(world, saved);
    crash_save_session(world, saved);
    for (unsigned i = 0; i < 4; i++)
        busy[i] = crash_session(world, 1);
    for (unsigned i = 0; i < 8; i++)
        crash_policy(world, busy[i % 4]);
    crash_idle(world, RM_IDLE_TIDY);
    crash_load_session(world, saved, 0);
    crash_policy(world, saved);
}

static void end_hierarchies(struct crash_world *world)
{
    static const uint32_t hierarchies[] = {TPM2_RH_OWNER, TPM2_RH_ENDORSEMENT, TPM2_RH_PLATFORM,
                                           TPM2_RH_NULL, TPM2_RH_OWNER};

    for (unsigned round = 0; round < 5; round++) {
        struct holding *key;

        for (unsigned i = 0; i < 5; i++)
            key = crash_key(world, i % 2, hierarchies[i]);
        switch (round) {
        case 0:
            crash_clear(world);
            break;
        case 1:
            crash_change_seed(world, TPM2_RH_PLATFORM);
            break;
        case 2:
            crash_change_seed(world, TPM2_RH_ENDORSEMENT);
            break;
        default:
            crash_control(world, round == 3 ? TPM2_RH_OWNER : TPM2_RH_ENDORSEMENT, false);
            crash_control(world, round == 3 ? TPM2_RH_OWNER : TPM2_RH_ENDORSEMENT, true);
        }
        if (!key->gone)
            crash_flush(world, key);
        for (unsigned i = 0; i < world->holding_count; i++) {
            if (!world->holdings[i].gone)
                crash_flush(world, &world->holdings[i]);
        }
        world->holding_count = 0;
    }
}

/* The chip must see each of the commands that it audits. */
static void move_what_is_audited(struct crash_world *world)
{
    struct holding *key, *copy, *session;

    crash_audit(world);
    key = crash_key(world, 0, TPM2_RH_OWNER);
    session = crash_session(world, 0);
    crash_policy(world, session);
    copy = crash_share(world, key, 1);
    crash_flush(world, key);
    crash_use(world, copy);
    crash_save_session(world, session);
    crash_load_session(world, session, 1);
    crash_save_session(world, session);
    crash_load_session(world, session, 1);
    crash_flush(world, session);
    crash_flush(world, copy);
}

/* Connections end, and leave orphans and saved sessions; then the chip is emptied, as before a
 * hand-over. */
static void leave(struct crash_world *world)
{
    struct holding *sessions[3], *keys[3];

    for (unsigned i = 0; i < 3; i++) {
        keys[i] = crash_key(world, i, TPM2_RH_OWNER);
        sessions[i] = crash_session(world, i);
        crash_policy(world, sessions[i]);
    }
    crash_save_session(world, sessions[1]);
    crash_disconnect(world, 1);
    crash_use(world, keys[0]);
    crash_load_session(world, sessions[1], 0);
    crash_save_session(world, sessions[0]);
    crash_disconnect(world, 0);
    crash_idle(world, RM_IDLE_EMPTY);
    crash_use(world, keys[2]);
    crash_policy(world, sessions[2]);
}

/* The chip is reset while no daemon runs: what it had is gone. */
static void reset(struct crash_world *world)
{
    libtpms_chip_power_cycle(world->chip);
    for (unsigned i = 0; i < world->holding_count; i++)
        world->holdings[i].gone = true;
    world->was_reset = true;
}

/* Somebody else empties the chip's object slots while no daemon runs, and puts keys of his own
 * there. What was in a slot alone is gone; what has a context is not. */
static void play_stranger(struct crash_world *world)
{
    uint8_t response[CRASH_BYTES];
    uint32_t handles[SLOTS];
    struct crash_bytes bytes;
    unsigned count = libtpms_chip_handles(world->chip, HANDLE_TRANSIENT_FIRST, handles, SLOTS);

    for (unsigned i = 0; i < count; i++) {
        crash_bytes_named(&bytes, TPM2_CC_FlushContext, handles[i]);
        crash_bytes_end(&bytes);
        libtpms_chip_process(bytes.bytes, bytes.size, response, sizeof(response));
    }
    for (unsigned i = 0; i < count; i++) {
        crash_bytes_create(&bytes, TPM2_RH_NULL, (uint8_t)(0x70 + i));
        crash_bytes_end(&bytes);
        libtpms_chip_process(bytes.bytes, bytes.size, response, sizeof(response));
    }
    for (unsigned i = 0; i < world->holding_count; i++) {
        struct holding *holding = &world->holdings[i];
        const struct object *object =
            holding->kind <= HOLDING_SEQUENCE && !holding->gone && world->clients[holding->client]
                ? handles_find(&world->clients[holding->client]->handles, holding->handle)
                : NULL;

        holding->gone |= object && blob_empty(&object->saved);
    }
}

static void (*const programs[])(struct crash_world *) = {
    work_with_keys,      load_what_is_not_known, work_with_sequences,  work_with_sessions,
    keep_sessions_young, end_hierarchies,        move_what_is_audited, leave,
};

#define PROGRAM(name)                                           \
    static void test_each_call_of_##name(void **state)          \
    {                                                           \
        (void)state;                                            \
        assert_in_range(crash_world_run(name, NULL), 20, 9999); \
    }
PROGRAM(work_with_keys)
PROGRAM(load_what_is_not_known)
PROGRAM(work_with_sequences)
PROGRAM(work_with_sessions)
PROGRAM(keep_sessions_young)
PROGRAM(end_hierarchies)
PROGRAM(move_what_is_audited)
PROGRAM(leave)

static void run_all(void (*gap)(struct crash_world *world))
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        crash_world_run(programs[i], gap);
}

static void test_a_reset_in_the_gap_is_told(void **state)
{
    (void)state;
    run_all(reset);
}

static void test_a_strangers_keys_in_the_gap_are_nobodys(void **state)
{
    (void)state;
    run_all(play_stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_of_work_with_keys),
        cmocka_unit_test(test_each_call_of_load_what_is_not_known),
        cmocka_unit_test(test_each_call_of_work_with_sequences),
        cmocka_unit_test(test_each_call_of_work_with_sessions),
        cmocka_unit_test(test_each_call_of_keep_sessions_young),
        cmocka_unit_test(test_each_call_of_end_hierarchies),
        cmocka_unit_test(test_each_call_of_move_what_is_audited),
        cmocka_unit_test(test_each_call_of_leave),
        cmocka_unit_test(test_a_reset_in_the_gap_is_told),
        cmocka_unit_test(test_a_strangers_keys_in_the_gap_are_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
