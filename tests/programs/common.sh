# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# What the jobs of this directory share, beside `step` of scripts/lib/jobs.sh. To be sourced before
# them, in an empty directory; what programs keep in the user's home goes there too.

export HOME="$PWD" TMPDIR="$PWD" SHELL=/bin/sh
unset SSH_AUTH_SOCK XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME OPENSSL_CONF

# fails COMMAND...   true when the command fails; for `step`
fails()
{
    ! "$@"
}

# prints TEXT COMMAND...   true when the command prints exactly this; for `step`
prints()
{
    prints_text=$1
    shift
    "$@" >printed || return 1
    printf '%s\n' "$prints_text" >expected
    cmp printed expected
}

# Prints the directories of libraries, colon separated, that were unpacked beside /usr/sbin/NAME of
# the path.
libraries_beside()
{
    for directory in "${1%/usr/sbin/*}"/lib/*-linux-gnu* "${1%/usr/sbin/*}"/usr/lib/*-linux-gnu*; do
        [ ! -d "$directory" ] || echo "$directory"
    done | paste -sd:
}

# Writes `message`, and its SHA-256 to `digest`.
make_message()
{
    printf 'a message\n' >message && openssl dgst -sha256 -binary message >digest
}
