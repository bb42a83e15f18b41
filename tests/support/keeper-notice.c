/* SPDX-License-Identifier: BSD-2-Clause */
#include "keeper-notice.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for what comes beside a message. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(struct ucred))
               + CMSG_SPACE(sizeof(((struct keeper_notice *)NULL)->fds))];
};

static void take_control(struct keeper_notice *notice, const struct cmsghdr *head)
{
    struct ucred creds;

    if (head->cmsg_type == SCM_CREDENTIALS) {
        memcpy(&creds, CMSG_DATA(head), sizeof(creds));
        notice->from = creds.pid;
    } else if (head->cmsg_type == SCM_RIGHTS) {
        notice->count = (unsigned)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(notice->fds, CMSG_DATA(head), notice->count * sizeof(int));
    }
}

bool keeper_notice_take(struct keeper_notice *notice, int fd)
{
    union control control = {0};
    struct iovec part = {notice->text, sizeof(notice->text) - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (size < 0)
        return false;
    notice->text[size] = '\0';
    notice->count = 0;
    notice->from = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head))
        take_control(notice, head);
    return true;
}

void keeper_notice_drop(struct keeper_notice *notice)
{
    for (unsigned i = 0; i < notice->count; i++)
        close(notice->fds[i]);
    notice->count = 0;
}

/* What a message has to say; a name that it does not give is systemd's. */
struct saying {
    bool ready, store, removed, unpolled;
    char name[KEEPER_STORE_NAME];
};

static void read_line(struct saying *saying, const char *line)
{
    static const char name[] = "FDNAME=";

    saying->ready |= strcmp(line, "READY=1") == 0;
    saying->store |= strcmp(line, "FDSTORE=1") == 0;
    saying->removed |= strcmp(line, "FDSTOREREMOVE=1") == 0;
    saying->unpolled |= strcmp(line, "FDPOLL=0") == 0;
    if (g_str_has_prefix(line, name))
        g_strlcpy(saying->name, line + strlen(name), sizeof(saying->name));
}

bool keeper_notice_follow(struct keeper_notice *notice, struct keeper_store *store)
{
    struct saying saying = {.name = "stored"};
    char **lines = g_strsplit(notice->text, "\n", -1);

    for (char **line = lines; *line; line++)
        read_line(&saying, *line);
    g_strfreev(lines);
    if (saying.removed) {
        keeper_store_remove(store, saying.name);
    } else if (saying.store) {
        for (unsigned i = 0; i < notice->count; i++)
            keeper_store_add(store, notice->fds[i], saying.name, !saying.unpolled);
        notice->count = 0;
    }
    keeper_notice_drop(notice);
    return saying.ready;
}
