/* SPDX-License-Identifier: BSD-2-Clause */
#include "attack-crowd.h"

#include "swtpm-ctrl.h"

#include <sys/socket.h>
#include <unistd.h>

void attack_crowd_init(struct attack_crowd *crowd, attack_bytes_fn *write)
{
    for (unsigned i = 0; i < ATTACK_CROWD; i++) {
        crowd->members[i].size = write(crowd->members[i].bytes, i);
        crowd->handles[i].fd = -1;
    }
}

void attack_crowd_close(struct attack_crowd *crowd)
{
    for (unsigned i = 0; i < ATTACK_CROWD; i++) {
        if (crowd->handles[i].fd >= 0)
            close(crowd->handles[i].fd);
        crowd->handles[i].fd = -1;
    }
}

bool attack_crowd_connect(struct attack_crowd *crowd, const char *socket)
{
    for (unsigned i = 0; i < ATTACK_CROWD; i++) {
        crowd->handles[i] =
            (struct pollfd){.fd = swtpm_connect(socket), .events = POLLIN | POLLOUT};
        crowd->members[i].at = 0;
        if (crowd->handles[i].fd < 0) {
            attack_crowd_close(crowd);
            return false;
        }
    }
    return true;
}

/* Sends and receives what can be. False when the daemon has hung up. */
static bool turn(struct attack_crowd_member *member, const struct pollfd *handle)
{
    uint8_t waste[16384];
    ssize_t count;

    if (handle->revents & POLLIN && recv(handle->fd, waste, sizeof(waste), MSG_DONTWAIT) == 0)
        return false;
    if (!(handle->revents & POLLOUT))
        return !(handle->revents & (POLLERR | POLLHUP));
    count = send(handle->fd, member->bytes + member->at, member->size - member->at,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0)
        member->at = (member->at + (size_t)count) % member->size;
    return true;
}

bool attack_crowd_turn(struct attack_crowd *crowd, int ms)
{
    if (poll(crowd->handles, ATTACK_CROWD, ms) <= 0)
        return false;
    for (unsigned i = 0; i < ATTACK_CROWD; i++)
        if (crowd->handles[i].revents && !turn(&crowd->members[i], &crowd->handles[i]))
            return false;
    return true;
}

void attack_crowd_hang_up(struct attack_crowd *crowd, unsigned ms)
{
    for (unsigned i = 0; i < ATTACK_CROWD; i++)
        send(crowd->handles[i].fd, crowd->members[i].bytes, crowd->members[i].size, MSG_NOSIGNAL);
    poll(NULL, 0, (int)ms);
    attack_crowd_close(crowd);
}
