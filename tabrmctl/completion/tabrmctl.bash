# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Completion of tabrmctl's command line for bash.

_tabrmctl()
{
    local word=${COMP_WORDS[COMP_CWORD]} subcommand= index
    local globals="--help --version --json --no-pager --no-color"
    local options=

    for ((index = 1; index < COMP_CWORD; index++)); do
        case ${COMP_WORDS[index]} in
            --)
                # A program and its arguments.
                if declare -F _command_offset >/dev/null; then
                    _command_offset $((index + 1))
                else
                    mapfile -t COMPREPLY < <(compgen -c -f -- "$word")
                fi
                return
                ;;
            -*) ;;
            *) [ -n "$subcommand" ] || subcommand=${COMP_WORDS[index]} ;;
        esac
    done
    case $subcommand in
        "") options="bridge disconnect doctor flush list log-level run stats status top trace" ;;
        bridge) options="--protocol= --listen= --unix= --shared --tcti= --tpm= --" ;;
        disconnect) options="--tcti= --tpm=" ;;
        doctor) options="--all --user= --tcti= --tpm=" ;;
        flush) options="--tcti= --tpm=" ;;
        list) options="--users --tcti= --tpm=" ;;
        log-level) options="--tcti= --tpm= error warning info debug" ;;
        run) options="--tcti= --tpm= --" ;;
        stats) options="--prometheus --tcti= --tpm=" ;;
        status) options="--tcti= --tpm=" ;;
        top) options="--interval= --count= --sort= --tcti= --tpm=" ;;
        trace) options="--user= --pid= --failed --slow= --count= --pcap= --tcti= --tpm=" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$globals $options" -- "$word")
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}

complete -F _tabrmctl tabrmctl
