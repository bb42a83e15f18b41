/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resource manager on a scripted chip: what it sends is known to the byte. The chip has the
 * commands that move contexts, and some of a vendor's own. The manager has a journal.
 */
#pragma once

#include "chip-script.h"
#include "rm/state.h"

#define RM_SCRIPT_CLIENTS 4
#define RM_SCRIPT_SLOTS   3 /* of each kind */

/* Commands without parameters: makes an object; names one object; two; a session; makes an object
 * of two; names nothing; ends the object that it names; ends seven; makes an
 * object of three. */
#define CC_MAKE   UINT32_C(0x20000001)
#define CC_USE    UINT32_C(0x20000002)
#define CC_BOTH   UINT32_C(0x20000003)
#define CC_PEEK   UINT32_C(0x20000004)
#define CC_DERIVE UINT32_C(0x20000005)
#define CC_PLAIN  UINT32_C(0x20000006)
#define CC_FINISH UINT32_C(0x20000007)
#define CC_SEVEN  UINT32_C(0x20000008)
#define CC_MIX    UINT32_C(0x20000009)

struct rm_script {
    struct chip_script chip;
    struct chip facts;
    struct rm *rm;
    struct rm_client *clients[RM_SCRIPT_CLIENTS];
    uint8_t response[CHIP_MIN_BUFFER]; /* the last one to a client */
    size_t size;
};

/* cmocka fixtures: a manager with clients of the users 1000, 1001, ... The second one drops what is
 * in the books and sends nothing. */
int rm_script_setup(void **state);
int rm_script_teardown(void **state);

/* A new client of a user, for the test to free. */
struct rm_client *rm_script_connect(struct rm_script *script, uint32_t uid);

/* The script must have been played to its end. */
void rm_script_end(struct rm_script *script);

/* Sends a command of a client, after which the books must agree with themselves; the response code.
 */
uint32_t rm_script_send(struct rm_script *script, unsigned client, const uint8_t *command,
                        size_t size);
/* The same, of a command without parameters and with `count` handles. */
uint32_t rm_script_name(struct rm_script *script, unsigned client, uint32_t code, unsigned count,
                        uint32_t first, uint32_t second);
uint32_t rm_script_flush(struct rm_script *script, unsigned client, uint32_t handle);

/* A context as the chip makes them here. */
#define SCRIPT_CONTEXT 22
struct script_context {
    uint64_t sequence;
    uint32_t saved_handle, hierarchy;
};
void script_context_store(uint8_t bytes[SCRIPT_CONTEXT], const struct script_context *context);

/* Each adds an exchange: a command without parameters, which gets a code; TPM2_ContextSave, which
 * gets a context; TPM2_ContextLoad, which gets a handle. */
struct exchange *expect_named(struct rm_script *script, uint32_t code, unsigned count,
                              uint32_t first, uint32_t second, uint32_t answer);
struct exchange *expect_save(struct rm_script *script, uint32_t handle,
                             const struct script_context *context);
struct exchange *expect_load(struct rm_script *script, const struct script_context *context,
                             uint32_t handle);

/* What the chip is asked when it is in doubt what it holds; the lists have `count` handles each. */
struct script_list {
    const uint32_t *handles;
    size_t count;
};
void expect_lists(struct rm_script *script, struct script_list objects, struct script_list loaded,
                  struct script_list saved);
/* And then: how often it was reset, and which hierarchies are on (TPMA_STARTUP_CLEAR). */
void expect_state(struct rm_script *script, uint32_t resets, uint32_t enabled);
#define ALL_ENABLED \
    (TPMA_STARTUP_CLEAR_PHENABLE | TPMA_STARTUP_CLEAR_SHENABLE | TPMA_STARTUP_CLEAR_EHENABLE)
#define HANDLES(...) ((struct script_list){WORDS(__VA_ARGS__)})
#define NO_HANDLES   ((struct script_list){NULL, 0})

/* The manager's limits hold for all clients that there are. */
void rm_script_limit(struct rm_script *script);

/* A client makes an object, or starts a session, that the chip calls `handle`; its own handle. */
uint32_t rm_script_make(struct rm_script *script, unsigned client, uint32_t handle);
void rm_script_start(struct rm_script *script, unsigned client, uint32_t handle);

/* A client saves a session that is loaded, to this context. */
void rm_script_save(struct rm_script *script, unsigned client, uint32_t handle,
                    const struct script_context *context);

/* The manager's own view of them. */
struct object *rm_script_object(struct rm_script *script, unsigned client, uint32_t handle);
struct session *rm_script_session(struct rm_script *script, uint32_t handle);
