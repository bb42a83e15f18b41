/* SPDX-License-Identifier: BSD-2-Clause */
#include "view.h"

const char *view_ink(const struct view *view, enum ink ink)
{
    if (!view->color)
        return "";
    switch (ink) {
    case INK_PLAIN:
        return "";
    case INK_BOLD:
        return "\033[1m";
    case INK_FAINT:
        return "\033[2m";
    case INK_GOOD:
        return "\033[1;32m";
    case INK_WARN:
        return "\033[1;33m";
    case INK_BAD:
        return "\033[1;31m";
    case INK_MARK:
        return "\033[7m";
    }
    return "";
}

const char *view_ink_end(const struct view *view, enum ink ink)
{
    return view->color && ink != INK_PLAIN ? "\033[0m" : "";
}
