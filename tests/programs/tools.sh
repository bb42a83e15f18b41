# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# What administrators and their scripts do with tpm2-tools, beyond the jobs of scripts/lib/jobs.sh:
# each line is a process, and what is loaded goes from one to the next as a saved context.

TOOLS_HANDLE=0x81010001
TOOLS_COUNTER=0x1500017

# Verifies `signature` of `message` without the TPM.
verify_with_openssl()
{
    openssl dgst -sha256 -verify public.pem -signature signature message
}

# prints_hex_of FILE COMMAND...   true when the command prints these bytes in hexadecimal
prints_hex_of()
{
    hex_of=$1
    shift
    prints "$(od -An -v -tx1 "$hex_of" | tr -d ' \n')" "$@"
}

# signs_as KEY OPTION...   true when the key signs `message` and the signature is good
signs_as()
{
    signs_as=$1
    shift
    tpm2_sign -Q --key-context="$signs_as" --hash-algorithm=sha256 --format=plain \
        --signature=signature "$@" message && verify_with_openssl
}

# A signing key, key.ctx, with its public part in public.pem.
make_key()
{
    make_primary && tpm2_create -Q --parent-context=primary.ctx --key-algorithm=ecc \
        --private=key.priv --public=key.pub "$@" && load key &&
        tpm2_readpublic -Q --object-context=key.ctx --format=pem --output=public.pem
}

make_attestation_keys()
{
    tpm2_createek -Q --ek-context=ek.ctx --key-algorithm=ecc --public=ek.pub &&
        tpm2_createak -Q --ek-context=ek.ctx --ak-context=ak.ctx --key-algorithm=ecc \
            --hash-algorithm=sha256 --signing-algorithm=ecdsa --public=ak.pub --ak-name=ak.name &&
        tpm2_readpublic -Q --object-context=ak.ctx --format=pem --output=ak.pem
}

activate_credential()
{
    tpm2_startauthsession -Q --policy-session --session=ek.session &&
        tpm2_policysecret -Q --session=ek.session --object-context=endorsement &&
        tpm2_activatecredential -Q --credentialedkey-context=ak.ctx \
            --credentialkey-context=ek.ctx --credentialkey-auth=session:ek.session \
            --credential-blob=credential --certinfo-data=activated &&
        tpm2_flushcontext ek.session && cmp activated message
}

job_tools_attest()
{
    step "make an endorsement and an attestation key" make_attestation_keys &&
        step "make a secret" make_message &&
        step "wrap it for this TPM and key" tpm2_makecredential -Q --public=ek.pub \
            --secret=message --name="$(od -An -v -tx1 ak.name | tr -d ' \n')" \
            --credential-blob=credential &&
        step "the TPM unwraps it" activate_credential &&
        step "quote PCRs" tpm2_quote -Q --key-context=ak.ctx --pcr-list="$JOB_PCRS" \
            --qualification=0123456789abcdef --message=quote --signature=quote.signature \
            --pcr=quote.pcrs &&
        step "check the quote" tpm2_checkquote -Q --public=ak.pem --message=quote \
            --signature=quote.signature --pcr=quote.pcrs --qualification=0123456789abcdef &&
        step "with another nonce it is refused" fails tpm2_checkquote -Q --public=ak.pem \
            --message=quote --signature=quote.signature --pcr=quote.pcrs \
            --qualification=0123456789abcdee &&
        step "make a signing key" make_key &&
        step "certify it with the attestation key" tpm2_certify -Q \
            --certifiedkey-context=key.ctx --signingkey-context=ak.ctx --hash-algorithm=sha256 \
            --attestation=message --signature=signature --format=plain &&
        step "check the certificate" openssl dgst -sha256 -verify ak.pem \
            -signature signature message
}

# The unsealed secret crosses the bus encrypted; each process loads the session and saves it.
unseal_encrypted()
{
    prints_secret tpm2_unseal --object-context=secret.ctx \
        --auth=session:encrypting.session+password
}

