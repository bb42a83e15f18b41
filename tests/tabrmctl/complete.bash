# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Prints what bash offers for some lines of tabrmctl. The argument is the directory of completions.

. "$1/tabrmctl.bash"

# It speaks to the line editor, which is not there.
compopt()
{
    :
}

number=0
offer()
{
    COMP_WORDS=(tabrmctl "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _tabrmctl
    echo "$((++number))[${COMPREPLY[*]}]"
}

offer ru
offer --js
offer --no-color run --tc
offer run -- tabrmct
