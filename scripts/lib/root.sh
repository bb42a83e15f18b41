# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Fresh Debian roots, for scripts that build and test where nothing is installed. To be sourced, after
# packages.sh, by a POSIX shell that is at the tree's top and root, and has mmdebstrap; defines names
# only and runs nothing.
#
#   root_make RELEASE DIRECTORY makes a root with only the minimal set of packages, of Debian 12 or 13
#   root_make_main RELEASE DIRECTORY ARCHITECTURE
#                               the same from the main archive alone, for what the others do not
#                               have: sid, and other architectures
#   root_tree DIRECTORY worktree|COMMIT
#                               puts the tree at /tabrmd there: the files as they are now, or a
#                               clean clone at COMMIT, which may be `commit` for the last one
#   root_run DIRECTORY COMMAND [NAME=VALUE...]
#                               runs COMMAND, a line for the shell, in that tree, with nothing in its
#                               environment but what is named. Mounts and processes end with it.
#                               A directory $ROOT_CACHE of this machine is /cache there.
#   root_end                    ends what root_make or root_run is at, and returns when it is gone.
#                               The script's traps for INT and TERM exit, and that for EXIT calls this.

ROOT_CACHE=
root_process=
root_killer=

# root_wait KILLER COMMAND...   runs COMMAND, which the command KILLER ends when its process number is
# appended. It is in the background, since a shell's traps run only after what is in the foreground has
# ended, and with INT as in the foreground.
root_wait()
{
    root_killer=$1
    shift
    env --default-signal "$@" &
    root_process=$!
    root_status=0
    wait "$root_process" || root_status=$?
    root_process=
    return "$root_status"
}

root_end()
{
    [ -n "$root_process" ] || return 0
    $root_killer "$root_process" || kill -KILL "$root_process" || :
    wait "$root_process" || :
    root_process=
}

# Prints the address of the main archive, as this machine has it.
root_archive()
{
    sed -n -e 's,^URIs: *\([^ ]*/debian\)/* *$,\1,p' \
        -e 's,^deb  *\(\[[^]]*\]  *\)*\([^ ]*/debian\)/* .*,\2,p' /etc/apt/sources.list \
        /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1
}

# A mirror that stands still has lists whose time is over; the machine's apt says whether that counts.
root_valid_until()
{
    apt-config dump Acquire::Check-Valid-Until 2>/dev/null | grep . \
        || echo 'Acquire::Check-Valid-Until "true";'
}

# root_fill DIRECTORY ARCHITECTURE CODENAME SOURCE...
root_fill()
{
    root_directory=$1
    root_architecture=$2
    root_codename=$3
    shift 3
    rm -rf --one-file-system "$root_directory"
    # No such root outlives a loss of power, for which dpkg would wait for the disk at each file.
    root_wait "kill -TERM" mmdebstrap --quiet --variant=minbase --architectures="$root_architecture" \
        --dpkgopt=force-unsafe-io --aptopt="$(root_valid_until)" "$root_codename" "$root_directory" "$@"
}

root_make()
{
    root_name=$(debian_codename "$1") || return 1
    # shellcheck disable=SC2046 # a list of files
    root_fill "$2" "$(dpkg --print-architecture)" "$root_name" \
        $(debian_sources "$root_name" "$2.sources")
}

root_make_main()
{
    root_name=$(debian_codename "$1") || root_name=$1
    root_address=$(root_archive)
    root_fill "$2" "$3" "$root_name" \
        "deb ${root_address:-http://deb.debian.org/debian} $root_name main"
}

root_tree()
{
    rm -rf --one-file-system "$1/tabrmd"
    if [ "$2" = worktree ]; then
        mkdir "$1/tabrmd" || return 1
        # Files that were removed since the last commit are named too.
        git ls-files -z --cached --others --exclude-standard >"$1/tabrmd.list" || return 1
        tar -c --null --files-from="$1/tabrmd.list" --ignore-failed-read -f "$1/tabrmd.tar" || return 1
        tar -x -C "$1/tabrmd" -f "$1/tabrmd.tar" || return 1
        rm "$1/tabrmd.list" "$1/tabrmd.tar"
    else
        git clone --quiet . "$1/tabrmd" || return 1
        [ "$2" = commit ] || git -C "$1/tabrmd" checkout --quiet "$2"
    fi
}

# The root is pivoted to, as the kernel makes no user namespace below a chroot, and tests want one.
# With unshare's child, the first process of the namespace, all others end; unshare waits for that.
root_run()
{
    root_directory=$1
    root_command=$2
    shift 2
    # shellcheck disable=SC2016 # expanded by the inner shell
    root_wait "pkill -KILL -P" root="$root_directory" cache="$ROOT_CACHE" unshare --mount --pid --fork --kill-child sh -euc '
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        if [ -n "$cache" ]; then
            mkdir -p "$root/cache"
            mount --bind "$cache" "$root/cache"
        fi
        command=$1
        shift
        cd "$root"
        pivot_root . .
        umount -l .
        exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb CI=true "$@" \
            sh -c "cd /tabrmd && exec $command"' sh "$root_command" "$@"
}
