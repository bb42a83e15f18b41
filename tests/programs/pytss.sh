# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# The jobs of pytss.py. Debian's python, whatever else PATH has: the module is installed for it.

job_pytss()
{
    /usr/bin/python3 -B "$PROGRAMS/pytss.py" "$1"
}
