/* SPDX-License-Identifier: BSD-2-Clause */
#include "process.h"

#include "base/log.h"
#include "bus/manager-socket.h"
#include "engine/admission.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* Descriptors that are no connections, the TPM, the bus, what is being handed over; those of the
 * manager interface's peers; and connections that do not count yet. */
#define PROCESS_OTHER_FILES (64 + 3 * MANAGER_SOCKET_PEERS + ADMISSION_UNKNOWN)

void process_harden(bool debuggable)
{
    struct rlimit none = {0, 0};

    if (debuggable) {
        log_warning("this build is for debugging: any process of this user can read what clients "
                    "send, passwords among it, and core dumps have it; build without -Ddebuggable "
                    "for use");
        return;
    }
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        log_warning("core dumps of this process cannot be switched off");
}

unsigned process_carries(unsigned wanted)
{
    struct rlimit files;
    rlim_t carried;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return wanted;
    if (files.rlim_cur < files.rlim_max) {
        rlim_t before = files.rlim_cur;

        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            files.rlim_cur = before;
    }
    carried = files.rlim_cur > PROCESS_OTHER_FILES ? files.rlim_cur - PROCESS_OTHER_FILES : 1;
    if (files.rlim_cur == RLIM_INFINITY || carried >= wanted)
        return wanted;
    log_warning("the limit of open files, %lu, carries %lu connections and not %u: raise it "
                "(LimitNOFILE= of the unit, or ulimit -n), or lower --max-connections",
                (unsigned long)files.rlim_cur, (unsigned long)carried, wanted);
    return (unsigned)carried;
}
