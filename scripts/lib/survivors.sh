# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Clients that outlive the daemon (tests/endurance), and ways in which it ends beside them. To be
# sourced after checks.sh; defines names only and runs nothing. The script ignores SIGPIPE.
#
#   clients_begin COUNT RICH CONF...   they connect
#   ask WORD...                        has them do what tests/endurance/clients.c knows by that name
#   clients_end                        they leave

# How many there are, and how many descriptors the daemon keeps beside: the journal, and the
# listening socket where that is its own.
clients=0
beside=2

clients_answer()
{
    read -r answer <&6 || answer="the clients have ended"
    echo "$answer"
    case $answer in
    ok*) ;;
    *) return 1 ;;
    esac
}

clients_begin()
{
    clients=$1
    rm -f orders answers
    mkfifo orders answers
    /usr/local/bin/clients "$@" <orders >answers 2>clients.log &
    clients_process=$!
    exec 5>orders 6<answers
    clients_answer
}

ask() { echo "$@" >&5 && clients_answer; }

clients_end()
{
    exec 5>&- 6<&-
    wait "$clients_process" || { cat clients.log && false; }
}

# The service manager keeps what it must, and no more.
keeps() { shows NFileDescriptorStore "$1"; }
keeps_all() { within 60 keeps "$((clients + beside))"; }
keeps_nothing() { within 60 keeps 0; }

# survives TEXT COMMAND...   after the command each client goes on with all that it had
survives()
{
    survived=$1
    shift
    check "$survived" "$@"
    check "  each client goes on with all that it had" ask check
    check "  and the service manager has its connection" keeps_all
}

# Ends of the daemon, each over when the next one serves. A restart tells it that the last one did
# not die of its clients.
restarted() { systemctl restart tabrmd; }
# killed main|all
killed()
{
    killed_pid=$(main_pid)
    systemctl kill --signal=KILL --kill-whom="$1" tabrmd && within "$TIMEOUT" is_new "$killed_pid"
}
replaced()
{
    cp -p /usr/sbin/tabrmd /usr/sbin/tabrmd.new && mv /usr/sbin/tabrmd.new /usr/sbin/tabrmd
}
is_replaced()
{
    [ "$(stat -L -c '%d:%i' "/proc/$(main_pid)/exe")" = "$(stat -c '%d:%i' /usr/sbin/tabrmd)" ]
}
# As the package does it.
upgraded() { replaced && systemctl daemon-reload && systemctl try-restart tabrmd && is_replaced; }

# For want of memory: there is less for its cgroup than it has.
memory_file() { echo "/sys/fs/cgroup$(systemctl show -P ControlGroup tabrmd)/memory.$1"; }
oom_killed()
{
    killed_pid=$(main_pid)
    killed_limit=$(memory_file max)
    killed_before=$(cat "$killed_limit")
    echo 4096 >"$killed_limit"
    # The next daemon may have the same cgroup, as systemd did not set this.
    [ ! -e "$killed_limit" ] || echo "$killed_before" >"$killed_limit" || :
    within "$TIMEOUT" is_new "$killed_pid"
}
oom_is_said() { said 'killed by the OOM killer'; }

# Clients that sign without pause.
signs()
{
    ask count >signs || { cat signs; return 1; }
    cut -d ' ' -f 2 signs
}
more_signs() { [ "$(signs)" -ge "$1" ]; }
# Each client has signed once more, as far as one can tell by the count.
sign_on() { within "$TIMEOUT" more_signs "$(($(signs) + clients))"; }

# load_times N COMMAND...   that often, while they sign: before and after it each has signed once more.
# What became of it is in file `load`.
load_times()
{
    load_left=$1
    shift
    ask sign && sign_on || return 1
    while [ "$load_left" -gt 0 ]; do
        "$@" && sign_on || return 1
        load_left=$((load_left - 1))
    done
    ask stop >load
}
# Nobody has seen a failure in that; or so many, each of which was what a kill may cost.
load_failed_never() { load_lost_at_most 0; }
load_lost_at_most()
{
    cat load
    lost=$(sed -n 's/^ok [1-9][0-9]* signs, \([0-9]*\) lost, 0 failed;.*/\1/p' load)
    [ -n "$lost" ] && [ "$lost" -le "$1" ]
}
load_tell() { sed 's/^ok/         /' load; }
