/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One command of a client: what it names, how it is authorized, its parameters; how its bytes look
 * to each of the two TPMs, and what its answer means for the model.
 */
#pragma once

#include "model.h"

#define CALL_HANDLES    3
#define CALL_AUTHS      3
#define CALL_PARAMETERS 2048

struct operand {
    uint32_t handle; /* as the client says it to the manager */
    struct thing *thing;
    unsigned name_size; /* of an entity that is not a thing: its name, else its handle is it */
    uint8_t name[MODEL_NAME];
};

struct auth {
    uint32_t handle;
    struct thing *session; /* NULL: a password, or a session that the client does not have */
    uint8_t attributes;
    bool authorizes; /* an entity: handle number `entity` */
    unsigned entity;
    struct secret secret; /* of that entity */
    bool spoiled;         /* HMAC or password is wrong */
    unsigned nonce_size;
    uint8_t nonce[DIGEST_SIZE];
};

struct call {
    const char *what;
    uint32_t code;
    bool has_clock;  /* the answer is an attestation, which bears the clock */
    bool makes;      /* a handle comes back */
    uint32_t number; /* of the thing that is made */
    bool consumes;   /* the object of handle `consumed` goes with success */
    unsigned consumed;
    uint32_t context; /* TPM2_ContextSave: number under which the reference keeps it */
    const struct saved_context *loads; /* TPM2_ContextLoad: this one, ... */
    uint32_t cut;                      /* ... so many bytes left out at its end */
    uint32_t flip;                     /* ... and the byte at this offset turned over; 0: none */
    bool names_parameter;              /* the first parameter is a handle, operand `parameter` */
    struct operand parameter;
    unsigned handle_count;
    struct operand handles[CALL_HANDLES];
    unsigned auth_count;
    struct auth auths[CALL_AUTHS];
    size_t size; /* of parameters */
    uint8_t parameters[CALL_PARAMETERS];
};

void call_begin(struct call *call, const char *what, uint32_t code);
void call_handle(struct model *model, unsigned client, struct call *call, uint32_t handle);

/* Parameters, in order. */
void call_u8(struct call *call, uint8_t value);
void call_u16(struct call *call, uint16_t value);
void call_u32(struct call *call, uint32_t value);
void call_bytes(struct call *call, const void *bytes, size_t size);
void call_sized(struct call *call, const void *bytes, size_t size); /* TPM2B */

/* Authorizes handle number `entity` by its password. */
struct auth *call_password(struct call *call, unsigned entity, const struct secret *secret);

/* Adds a session of the client; it authorizes nothing yet. */
struct auth *call_session(struct random *random, struct call *call, struct thing *session,
                          uint8_t attributes);

/* The whole command as one of the TPMs gets it: the manager, or with `request` the reference,
 * whose patches are entered there. Returns its size. */
size_t call_build(const struct call *call, uint8_t *out, struct reference_request *request);

/* A reader of an answer's parameters; a read past the end gives 0 and sets `bad`. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};
struct reader call_reader(const struct model *model, const struct call *call);
uint16_t reader_u16(struct reader *reader);
const uint8_t *reader_sized(struct reader *reader, uint16_t *size);
