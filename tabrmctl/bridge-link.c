/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge-link.h"

#include "bridge-protocol.h"
#include "message.h"
#include "wire/header.h"

#include <glib-unix.h>
#include <string.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

struct bridge_link {
    unsigned references;
    TSS2_TCTI_CONTEXT *tcti;          /* NULL: lost */
    guint source;                     /* of what comes from tabrmd */
    uint8_t locality;                 /* in force */
    bool busy;                        /* a command is under way */
    struct bridge_link_user *current; /* whose it is; NULL when it has left */
    GQueue waiting;
    uint8_t response[BRIDGE_TPM_MAX];
};

static void bridge_link_next(struct bridge_link *link)
{
    GList *first;

    if (link->busy || !link->tcti)
        return;
    first = g_queue_pop_head_link(&link->waiting);
    if (first) {
        link->current = first->data;
        link->busy = true;
        link->current->turn(link->current);
    }
}

static void bridge_link_close(struct bridge_link *link)
{
    if (link->source)
        g_source_remove(link->source);
    link->source = 0;
    Tss2_TctiLdr_Finalize(&link->tcti);
}

/* The connection broke: all who use it are told. */
static void bridge_link_lose(struct bridge_link *link, const char *deed, TSS2_RC rc)
{
    struct bridge_link_user *current = link->current;
    GList *first;

    message_error("the connection to tabrmd is lost (%s: %s)", deed, Tss2_RC_Decode(rc));
    bridge_link_ref(link);
    bridge_link_close(link);
    link->current = NULL;
    link->busy = false;
    if (current)
        current->lost(current);
    while ((first = g_queue_pop_head_link(&link->waiting)))
        ((struct bridge_link_user *)first->data)->lost(first->data);
    bridge_link_unref(link);
}

/* The command is done with; its user gets a response, and the next one its turn. */
static void bridge_link_answer(struct bridge_link *link, size_t size)
{
    struct bridge_link_user *current = link->current;

    bridge_link_ref(link);
    link->current = NULL;
    link->busy = false;
    if (current)
        current->answered(current, link->response, size);
    explicit_bzero(link->response, size);
    bridge_link_next(link);
    bridge_link_unref(link);
}

static void bridge_link_refuse(struct bridge_link *link, TPM2_RC rc)
{
    header_store(link->response, TPM2_ST_NO_SESSIONS, HEADER_SIZE, rc);
    bridge_link_answer(link, HEADER_SIZE);
}

static gboolean bridge_link_readable(gint fd, GIOCondition condition, gpointer data)
{
    struct bridge_link *link = data;
    size_t size = sizeof(link->response);
    TSS2_RC rc;

    (void)fd;
    (void)condition;
    rc = Tss2_Tcti_Receive(link->tcti, &size, link->response, TSS2_TCTI_TIMEOUT_NONE);
    if (rc == TSS2_TCTI_RC_TRY_AGAIN)
        return G_SOURCE_CONTINUE;
    if (rc == TSS2_RC_SUCCESS) {
        /* What is called here may close the link, and this source with it. */
        bridge_link_answer(link, size);
        return G_SOURCE_CONTINUE;
    }
    bridge_link_lose(link, "receiving", rc);
    return G_SOURCE_CONTINUE;
}

/* Watches the socket of the TCTI. */
static TSS2_RC bridge_link_watch(struct bridge_link *link)
{
    TSS2_TCTI_POLL_HANDLE handle = {0};
    size_t count = 1;
    TSS2_RC rc = Tss2_Tcti_GetPollHandles(link->tcti, &handle, &count);

    if (rc == TSS2_RC_SUCCESS && count != 1)
        rc = TSS2_TCTI_RC_NOT_IMPLEMENTED;
    if (rc == TSS2_RC_SUCCESS)
        link->source =
            g_unix_fd_add(handle.fd, G_IO_IN | G_IO_HUP | G_IO_ERR, bridge_link_readable, link);
    return rc;
}

struct bridge_link *bridge_link_new(const char *conf)
{
    struct bridge_link *link = g_new0(struct bridge_link, 1);
    TSS2_RC rc = Tss2_TctiLdr_Initialize(conf, &link->tcti);

    link->references = 1;
    g_queue_init(&link->waiting);
    if (rc == TSS2_RC_SUCCESS)
        rc = bridge_link_watch(link);
    if (rc == TSS2_RC_SUCCESS)
        return link;
    message_error("cannot connect to tabrmd by the TCTI \"%s\": %s; `tabrmctl doctor` finds the "
                  "cause",
                  conf, Tss2_RC_Decode(rc));
    bridge_link_unref(link);
    return NULL;
}

struct bridge_link *bridge_link_ref(struct bridge_link *link)
{
    link->references++;
    return link;
}

void bridge_link_unref(struct bridge_link *link)
{
    if (!link || --link->references > 0)
        return;
    bridge_link_close(link);
    explicit_bzero(link, sizeof(*link));
    g_free(link);
}

void bridge_link_queue(struct bridge_link *link, struct bridge_link_user *user)
{
    if (!link->tcti) {
        user->lost(user);
        return;
    }
    user->node.data = user;
    g_queue_push_tail_link(&link->waiting, &user->node);
    bridge_link_next(link);
}

static TSS2_RC bridge_link_set_locality(struct bridge_link *link, uint8_t locality)
{
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (locality != link->locality)
        rc = Tss2_Tcti_SetLocality(link->tcti, locality);
    if (rc == TSS2_RC_SUCCESS)
        link->locality = locality;
    return rc;
}

/* True when the connection is no good any more, whatever is sent on it. */
static bool bridge_link_dead(TSS2_RC rc)
{
    return rc == TSS2_TCTI_RC_IO_ERROR || rc == TSS2_TCTI_RC_NO_CONNECTION;
}

void bridge_link_transmit(struct bridge_link *link, struct bridge_link_user *user,
                          const uint8_t *command, size_t size, uint8_t locality)
{
    TSS2_RC rc = bridge_link_set_locality(link, locality);
    bool local = rc == TSS2_RC_SUCCESS;

    (void)user;
    if (local)
        rc = Tss2_Tcti_Transmit(link->tcti, size, command);
    if (bridge_link_dead(rc))
        bridge_link_lose(link, "sending", rc);
    else if (rc != TSS2_RC_SUCCESS)
        bridge_link_refuse(link, local ? TPM2_RC_COMMAND_SIZE : TPM2_RC_LOCALITY);
}

void bridge_link_cancel(struct bridge_link *link)
{
    if (link->busy && link->tcti)
        Tss2_Tcti_Cancel(link->tcti);
}

void bridge_link_leave(struct bridge_link *link, struct bridge_link_user *user)
{
    if (link->current == user) {
        link->current = NULL;
        bridge_link_cancel(link);
    } else if (g_queue_index(&link->waiting, user) >= 0) {
        g_queue_unlink(&link->waiting, &user->node);
    }
}

bool bridge_link_alive(const struct bridge_link *link)
{
    return link->tcti != NULL;
}

bool bridge_link_may(struct bridge_link *link, uint8_t locality)
{
    return link->tcti && bridge_link_set_locality(link, locality) == TSS2_RC_SUCCESS;
}
