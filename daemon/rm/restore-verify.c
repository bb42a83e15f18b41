/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/doubt.h"
#include "rm/restore.h"
#include "rm/resync.h"

void restore_verify(struct rm *rm, bool restarted)
{
    list_for_each (link, &rm->slots) {
        list_entry(link, struct object, slot_link)->unproven = true;
    }
    doubt_books(rm, "the books are those of a former daemon");
    if (restarted)
        resync_after_startup(rm);
    else
        resync_doubt(rm);
}
