# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# The everyday jobs of a TPM, done with tpm2-tools through whatever TPM2TOOLS_TCTI names. To be
# sourced by a POSIX shell; defines names only and runs nothing. Each job works in the current
# directory, which should be empty, prints one line for each of its steps, and returns 0 only if
# each did what it should.
#
#   job_random job_seal job_nv job_pcr_policy job_four_users job_sessions
#
# job_pcr_policy extends PCR 7, so it can seal again but what it had sealed is lost for good.

JOB_SECRET="my secret"
JOB_NV_INDEX=0x1500016
JOB_PCRS=sha256:0,2,3,7
JOB_USERS=4
JOB_USER_KEYS=5 # more than the three objects that a chip holds

# step TEXT COMMAND...   the command must succeed
step()
{
    step_text=$1
    shift
    if "$@" >step.log 2>&1; then
        printf '  ok      %s\n' "$step_text"
    else
        printf '  FAILED  %s\n' "$step_text"
        sed 's/^/          /' step.log
        return 1
    fi
}

# refused TEXT COMMAND...   the TPM must refuse the command because of its policy
refused()
{
    step_text=$1
    shift
    if "$@" >step.log 2>&1; then
        printf '  FAILED  %s: it was not refused\n' "$step_text"
        return 1
    elif grep -q 'policy check failed' step.log; then
        printf '  ok      %s\n' "$step_text"
    else
        printf '  FAILED  %s: refused for another reason\n' "$step_text"
        sed 's/^/          /' step.log
        return 1
    fi
}

# True when the command prints the secret. Unused bytes of an NV index are 0xFF or 0.
prints_secret()
{
    "$@" >printed || return 1
    printf '%s\n' "$JOB_SECRET" >expected
    cmp printed expected
}

prints_20_bytes()
{
    "$@" >printed || return 1
    [ "$(tr -d '\n' <printed | wc -c)" -eq 40 ]
}

# seal NAME OPTION...   makes NAME.priv and NAME.pub of the secret, under primary.ctx
seal()
{
    seal_name=$1
    shift
    printf '%s\n' "$JOB_SECRET" | tpm2_create -Q --parent-context=primary.ctx --sealing-input=- \
        --private="$seal_name.priv" --public="$seal_name.pub" "$@"
}

load()
{
    tpm2_load -Q --parent-context=primary.ctx --private="$1.priv" --public="$1.pub" \
        --key-context="$1.ctx"
}

write_nv()
{
    printf '%s\n' "$JOB_SECRET" | tpm2_nvwrite -Q --input=- "$JOB_NV_INDEX"
}

make_primary()
{
    tpm2_createprimary -Q --key-algorithm=ecc --key-context=primary.ctx
}

job_random()
{
    step "20 random bytes" prints_20_bytes tpm2_getrandom --hex 20
}

job_seal()
{
    step "make an ECC primary key" make_primary &&
        step "seal a secret under it" seal secret &&
        step "load the sealed secret" load secret &&
        step "unseal it, the secret is right" \
            prints_secret tpm2_unseal --object-context=secret.ctx
}

job_nv()
{
    step "define an NV index of 10 bytes" tpm2_nvdefine -Q --size=10 \
        --attributes='authread|authwrite' "$JOB_NV_INDEX" &&
        step "write the secret to it" write_nv &&
        step "read it, the secret is right" prints_secret tpm2_nvread "$JOB_NV_INDEX" &&
        step "undefine it" tpm2_nvundefine -Q "$JOB_NV_INDEX"
}