job_tools_encrypted_session()
{
    step "make an ECC primary key" make_primary &&
        step "seal a secret with a password" seal secret --key-auth=password &&
        step "load it" load secret &&
        step "start a session salted and bound by the primary key" tpm2_startauthsession -Q \
            --hmac-session --key-context=primary.ctx --session=encrypting.session &&
        step "let it encrypt both ways" tpm2_sessionconfig encrypting.session \
            --enable-encrypt --enable-decrypt &&
        step "unseal through it" unseal_encrypted &&
        step "and once more" unseal_encrypted &&
        step "end it" tpm2_flushcontext encrypting.session
}

job_tools_audit()
{
    step "make an attestation key" make_attestation_keys &&
        step "start an audit session" tpm2_startauthsession -Q --audit-session \
            --session=audit.session &&
        step "audit a command" tpm2_getrandom --session=audit.session --hex 8 &&
        step "and one more" tpm2_getrandom --session=audit.session --hex 8 &&
        step "sign the digest of both" tpm2_getsessionauditdigest --key-context=ak.ctx \
            --session=audit.session --hash-algorithm=sha256 --message=audit \
            --signature=audit.signature --format=plain --qualification=00 &&
        step "check the signature" openssl dgst -sha256 -verify ak.pem \
            -signature audit.signature audit &&
        step "end the session" tpm2_flushcontext audit.session
}

job_tools_persistent()
{
    step "make a signing key" make_key &&
        step "make a message" make_message &&
        step "make it persistent" tpm2_evictcontrol -Q --object-context=key.ctx "$TOOLS_HANDLE" &&
        step "sign with it" signs_as "$TOOLS_HANDLE" &&
        step "sign with the loaded one" signs_as key.ctx &&
        step "it is listed" prints "- $TOOLS_HANDLE" tpm2_getcap handles-persistent &&
        step "remove it" tpm2_evictcontrol -Q --object-context="$TOOLS_HANDLE" &&
        step "it is gone" fails signs_as "$TOOLS_HANDLE" &&
        step "the loaded one is not" signs_as key.ctx
}

hash_is_right()
{
    tpm2_hash --hash-algorithm=sha256 --hex "$1" >hashed &&
        [ "$(cat hashed)" = "$(sha256sum <"$1" | cut -d' ' -f1)" ]
}

hmac_is_right()
{
    tpm2_import -Q --parent-context=primary.ctx --key-algorithm=hmac --input=hmac.key \
        --private=hmac.priv --public=hmac.pub && load hmac &&
        tpm2_hmac --key-context=hmac.ctx --hex large >hashed &&
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -v -tx1 hmac.key | tr -d ' \n')" \
            -r large | cut -d' ' -f1 >expected && [ "$(cat hashed)" = "$(cat expected)" ]
}

job_tools_hash()
{
    head -c 40000 /dev/urandom >large
    head -c 32 /dev/urandom >hmac.key
    printf 'small' >small
    step "make an ECC primary key" make_primary &&
        step "hash a small file" hash_is_right small &&
        step "hash a large one, in many commands" hash_is_right large &&
        step "HMAC of the large one with an imported key" hmac_is_right
}

import_key()
{
    openssl ecparam -name prime256v1 -genkey -noout -out own.pem &&
        openssl ec -in own.pem -pubout -out public.pem &&
        tpm2_import -Q --parent-context=primary.ctx --key-algorithm=ecc --input=own.pem \
            --private=own.priv --public=own.pub && load own
}

decrypt_symmetric()
{
    tpm2_create -Q --parent-context=primary.ctx --key-algorithm=aes128 --private=aes.priv \
        --public=aes.pub && load aes &&
        tpm2_encryptdecrypt -Q --key-context=aes.ctx --iv=iv --output=encrypted message &&
        ! cmp -s message encrypted &&
        tpm2_encryptdecrypt -Q --key-context=aes.ctx --iv=iv --decrypt --output=decrypted \
            encrypted && cmp message decrypted
}

