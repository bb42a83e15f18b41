# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Policies, each command of which is a process of its own: a secret is sealed under the digest that
# a trial session came to, and opens to a policy session that went the same way.

PCR_VALUE=0000000000000000000000000000000000000000000000000000000000000007
NV_ATTRIBUTES='ownerread|ownerwrite|authread|authwrite'

# trial COMMAND...   policy, the digest of this one command
trial()
{
    trial_session
    good "$@" -S session.ctx -L policy
    show_file policy
    end_session
}

case_policy_pcr()
{
    primary
    trial tpm2_policypcr -Q -l sha256:0,16
    seal_under policy
    policy_session
    good tpm2_policypcr -Q -S session.ctx -l sha256:0,16
    opens
    end_session
    policy_session
    stays_shut
    good tpm2_policypcr -Q -S session.ctx -l sha256:0,16
    good tpm2_pcrextend "16:sha256=$PCR_VALUE"
    # Whether PCRs have changed is noted by the count of changes, which does not concern PCR 16.
    opens
    good tpm2_policyrestart -S session.ctx
    good tpm2_policypcr -Q -S session.ctx -l sha256:0,16
    stays_shut
    end_session
    good tpm2_pcrreset 16
    policy_session
    good tpm2_policypcr -Q -S session.ctx -l sha256:0,16
    good tpm2_pcrextend "0:sha256=$PCR_VALUE"
    stays_shut
    good tpm2_getpolicydigest -S session.ctx --hex
    show
    end_session
    good tpm2_createpolicy -Q --policy-pcr -l sha256:0 -L policy
    show_file policy
}

case_policy_password()
{
    primary
    trial tpm2_policypassword -Q
    seal_under policy -p password
    policy_session
    good tpm2_policypassword -Q -S session.ctx
    opens +password
    good tpm2_policypassword -Q -S session.ctx
    stays_shut +wrong
    end_session
    trial tpm2_policyauthvalue -Q
    seal_under policy -p password
    policy_session
    good tpm2_policyauthvalue -Q -S session.ctx
    opens +password
    end_session
}

case_policy_secret()
{
    primary
    trial tpm2_policysecret -Q -c o
    seal_under policy
    policy_session
    good tpm2_policysecret -Q -S session.ctx -c o
    opens
    end_session
    # Bound to the session, with a time at which it ends, and as a ticket for later.
    policy_session
    good tpm2_policysecret -S session.ctx -c o -x -t 3600
    opens
    end_session
    policy_session
    good tpm2_policysecret -Q -S session.ctx -c o -x -t -3600 --ticket ticket --timeout timeout
    end_session
    good tpm2_changeauth -c o password
    policy_session
    bad tpm2_policysecret -Q -S session.ctx -c o
    stays_shut
    good tpm2_policysecret -Q -S session.ctx -c o password
    opens
    end_session
}

case_policy_signed()
{
    make_fixed_key
    printf '\000\000\000\000' >approval
    openssl dgst -sha256 -sign fixed.pem -out signature approval
    primary
    good tpm2_loadexternal -Q -C o -G ecc -u fixed.pub -c key.ctx -n name
    trial tpm2_policysigned -Q -g sha256 -s signature -f ecdsa -c key.ctx
    seal_under policy
    policy_session
    good tpm2_policysigned -Q -S session.ctx -g sha256 -s signature -f ecdsa -c key.ctx
    opens
    end_session
    policy_session
    good tpm2_policysigned -S session.ctx -g sha256 -c key.ctx -x -t -3600 --raw-data approval
    bad tpm2_policysigned -S session.ctx -g sha256 -c key.ctx -x -t -3600 -s signature -f ecdsa
    openssl dgst -sha256 -sign fixed.pem -out signature approval
    good tpm2_policysigned -S session.ctx -g sha256 -c key.ctx -x -t -3600 -s signature \
        -f ecdsa --ticket ticket --timeout timeout
    end_session
    policy_session
    good tpm2_policyticket -S session.ctx -n name --ticket ticket --timeout timeout
    opens
    end_session
}

