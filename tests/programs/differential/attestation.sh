# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# What the TPM vouches for: its state, its keys, and what commands were run.

case_quote_and_credential()
{
    make_message
    good tpm2_createek -Q -c ek.ctx -G rsa -u ek.pub
    good tpm2_createak -Q -C ek.ctx -c ak.ctx -G rsa -g sha256 -s rsassa -u ak.pub -n ak.name
    good tpm2_quote -Q -c ak.ctx -l sha256:0,1,2,16 -q 1234 -m quote -s signature -o pcrs -g sha256
    good tpm2_checkquote -Q -u ak.pub -m quote -s signature -f pcrs -q 1234 -g sha256
    bad tpm2_checkquote -Q -u ak.pub -m quote -s signature -f pcrs -q 1235 -g sha256
    good tpm2_gettime -Q -c ak.ctx -g sha256 -o signature --attestation attestation
    good tpm2_gettime -Q -c ak.ctx -q beef -g sha256 -o signature --attestation attestation
    good tpm2_makecredential -Q -u ek.pub -s message -o credential \
        -n "$(od -An -v -tx1 ak.name | tr -d ' \n')"
    policy_session
    good tpm2_policysecret -Q -S session.ctx -c e
    good tpm2_activatecredential -Q -c ak.ctx -C ek.ctx -i credential -o activated \
        -P session:session.ctx
    holds cmp message activated
    end_session
    bad tpm2_activatecredential -Q -c ak.ctx -C ek.ctx -i credential -o activated
}

case_persistent_attestation_key()
{
    good tpm2_createek -Q -c 0x81010001 -G ecc -u ek.pub
    good tpm2_createak -Q -C 0x81010001 -c ak.ctx -G ecc -g sha256 -s ecdsa
    good tpm2_evictcontrol -Q -c ak.ctx 0x81010002
    good tpm2_quote -Q -c 0x81010002 -l sha1:1+sha256:2 -m quote -s signature
    good tpm2_getcap handles-persistent
    show
    good tpm2_evictcontrol -Q -c 0x81010002
    bad tpm2_quote -Q -c 0x81010002 -l sha1:1+sha256:2 -m quote -s signature
    # A template in NV memory, which a fresh TPM has not.
    bad tpm2_createek -Q -t -c other.ctx -G rsa
}

case_audit()
{
    good tpm2_createek -Q -c ek.ctx -G ecc
    good tpm2_createak -Q -C ek.ctx -c ak.ctx -G ecc -s ecdsa -g sha256
    good tpm2_startauthsession -Q --audit-session -S session.ctx
    for i in 1 2 3; do
        good tpm2_getrandom -S session.ctx "$i"
    done
    good tpm2_getsessionauditdigest -c ak.ctx -S session.ctx -g sha256 -m attestation \
        -s signature -q 00
    end_session
    good tpm2_setcommandauditstatus -g sha256
    good tpm2_setcommandauditstatus TPM2_CC_Unseal
    good tpm2_getcommandauditdigest -c ak.ctx -g sha256 -m attestation -s signature
    good tpm2_setcommandauditstatus -C p -c TPM2_CC_Unseal
}

# What an audit session covers does not depend on chance: the digest of it is the same.
case_audit_digest()
{
    make_fixed_key
    good tpm2_loadexternal -Q -G ecc -C n -r fixed.pem -c key.ctx
    good tpm2_startauthsession -Q --audit-session -S session.ctx
    good tpm2_pcrread sha256:0
    good tpm2_readpublic -Q -c key.ctx
    good tpm2_nvdefine -Q 0x1500020 -C o -s 8 -S session.ctx
    good tpm2_getsessionauditdigest -c key.ctx -S session.ctx -g sha256 -m attestation \
        -s signature -q 00
    # TPMS_SESSION_AUDIT_INFO is the attestation's end: exclusive, and the digest with its size.
    tail -c 35 attestation >audited
    show_file audited
    end_session
}
