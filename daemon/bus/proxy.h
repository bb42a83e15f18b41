/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands between the message bus and GDBus. GDBus builds a tree of each message before anybody
 * looks at it, and queues calls without bound. So the bus's socket is the proxy's, GDBus has one
 * end of a socket pair, and what reaches it is bounded:
 *
 * - the authentication passes line by line, up to BEGIN; then messages pass whole, one after the
 *   other;
 * - of a message above PROXY_MESSAGE_MAX bytes the beginning is read and the rest skipped. A call
 *   gets an error, as far as it wants one and its sender stands in what was read;
 * - a call that wants no reply is dropped, as no method has a use for it;
 * - other calls pass in turn of the users that they come from (callers.h), and what is refused is
 *   answered by the proxy. The proxy asks the bus for the user and groups of a sender by itself;
 * - a user whose programs leave much unread in the bus gets no answers (unread.h);
 * - a reply passes when GDBus waits for it, and a signal when the daemon subscribes to its kind;
 * - that a unique name left the bus is told to the proxy's owner, not to GDBus. The proxy asks for
 *   that signal by itself, before it asks for the user of any sender, so that no sender whose call
 *   passed leaves unnoticed;
 * - to the bus all messages pass, and with them their descriptors. From the bus only those of
 *   replies do; others are closed.
 *
 * The proxy never stops to read what the bus has, or one user's messages would queue up in the bus
 * before another's. What GDBus or the bus do not take waits in memory: towards GDBus bounded by the
 * calls at work and the replies that GDBus waits for, towards the bus by PROXY_BACKLOG.
 *
 * Main thread; GDBus's worker thread is at the other end of the socket pair, and shares no memory
 * with it.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

/* No message to one of our methods is longer. */
#define PROXY_MESSAGE_MAX 4096

/* No message of ours is longer: the longest are lists of MANAGER_VARIANTS_CONNECTIONS. */
#define PROXY_OUT_MAX (2 * 1024 * 1024)

struct proxy;

/* The unique name `name` left the bus, and the messages that waited for it there are gone. The
 * string is good during the call, which must not free the proxy. */
typedef void proxy_left_fn(void *data, const char *name);

/* A proxy on a new connection to a bus that nothing was sent on yet. *gdbus gets the stream that a
 * GDBusConnection is to be made of, which is the caller's; the proxy keeps a descriptor of `bus`,
 * which the caller may free. `left` is called with `data`. NULL with *error. Needs the main loop to
 * run. */
struct proxy *proxy_new(GIOStream *bus, proxy_left_fn *left, void *data, GIOStream **gdbus,
                        GError **error);

/* The user who the bus says makes this call, and its groups, as callers_user() gives them. False
 * when it is none that is under way. */
bool proxy_user(const struct proxy *proxy, const char *sender, uint32_t serial, uint32_t *uid,
                GBytes **groups);

/* The process that the bus says makes this call, as callers_pid() gives it. */
uint32_t proxy_pid(const struct proxy *proxy, const char *sender, uint32_t serial);

/* How many calls are not answered yet. */
unsigned proxy_pending(const struct proxy *proxy);

/* Brings to the bus what GDBus has sent, for `ms` milliseconds at the most. */
void proxy_drain(struct proxy *proxy, int ms);

/* Cuts both connections. */
void proxy_close(struct proxy *proxy);

/* The same, and frees. NULL is fine. */
void proxy_free(struct proxy *proxy);
