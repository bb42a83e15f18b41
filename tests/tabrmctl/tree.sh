# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Makes a directory that stands for a healthy machine with tabrmd, as `tabrmctl doctor` looks at one.
# The argument is the directory. The user of the service is who runs this, so that the device is its
# own; alice is a member of the service's group, bob is not.
set -eu

mkdir -p "$1"
cd "$1"
mkdir -p dev etc/systemd/system proc/100/fd run/dbus run/systemd/system run/tabrmd \
    sys/bus/platform/drivers/tpm_tis sys/class/tpm/tpm0/device usr/bin usr/share/dbus-1/system.d

: >dev/tpm0
chmod 660 dev/tpm0
: >dev/tpmrm0
echo 2 >sys/class/tpm/tpm0/tpm_version_major
ln -s ../../../../bus/platform/drivers/tpm_tis sys/class/tpm/tpm0/device/driver

cat >etc/passwd <<END
root:x:0:0::/root:/bin/sh
tss:x:$(id -u):$(id -g)::/:/bin/false
alice:x:4001:4001::/:/bin/sh
bob:x:4002:4002::/:/bin/sh
END
cat >etc/group <<END
root:x:0:
tss:x:$(id -g):alice
END

echo tabrmd >proc/100/comm
ln -s /usr/sbin/tabrmd proc/100/exe
ln -s /dev/tpm0 proc/100/fd/4

: >run/dbus/system_bus_socket
: >usr/share/dbus-1/system.d/com.intel.tss2.Tabrmd.conf
cat >usr/bin/systemctl <<'END'
#!/bin/sh
printf 'ActiveState=active\nResult=success\nExecMainStatus=0\n'
END
chmod +x usr/bin/systemctl
