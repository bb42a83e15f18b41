/* SPDX-License-Identifier: BSD-2-Clause */
/* The known word that a person most likely meant. */
#pragma once

#include <stddef.h>

/*
 * How far two words are apart: the least number of letters to insert, to take out or to replace,
 * without regard to case, to `-` and to `_`. The distance is less where one word is a part of the
 * other. Of longer words the first NEAREST_LETTERS letters count.
 */
#define NEAREST_LETTERS 64
unsigned nearest_distance(const char *one, const char *other);
