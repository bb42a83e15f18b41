# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# What the TPM tells of itself, and commands that concern it as a whole.

case_capabilities()
{
    for capability in algorithms commands properties-fixed ecc-curves pcrs handles-persistent \
        handles-pcr handles-permanent handles-nv-index handles-transient handles-loaded-session \
        handles-saved-session; do
        good tpm2_getcap "$capability"
        show
    done
    good tpm2_getcap properties-variable
    show_lines '^TPM2_PT_(PERSISTENT|NV|ALGORITHM|LOADED_CURVES|LOCKOUT|MAX_AUTH)'
}

case_parameters()
{
    for parameters in rsa2048 ecc521 aes128cfb; do
        good tpm2_testparms "$parameters"
    done
    bad tpm2_testparms rsa1
    good tpm2_geteccparameters ecc256 -o parameters
    show_file parameters
    either tpm2_geteccparameters ecc192 -o parameters
}

case_self_tests()
{
    good tpm2_gettestresult
    show
    good tpm2_selftest
    good tpm2_selftest -f
    good tpm2_incrementalselftest rsa ecc
    show
}

case_random()
{
    printf 'entropy' >entropy
    good tpm2_getrandom 4
    bad tpm2_getrandom 2000
    good tpm2_getrandom -f 100
    good tpm2_stirrandom entropy
    bad tpm2_stirrandom ab>sent
}

case_startup()
{
    good tpm2_startup -c
    good tpm2_startup
    good tpm2_shutdown
    good tpm2_shutdown -c
    good tpm2_getrandom 4
    good tpm2_startup -c
}

case_clock()
{
    good tpm2_readclock
    good tpm2_setclock 100000000
    bad tpm2_setclock 1
    good tpm2_clockrateadjust f
    good tpm2_clockrateadjust sss
}

# Commands as bytes: GetRandom of 8, a code that no TPM knows, and GetCapability cut short. Some
# versions of the tool send no command that is a header alone.
case_raw_commands()
{
    printf '\200\001\000\000\000\014\000\000\001\173\000\010' >sent
    good tpm2_send sent -o response
    od -An -tx1 -N 12 response
    printf '\200\001\000\000\000\014\000\000\377\377\000\000' >sent
    good tpm2_send sent -o response
    show_file response
    printf '\200\001\000\000\000\016\000\000\001\172\000\000\000\006' >sent
    good tpm2_send sent -o response
    show_file response
}
