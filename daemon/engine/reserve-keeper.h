/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps the reserve as large as the chip's other users need it (reserve.h), by what is seen of them
 * (neighbours.h).
 */
#pragma once

#include "engine/idle.h"
#include "engine/neighbours.h"

struct reserve_keeper {
    struct loop *loop; /* borrowed, with the next two */
    struct idle *idle;
    struct rm *rm; /* NULL until the TPM is taken over */
    struct reserve_rule rule;
    char *sys, *dev;
    struct neighbours neighbours;
    struct watch watch;
};

/* `sys` and `dev` are where sysfs and the device nodes are; they are copied. False without memory:
 * reserve_keeper_clear() is due all the same. */
bool reserve_keeper_init(struct reserve_keeper *keeper, struct loop *loop, struct idle *idle,
                         const struct reserve_rule *rule, const char *sys, const char *dev);
void reserve_keeper_clear(struct reserve_keeper *keeper);

/* The TPM was opened, for the first time or again: learns who else uses it. `rm` is borrowed. */
void reserve_keeper_meet(struct reserve_keeper *keeper, struct rm *rm);

/* Says in the log what stays free, and why. */
void reserve_keeper_tell(const struct reserve_keeper *keeper);

/* Looks who else uses the TPM, and sets the reserve. Also inside of a TPM command. */
void reserve_keeper_look(struct reserve_keeper *keeper);

/* Whether somebody else may want the whole TPM. */
bool reserve_keeper_sees_others(const struct reserve_keeper *keeper);

/* The TPM is given back: looks at nobody any more. */
void reserve_keeper_leave(struct reserve_keeper *keeper);
