# SPDX-License-Identifier: BSD-2-Clause
#
# Completion of tabrmctl's command line for fish.

# A program and its arguments, behind two dashes.
function __tabrmctl_program
    set -l words (commandline -opc)
    set -l dashes (contains -i -- -- $words)
    or return
    set -l before (string escape -- $words[(math $dashes + 1)..-1])
    complete -C "$before $(commandline -ct)"
end

set -l tabrmctl_subcommands bridge doctor run

complete -c tabrmctl -f
complete -c tabrmctl -s h -l help -d 'What there is'
complete -c tabrmctl -l version -d 'The version'
complete -c tabrmctl -l json -d 'Output for programs to read'
complete -c tabrmctl -l no-pager -d 'No pager for long output'
complete -c tabrmctl -l no-color -d 'No colors'

complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a bridge -d 'Let programs in that speak to a simulator'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a doctor -d 'Find what keeps programs from the TPM'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a run -d 'Start a program that uses tabrmd'

complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s p -l protocol -x -a 'raw mssim swtpm' -d 'What programs speak'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s l -l listen -x -d 'Address and port'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s u -l unix -r -F -d 'A Unix socket instead'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s s -l shared -d 'What a program loads stays for the next one'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -a '(__tabrmctl_program)'
complete -c tabrmctl -n '__fish_seen_subcommand_from doctor' -s a -l all -d 'What is well, too'
complete -c tabrmctl -n '__fish_seen_subcommand_from doctor' -s u -l user -x -a '(__fish_complete_users)' -d 'Whether this user may use tabrmd'
complete -c tabrmctl -n '__fish_seen_subcommand_from doctor' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from run' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from run' -a '(__tabrmctl_program)'
