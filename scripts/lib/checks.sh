# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Checks of the installed service by root of a machine that is for them only. To be sourced by a
# POSIX shell that is in a directory of its own; defines names only and runs nothing.
#
#   check TEXT COMMAND...   prints a line; a COMMAND that fails has what it said below that
#   skip TEXT               prints a line of what cannot be checked here, and why
#   checks_end NAME         prints the last line

DROP_IN=/run/systemd/system/tabrmd.service.d
# A client gives up after 5 seconds; to start a sandbox in an emulated machine may take longer.
# shellcheck disable=SC2034 # for those who source this file
TIMEOUT=300
# shellcheck disable=SC2034
BUS=tabrmd:bus_type=system
# shellcheck disable=SC2034
SOCKET=tabrmd:socket=/run/tabrmd/tcti.sock

checks=0
failed=0

check()
{
    text=$1
    shift
    checks=$((checks + 1))
    if "$@" >check.log 2>&1; then
        echo "  ok      $text"
    else
        echo "  FAILED  $text"
        failed=$((failed + 1))
        { cat check.log; journal -o short | tail -n 15; } | sed 's/^/          /'
    fi
}

skip() { echo "  skipped $1"; }
checks_end() { echo "$1: $checks run, $failed failed"; }

not() { ! "$@"; }

# within SECONDS COMMAND...   the command succeeds within that time
within()
{
    end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep "$PAUSE"
    done
}
PAUSE=1

# The service that is looked at.
unit=tabrmd

# Lines of the journal since the last mark.
since=--boot
mark() { since=--since=@$(date +%s.%6N); }
journal() { journalctl --sync && journalctl -q -u "$unit" "$since" -o cat "$@"; }
said() { journal | grep -q -e "$1"; }
warned() { journal -p warning | grep -q -e "$1"; }

shows() { [ "$(systemctl show -P "$1" "$unit")" = "$2" ]; }
serves() { shows ActiveState active; }
main_pid() { systemctl show -P MainPID "$unit"; }
# is_new PID   it serves, as another process
is_new()
{
    new_pid=$(main_pid)
    [ "$new_pid" -ne 0 ] && [ "$new_pid" -ne "$1" ] && serves
}

# Standard input is the drop-in.
drop_in() { mkdir -p "$DROP_IN" && cat >"$DROP_IN/check.conf" && systemctl daemon-reload; }
no_drop_in() { rm "$DROP_IN/check.conf" && systemctl daemon-reload && systemctl reset-failed tabrmd; }