decrypt_rsa()
{
    tpm2_create -Q --parent-context=primary.ctx --key-algorithm=rsa2048 --private=rsa.priv \
        --public=rsa.pub && load rsa &&
        tpm2_rsaencrypt -Q --key-context=rsa.ctx --output=encrypted message &&
        tpm2_rsadecrypt -Q --key-context=rsa.ctx --output=decrypted encrypted &&
        cmp message decrypted
}

job_tools_keys()
{
    head -c 16 /dev/zero >iv
    step "make an ECC primary key" make_primary &&
        step "make a message" make_message &&
        step "import a key that OpenSSL made" import_key &&
        step "sign with it" signs_as own.ctx &&
        step "encrypt and decrypt with AES" decrypt_symmetric &&
        step "encrypt and decrypt with RSA" decrypt_rsa
}

# The policy of the PCRs as they are, signed by the key that may change what is allowed.
approve_pcrs()
{
    tpm2_createpolicy -Q --policy-pcr --pcr-list=sha256:16 --policy=approved.policy &&
        openssl dgst -sha256 -sign approver.pem -out approved.signature approved.policy
}

make_approver()
{
    openssl genrsa -out approver.pem 2048 && openssl rsa -in approver.pem -pubout -out \
        approver.pub && tpm2_loadexternal -Q --key-algorithm=rsa --hierarchy=owner \
        --public=approver.pub --key-context=approver.ctx --name=approver.name &&
        approve_pcrs && tpm2_startauthsession -Q --session=trial.session &&
        tpm2_policyauthorize -Q --session=trial.session --input=approved.policy \
            --name=approver.name --policy=authorize.policy && tpm2_flushcontext trial.session
}

# Unseals with the newest approval. The session crosses three processes.
unseal_approved()
{
    tpm2_verifysignature -Q --key-context=approver.ctx --hash-algorithm=sha256 \
        --message=approved.policy --signature=approved.signature --ticket=ticket \
        --format=rsassa && tpm2_startauthsession -Q --policy-session --session=approved.session ||
        return 1
    unsealed=0
    { tpm2_policypcr -Q --session=approved.session --pcr-list=sha256:16 &&
        tpm2_policyauthorize -Q --session=approved.session --input=approved.policy \
            --name=approver.name --ticket=ticket &&
        prints_secret tpm2_unseal --object-context=secret.ctx \
            --auth=session:approved.session; } || unsealed=1
    tpm2_flushcontext approved.session && [ "$unsealed" -eq 0 ]
}

job_tools_authorized_policy()
{
    step "make an ECC primary key" make_primary &&
        step "make who approves of PCR values" make_approver &&
        step "seal a secret under the approver's policy" seal secret \
            --policy=authorize.policy &&
        step "load it" load secret &&
        step "unseal it" unseal_approved &&
        step "extend PCR 16" tpm2_pcrextend \
            16:sha256=0000000000000000000000000000000000000000000000000000000000000001 &&
        step "unsealing is refused" fails unseal_approved &&
        step "approve of the new value" approve_pcrs &&
        step "unseal it again" unseal_approved
}


job_tools_ownership()
{
    step "make a signing key" make_key &&
        step "make a message" make_message &&
        step "sign with it" signs_as key.ctx &&
        step "define a counter" tpm2_nvdefine -Q --attributes='authread|authwrite|nt=counter' \
            "$TOOLS_COUNTER" &&
        step "count" tpm2_nvincrement -Q "$TOOLS_COUNTER" &&
        step "set the owner's password" tpm2_changeauth -Q --object-context=owner new &&
        step "a primary key needs it from now on" fails make_primary &&
        step "make one with it" tpm2_createprimary -Q --hierarchy-auth=new --key-algorithm=ecc \
            --key-context=other.ctx &&
        step "clear the TPM" tpm2_clear -Q &&
        step "the key is gone" fails signs_as key.ctx &&
        step "the counter is gone" fails tpm2_nvread "$TOOLS_COUNTER" &&
        step "so is the password: make a new key" make_key &&
        step "sign with it" signs_as key.ctx
}
