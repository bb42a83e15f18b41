# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Machines that boot a Debian root with systemd, for the scripts that try the installed service:
# virtual ones, whose TPM is an swtpm behind /dev/tpm0, and containers, which have no device. To be
# sourced, after packages.sh, by a POSIX shell that is at the tree's top and root; defines names only
# and runs nothing.
#
#   machine_init KERNEL DEBIAN  what the machine is: KERNEL is plain, hmac for one with
#                               CONFIG_TCG_TPM2_HMAC, of Debian 12 or 13, or none for a container.
#                               Makes $work, the directory of the run, and $cache, whose content
#                               later runs may use again. Both are removed at the end of the script,
#                               unless machine_keep named them.
#   machine_keep DIRECTORY      before machine_init: keeps both below DIRECTORY
#   machine_build               builds what is installed, and MACHINE_TARGETS, which are the tests',
#                               and fetches the kernel and a root directory
#   machine_root_tree           puts a fresh $root there with the service installed as README.md says
#   machine_checks NAME         has scripts/lib/NAME run in the machine, which has the other scripts of
#                               scripts/lib and the clients of tests/endurance beside it; what it says
#                               is the machine's output
#   machine_disk                makes the disk of a virtual one from $root
#   machine_boot LOG [tpm|none] runs the virtual machine until it turns itself off, its output, the
#                               first serial port, to standard output and to LOG; with none it has no
#                               TPM
#   machine_boot_container LOG  the same of a container, in $root. Its PID 1 has namespaces for
#                               processes, mounts, network, names and cgroups, and /dev, /proc, /run,
#                               /sys and /tmp of its own. All that it has of this machine are $root
#                               and a cgroup, below which its own are, and which ends with it.
#   step TEXT COMMAND...        runs it, and shows what it said only when it failed

MACHINE_PACKAGES="qemu-system-x86 mmdebstrap e2fsprogs swtpm kmod cpio xz-utils"
MACHINE_PACKAGES_CONTAINER="systemd-container mmdebstrap util-linux"
# What the guest's programs need, by Debian release.
MACHINE_GUEST="systemd systemd-sysv udev dbus polkitd tpm2-tools libtss2-tcti-device0 \
libtss2-tctildr0 libtss2-tcti-swtpm0 libtss2-esys-3.0.2-0 libtss2-rc0 libglib2.0-0 \
libjson-glib-1.0-0 tpm-udev \
cryptsetup-bin kmod swtpm apparmor"
MACHINE_GUEST_13="systemd-cryptsetup"
# What is installed of what is built.
MACHINE_INSTALLED="daemon/tabrmd tabrmctl/tabrmctl client-tcti/libtss2-tcti-tabrmd.so.0.0.0"
# Words of the kernel's command line, and programs of the tests that go into the machine.
MACHINE_APPEND=
MACHINE_TARGETS=tests/endurance/endurance-clients

machine_kept=
swtpm=
machine=
container=
cgroup=

machine_refuse()
{
    echo "${0#./}: $1" >&2
    exit "$2"
}

machine_keep()
{
    machine_kept=$1
}

machine_cleanup()
{
    [ -z "$machine" ] || kill "$machine" 2>/dev/null || :
    # It ends by itself with the virtual machine.
    [ -z "$swtpm" ] || kill "$swtpm" 2>/dev/null || :
    machine_end_container
    if [ -n "$machine_kept" ]; then
        echo "${0#./}: all of it is in $work and $cache" >&2
    else
        rm -rf --one-file-system "$work"
    fi
}

# The package of the kernel. Those with no release of their own are named, since a release's
# backports move on to kernels that are configured otherwise.
machine_kernel_package()
{
    case $debian:$kernel in
    12:plain | 13:plain) echo linux-image-cloud-amd64 ;;
    12:hmac) echo linux-image-6.12.43+deb12-amd64 ;;
    13:hmac) echo linux-image-6.16.12+deb13-cloud-amd64 ;;
    12:none | 13:none) ;;
    *) return 1 ;;
    esac
}

