/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/reserve-keeper.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static void reserve_keeper_happened(struct watch *watch, uint32_t events)
{
    (void)events;
    reserve_keeper_look(list_entry(watch, struct reserve_keeper, watch));
}

bool reserve_keeper_init(struct reserve_keeper *keeper, struct loop *loop, struct idle *idle,
                         const struct reserve_rule *rule, const char *sys, const char *dev)
{
    *keeper = (struct reserve_keeper){
        .loop = loop,
        .idle = idle,
        .rule = *rule,
        .sys = strdup(sys),
        .dev = strdup(dev),
        .watch.happened = reserve_keeper_happened,
    };
    neighbours_init(&keeper->neighbours, keeper->sys, keeper->dev);
    return keeper->sys && keeper->dev;
}

void reserve_keeper_clear(struct reserve_keeper *keeper)
{
    free(keeper->sys);
    free(keeper->dev);
}

/* Sets the reserve for the TPM's users that are known now. */
static void reserve_keeper_set(struct reserve_keeper *keeper)
{
    struct reserve_view view = neighbours_view(&keeper->neighbours, clock_now());
    struct rm_reserve reserve = reserve_get(&keeper->rule, &view);

    rm_set_reserve(keeper->rm, &reserve);
    if (reserve_leaves_empty(&view))
        idle_make_way(keeper->idle);
}

void reserve_keeper_meet(struct reserve_keeper *keeper, struct rm *rm)
{
    struct neighbours *neighbours = &keeper->neighbours;
    int error = 0;

    keeper->rm = rm;
    neighbours_meet(neighbours, clock_now());
    if (neighbours->fd >= 0)
        error = loop_watch(keeper->loop, &keeper->watch, neighbours->fd, EPOLLIN);
    if (error)
        neighbours_lose(neighbours, -error);
    reserve_keeper_set(keeper);
}

void reserve_keeper_tell(const struct reserve_keeper *keeper)
{
    struct reserve_view view = neighbours_view(&keeper->neighbours, clock_now());
    char text[RESERVE_TEXT];

    reserve_describe(&keeper->rule, &view, text);
    log_info("%s", text);
}

void reserve_keeper_look(struct reserve_keeper *keeper)
{
    if (keeper->neighbours.fd < 0)
        return;
    neighbours_look(&keeper->neighbours, clock_now());
    reserve_keeper_set(keeper);
}

bool reserve_keeper_sees_others(const struct reserve_keeper *keeper)
{
    struct reserve_view view = neighbours_view(&keeper->neighbours, clock_now());

    return reserve_leaves_empty(&view);
}

void reserve_keeper_leave(struct reserve_keeper *keeper)
{
    neighbours_leave(&keeper->neighbours);
    keeper->rm = NULL;
}
