/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/reserve.h"

#include <stdio.h>
#include <string.h>

#define RESERVE_SAY(...) snprintf(text, RESERVE_TEXT, __VA_ARGS__)

/* Sessions for others, of those that a chip tracks (64 on most chips). */
#define RESERVE_ACTIVE 4

struct rm_reserve reserve_get(const struct reserve_rule *rule, const struct reserve_view *view)
{
    struct rm_reserve reserve = {.active = view->shared ? RESERVE_ACTIVE : 0};

    switch (rule->kind) {
    case RESERVE_AUTO:
        if (view->shared) {
            reserve.objects = view->open || view->kernel_sessions || view->trusted_keys ? 2 : 1;
            reserve.sessions = view->open ? 2 : 1;
        }
        break;
    case RESERVE_NEVER:
        return (struct rm_reserve){0};
    case RESERVE_SLOTS:
        reserve = (struct rm_reserve){rule->objects, rule->sessions, RESERVE_ACTIVE};
        break;
    }
    return reserve;
}

bool reserve_leaves_empty(const struct reserve_view *view)
{
    return view->shared && (view->open || view->kernel_sessions);
}

static void reserve_describe_shared(const struct reserve_rule *rule,
                                    const struct reserve_view *view, char text[RESERVE_TEXT])
{
    struct reserve_view without = *view;
    struct rm_reserve least;

    without.open = view->watch_error != 0;
    least = reserve_get(rule, &without);
    if (view->watch_error)
        RESERVE_SAY("the kernel shares the TPM: slots for %u objects and %u sessions stay free, as "
                    "it cannot be seen who has its resource manager open (%s)",
                    least.objects, least.sessions, strerror(view->watch_error));
    else
        RESERVE_SAY("the kernel shares the TPM%s: slots for %u objects and %u sessions stay free, "
                    "for 2 and 2 while a program has its resource manager open",
                    view->kernel_sessions ? " and has sessions of its own"
                    : view->trusted_keys  ? " and has trusted keys"
                                          : "",
                    least.objects, least.sessions);
}

void reserve_describe(const struct reserve_rule *rule, const struct reserve_view *view,
                      char text[RESERVE_TEXT])
{
    switch (rule->kind) {
    case RESERVE_AUTO:
        if (view->shared)
            reserve_describe_shared(rule, view, text);
        else
            RESERVE_SAY("no kernel shares the TPM: no slots stay free for others");
        return;
    case RESERVE_NEVER:
        RESERVE_SAY("no slots stay free for other users of the TPM: --reserve=never");
        return;
    case RESERVE_SLOTS:
        RESERVE_SAY("slots for %u objects and %u sessions stay free for other users of the TPM: "
                    "--reserve=%u,%u",
                    rule->objects, rule->sessions, rule->objects, rule->sessions);
        return;
    }
}