machine_init()
{
    kernel=$1 debian=$2
    if ! codename=$(debian_codename "$debian") || ! machine_kernel_package >/dev/null; then
        machine_refuse "knows no kernel \"$kernel\" of Debian \"$debian\"" 64
    fi
    [ "$(id -u)" -eq 0 ] || machine_refuse "only root can make a root directory; run it as root" 77
    if [ "$kernel" = none ]; then
        MACHINE_PACKAGES=$MACHINE_PACKAGES_CONTAINER
    elif [ "$(dpkg --print-architecture)" != amd64 ]; then
        machine_refuse "knows the virtual machine of amd64 only; run it on such a host" 69
    fi
    # shellcheck disable=SC2086 # lists of words
    install_packages $PACKAGES_BUILD $PACKAGES_TEST $MACHINE_PACKAGES
    if [ -n "$machine_kept" ]; then
        mkdir -p "$machine_kept"
        machine_kept=$(cd "$machine_kept" && pwd)
        work=$machine_kept/run-$debian-$kernel
        cache=$machine_kept/cache
        rm -rf --one-file-system "$work"
        mkdir "$work"
    else
        work=$(mktemp -d /var/tmp/tabrmd-machine.XXXXXX)
        cache=$work/cache
    fi
    mkdir -p "$cache"
    root=$work/root
    trap machine_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# In a shell of its own, which its first failure ends: a function on the left of || goes on.
step()
{
    echo "== $1"
    shift
    set +e
    (
        set -e
        "$@"
    ) >"$work/step.log" 2>&1 </dev/null
    status=$?
    set -e
    [ "$status" -eq 0 ] || {
        cat "$work/step.log" >&2
        exit "$status"
    }
}

# machine_apt TOOL ARGUMENT...   apt for the guest's release and its backports, with lists of its own
machine_apt()
{
    apt_tool=$1
    shift
    "$apt_tool" -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/sources" \
        -o Dir::State="$apt/state" -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root "$@"
}

machine_apt_init()
{
    apt=$cache/apt-$debian
    [ ! -d "$apt/state" ] || return 0
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    debian_sources "$codename" "$apt/sources"
    # Backports are where updates are.
    for file in "$apt/sources"/*; do
        case $file in
        *.sources) sed -i "/^Suites:/s/\\b$codename-updates\\b/& $codename-backports/" "$file" ;;
        *) sed -i "/^deb .* $codename-updates/{p;s/-updates/-backports/}" "$file" ;;
        esac
    done
    machine_apt apt-get update
}

# machine_unpack DIRECTORY PACKAGE...   the guest's release's packages, not installed
machine_unpack()
{
    into=$1
    shift
    rm -rf "$into.part"
    mkdir -p "$into.part/packages"
    (cd "$into.part/packages" && machine_apt apt-get download "$@")
    for package in "$into.part/packages"/*.deb; do
        dpkg -x "$package" "$into.part"
    done
    rm -r "$into.part/packages"
    mv "$into.part" "$into"
}

machine_fetch_kernel()
{
    machine_apt_init
    image=$(machine_kernel_package)
    case $image in
    linux-image-cloud-amd64)
        image=$(machine_apt apt-cache depends "$image" \
            | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
        ;;
    esac
    [ -n "$image" ]
    machine_unpack "$cache/kernel-$debian-$kernel" "$image"
    version=${image#linux-image-}
    # Debian 13 has its modules in /usr/lib only.
    [ -d "$cache/kernel-$debian-$kernel/lib" ] || ln -s usr/lib "$cache/kernel-$debian-$kernel/lib"
    depmod -b "$cache/kernel-$debian-$kernel" "$version"
    grep -q '^CONFIG_EXT4_FS=y' "$cache/kernel-$debian-$kernel/boot/config-$version" \
        || machine_initramfs "$cache/kernel-$debian-$kernel" "$version"
}

# machine_initramfs KERNEL VERSION
# For a kernel that has the disk's modules only as files: loads them, and goes on on the disk.
machine_initramfs()
{
    machine_unpack "$1/initramfs" busybox-static
    mkdir "$1/initramfs/dev" "$1/initramfs/new"
    modprobe -d "$1" -S "$2" --show-depends -a nvme ext4 crc32c_generic \
        | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r module; do
        cp "$module" "$1/initramfs/"
        xz -d "$1/initramfs/${module##*/}" 2>/dev/null || : # as it may be plain
        module=${module##*/}
        echo "insmod /${module%.xz}"
    done >"$1/initramfs/modules"
    cat >"$1/initramfs/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
while read -r line; do
    /bin/busybox $line
done </modules
until [ -b /dev/nvme0n1 ]; do
    /bin/busybox sleep 0.1
done
/bin/busybox mount -t ext4 /dev/nvme0n1 /new
exec /bin/busybox switch_root /new /sbin/init
INIT
    chmod 755 "$1/initramfs/init"
    (cd "$1/initramfs" && find . | cpio -o -H newc) >"$1/initramfs.cpio"
}

machine_fetch_root()
{
    packages=$MACHINE_GUEST
    [ "$debian" = 12 ] || packages="$packages $MACHINE_GUEST_13"
    rm -rf --one-file-system "$cache/root-$debian.part"
    # shellcheck disable=SC2046 # a list of files
    mmdebstrap --variant=minbase --include="$packages" "$codename" "$cache/root-$debian.part" \
        $(debian_sources "$codename" "$cache/sources-$debian")
    # The group is to be the one that our own file makes.
    chroot "$cache/root-$debian.part" userdel tss
    if chroot "$cache/root-$debian.part" getent group tss; then
        return 1
    fi
    mv "$cache/root-$debian.part" "$cache/root-$debian"
}

machine_compile()
{
    meson setup "$work/build" . --prefix=/usr --sysconfdir=/etc --buildtype=release \
        -Dapparmor=enabled -Dtests=enabled
    # shellcheck disable=SC2086 # lists of words
    ninja -C "$work/build" $MACHINE_INSTALLED $MACHINE_TARGETS
}

machine_build()
{
    step "build" machine_compile
    [ "$kernel" = none ] || [ -d "$cache/kernel-$debian-$kernel" ] \
        || step "fetch the kernel \"$kernel\" of Debian $debian" machine_fetch_kernel
    [ -d "$cache/root-$debian" ] || step "make a root of Debian $debian" machine_fetch_root
}

# As README.md tells an administrator to do it; what that starts is started by the boot here.
machine_root_tree()
{
    rm -rf --one-file-system "$root"
    cp -a --reflink=auto "$cache/root-$debian" "$root"
    [ "$kernel" = none ] \
        || cp -a --reflink=auto "$cache/kernel-$debian-$kernel/lib/modules" "$root/usr/lib/"
    DESTDIR=$root meson install -C "$work/build" --no-rebuild
    chroot "$root" systemd-sysusers
    chroot "$root" getent group tss
    chroot "$root" systemctl enable tabrmd.service
    # Nothing else is to be started, slowly.
    chroot "$root" systemctl mask getty@tty1.service e2scrub_reap.service e2scrub_all.timer \
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
        systemd-pstore.service systemd-timesyncd.service
    chroot "$root" systemctl set-default multi-user.target
}

machine_checks()
{
    install scripts/lib/*-checks "$root/usr/local/sbin/"
    install -m 644 scripts/lib/*.sh "$root/usr/local/sbin/"
    [ ! -e "$work/build/tests/endurance/endurance-clients" ] \
        || install "$work/build/tests/endurance/endurance-clients" "$root/usr/local/bin/clients"
    output="tty
TTYPath=/dev/ttyS0"
    [ "$kernel" != none ] || output=append:/output
    cat >"$root/etc/systemd/system/$1.service" <<UNIT
[Unit]
After=dbus.service systemd-logind.service
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
[Service]
Type=exec
ExecStart=/usr/local/sbin/$1
StandardOutput=$output
StandardError=inherit
[Install]
WantedBy=multi-user.target
UNIT
    chroot "$root" systemctl enable "$1.service"
}

machine_disk()
{
    rm -f "$work/disk"
    mke2fs -q -t ext4 -d "$root" "$work/disk" 3G
}

machine_start_tpm()
{
    mkdir -p "$work/tpm"
    rm -f "$work/tpm"/* "$work/tpm.log"
    swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --ctrl "type=unixio,path=$work/tpm/ctrl" \
        --terminate --log "file=$work/tpm.log,level=20" </dev/null >/dev/null 2>&1 &
    swtpm=$!
    for try in $(seq 50); do
        [ ! -S "$work/tpm/ctrl" ] || return 0
        sleep 0.1
    done
    machine_refuse "swtpm did not make its socket within $((try / 10)) seconds" 1
}

# machine_show PROCESS OUTPUT LOG   what it writes to the file OUTPUT, until it ends, without what a
# serial port adds. A signal ends a wait, and no pipeline.
machine_show()
{
    tail --quiet -n +1 -f --pid="$1" "$2" | sed -u 's/\r$//' | tee "$3" &
    wait "$!"
}

machine_boot()
{
    log=$1 with=${2:-tpm}
    set --
    [ ! -e "$cache/kernel-$debian-$kernel/initramfs.cpio" ] \
        || set -- -initrd "$cache/kernel-$debian-$kernel/initramfs.cpio"
    if [ "$with" = tpm ]; then
        machine_start_tpm
        set -- "$@" -chardev "socket,id=tpm,path=$work/tpm/ctrl" \
            -tpmdev emulator,id=tpm,chardev=tpm -device tpm-crb,tpmdev=tpm
    fi
    : >"$work/serial"
    timeout --foreground 7200 qemu-system-x86_64 -accel tcg,thread=multi -cpu Nehalem \
        -smp 2 -m 1024 -nodefaults -no-user-config -no-reboot -display none -nic none \
        -kernel "$cache/kernel-$debian-$kernel"/boot/vmlinuz-* \
        -append "root=/dev/nvme0n1 rw quiet panic=-1 systemd.show_status=no $MACHINE_APPEND" \
        -drive "file=$work/disk,if=none,id=disk,format=raw,cache=unsafe,snapshot=on" \
        -device nvme,drive=disk,serial=1 "$@" -serial stdio </dev/null >"$work/serial" &
    machine=$!
    machine_show "$machine" "$work/serial" "$log"
    wait "$machine" || :
    machine=
    [ -z "$swtpm" ] || wait "$swtpm" || :
    swtpm=
}

# Prints where cgroups of version 2 are mounted.
machine_cgroups() { sed -n 's/^[^ ]* \([^ ]*\) cgroup2 .*/\1/p' /proc/self/mounts | head -n 1; }

machine_end_container()
{
    [ -z "$container" ] || kill -KILL "$container" 2>/dev/null || :
    container=
    [ -d "$cgroup" ] || return 0
    # A process that was killed is in its cgroup until it is waited for.
    for _ in $(seq 50); do
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || :
        [ -d "$cgroup" ] || return 0
        sleep 0.1
    done
    echo "${0#./}: processes are left in $cgroup" >&2
}

machine_boot_container()
{
    log=$1
    cgroup=$(machine_cgroups)
    [ -n "$cgroup" ] || machine_refuse "needs cgroups of version 2; mount them (cgroup2)" 69
    cgroup=$cgroup/tabrmd-$$
    mkdir "$cgroup"
    : >"$root/output"
    # What systemd-nspawn has in /run is the container's too.
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --pid --fork --kill-child sh -euc '
        echo 0 >"$1/cgroup.procs"
        mount -t proc proc /proc
        mount -t tmpfs -o mode=755 tmpfs /run
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        timeout --kill-after=10 3600 systemd-nspawn --quiet --boot --directory="$2" \
            --register=no --keep-unit --private-network --system-call-filter=bpf \
            --resolv-conf=off --timezone=off --link-journal=no --console=pipe
        ' sh "$cgroup" "$root" </dev/null >"$work/container.log" 2>&1 &
    container=$!
    machine_show "$container" "$root/output" "$log"
    wait "$container" || cat "$work/container.log" >&2
    container=
    machine_end_container
}
