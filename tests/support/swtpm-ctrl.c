/* SPDX-License-Identifier: BSD-2-Clause */
#include "swtpm-ctrl.h"

#include "wire/bytes.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CTRL_GET_CAPABILITY 1
#define CTRL_ARGUMENT_MAX   16

int swtpm_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

static int ctrl_open(const char *path, uint32_t code, const void *argument, size_t size)
{
    uint8_t message[4 + CTRL_ARGUMENT_MAX];
    int fd;

    if (size > CTRL_ARGUMENT_MAX)
        return -EINVAL;
    store_be32(message, code);
    if (size > 0)
        memcpy(message + 4, argument, size);
    fd = swtpm_connect(path);
    if (fd < 0)
        return fd;
    if (send(fd, message, 4 + size, MSG_NOSIGNAL) != (ssize_t)(4 + size)) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

static int64_t ctrl_call(const char *path, uint32_t code, const void *argument, size_t size)
{
    uint8_t answer[4];
    int64_t result;
    ssize_t got;
    int fd = ctrl_open(path, code, argument, size);

    if (fd < 0)
        return fd;
    got = recv(fd, answer, sizeof(answer), MSG_WAITALL);
    if (got < 0)
        result = -errno;
    else
        result = (size_t)got == sizeof(answer) ? (int64_t)load_be32(answer) : -EPIPE;
    close(fd);
    return result;
}

int64_t swtpm_ctrl(const char *path, enum swtpm_ctrl_code code, const void *argument, size_t size)
{
    return ctrl_call(path, code, argument, size);
}

int swtpm_ctrl_send(const char *path, enum swtpm_ctrl_code code)
{
    return ctrl_open(path, code, NULL, 0);
}

int64_t swtpm_ctrl_power_cycle(const char *path)
{
    static const uint8_t no_flags[4];
    int64_t result = swtpm_ctrl(path, SWTPM_CTRL_STOP, NULL, 0);

    return result != 0 ? result : swtpm_ctrl(path, SWTPM_CTRL_INIT, no_flags, sizeof(no_flags));
}

bool swtpm_ctrl_answers(const char *path)
{
    return ctrl_call(path, CTRL_GET_CAPABILITY, NULL, 0) >= 0;
}
