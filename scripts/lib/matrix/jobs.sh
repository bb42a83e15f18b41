# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# The jobs of scripts/ci-matrix. To be sourced by a POSIX shell; defines names only and runs nothing.
#
#   matrix_names        prints the names of all jobs, in the order in which they run
#   matrix_line JOB     prints the root, the script in scripts/lib/matrix, and its arguments
#   matrix_list         prints all of that, for a person
#
# A root is a Debian release, with its architecture, or with `cross` for one that takes packages of
# other architectures. A release that is not promised is `sid`.

MATRIX_JOBS="\
debian12-gcc    12        native gcc
debian12-clang  12        native clang
debian13-gcc    13        native gcc
debian13-clang  13        native clang
sid-gcc         sid       native gcc
sid-clang       sid       native clang
O0              12        native gcc --buildtype=debug
O3-ndebug       12        native gcc --buildtype=release -Ddebug=true -Db_ndebug=true
lto             12        native gcc --buildtype=release -Db_lto=true
i386            12-i386   native gcc
armhf           12-cross  foreign armhf arm-linux-gnueabihf qemu-arm arm little
armel           12-cross  foreign armel arm-linux-gnueabi qemu-arm arm little
s390x           12-cross  foreign s390x s390x-linux-gnu qemu-s390x s390x big
musl            12        musl
analyzer        13        analyzer
tidy            12        tidy
coverage        12        coverage
reproducible    12        reproducible
abi             12        abi
dist            12        dist
"

matrix_names()
{
    printf '%s' "$MATRIX_JOBS" | cut -d ' ' -f 1
}

matrix_line()
{
    printf '%s' "$MATRIX_JOBS" | grep "^$1 " | sed 's/^[^ ]* *//' | grep .
}

matrix_list()
{
    printf '%s' "$MATRIX_JOBS"
}
