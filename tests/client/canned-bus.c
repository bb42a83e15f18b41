/* SPDX-License-Identifier: BSD-2-Clause */
#include "canned-bus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "raw-message.h"

#define FIXED_SIZE    16
#define BODY_SIZE_AT  4
#define CALL_SERIAL   8 /* where it is in a call of the client, which is little endian */
#define REPLY_SERIAL  20
#define SENDER        32
#define SIGNATURE     45
#define DESCRIPTORS   52
#define BODY          56
#define MESSAGE_BYTES 512

/* A method return up to its body. */
static const uint8_t return_head[BODY] = {
    'l', 2, 1,   1, 0, 0, 0, 0, 1,   0,   0,   0,   40, 0, 0, 0, /* fixed part */
    5,   1, 'u', 0, 0, 0, 0, 0,                                  /* reply serial */
    7,   1, 's', 0, 4, 0, 0, 0, ':', '1', '.', '2', 0,  0, 0, 0, /* sender */
    8,   1, 'g', 0, 1, 0, 0, 0,                                  /* signature */
    9,   1, 'u', 0, 0, 0, 0, 0,                                  /* descriptors */
};

/* What a bus says to a newcomer behind the answer to its Hello: a signal with a path, an
 * interface, a member, and one string. */
static const uint8_t name_acquired[] = "l\4\1\1\11\0\0\0\2\0\0\0\137\0\0\0"
                                       "\1\1o\0\25\0\0\0/org/freedesktop/DBus\0\0\0"
                                       "\2\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
                                       "\3\1s\0\14\0\0\0NameAcquired\0\0\0\0"
                                       "\10\1g\0\1s\0\0"
                                       "\4\0\0\0:1.1";

void canned_bus_start(struct canned_bus *bus)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(bus->directory, "/tmp/tcti-canned.XXXXXX");
    assert_non_null(mkdtemp(bus->directory));
    snprintf(bus->path, sizeof(bus->path), "%s/bus", bus->directory);
    snprintf(bus->address, sizeof(bus->address), "unix:path=%s", bus->path);
    strcpy(address.sun_path, bus->path);
    bus->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bus->listener >= 0);
    assert_int_equal(bind(bus->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(bus->listener, 16), 0);
}

void canned_bus_stop(struct canned_bus *bus)
{
    close(bus->listener);
    unlink(bus->path);
    rmdir(bus->directory);
}

/* Reads the client's lines to the last of them, and no byte more. */
static bool canned_bus_hear_lines(int fd, const char *last)
{
    char lines[256];
    size_t used = 0, size = strlen(last);

    while (used < sizeof(lines) && recv(fd, lines + used, 1, 0) == 1) {
        used++;
        if (used >= size && memcmp(lines + used - size, last, size) == 0)
            return true;
    }
    return false;
}

static bool canned_bus_welcome(int fd)
{
    static const char hello[] = "DATA\r\nOK 0123\r\nAGREE_UNIX_FD\r\n";

    return canned_bus_hear_lines(fd, "NEGOTIATE_UNIX_FD\r\n")
           && send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) > 0
           && canned_bus_hear_lines(fd, "BEGIN\r\n");
}

/* Reads a call of less than MESSAGE_BYTES and gives its serial, as it is in the message. It must be
 * of this method, unless that is NULL. */
static bool canned_bus_hear_call(int fd, const char *method, uint8_t serial[4])
{
    uint8_t bytes[MESSAGE_BYTES];
    size_t size;

    if (recv(fd, bytes, FIXED_SIZE, MSG_WAITALL) != FIXED_SIZE || bytes[0] != 'l' || bytes[1] != 1)
        return false;
    memcpy(serial, bytes + CALL_SERIAL, 4);
    size = (bytes[12] + bytes[13] * 256u + 7) / 8 * 8 + bytes[BODY_SIZE_AT];
    return size <= sizeof(bytes) && recv(fd, bytes, size, MSG_WAITALL) == (ssize_t)size
           && (method == NULL || memmem(bytes, size, method, strlen(method) + 1) != NULL);
}

static bool canned_bus_hear(int fd, uint8_t serial[4])
{
    return canned_bus_hear_call(fd, NULL, serial);
}

/* Sends bytes with a descriptor, unless that is 0. */
static bool canned_bus_say(int fd, const void *bytes, size_t size, int passed)
{
    struct iovec part = {(void *)(uintptr_t)bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};

    if (passed > 0) {
        memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)size;
}

/* Answers the client's next call with one value of a type, and a descriptor unless that is 0. The
 * call's serial is in `*serial` then, unless that is NULL. */
