# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Debian packages that the scripts need, and how they get onto the machine. To be sourced by a
# POSIX shell; defines names only and runs nothing.
#
#   install_packages NAME...   installs by apt what is missing; runs nothing when all is there
#   install_offered NAME...    installs those of them that apt's lists have; others are no failure
#   debian_codename NUMBER     prints the name of that Debian release, or fails
#   debian_sources NAME DIRECTORY
#                              makes files in DIRECTORY with the host's own sources of Debian
#                              packages, for the release of that name, so that other roots are made
#                              from a local mirror where there is one; prints the files' paths
#   fetch_peers DIRECTORY      unpacks the packaged tpm2-abrmd, its client library, sshd and haproxy,
#                              and the libraries that these need, into DIRECTORY, without installing
#                              them, and exports
#                              TABRMD_TEST_PEER_DAEMON (the program),
#                              TABRMD_TEST_PEER_LIBDIR (the directory of its client library),
#                              TABRMD_TEST_SSHD and TABRMD_TEST_HAPROXY (the programs)

# dpkg-dev tells meson the directory of libraries that the loader searches.
# shellcheck disable=SC2034 # the lists are for those who source this file
PACKAGES_BUILD="gcc libc6-dev dpkg-dev meson ninja-build pkg-config libglib2.0-dev libtss2-dev \
libjson-glib-dev"
# shellcheck disable=SC2034
PACKAGES_DEMO="swtpm tpm2-tools dbus-daemon"
# shellcheck disable=SC2034
PACKAGES_TEST="git libcmocka-dev libtpms-dev clang-format groff-base shellcheck codespell \
python3-tpm2-pytss clevis-tpm2 openssl tpm2-openssl libtpm2-pkcs11-1 libtpm2-pkcs11-tools \
openssh-client libnss-wrapper systemd tpm-udev xdg-dbus-proxy zsh fish strace"
# shellcheck disable=SC2034 # IBM's tools, which Debian 13 has not, and what reads captures; tests are
# skipped without
PACKAGES_TEST_OFFERED="tss2 tshark"
# shellcheck disable=SC2034 # for `scripts/test --long`: the fuzzers, and clang-tidy
PACKAGES_LONG="clang libclang-rt-dev clang-tidy"
PACKAGES_PEERS="tpm2-abrmd libtss2-tcti-tabrmd0 openssh-server haproxy"

# Prints those of the named packages that are not installed.
missing_packages()
{
    for name in "$@"; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) in
        installed) ;;
        *) printf '%s ' "$name" ;;
        esac
    done
}

# Runs apt-get with the rights that it needs and shows what it said only when it failed.
# APT::Sandbox::User: the user _apt may not be able to enter the directories that downloads go to,
# and apt would say so each time.
apt_get_as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        set -- env DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root "$@"
    else
        set -- sudo env DEBIAN_FRONTEND=noninteractive apt-get "$@"
    fi
    apt_log=$(mktemp) || return 1
    apt_status=0
    "$@" >"$apt_log" </dev/null || apt_status=$?
    [ "$apt_status" -eq 0 ] || cat "$apt_log" >&2
    rm -f "$apt_log"
    return "$apt_status"
}

# True when apt knows a version of each named package that it could install.
packages_known()
{
    for name in "$@"; do
        apt-cache policy "$name" 2>/dev/null | grep -q '^  Candidate: [^(]' || return 1
    done
}

install_packages()
{
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "packages are missing and this machine has no apt-get;" \
            "install what your system calls these: $missing" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        echo "packages are missing and only root can install them;" \
            "run as root, or install sudo: apt-get install --no-install-recommends $missing" >&2
        return 1
    fi
    echo "installing: $missing" >&2
    updated=no
    # shellcheck disable=SC2086 # a list of words
    if ! packages_known $missing; then
        apt_get_as_root update || : # it may fail for a source that is not needed here
        updated=yes
    fi
    # shellcheck disable=SC2086
    set -- install -y --no-install-recommends $missing
    # Old package lists name versions that the server no longer has.
    if ! apt_get_as_root "$@" && { [ "$updated" = yes ] \
        || { apt_get_as_root update || :; ! apt_get_as_root "$@"; }; }; then
        echo "apt could not install what is missing; see its message above, then install by" \
            "hand: apt-get install --no-install-recommends $missing" >&2
        return 1
    fi
}

install_offered()
{
    for name in "$@"; do
        ! packages_known "$name" || install_packages "$name" || return 1
    done
}

debian_codename()
{
    case $1 in
    12) echo bookworm ;;
    13) echo trixie ;;
    *) return 1 ;;
    esac
}

debian_sources()
{
    host=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    mkdir -p "$2" || return 1
    grep -ls 'debian\.org/debian\|/debian[ /]' /etc/apt/sources.list \
        /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources | while read -r file; do
        sed "s/\b$host\b/$1/g" "$file" >"$2/${file##*/}" || return 1
        echo "$2/${file##*/}"
    done
}

# Prints the packages of libraries that the named packages need and that are not installed.
missing_libraries()
{
    LC_ALL=C apt-get -s install --no-install-recommends "$@" | sed -n 's/^Inst \(lib[^ ]*\) .*/\1/p'
}

# None of these is installed: tpm2-abrmd's package starts a service that takes the bus name,
# sshd's one that lets people in, haproxy's one that listens.
fetch_peers()
{
    mkdir -p "$1" || return 1
    peers=$(cd "$1" && pwd)
    if [ "$(cat "$peers/complete" 2>/dev/null)" != "$PACKAGES_PEERS" ]; then
        echo "fetching, for the tests only: $PACKAGES_PEERS" >&2
        # shellcheck disable=SC2086 # a list of words
        packages_known $PACKAGES_PEERS || apt_get_as_root update || :
        (
            cd "$peers" || exit 1
            # shellcheck disable=SC2046,SC2086
            set -- -qq download $PACKAGES_PEERS $(missing_libraries $PACKAGES_PEERS)
            [ "$(id -u)" -ne 0 ] || set -- -o APT::Sandbox::User=root "$@"
            apt-get "$@" >&2 || exit 1
            for package in ./*.deb; do
                dpkg -x "$package" . || exit 1
            done
            printf '%s\n' "$PACKAGES_PEERS" >complete
        ) || {
            echo "could not fetch $PACKAGES_PEERS, see apt's message above" >&2
            return 1
        }
    fi
    TABRMD_TEST_PEER_DAEMON=$peers/usr/sbin/tpm2-abrmd
    for library in "$peers"/usr/lib/*/libtss2-tcti-tabrmd.so.0; do
        TABRMD_TEST_PEER_LIBDIR=${library%/*}
    done
    TABRMD_TEST_SSHD=$peers/usr/sbin/sshd
    TABRMD_TEST_HAPROXY=$peers/usr/sbin/haproxy
    export TABRMD_TEST_PEER_DAEMON TABRMD_TEST_PEER_LIBDIR TABRMD_TEST_SSHD TABRMD_TEST_HAPROXY
}
