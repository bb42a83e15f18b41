/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * systemd-logind on a bus of the test's own, as far as a program sees of it that delays sleep: it
 * announces sleep and its end, lets programs delay it (Inhibit), and refuses that while the machine
 * is about to sleep (org.freedesktop.login1(5)). It answers in a thread of its own.
 */
#pragma once

#include <stdbool.h>

struct fake_logind;

/* At the bus with this address. NULL, with a word on standard error, when it gets no name there. */
struct fake_logind *fake_logind_new(const char *address);
void fake_logind_free(struct fake_logind *logind);

/* The machine is about to sleep, or awake again: that is announced. */
void fake_logind_announce(struct fake_logind *logind, bool sleep);

/* Programs that delay sleep right now; those that were not allowed to, as it was too late. */
unsigned fake_logind_delays(struct fake_logind *logind);
unsigned fake_logind_refused(struct fake_logind *logind);
