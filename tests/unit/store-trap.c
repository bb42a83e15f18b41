/* SPDX-License-Identifier: BSD-2-Clause */
#include "store-trap.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

/* TF, the trap flag. */
#define SINGLE_STEP 0x100

static struct {
    uint8_t *bytes; /* NULL: there are no traps */
    size_t size;
    void (*look)(void);
} trap;

static void protect(bool writable)
{
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;

    if (mprotect(trap.bytes, trap.size, protection) != 0)
        abort();
}

#if defined(__x86_64__)
static void set_step(void *context, bool on)
{
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

    *flags = on ? *flags | SINGLE_STEP : *flags & ~(greg_t)SINGLE_STEP;
}

static void store_faulted(int number, siginfo_t *info, void *context)
{
    const uint8_t *address = info->si_addr;

    if (address < trap.bytes || address >= trap.bytes + trap.size) {
        signal(number, SIG_DFL);
        return;
    }
    protect(true);
    set_step(context, true);
}

static void store_made(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    set_step(context, false);
    protect(false);
    trap.look();
}
#endif

/* cmocka has handlers of its own, which are set before a test. */
bool store_trap_begin(uint8_t *bytes, size_t size, void (*look)(void))
{
#if defined(__x86_64__)
    struct sigaction fault = {.sa_sigaction = store_faulted, .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = store_made, .sa_flags = SA_SIGINFO};

    trap.bytes = bytes;
    trap.size = size;
    trap.look = look;
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGTRAP, &step, NULL);
    protect(false);
    return true;
#else
    (void)bytes;
    (void)size;
    (void)look;
    return false;
#endif
}

void store_trap_end(void)
{
    if (trap.bytes)
        protect(true);
    trap.bytes = NULL;
}

void store_trap_pause(bool pause)
{
    if (trap.bytes)
        protect(pause);
}
