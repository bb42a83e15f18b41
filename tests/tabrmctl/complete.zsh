# SPDX-License-Identifier: BSD-2-Clause
#
# Prints what zsh makes of some lines of tabrmctl at a press of the tab key, in a terminal of its
# own. The argument is the directory of completions.

zmodload zsh/zpty

begin='PROMPT=; fpath=('$1' $fpath); autoload -Uz compinit; compinit -D -u; unsetopt beep
tell() { print -r -- "got[$BUFFER]"; BUFFER=; zle accept-line }; zle -N tell; bindkey "^X" tell
zstyle ":completion:*" list-prompt ""; print ready'

zpty shell zsh -f
zpty -w shell $begin
zpty -r shell heard $'*\nready*'

integer number=0
offer()
{
    local heard
    zpty -w -n shell $1$'\t\x18'
    zpty -r shell heard '*got\[*\]*'
    heard=${heard##*got}
    print -r -- $((++number))${heard%%\]*}\]
}

offer 'tabrmctl ru'
offer 'tabrmctl --js'
offer 'tabrmctl run --tc'
offer 'tabrmctl run -- tabrmct'
zpty -d shell
