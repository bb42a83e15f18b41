/* SPDX-License-Identifier: BSD-2-Clause */
/* Models for tests, made by the readers from what a daemon would answer. */
#pragma once

#include "model-read.h"

/* A value in GVariant's text format. The caller unrefs it. */
GVariant *fixture_value(const char *text);

/* A model with all parts and so many connections, of 10 users at most, whose names are filled in.
 * One program is called what no terminal should be sent. */
struct model *fixture_model(unsigned connections);
