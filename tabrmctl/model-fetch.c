/* SPDX-License-Identifier: BSD-2-Clause */
#include "model-fetch.h"

#include "manager-error.h"
#include "model-read.h"
#include "user-names.h"

#include <sysexits.h>

/* Milliseconds that the chip may take for what can be left out. */
#define FETCH_CHIP_MS 3000

static const struct fetch_part {
    enum model_part part;
    int patience_ms;
    const char *method; /* NULL: the properties */
    const char *type;
    const char *what; /* as in "cannot list the connections" */
    const char *(*read)(struct model *model, GVariant *value);
} fetch_parts[] = {
    {MODEL_CHIP, MANAGER_CLIENT_PATIENCE_MS, NULL, "a{sv}", "cannot ask tabrmd what it is",
     model_read_chip},
    {MODEL_STATUS, MANAGER_CLIENT_PATIENCE_MS, "GetStatus", "a{sv}", "cannot ask tabrmd how it is",
     model_read_status},
    {MODEL_CONNECTIONS, MANAGER_CLIENT_PATIENCE_MS, "ListConnections", "aa{sv}",
     "cannot list the connections", model_read_connections},
    {MODEL_USERS, MANAGER_CLIENT_PATIENCE_MS, "ListUsers", "aa{sv}", "cannot list the users",
     model_read_users},
    {MODEL_STATISTICS, MANAGER_CLIENT_PATIENCE_MS, "GetStatistics", "a{sv}",
     "cannot get the statistics", model_read_statistics},
    {MODEL_SLOTS, MANAGER_CLIENT_PATIENCE_MS, "GetSlots", "aa{sv}", "cannot ask what is in the TPM",
     model_read_slots},
    {MODEL_LOCKOUT, FETCH_CHIP_MS, "GetLockout", "a{sv}", "cannot ask for the lockout",
     model_read_lockout},
};

static GVariant *fetch_ask(struct manager_client *client, const struct fetch_part *part,
                           GError **error)
{
    if (!part->method)
        return manager_client_properties(client, error);
    return manager_client_call(client, part->method, NULL, part->type, part->patience_ms, error);
}

/* Whether the model can do without the part, which the daemon did not tell. */
static bool fetch_forgoes(struct model *model, const struct fetch_part *part, const GError *error)
{
    if (manager_error_denied(error)) {
        model->denied |= part->part;
        return true;
    }
    if (manager_error_older(error)) {
        model->unknown |= part->part;
        return true;
    }
    return part->part == MODEL_LOCKOUT;
}

/* Gives EX_OK, or a status, and has said why. */
static int fetch_one(struct manager_client *client, struct model *model,
                     const struct fetch_part *part, bool needed)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = fetch_ask(client, part, &error);
    const char *bad;

    if (!value) {
        if (!needed && fetch_forgoes(model, part, error))
            return EX_OK;
        return manager_error_say(client, part->what, error);
    }
    bad = part->read(model, value);
    return bad ? manager_error_say_nonsense(client, part->what, bad) : EX_OK;
}

struct model *model_fetch(struct manager_client *client, unsigned parts, unsigned needed,
                          int *status)
{
    struct model *model = model_new();

    *status = EX_OK;
    for (gsize i = 0; i < G_N_ELEMENTS(fetch_parts) && *status == EX_OK; i++) {
        const struct fetch_part *part = &fetch_parts[i];

        if (parts & part->part)
            *status = fetch_one(client, model, part, needed & part->part);
    }
    if (*status != EX_OK) {
        model_free(model);
        return NULL;
    }
    model->now = (uint64_t)g_get_real_time();
    model->moment = (uint64_t)g_get_monotonic_time();
    user_names_fill(model);
    return model;
}
