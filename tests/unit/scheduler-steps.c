/* SPDX-License-Identifier: BSD-2-Clause */
#include "scheduler-steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct scheduler steps_scheduler;
struct steps_client steps[12];

static struct {
    uint32_t uid;
    struct scheduler_user user;
} users[sizeof(steps) / sizeof(steps[0])];
static unsigned user_count;

static enum rm_affinity affinity_of(const struct scheduler_client *turn)
{
    return list_entry(turn, struct steps_client, turn)->affinity;
}

int steps_setup(void **state)
{
    (void)state;
    scheduler_init(&steps_scheduler, affinity_of);
    memset(steps, 0, sizeof(steps));
    user_count = 0;
    return 0;
}

int steps_teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        scheduler_remove(&steps_scheduler, &steps[i].turn);
    return 0;
}

/* Each user has one part in the order of service, whether it has clients or not. */
static struct scheduler_user *user_of(uint32_t uid)
{
    unsigned i = 0;

    while (i < user_count && users[i].uid != uid)
        i++;
    if (i == user_count) {
        users[user_count++].uid = uid;
        scheduler_user_init(&users[i].user);
    }
    return &users[i].user;
}

void steps_add_as(unsigned index, uint32_t uid, enum scheduler_priority priority)
{
    steps[index].affinity = RM_AFFINITY_NEUTRAL;
    scheduler_add(&steps_scheduler, &steps[index].turn, user_of(uid), priority);
}

void steps_add(unsigned index, uint32_t uid)
{
    steps_add_as(index, uid, SCHEDULER_NORMAL);
}

void steps_ask(unsigned index, uint64_t expected)
{
    scheduler_ready(&steps_scheduler, &steps[index].turn);
    scheduler_rate(&steps_scheduler, &steps[index].turn, expected);
}

void steps_expect(unsigned index, enum scheduler_lane lane, uint64_t cost)
{
    const struct scheduler_client *picked = scheduler_pick(&steps_scheduler);

    assert_ptr_equal(picked, &steps[index].turn);
    assert_int_equal(steps_scheduler.turn.lane, lane);
    scheduler_charge(&steps_scheduler, cost);
    assert_null(steps_scheduler.turn.user);
}

void steps_expect_fair(unsigned index, uint64_t cost)
{
    steps_expect(index, SCHEDULER_FAIR, cost);
}

void steps_expect_express(unsigned index, uint64_t cost)
{
    steps_expect(index, SCHEDULER_EXPRESS, cost);
}

void steps_expect_affinity(unsigned index, uint64_t cost)
{
    steps_expect(index, SCHEDULER_AFFINITY, cost);
}

struct scheduler_user *steps_user(unsigned index)
{
    return steps[index].turn.user;
}