case_policy_or()
{
    primary
    trial tpm2_policypcr -Q -l sha256:16
    mv policy pcr.policy
    trial tpm2_policycommandcode -Q TPM2_CC_Unseal
    mv policy command.policy
    trial tpm2_policyor -Q sha256:pcr.policy,command.policy
    seal_under policy
    policy_session
    good tpm2_policypcr -Q -S session.ctx -l sha256:16
    good tpm2_policyor -Q -S session.ctx sha256:pcr.policy,command.policy
    opens
    end_session
    policy_session
    good tpm2_policycommandcode -Q -S session.ctx TPM2_CC_Unseal
    good tpm2_policyor -Q -S session.ctx sha256:pcr.policy,command.policy
    opens
    end_session
    policy_session
    good tpm2_policycommandcode -Q -S session.ctx TPM2_CC_Sign
    bad tpm2_policyor -Q -S session.ctx sha256:pcr.policy,command.policy
    stays_shut
    end_session
}

case_policy_nv()
{
    printf '0000' >zero
    printf '0001' >one
    primary
    good tpm2_nvdefine -Q 0x1500020 -C o -s 4 -a "$NV_ATTRIBUTES"
    good tpm2_nvwrite -Q -C o -i zero 0x1500020
    trial tpm2_policynv -Q -i zero -C o 0x1500020 eq
    seal_under policy
    policy_session
    good tpm2_policynv -Q -S session.ctx -i zero -C o 0x1500020 eq
    opens
    end_session
    good tpm2_nvwrite -Q -C o -i one 0x1500020
    policy_session
    bad tpm2_policynv -Q -S session.ctx -i zero -C o 0x1500020 eq
    stays_shut
    for operation in neq sgt ugt sge uge bs; do
        good tpm2_policynv -Q -S session.ctx -i zero -C o 0x1500020 "$operation"
    done
    for operation in slt ult sle ule bc; do
        bad tpm2_policynv -Q -S session.ctx -i zero -C o 0x1500020 "$operation"
    done
    good tpm2_getpolicydigest -S session.ctx --hex
    show
    end_session
}

# Conditions on the command and its place rather than on who asks.
case_policy_conditions()
{
    primary
    trial tpm2_policynvwritten -Q s
    seal_under policy
    policy_session
    good tpm2_policynvwritten -Q -S session.ctx s
    stays_shut
    end_session
    trial tpm2_policylocality -Q zero
    seal_under policy
    policy_session
    good tpm2_policylocality -Q -S session.ctx zero
    bad tpm2_policylocality -Q -S session.ctx three
    opens
    end_session
    trial tpm2_policycountertimer -Q --ult clock=36000000
    seal_under policy
    policy_session
    good tpm2_policycountertimer -Q -S session.ctx --ult clock=36000000
    opens
    bad tpm2_policycountertimer -Q -S session.ctx --ult clock=1
    end_session
}

case_policy_hashes()
{
    make_message
    make_fixed_key
    good tpm2_loadexternal -Q -G ecc -C o -u fixed.pub -c key.ctx
    trial tpm2_policytemplate --template-hash digest
    trial tpm2_policynamehash -n digest
    bad tpm2_policycphash -S session.ctx -L policy --cphash digest
    primary
    seal_under policy
    good tpm2_unseal -c sealed.ctx --cphash parameters
    trial_session
    good tpm2_policycphash -S session.ctx -L policy --cphash parameters
    end_session
}

case_policy_authorize_nv()
{
    primary
    good tpm2_nvdefine -Q 0x1500020 -C o -s 34 -a "$NV_ATTRIBUTES"
    trial tpm2_policypcr -Q -l sha256:16
    { printf '\000\013' && cat policy; } >allowed
    good tpm2_nvwrite -Q -C o -i allowed 0x1500020
    trial tpm2_policyauthorizenv -Q -C o 0x1500020
    seal_under policy
    policy_session
    good tpm2_policypcr -Q -S session.ctx -l sha256:16
    good tpm2_policyauthorizenv -Q -S session.ctx -C o 0x1500020
    opens
    end_session
    policy_session
    bad tpm2_policyauthorizenv -Q -S session.ctx -C o 0x1500020
    stays_shut
    end_session
}
