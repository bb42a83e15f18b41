/* SPDX-License-Identifier: BSD-2-Clause */
#include "reference.h"

#include "libtpms-chip.h"
#include "random.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#define THINGS   4096
#define CONTEXTS 2048

struct bytes {
    uint8_t *at;
    size_t size;
};

struct thing {
    uint32_t handle;    /* in the chip; 0: not there, or a session that is saved */
    uint32_t session;   /* a session's handle, wherever it is */
    struct bytes saved; /* spilling: its context while it is out of the chip */
};

static struct {
    struct libtpms_chip *chip;
    bool spilling;
    struct thing things[THINGS];
    struct bytes contexts[CONTEXTS];
    uint8_t response[REFERENCE_BYTES];
    size_t response_size;
} self;

static pid_t process; /* the reference, as seen from the program */

static void fail(const char *what)
{
    fprintf(stderr, "reference: %s\n", what);
    _exit(70);
}

static uint32_t be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void put32(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void keep(struct bytes *to, const uint8_t *bytes, size_t size)
{
    free(to->at);
    to->at = malloc(size ? size : 1);
    to->size = size;
    if (!to->at)
        fail("no memory");
    memcpy(to->at, bytes, size);
}

static void drop(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

/* The response code. As any program does, it asks again where the chip says so. */
static uint32_t transact(const uint8_t *command, size_t size)
{
    uint32_t code = TPM2_RC_RETRY;

    for (unsigned tries = 0; tries < 4 && code == TPM2_RC_RETRY; tries++) {
        if (self.chip->tpm.transact(&self.chip->tpm, 0, command, size, self.response,
                                    REFERENCE_BYTES, &self.response_size)
            != 0)
            fail("the chip does not answer");
        code = be32(self.response + 6);
    }
    return code;
}

/* A command without sessions: its code and what follows. */
static uint32_t send_code(uint32_t code, const uint8_t *rest, size_t size)
{
    uint8_t command[REFERENCE_BYTES] = {TPM2_ST_NO_SESSIONS >> 8, TPM2_ST_NO_SESSIONS & 0xFF};

    if (size > sizeof(command) - 10)
        fail("a command is too long");
    put32(command + 2, (uint32_t)(10 + size));
    put32(command + 6, code);
    memcpy(command + 10, rest, size);
    return transact(command, 10 + size);
}

static uint32_t send_handle(uint32_t code, uint32_t handle)
{
    uint8_t bytes[4];

    put32(bytes, handle);
    return send_code(code, bytes, sizeof(bytes));
}

static bool is_session(uint32_t handle)
{
    return handle >> 24 == 2 || handle >> 24 == 3;
}

/* Loads what is spilled. A context that the chip does not take (any more) is the end of it. */
static void bring(struct thing *thing)
{
    if (!thing->saved.at)
        return;
    if (send_code(TPM2_CC_ContextLoad, thing->saved.at, thing->saved.size) == TPM2_RC_SUCCESS)
        thing->handle = be32(self.response + 10);
    drop(&thing->saved);
}

/* Spills what is in the chip. A handle that the chip does not know (any more) is the end of it. */
static void put_away(struct thing *thing)
{
    uint32_t handle = thing->handle;

    if (!self.spilling || handle == 0)
        return;
    thing->handle = 0;
    if (send_handle(TPM2_CC_ContextSave, handle) != TPM2_RC_SUCCESS)
        return;
    keep(&thing->saved, self.response + 10, self.response_size - 10);
    if (!is_session(handle) && send_handle(TPM2_CC_FlushContext, handle) != TPM2_RC_SUCCESS)
        fail("an object does not leave its slot");
}

static struct thing *thing_at(uint32_t number)
{
    if (number == 0 || number >= THINGS)
        fail("no such thing");
    return &self.things[number];
}

static uint32_t handle_of(const struct thing *thing)
{
    if (thing->session)
        return thing->session;
    return thing->handle ? thing->handle : REFERENCE_NO_OBJECT;
}

static void learn_handle(const struct reference_request *request)
{
    struct thing *thing;
    uint32_t handle;

    if (!request->makes || be32(self.response + 6) != TPM2_RC_SUCCESS || self.response_size < 14)
        return;
    thing = thing_at(request->makes);
    handle = be32(self.response + 10);
    thing->handle = handle;
    thing->session = is_session(handle) ? handle : 0;
}

/* TPM2_HierarchyControl flushes what is loaded of the hierarchy that it turns off. For a program
 * all that it has is loaded. */
static void drop_hierarchy(const struct reference_request *request)
{
    const uint8_t *tail = request->bytes + request->size - 5;

    if (!self.spilling || request->size < 15 || be32(request->bytes + 6) != TPM2_CC_HierarchyControl
        || be32(self.response + 6) != TPM2_RC_SUCCESS || tail[4] != 0)
        return;
    for (unsigned i = 0; i < THINGS; i++) {
        struct thing *thing = &self.things[i];

        if (thing->saved.at && !thing->session && be32(thing->saved.at + 12) == be32(tail))
            drop(&thing->saved);
    }
}

static void keep_context(const struct reference_request *request)
{
    if (request->context == 0 || be32(self.response + 6) != TPM2_RC_SUCCESS)
        return;
    if (request->context >= CONTEXTS)
        fail("no such context");
    keep(&self.contexts[request->context], self.response + 10, self.response_size - 10);
    /* A session's context is the session itself; it is in no slot now. */
    if (thing_at(request->patches[0].thing)->session)
        thing_at(request->patches[0].thing)->handle = 0;
}

static void run(struct reference_request *request)
{
    uint8_t kept[REFERENCE_BYTES];
    size_t kept_size;

    for (uint32_t i = 0; i < request->patch_count; i++) {
        bring(thing_at(request->patches[i].thing));
    }
    for (uint32_t i = 0; i < request->patch_count; i++) {
        const struct reference_patch *patch = &request->patches[i];

        put32(request->bytes + patch->offset, handle_of(thing_at(patch->thing)) ^ patch->turn);
    }
    random_seed_chip(request->seed);
    transact(request->bytes, request->size);
    learn_handle(request);
    keep_context(request);
    drop_hierarchy(request);
    kept_size = self.response_size;
    memcpy(kept, self.response, kept_size);
    for (uint32_t i = 0; i < request->patch_count; i++) {
        put_away(thing_at(request->patches[i].thing));
    }
    if (request->makes)
        put_away(thing_at(request->makes));
    memcpy(self.response, kept, kept_size);
    self.response_size = kept_size;
}

static void load_context(const struct reference_request *request)
{
    struct bytes copy = {0};
    struct bytes *context = &self.contexts[request->context];

    if (request->context >= CONTEXTS || !context->at || request->cut > context->size
        || request->flip >= context->size)
        fail("no such context");
    keep(&copy, context->at, context->size - request->cut);
    if (request->flip)
        copy.at[request->flip] ^= 0xFF;
    random_seed_chip(request->seed);
    send_code(TPM2_CC_ContextLoad, copy.at, copy.size);
    drop(&copy);
    learn_handle(request);
    if (request->makes) {
        uint8_t kept[REFERENCE_BYTES];
        size_t kept_size = self.response_size;

        memcpy(kept, self.response, kept_size);
        put_away(thing_at(request->makes));
        memcpy(self.response, kept, kept_size);
        self.response_size = kept_size;
    }
}

static bool is_listed(uint32_t first, uint32_t handle)
{
    uint32_t handles[254];
    unsigned count = libtpms_chip_handles(self.chip, first, handles, 254);

    for (unsigned i = 0; i < count; i++) {
        if ((handles[i] & 0xFFFFFF) == (handle & 0xFFFFFF))
            return true;
    }
    return false;
}

/* Asks the chip: what it lists, or a context that loads and goes again. */
static bool is_live(struct thing *thing)
{
    if (thing->session)
        return is_listed(0x02000000, thing->session) || is_listed(0x03000000, thing->session);
    if (!self.spilling)
        return thing->handle && is_listed(0x80000000, thing->handle);
    bring(thing);
    put_away(thing);
    return thing->saved.at;
}

static void forget(struct thing *thing)
{
    if (thing->session)
        send_handle(TPM2_CC_FlushContext, thing->session);
    else if (thing->handle)
        send_handle(TPM2_CC_FlushContext, thing->handle);
    drop(&thing->saved);
    *thing = (struct thing){0};
}

/* What was in slots is gone; which saved contexts live the chip will say. */
static void power_cycle(uint64_t seed)
{
    static const uint8_t clear[2] = {TPM2_SU_CLEAR >> 8, TPM2_SU_CLEAR & 0xFF};

    random_seed_chip(seed);
    libtpms_chip_power_cycle(self.chip);
    random_seed_chip(seed);
    if (send_code(TPM2_CC_Startup, clear, sizeof(clear)) != TPM2_RC_SUCCESS)
        fail("the chip does not start");
    for (unsigned i = 0; i < THINGS; i++) {
        struct thing *thing = &self.things[i];

        thing->handle = 0;
        if (thing->session && !is_live(thing))
            thing->session = (thing->session & 0xFF000000) | REFERENCE_NO_SESSION;
    }
}

static void serve(int socket)
{
    static struct reference_request request;

    while (recv(socket, &request, sizeof(request), 0) > 0) {
        self.response_size = 1;
        switch ((enum reference_operation)request.operation) {
        case REFERENCE_RUN:
            run(&request);
            break;
        case REFERENCE_LOAD_CONTEXT:
            load_context(&request);
            break;
        case REFERENCE_IS_LIVE: {
            bool live = is_live(thing_at(request.thing));

            self.response[0] = live;
            self.response_size = 1;
            break;
        }
        case REFERENCE_FORGET:
            forget(thing_at(request.thing));
            self.response_size = 1;
            break;
        case REFERENCE_POWER_CYCLE:
            power_cycle(request.seed);
            break;
        }
        if (write(socket, self.response, self.response_size) < 0)
            return;
    }
}

int reference_start(struct libtpms_chip *chip, bool spilling, uint64_t seed)
{
    int sockets[2];
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return -1;
    child = fork();
    if (child == 0) {
        /* Whatever becomes of the program, this does not stay. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(sockets[0]);
        random_seed_chip(seed);
        self.chip = chip;
        self.spilling = spilling;
        serve(sockets[1]);
        _exit(0);
    }
    close(sockets[1]);
    if (child < 0) {
        close(sockets[0]);
        return -1;
    }
    process = child;
    return sockets[0];
}

void reference_stop(int socket)
{
    close(socket);
    waitpid(process, NULL, 0);
}

size_t reference_ask(int socket, const struct reference_request *request, uint8_t *answer)
{
    size_t size = offsetof(struct reference_request, bytes) + request->size;
    ssize_t got;

    if (write(socket, request, size) != (ssize_t)size)
        return 0;
    got = read(socket, answer, REFERENCE_BYTES);
    return got > 0 ? (size_t)got : 0;
}
