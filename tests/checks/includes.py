# SPDX-License-Identifier: BSD-2-Clause
"""An include points down in the layers, or sideways in its own.

The layers of the daemon, from below: base, wire, rm, tpm, engine, bus, and the wiring (the files
in daemon/ itself). The client library sees the wire layer's headers and the names of dbus/. tabrmctl
is a program of its own: it sees the layers wire and base, and what it shares with the daemon's wiring.
"""
import os
import re

import tree

LAYERS = ["base", "wire", "rm", "tpm", "engine", "bus"]
WIRING = len(LAYERS)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

GLIB = re.compile(r"(glib|gio|gmodule|gobject)([-/.]|$)")
# The resource manager and the wire format are pure computation.
PURE_LAYERS = ("wire", "rm")
PURE = re.compile(
    r"(assert|endian|errno|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio"
    r"|stdlib|string)\.h$|tss2/tss2_(common|mu|tpm2_types)\.h$"
)
CLOCK = "daemon/base/clock.h"
# tabrmctl links none of the daemon's libraries; of its wiring it compiles what knows words alone, of the
# client library what reads its configuration.
TABRMCTL = re.compile(r"tabrmctl/|daemon/(base|wire)/|daemon/nearest\.h$|dbus/|client-tcti/(tss2-tcti-tabrmd|conf)\.h$")
# GLib is for the front ends on the bus and the wiring.
GLIB_FILES = re.compile(r"daemon/bus/|daemon/[^/]+$|tabrmctl/")


def layer_of(path):
    """The layer's number, or None for a file that is not the daemon's."""
    parts = path.split("/")
    if parts[0] != "daemon":
        return None
    if len(parts) == 2:
        return WIRING
    return LAYERS.index(parts[1]) if parts[1] in LAYERS else None


def resolve(root, path, name):
    """Where a quoted include leads, or None for a generated header."""
    for base in (os.path.dirname(path), "daemon", "client-tcti", "client-tcti/include", "dbus", ""):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def check_quoted(root, path, name):
    target = resolve(root, path, name)
    if path.startswith("client-tcti/"):
        if target is None or not target.startswith(("client-tcti/", "daemon/wire/", "dbus/")):
            return "the client library may include daemon/wire and dbus/ only"
        return None
    if path.startswith("tabrmctl/"):
        known = name == "config.h" if target is None else TABRMCTL.match(target)
        return None if known else "tabrmctl may include daemon/wire, daemon/base and dbus/ only"
    own = layer_of(path)
    if own is None:
        return "this directory of daemon/ is no layer"
    if target is None:
        bus = LAYERS.index("bus")
        return None if own >= bus else "not found in the tree; generated headers are for bus/"
    if target.startswith("dbus/"):
        return None if own >= LAYERS.index("bus") else "names of the bus are for bus/ and above"
    below = layer_of(target)
    if below is None:
        return "leads out of the daemon"
    if target == CLOCK and own < WIRING and LAYERS[own] in PURE_LAYERS:
        return f"{LAYERS[own]}/ has no clock"
    return None if below <= own else "points up"


def check_system(path, name):
    if GLIB.match(name) and not GLIB_FILES.match(path):
        return "GLib is not for this file"
    parts = path.split("/")
    if parts[0] == "daemon" and parts[1] in PURE_LAYERS and not PURE.match(name):
        return f"{parts[1]}/ has no descriptors, threads, clock or loop"
    return None


def check(root):
    findings = []
    for path in tree.files(root, ".c", ".h"):
        if not path.startswith(("daemon/", "client-tcti/", "tabrmctl/")):
            continue
        for kind, name in INCLUDE.findall(tree.read(root, path)):
            why = check_quoted(root, path, name) if kind == '"' else check_system(path, name)
            if why:
                findings.append(f"{path}: include of {name}: {why}")
    return findings


SAMPLES = [
    (
        {
            "daemon/main.c": '#include "daemon.h"\n#include <glib.h>\n',
            "daemon/daemon.h": '#include "bus/tcti.h"\n',
            "daemon/bus/tcti.h": '#include "generated.h"\n#include "engine/engine.h"\n',
            "daemon/engine/engine.h": '#include "rm/rm.h"\n#include <sys/epoll.h>\n',
            "daemon/rm/rm.h": '#include "object.h"\n#include "wire/bytes.h"\n#include <string.h>\n',
            "daemon/rm/object.h": '#include "base/list.h"\n',
            "daemon/base/list.h": "",
            "daemon/wire/bytes.h": "#include <stdint.h>\n",
            "client-tcti/tcti.c": '#include "wire/bytes.h"\n#include "names.h"\n#include <poll.h>\n',
            "dbus/names.h": "",
            "daemon/nearest.h": "",
            "tabrmctl/main.c": '#include "config.h"\n#include "nearest.h"\n#include "wire/bytes.h"\n'
                               '#include "names.h"\n#include <gio/gio.h>\n',
            "tests/unit/t.c": '#include "anything.h"\n',
        },
        [],
    ),
    (
        {
            "daemon/base/a.c": '#include "wire/w.h"\n',
            "daemon/engine/e.c": '# include "bus/b.h"\n',
            "daemon/rm/r.c": '#include "../engine/e.h"\n',
            "daemon/wire/w.h": '#include "daemon.h"\n',
            "daemon/bus/b.h": "",
            "daemon/engine/e.h": "",
            "daemon/daemon.h": "",
        },
        [r"base/a\.c.*w\.h: points up", r"e\.c.*b\.h: points up", "r.c.*points up", "w.h.*points up"],
    ),
    (
        {"daemon/rm/r.c": "".join(f"#include <{name}>\n" for name in (
            "glib.h", "sys/epoll.h", "sys/socket.h", "pthread.h", "time.h", "unistd.h"))},
        ["glib.h: GLib"] + ["rm/ has no descriptors"] * 5,
    ),
    (
        {
            "daemon/tpm/t.c": '#include <gio/gio.h>\n#include "generated.h"\n',
            "daemon/new/n.c": '#include "n.h"\n',
            "daemon/new/n.h": "",
            "client-tcti/tcti.c": "#include <glib-unix.h>\n",
            "client-tcti/conf.c": '#include "rm/rc.h"\n',
            "tabrmctl/t.c": '#include "rm/rc.h"\n#include "page.h"\n',
            "client-tcti/page.h": "",
            "daemon/rm/rc.h": '#include "../../tests/support/s.h"\n',
            "tests/support/s.h": "",
            "daemon/base/clock.h": "",
            "daemon/tpm/u.c": '#include "base/clock.h"\n',
            "daemon/wire/w.c": '#include "base/clock.h"\n',
        },
        ["conf.c.*client library may", "tcti.c.*GLib", "n.c.*no layer", "rc.h.*leads out",
         "t.c.*gio.h: GLib", "t.c.*generated headers", "w.c.*no clock",
         "tabrmctl/t.c.*rc.h", "tabrmctl/t.c.*page.h"],
    ),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