static bool canned_bus_answer(int fd, char type, const void *value, size_t size, int passed,
                              bool nameless, uint32_t *serial)
{
    uint8_t bytes[BODY + 16];

    memcpy(bytes, return_head, BODY);
    if (nameless)
        memcpy(bytes + SENDER, "a  b", 4);
    bytes[BODY_SIZE_AT] = (uint8_t)size;
    bytes[SIGNATURE] = (uint8_t)type;
    memcpy(bytes + BODY, value, size);
    bytes[DESCRIPTORS] = passed > 0;
    if (!canned_bus_hear(fd, bytes + REPLY_SERIAL))
        return false;
    if (serial != NULL)
        *serial = bytes[REPLY_SERIAL] | (uint32_t)bytes[REPLY_SERIAL + 1] << 8;
    return canned_bus_say(fd, bytes, BODY + size, passed);
}

bool canned_bus_agree(int fd, uint32_t *serial)
{
    return canned_bus_answer(fd, 'u', "\0\0\0\0", 4, 0, false, serial);
}

bool canned_bus_agree_and_give(int fd, int gift)
{
    return canned_bus_answer(fd, 'u', "\0\0\0\0", 4, gift, false, NULL);
}

bool canned_bus_refuse(int fd, const char *method, const char *error)
{
    uint8_t serial[4];
    struct raw raw;

    if (!canned_bus_hear_call(fd, method, serial))
        return false;
    raw_begin(&raw, false, 3);
    raw_field(&raw, 4, "s");
    raw_string(&raw, error);
    raw_field(&raw, 5, "u");
    raw_bytes(&raw, serial, sizeof(serial));
    raw_begin_body(&raw);
    raw_end(&raw);
    return canned_bus_say(fd, raw.bytes, raw.size, 0);
}

/* Answers a call of this method with one value. */
static bool canned_bus_tell(int fd, const char *method, const char *type, const char *name,
                            uint32_t number)
{
    uint8_t serial[4];
    struct raw raw;

    if (!canned_bus_hear_call(fd, method, serial))
        return false;
    raw_begin(&raw, false, 2);
    raw_field(&raw, 5, "u");
    raw_bytes(&raw, serial, sizeof(serial));
    raw_field(&raw, 8, "g");
    raw_signature(&raw, type);
    raw_begin_body(&raw);
    if (name != NULL)
        raw_string(&raw, name);
    else
        raw_u32(&raw, number);
    raw_end(&raw);
    return canned_bus_say(fd, raw.bytes, raw.size, 0);
}

bool canned_bus_tell_name(int fd, const char *method, const char *name)
{
    return canned_bus_tell(fd, method, "s", name, 0);
}

bool canned_bus_tell_number(int fd, const char *method, uint32_t number)
{
    return canned_bus_tell(fd, method, "u", NULL, number);
}

int canned_bus_accept(const struct canned_bus *bus, int *server)
{
    int fd = accept4(bus->listener, NULL, NULL, SOCK_CLOEXEC), ends[2];
    bool good;

    if (fd < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        close(fd);
        return -1;
    }
    good = canned_bus_welcome(fd)
           && canned_bus_answer(fd, 's', "\4\0\0\0:1.1", 9, bus->gift, false, NULL)
           && canned_bus_say(fd, name_acquired, sizeof(name_acquired), bus->gift)
           && canned_bus_answer(fd, 't', "\1\2\3\4\5\6\7", 8, ends[1], bus->nameless, NULL);
    close(ends[1]);
    *server = ends[0];
    if (good)
        return fd;
    close(ends[0]);
    close(fd);
    return -1;
}

struct canned_accept {
    const struct canned_bus *bus;
    struct canned_link *connected;
};

static void *canned_accept_run(void *data)
{
    struct canned_accept *accepting = data;

    accepting->connected->bus =
        canned_bus_accept(accepting->bus, &accepting->connected->link.server);
    return NULL;
}

bool canned_bus_try_connect(const struct canned_bus *bus, TSS2_TCTI_INIT_FUNC init,
                            struct canned_link *connected)
{
    struct canned_accept accepting = {bus, connected};
    size_t size = 0;
    pthread_t thread;
    TSS2_RC rc;

    *connected = (struct canned_link){{NULL, -1}, -1};
    init(NULL, &size, NULL);
    connected->link.tcti = calloc(1, size);
    if (connected->link.tcti == NULL
        || pthread_create(&thread, NULL, canned_accept_run, &accepting) != 0)
        return false;
    rc = init(connected->link.tcti, &size, "bus_type=system");
    pthread_join(thread, NULL);
    return rc == TSS2_RC_SUCCESS && connected->bus >= 0;
}

void canned_bus_connect(const struct canned_bus *bus, TSS2_TCTI_INIT_FUNC init,
                        struct canned_link *connected)
{
    assert_true(canned_bus_try_connect(bus, init, connected));
}
