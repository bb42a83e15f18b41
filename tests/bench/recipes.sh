#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Everyday uses of a TPM, each tool a process of its own, in the spelling of tpm2-tools 5.4. Runs in
# the current directory, with TPM2TOOLS_TCTI of the environment, and ends with status 0 when every
# secret came back and none came back that should not.
set -eu

PCRS=sha256:0,2,3,7
INDEX=0x1500016
SECRET="a secret of the user"
SECRET_SIZE=21 # with a newline

refused()
{
    ! "$@" >/dev/null 2>&1
}

seal() # NAME [OPTION...]
{
    name=$1
    shift
    echo "$SECRET" | tpm2_create -Q --parent-context=primary.ctx --sealing-input=- \
        --private="$name.priv" --public="$name.pub" "$@"
    tpm2_load -Q --parent-context=primary.ctx --private="$name.priv" --public="$name.pub" \
        --key-context="$name.ctx"
}

unseals() # NAME [OPTION...]
{
    name=$1
    shift
    test "$(tpm2_unseal --object-context="$name.ctx" "$@")" = "$SECRET"
}

nv_write()
{
    echo "$SECRET" | tpm2_nvwrite -Q --input=- "$INDEX"
}

nv_reads() # [OPTION...]
{
    test "$(tpm2_nvread "$@" "$INDEX" | tr -d '\0')" = "$SECRET"
}

# Random bytes.
tpm2_getrandom --hex 20 >/dev/null

# A sealed secret.
tpm2_createprimary -Q --key-algorithm=ecc --key-context=primary.ctx
seal plain
unseals plain

# A secret in NV memory.
tpm2_nvdefine -Q --size "$SECRET_SIZE" --attributes='authread|authwrite' "$INDEX"
nv_write
nv_reads
tpm2_nvundefine -Q "$INDEX"

# Both again, under a policy of PCRs, which holds until one of them changes.
tpm2_createpolicy -Q --policy-pcr --pcr-list="$PCRS" --policy=pcr.policy
seal bound --policy=pcr.policy
unseals bound --auth=pcr:"$PCRS"
tpm2_nvdefine -Q --size "$SECRET_SIZE" --attributes='policyread|authwrite' --policy=pcr.policy "$INDEX"
nv_write
nv_reads --auth=pcr:"$PCRS"
tpm2_pcrextend 7:sha256=0000000000000000000000000000000000000000000000000000000000000000
refused tpm2_unseal --object-context=bound.ctx --auth=pcr:"$PCRS"
refused tpm2_nvread --auth=pcr:"$PCRS" "$INDEX"
tpm2_nvundefine -Q "$INDEX"
