# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# What the jobs of scripts/ci-matrix share. Each runs as root in a Debian root of its own, in the
# tree, and says with its last line what came of it. To be sourced by a POSIX shell that is at the
# tree's top.
#
#   matrix_result TEXT          the line with the job's figures
#   matrix_skip TEXT            ends the job: it has no means
#   matrix_fail TEXT            ends the job: something is wrong
#   matrix_need PACKAGE...      installs what is missing. Ends the job, which names it: one that the
#                               release does not have is a means, one that apt does not get is wrong
#   matrix_setup [NAME=VALUE...] -- [MESON-ARGUMENT...]
#                               makes the build directory $build from scratch, warnings being errors
#   matrix_build [NAME=VALUE...] -- [MESON-ARGUMENT...]
#                               the same, and builds all of the tree
#   matrix_test [ARGUMENT...]   runs those of its tests with `meson test`, which builds what they need
#                               and is not built yet, and sets $counted to the numbers of cases; ends
#                               the job when one fails
#   matrix_quick                with MATRIX_QUICK=yes prints the choice of tests that have no daemon
#   matrix_versions             prints what it was built with

. scripts/lib/packages.sh

build=$PWD/build-matrix-job
counted=
# shellcheck disable=SC2034 # for the jobs: what every build and every run of all tests takes
MATRIX_TESTED="$PACKAGES_BUILD $PACKAGES_DEMO $PACKAGES_TEST ccache"
export CCACHE_DIR=/cache/ccache CCACHE_BASEDIR=/tabrmd DEBIAN_FRONTEND=noninteractive
git config --global --add safe.directory '*' 2>/dev/null || :

matrix_result()
{
    echo "result: $*"
}

matrix_skip()
{
    matrix_result "$*"
    exit 77
}

matrix_fail()
{
    matrix_result "$*"
    exit 1
}

matrix_need()
{
    matrix_missing=$(missing_packages "$@")
    [ -n "$matrix_missing" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    packages_known $matrix_missing || apt_get_as_root update \
        || matrix_fail "apt could not fetch its lists; missing: $matrix_missing"
    for name in $matrix_missing; do
        packages_known "$name" || matrix_skip "package $name is missing, and apt knows none"
    done
    install_packages "$@" || matrix_fail "packages are missing, and apt could not install them:" \
        "$(missing_packages "$@")"
}

matrix_setup()
{
    matrix_environment=
    while [ "$1" != -- ]; do
        matrix_environment="$matrix_environment $1"
        shift
    done
    shift
    rm -rf "$build"
    # shellcheck disable=SC2086 # a list of words
    env $matrix_environment meson setup "$build" -Dwerror=true "$@"
}

matrix_build()
{
    matrix_setup "$@" && ninja -C "$build"
}

matrix_test()
{
    unset DBUS_SESSION_BUS_ADDRESS DBUS_SYSTEM_BUS_ADDRESS TSS2_LOG NOTIFY_SOCKET
    status=0
    timeout --kill-after=30 60m meson test -C "$build" --print-errorlogs \
        --timeout-multiplier 5 "$@" || status=$?
    python3 -B scripts/lib/test-summary.py --status "$status" \
        "$build/meson-logs/testlog.json" >"$build/summary" || status=1
    cat "$build/summary"
    counted=$(tail -n 1 "$build/summary")
    [ "$status" -eq 0 ] || {
        matrix_result "$counted"
        exit 1
    }
}

matrix_quick()
{
    [ "${MATRIX_QUICK:-no}" = no ] || echo --suite checks --suite unit --suite client --suite fuzz
}

# matrix_version PACKAGE   its upstream version
matrix_version()
{
    dpkg-query -W -f='${source:Upstream-Version}\n' "$1" | head -n 1
}

matrix_versions()
{
    echo "tpm2-tss $(matrix_version libtss2-dev), GLib $(matrix_version libglib2.0-dev)"
}