job_pcr_policy()
{
    step "make an ECC primary key" make_primary &&
        step "make a policy of the PCRs $JOB_PCRS" tpm2_createpolicy -Q --policy-pcr \
            --pcr-list="$JOB_PCRS" --policy=pcr.policy &&
        step "seal a secret under the policy" seal secret --policy=pcr.policy &&
        step "load the sealed secret" load secret &&
        step "unseal it, the secret is right" prints_secret tpm2_unseal \
            --object-context=secret.ctx --auth="pcr:$JOB_PCRS" &&
        step "define an NV index under the policy" tpm2_nvdefine -Q --size=10 \
            --attributes='policyread|authwrite' --policy=pcr.policy "$JOB_NV_INDEX" &&
        step "write the secret to it" write_nv &&
        step "read it, the secret is right" prints_secret tpm2_nvread \
            --auth="pcr:$JOB_PCRS" "$JOB_NV_INDEX" &&
        step "extend PCR 7" tpm2_pcrextend \
            7:sha256=0000000000000000000000000000000000000000000000000000000000000000 &&
        refused "unsealing is refused from now on" tpm2_unseal \
            --object-context=secret.ctx --auth="pcr:$JOB_PCRS" &&
        refused "reading the NV index is refused from now on" tpm2_nvread \
            --auth="pcr:$JOB_PCRS" "$JOB_NV_INDEX" &&
        step "undefine it" tpm2_nvundefine -Q "$JOB_NV_INDEX"
}

# All that one user does in one directory: every key is loaded before the first one signs.
user_keys()
{
    make_primary || return 1
    for key in $(seq "$JOB_USER_KEYS"); do
        tpm2_create -Q --parent-context=primary.ctx --key-algorithm=ecc \
            --private="$key.priv" --public="$key.pub" && load "$key" || return 1
    done
    for key in $(seq "$JOB_USER_KEYS"); do
        printf 'message %s of %s\n' "$key" "$PWD" >"$key.message"
        tpm2_sign -Q --key-context="$key.ctx" --hash-algorithm=sha256 \
            --signature="$key.signature" "$key.message" || return 1
    done
    for key in $(seq "$JOB_USER_KEYS"); do
        tpm2_verifysignature -Q --key-context="$key.ctx" --hash-algorithm=sha256 \
            --message="$key.message" --signature="$key.signature" || return 1
    done
    ! tpm2_verifysignature -Q --key-context=1.ctx --hash-algorithm=sha256 \
        --message=2.message --signature=2.signature 2>/dev/null
}

job_four_users()
{
    users=
    bad=0
    for user in $(seq "$JOB_USERS"); do
        mkdir "user-$user" || return 1
        (cd "user-$user" && user_keys >user.log 2>&1) &
        users="$users $user:$!"
    done
    for user in $users; do
        if wait "${user#*:}"; then
            printf '  ok      user %s: %s keys, each signed and verified\n' "${user%:*}" \
                "$JOB_USER_KEYS"
        else
            printf '  FAILED  user %s\n' "${user%:*}"
            sed 's/^/          /' "user-${user%:*}/user.log"
            bad=1
        fi
    done
    return "$bad"
}

job_sessions()
{
    step "make an ECC primary key" make_primary &&
        step "make and load a signing key with a password" make_signing_key &&
        step "start an HMAC session and save it" tpm2_startauthsession -Q --hmac-session \
            --session=hmac.session &&
        step "the next process signs with it" sign_with_session &&
        step "and one more, as it was saved again" sign_with_session &&
        step "end it" tpm2_flushcontext hmac.session &&
        step "make a policy of the PCRs $JOB_PCRS" tpm2_createpolicy -Q --policy-pcr \
            --pcr-list="$JOB_PCRS" --policy=pcr.policy &&
        step "seal a secret under the policy" seal secret --policy=pcr.policy &&
        step "load the sealed secret" load secret &&
        step "start a policy session and save it" tpm2_startauthsession -Q --policy-session \
            --session=policy.session &&
        step "the next process gives it the policy" tpm2_policypcr -Q \
            --session=policy.session --pcr-list="$JOB_PCRS" &&
        step "the next unseals with it, the secret is right" prints_secret tpm2_unseal \
            --object-context=secret.ctx --auth=session:policy.session &&
        step "end it" tpm2_flushcontext policy.session
}

make_signing_key()
{
    tpm2_create -Q --parent-context=primary.ctx --key-algorithm=ecc --key-auth=password \
        --private=key.priv --public=key.pub && load key && echo "a message" >message
}

sign_with_session()
{
    tpm2_sign -Q --key-context=key.ctx --auth=session:hmac.session+password \
        --hash-algorithm=sha256 --signature=signature message &&
        tpm2_verifysignature -Q --key-context=key.ctx --hash-algorithm=sha256 \
            --message=message --signature=signature
}
