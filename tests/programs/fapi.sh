# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# The feature API: keys, sealed data and NV indices by path, through the tss2_* programs.

# fapi_configure PROFILE   a keystore of our own
fapi_configure()
{
    mkdir user system log || return 1
    cat >fapi.json <<EOF
{
    "profile_name": "$1",
    "profile_dir": "/etc/tpm2-tss/fapi-profiles/",
    "user_dir": "$PWD/user",
    "system_dir": "$PWD/system",
    "log_dir": "$PWD/log",
    "tcti": "$TPM2TOOLS_TCTI",
    "ek_cert_less": "yes",
    "system_pcrs": []
}
EOF
    export TSS2_FAPICONF="$PWD/fapi.json"
}

# fapi_begin PROFILE   the same, and the TPM provisioned for it
fapi_begin()
{
    fapi_configure "$1" || return 1
    step "provision with profile $1" tss2_provision
}

# The primary key and what was stored are persistent; this takes all out of the TPM again.
fapi_end()
{
    step "delete all" tss2_delete --path=/
}

# fapi_seal PATH OPTION...   seals `message`
fapi_seal()
{
    fapi_path=$1
    shift
    tss2_createseal --path="$fapi_path" --type=noDa --authValue= --data=message "$@"
}

# fapi_unseals PATH   true when what comes out is `message`
fapi_unseals()
{
    tss2_unseal --path="$1" --data=unsealed --force && cmp unsealed message
}

fapi_sign_and_verify()
{
    step "make a message" make_message &&
        step "create a signing key" \
            tss2_createkey --path=HS/SRK/sign --type=sign,noDa --authValue= &&
        step "sign" tss2_sign --keyPath=HS/SRK/sign --digest=digest --signature=signature \
            --publicKey=public.pem &&
        step "verify with the TPM" tss2_verifysignature --keyPath=HS/SRK/sign --digest=digest \
            --signature=signature &&
        step "verify with OpenSSL" openssl dgst -sha256 -verify public.pem \
            -signature signature message &&
        step "another digest does not verify" fails tss2_verifysignature \
            --keyPath=HS/SRK/sign --digest=message --signature=signature
}

job_fapi_refused()
{
    fapi_configure P_ECCP256SHA256 && step "provisioning is refused" fails tss2_provision
}

job_fapi_keys()
{
    fapi_begin P_ECCP256SHA256 && fapi_sign_and_verify && fapi_end
}

job_fapi_rsa_keys()
{
    fapi_begin P_RSA2048SHA256 &&
        step "make a secret" make_message &&
        step "create an RSA key to decrypt with" \
            tss2_createkey --path=HS/SRK/crypt --type=decrypt,noDa --authValue= &&
        step "encrypt" tss2_encrypt --keyPath=HS/SRK/crypt --plainText=message \
            --cipherText=encrypted &&
        step "decrypt" tss2_decrypt --keyPath=HS/SRK/crypt --cipherText=encrypted \
            --plainText=decrypted &&
        step "it is the secret" cmp message decrypted &&
        fapi_end
}

job_fapi_seal()
{
    echo '{"description": "pcr", "policy": [{"type": "POLICYPCR", "currentPCRs": [16]}]}' \
        >policy.json
    fapi_begin P_ECCP256SHA256 &&
        step "make a secret" make_message &&
        step "seal it" fapi_seal HS/SRK/plain &&
        step "unseal it" fapi_unseals HS/SRK/plain &&
        step "import a policy of PCR 16" \
            tss2_import --path=/policy/pcr --importData=policy.json &&
        step "seal under the policy" fapi_seal HS/SRK/policy --policyPath=/policy/pcr &&
        step "unseal it" fapi_unseals HS/SRK/policy &&
        step "extend PCR 16" tss2_pcrextend --pcr=16 --data=message &&
        step "unsealing is refused from now on" fails fapi_unseals HS/SRK/policy &&
        step "what has no policy is not" fapi_unseals HS/SRK/plain &&
        fapi_end
}

job_fapi_nv()
{
    fapi_begin P_ECCP256SHA256 &&
        step "make data" make_message &&
        step "create an NV index" tss2_createnv --path=/nv/Owner/data --type=noda --size=10 \
            --authValue= &&
        step "write it" tss2_nvwrite --nvPath=/nv/Owner/data --data=message &&
        step "read it" tss2_nvread --nvPath=/nv/Owner/data --data=read &&
        step "it is what was written" cmp message read &&
        step "create a counter" tss2_createnv --path=/nv/Owner/count --type=counter,noda \
            --authValue= &&
        step "count" tss2_nvincrement --nvPath=/nv/Owner/count &&
        step "count on" tss2_nvincrement --nvPath=/nv/Owner/count &&
        fapi_end
}

job_fapi_quote()
{
    fapi_begin P_ECCP256SHA256 &&
        step "make a nonce" make_message &&
        step "create an attestation key" tss2_createkey --path=HS/SRK/quote \
            --type=sign,restricted,noDa --authValue= &&
        step "extend PCR 16" tss2_pcrextend --pcr=16 --data=message &&
        step "quote" tss2_quote --keyPath=HS/SRK/quote --pcrList=11,16 \
            --qualifyingData=digest --signature=signature --quoteInfo=info --pcrLog=pcr.log &&
        step "verify the quote" tss2_verifyquote --publicKeyPath=HS/SRK/quote --quoteInfo=info \
            --signature=signature --qualifyingData=digest --pcrLog=pcr.log &&
        step "with another nonce it does not verify" fails tss2_verifyquote \
            --publicKeyPath=HS/SRK/quote --quoteInfo=info --signature=signature \
            --qualifyingData=message --pcrLog=pcr.log &&
        fapi_end
}
