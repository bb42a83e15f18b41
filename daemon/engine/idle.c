/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/idle.h"

#include "base/clock.h"

/* Quiet time before the TPM is cleaned up, unless another one is ordered. */
#define IDLE_QUIET_MS 250

/* Quiet time before nothing is left that sleep would lose, where nobody tells of it. */
#define IDLE_LONG_QUIET_MS 5000

/* Pause before clean-up is tried again that had no memory. */
#define IDLE_NO_MEMORY_MS 250

static void idle_quiet_over(struct timer *timer)
{
    list_entry(timer, struct idle, quiet)->due = true;
}

void idle_init(struct idle *idle, struct loop *loop, int release_ms, bool sleep_untold)
{
    *idle = (struct idle){.loop = loop, .release_ms = release_ms, .sleep_untold = sleep_untold};
    timer_init(&idle->quiet, idle_quiet_over);
}

static void idle_wait(struct idle *idle, int64_t now, int pause)
{
    idle->due = idle->ordered > 0;
    loop_arm_from(idle->loop, &idle->quiet, now, pause);
}

void idle_arm(struct idle *idle, int64_t now)
{
    idle->kept_loaded = false;
    idle_wait(idle, now, idle->release_ms < 0 ? IDLE_QUIET_MS : idle->release_ms);
}

void idle_order(struct idle *idle)
{
    idle->ordered = IDLE_ORDERED_STEPS;
    idle->due = true;
}

void idle_set_release(struct idle *idle, int release_ms)
{
    idle->release_ms = release_ms;
    idle_arm(idle, clock_now());
}

void idle_make_way(struct idle *idle)
{
    if (idle->kept_loaded)
        idle_arm(idle, clock_now());
}

/* How far clean-up goes now. */
static enum rm_idle_goal idle_goal(const struct idle *idle, bool suspending, bool others)
{
    if (suspending)
        return RM_IDLE_SLEEP;
    if (idle->ordered > 0 || idle->release_ms >= 0)
        return RM_IDLE_EMPTY;
    if (idle->release_ms == IDLE_NEVER)
        return RM_IDLE_TIDY;
    return idle->kept_loaded || others ? RM_IDLE_EMPTY : RM_IDLE_SAVE;
}

static bool idle_serves(const struct rm *rm)
{
    return rm && !rm_tpm_lost(rm);
}

/* An order ends with its last step, or when nothing is left to do for it. */
static void idle_note_order(struct idle *idle, enum rm_idle_goal goal, enum rm_idle_result result)
{
    if (goal < RM_IDLE_EMPTY || idle->ordered == 0)
        return;
    idle->ordered = result == RM_IDLE_MORE ? idle->ordered - 1 : 0;
}

enum idle_progress idle_step(struct idle *idle, struct rm *rm, bool suspending, bool others)
{
    enum rm_idle_goal goal = idle_goal(idle, suspending, others);
    enum rm_idle_result result;

    loop_assert_flat(idle->loop);
    timer_disarm(&idle->quiet);
    result = idle_serves(rm) ? rm_idle(rm, goal) : RM_IDLE_DONE;
    idle_note_order(idle, goal, result);
    /* Somebody may have come while the TPM worked, and so may an order. */
    idle->due = idle->ordered > 0 || (result == RM_IDLE_MORE && !timer_is_armed(&idle->quiet));
    if (idle->due || timer_is_armed(&idle->quiet))
        return IDLE_MORE;
    idle->kept_loaded = goal == RM_IDLE_SAVE && result != RM_IDLE_NO_MEMORY;
    if (result == RM_IDLE_NO_MEMORY)
        idle_wait(idle, clock_now(), IDLE_NO_MEMORY_MS);
    else if (idle->kept_loaded && idle->sleep_untold)
        idle_wait(idle, clock_now(), IDLE_LONG_QUIET_MS);
    return result == RM_IDLE_NO_MEMORY ? IDLE_NO_MEMORY : IDLE_CLEAN;
}
