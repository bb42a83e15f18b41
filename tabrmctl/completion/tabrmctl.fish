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

set -l tabrmctl_subcommands bridge disconnect doctor flush list log-level run stats status top trace

complete -c tabrmctl -f
complete -c tabrmctl -s h -l help -d 'What there is'
complete -c tabrmctl -l version -d 'The version'
complete -c tabrmctl -l json -d 'Output for programs to read'
complete -c tabrmctl -l no-pager -d 'No pager for long output'
complete -c tabrmctl -l no-color -d 'No colors'

complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a bridge -d 'Let programs in that speak to a simulator'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a disconnect -d 'End a connection'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a doctor -d 'Find what keeps programs from the TPM'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a flush -d 'Empty the TPM for its other users'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a list -d 'The connections, or the users'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a log-level -d 'Tell, or set, how much tabrmd logs'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a run -d 'Start a program that uses tabrmd'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a stats -d 'What tabrmd has counted since its start'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a status -d 'How tabrmd and its TPM are, on a screen'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a top -d 'Who uses the TPM, live'
complete -c tabrmctl -n "not __fish_seen_subcommand_from $tabrmctl_subcommands" -a trace -d 'Commands to the TPM, live'

complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s p -l protocol -x -a 'raw mssim swtpm' -d 'What programs speak'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s l -l listen -x -d 'Address and port'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s u -l unix -r -F -d 'A Unix socket instead'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s s -l shared -d 'What a program loads stays for the next one'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from bridge' -a '(__tabrmctl_program)'
complete -c tabrmctl -n '__fish_seen_subcommand_from disconnect' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from disconnect' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from doctor' -s a -l all -d 'What is well, too'
complete -c tabrmctl -n '__fish_seen_subcommand_from doctor' -s u -l user -x -a '(__fish_complete_users)' -d 'Whether this user may use tabrmd'
complete -c tabrmctl -n '__fish_seen_subcommand_from doctor' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from doctor' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from flush' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from flush' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from list' -s u -l users -d 'Users and their limits instead'
complete -c tabrmctl -n '__fish_seen_subcommand_from list' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from list' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from log-level' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from log-level' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from log-level' -a 'error warning info debug'
complete -c tabrmctl -n '__fish_seen_subcommand_from run' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from run' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from run' -a '(__tabrmctl_program)'
complete -c tabrmctl -n '__fish_seen_subcommand_from stats' -s p -l prometheus -d 'In the text format of Prometheus'
complete -c tabrmctl -n '__fish_seen_subcommand_from stats' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from stats' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from status' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from status' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from top' -s i -l interval -x -d 'Seconds between two looks'
complete -c tabrmctl -n '__fish_seen_subcommand_from top' -s n -l count -x -d 'End after so many looks'
complete -c tabrmctl -n '__fish_seen_subcommand_from top' -s s -l sort -x -a 'busy commands objects sessions age user pid number' -d 'The order'
complete -c tabrmctl -n '__fish_seen_subcommand_from top' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from top' -l tpm -x -d 'The tabrmd of this TPM'
complete -c tabrmctl -n '__fish_seen_subcommand_from trace' -s u -l user -x -a '(__fish_complete_users)' -d 'Commands of this user alone'
complete -c tabrmctl -n '__fish_seen_subcommand_from trace' -s p -l pid -x -a '(__fish_complete_pids)' -d 'Commands of this process alone'
complete -c tabrmctl -n '__fish_seen_subcommand_from trace' -s f -l failed -d 'Commands alone that failed'
complete -c tabrmctl -n '__fish_seen_subcommand_from trace' -s s -l slow -x -d 'Milliseconds that commands waited and ran at least'
complete -c tabrmctl -n '__fish_seen_subcommand_from trace' -s n -l count -x -d 'End after so many commands'
complete -c tabrmctl -n '__fish_seen_subcommand_from trace' -s w -l pcap -r -F -d 'Whole commands to a file for Wireshark'
complete -c tabrmctl -n '__fish_seen_subcommand_from trace' -s t -l tcti -x -d 'Where tabrmd is'
complete -c tabrmctl -n '__fish_seen_subcommand_from trace' -l tpm -x -d 'The tabrmd of this TPM'
