/* SPDX-License-Identifier: BSD-2-Clause */
/* Number 0 among the descriptors is one like the others: given up for a while, it is what is opened
 * next. One for the process. */
#pragma once

/* Closes descriptor 0, of which a copy is kept. */
void descriptor_zero_give_up(void);

/* Puts it back; whatever has that number is closed. */
void descriptor_zero_take_back(void);
