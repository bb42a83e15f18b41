# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# What stays in the TPM: PCRs, NV indices and persistent objects.

PCR_VALUE=0000000000000000000000000000000000000000000000000000000000000007

case_pcrs()
{
    printf 'an event' >event
    good tpm2_pcrread
    show
    good tpm2_pcrextend "16:sha256=$PCR_VALUE,sha1=0000000000000000000000000000000000000007"
    good tpm2_pcrevent 16 event
    good tpm2_pcrevent event
    show
    good tpm2_pcrread sha1:16+sha256:0,16
    show
    good tpm2_pcrreset 16
    good tpm2_pcrread sha256:16
    show
    for pcr in 0 20; do
        bad tpm2_pcrreset "$pcr"
    done
    bad tpm2_pcrextend "24:sha256=$PCR_VALUE"
    bad tpm2_pcrextend 0:sha256=00
    good tpm2_pcrallocate sha1:none+sha256:all
    good tpm2_pcrallocate
    good tpm2_pcrread sha1:0
    show
}

# nv_use LOCKS WRITES   reads, locks and writes 0x1500020, and removes it; LOCKS is good where the
# index can be locked, WRITES where it can be written in spite of that
nv_use()
{
    good tpm2_nvread 0x1500020 -o contents
    show_file contents
    good tpm2_nvreadpublic 0x1500020
    show
    "$1" tpm2_nvreadlock 0x1500020
    case $1 in
        good) bad tpm2_nvread 0x1500020 ;;
        *) good tpm2_nvread 0x1500020 ;;
    esac
    "$1" tpm2_nvwritelock 0x1500020
    "$2" tpm2_nvwrite -Q -i data 0x1500020
    good tpm2_nvundefine -Q 0x1500020
    bad tpm2_nvread 0x1500020
}

case_nv_indices()
{
    head -c 32 /dev/zero >data
    good tpm2_nvdefine -Q 0x1500020 -C o -s 32 -a 'ownerread|ownerwrite|authread|authwrite'
    bad tpm2_nvdefine -Q 0x1500020 -C o -s 32 -a 'ownerread|ownerwrite|authread|authwrite'
    bad tpm2_nvread 0x1500020
    good tpm2_nvwrite -Q -i data 0x1500020
    bad tpm2_nvwrite -Q --offset 30 -i data 0x1500020
    nv_use bad good
    good tpm2_nvdefine -Q 0x1500020 -C o -s 32 -a 'authread|authwrite|write_stclear|read_stclear'
    good tpm2_nvwrite -Q -i data 0x1500020
    nv_use good bad
}

case_nv_counters()
{
    printf 'extension' >extension
    head -c 32 /dev/zero >data
    bad tpm2_nvdefine -Q 0x1500020 -C o -s 32 -a 'authread|authwrite|nt=counter'
    good tpm2_nvdefine -Q 0x1500020 -C o -a 'authread|authwrite|nt=counter'
    good tpm2_nvincrement -C 0x1500020 0x1500020
    good tpm2_nvincrement 0x1500020
    nv_use bad bad
    good tpm2_nvdefine -Q 0x1500020 -C o -a 'authread|authwrite|nt=bits'
    good tpm2_nvsetbits -i 0xff 0x1500020
    bad tpm2_nvincrement 0x1500020
    nv_use bad bad
    good tpm2_nvdefine -Q 0x1500020 -C o -s 32 -a 'authread|authwrite|nt=extend'
    good tpm2_nvextend -i extension 0x1500020
    nv_use bad bad
}

case_nv_authorization()
{
    printf 'data' >data
    head -c 2048 /dev/zero >large
    good tpm2_nvdefine -Q 0x1500021 -C o -s 8 -p password
    bad tpm2_nvwrite -Q -P wrong -C 0x1500021 -i data 0x1500021
    good tpm2_nvwrite -Q -P password -C 0x1500021 -i data 0x1500021
    good tpm2_nvread -P password -C 0x1500021 -o contents 0x1500021
    show_file contents
    good tpm2_nvwrite -Q -C o -i data 0x1500021
    primary
    child ecc
    good tpm2_nvcertify -C key.ctx -c o -g sha256 -f plain -s ecdsa -o signature \
        --attestation attestation --size 4 0x1500021
    bad tpm2_changeauth -Q -c 0x1500021 new
    good tpm2_nvwritelock --global -C o
    good tpm2_getcap handles-nv-index
    show
    # It takes several commands.
    good tpm2_nvdefine -Q 0x1500022 -C o -s 2048
    good tpm2_nvwrite -Q -C o -i large 0x1500022
    good tpm2_nvread -C o -o contents 0x1500022
    holds cmp large contents
}

case_persistent_objects()
{
    make_message
    primary
    good tpm2_evictcontrol -Q -c primary.ctx 0x81000001
    good tpm2_create -Q -C 0x81000001 -G ecc -u key.pub -r key.priv
    good tpm2_load -Q -C 0x81000001 -u key.pub -r key.priv -c key.ctx
    sign_and_verify
    bad tpm2_evictcontrol -Q -c key.ctx 0x81000001
    bad tpm2_evictcontrol -Q -C p -c key.ctx 0x81800001
    # The first that is free.
    good tpm2_evictcontrol -c key.ctx
    show
    good tpm2_evictcontrol -Q -c key.ctx 0x81000002 -o serialized
    good tpm2_sign -Q -c serialized -g sha256 -o signature message
    for i in 3 4 5 6; do
        good tpm2_evictcontrol -Q -c key.ctx "0x8100000$i"
    done
    for i in 3 4 5 6; do
        good tpm2_sign -Q -c "0x8100000$i" -g sha256 -o signature message
    done
    good tpm2_getcap handles-persistent
    show
    good tpm2_evictcontrol -Q -c 0x81000004
    bad tpm2_sign -Q -c 0x81000004 -g sha256 -o signature message
    good tpm2_clear
    good tpm2_getcap handles-persistent
    show
    bad tpm2_sign -Q -c key.ctx -g sha256 -o signature message
}
