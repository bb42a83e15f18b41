# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Objects: how they come in, and how they are told apart, kept and moved.

case_many_objects()
{
    primary
    for i in 1 2 3 4 5 6; do
        good tpm2_create -Q -C primary.ctx -G ecc -c "$i.ctx"
    done
    for i in 1 6 2 5 3 4; do
        good tpm2_readpublic -Q -c "$i.ctx"
    done
    good tpm2_flushcontext -t
    good tpm2_flushcontext -l
    good tpm2_flushcontext -s
}

# Handles that nobody holds.
case_unknown_handles()
{
    for handle in 0x80000000 0x80000007 0x02000000; do
        bad tpm2_flushcontext "$handle"
    done
    for handle in 0x80000000 0x80000005 0x81000777 0x01800777; do
        bad tpm2_readpublic -Q -c "$handle"
    done
}

# flip PERCENT   flipped.ctx: primary.ctx with one bit the other way, so far into it
flip()
{
    python3 -c 'import sys
blob = bytearray(open("primary.ctx", "rb").read())
blob[len(blob) * int(sys.argv[1]) // 100] ^= 1
open("flipped.ctx", "wb").write(blob)' "$1"
}

# What the TPM made is in the middle; the end is what the library knows of the object.
case_damaged_contexts()
{
    primary
    printf 'not a context' >nonsense.ctx
    bad tpm2_readpublic -Q -c nonsense.ctx
    head -c 100 primary.ctx >cut.ctx
    bad tpm2_readpublic -Q -c cut.ctx
    flip 99
    good tpm2_readpublic -Q -c flipped.ctx
    flip 50
    bad tpm2_readpublic -Q -c flipped.ctx
    bad tpm2_load -Q -C primary.ctx -u absent.pub -r absent.priv -c key.ctx
}

case_sealed_data()
{
    printf 'a secret\n' >secret
    head -c 200 /dev/zero >large
    primary
    good tpm2_create -Q -C primary.ctx -G rsa -c loaded.ctx
    good tpm2_readpublic -Q -c loaded.ctx
    good tpm2_create -Q -C primary.ctx -i secret -u sealed.pub -r sealed.priv -c sealed.ctx
    good tpm2_unseal -c sealed.ctx
    show
    good tpm2_create -Q -C primary.ctx -i secret -c sealed.ctx -p password
    bad tpm2_unseal -c sealed.ctx
    good tpm2_unseal -c sealed.ctx -p password
    show
    bad tpm2_unseal -c sealed.ctx -p wrong
    bad tpm2_create -Q -C primary.ctx -i /dev/null -u sealed.pub -r sealed.priv
    bad tpm2_create -Q -C primary.ctx -i large -u sealed.pub -r sealed.priv
    bad tpm2_unseal -c primary.ctx
}

case_creation_data()
{
    primary
    good tpm2_create -Q -C primary.ctx -G ecc -u created.pub -r created.priv \
        --creation-data creation -d creation.hash -t creation.ticket
    good tpm2_load -Q -C primary.ctx -u created.pub -r created.priv -c created.ctx
    child ecc
    good tpm2_certifycreation -C key.ctx -c created.ctx -d creation.hash -t creation.ticket \
        -g sha256 -o signature --attestation attestation -f plain -s ecdsa
    bad tpm2_certifycreation -C key.ctx -c primary.ctx -d creation.hash -t creation.ticket \
        -g sha256 -o signature --attestation attestation -f plain -s ecdsa
}

case_external_keys()
{
    make_message
    make_fixed_key
    openssl genrsa -out rsa.pem 2048 2>openssl.log
    openssl rsa -in rsa.pem -pubout -out rsa.pub 2>openssl.log
    head -c 16 /dev/zero >aes.key
    good tpm2_loadexternal -Q -G rsa -C o -u rsa.pub -c key.ctx
    good tpm2_loadexternal -Q -G rsa -C n -r rsa.pem -c key.ctx
    sign_and_verify
    good tpm2_loadexternal -Q -G ecc -C n -r fixed.pem -c key.ctx -n name
    show_file name
    sign_and_verify
    good tpm2_loadexternal -Q -G ecc -C o -u fixed.pub -c key.ctx -n name
    show_file name
    good tpm2_verifysignature -Q -c key.ctx -g sha256 -m message -s signature
    good tpm2_loadexternal -Q -G aes -C n -r aes.key -c key.ctx
    good tpm2_encryptdecrypt -Q -c key.ctx -o encrypted message
    # A private part may come into the null hierarchy only.
    bad tpm2_loadexternal -Q -G rsa -C o -r rsa.pem -c key.ctx
}

case_imported_keys()
{
    make_message
    make_fixed_key
    openssl genrsa -out rsa.pem 2048 2>openssl.log
    head -c 16 /dev/zero >aes.key
    primary o rsa
    for imported in rsa:rsa.pem ecc:fixed.pem; do
        good tpm2_import -Q -C primary.ctx -G "${imported%:*}" -i "${imported#*:}" \
            -u key.pub -r key.priv
        good tpm2_load -Q -C primary.ctx -u key.pub -r key.priv -c key.ctx -n name
        sign_and_verify
    done
    show_file name
    good tpm2_import -Q -C primary.ctx -G aes -i aes.key -u key.pub -r key.priv
    good tpm2_load -Q -C primary.ctx -u key.pub -r key.priv -c key.ctx
    bad tpm2_sign -Q -c key.ctx -g sha256 -o signature message
}

case_duplicates()
{
    make_message
    head -c 16 /dev/zero >wrapping.key
    primary
    good tpm2_createprimary -Q -C o -G rsa -c parent.ctx
    good tpm2_readpublic -Q -c parent.ctx -n parent.name
    trial_session
    good tpm2_policycommandcode -Q -S session.ctx -L policy TPM2_CC_Duplicate
    show_file policy
    end_session
    good tpm2_create -Q -C primary.ctx -G rsa -L policy -u key.pub -r key.priv \
        -a 'sensitivedataorigin|userwithauth|decrypt|sign'
    good tpm2_load -Q -C primary.ctx -u key.pub -r key.priv -c key.ctx -n key.name
    policy_session
    good tpm2_policycommandcode -Q -S session.ctx TPM2_CC_Duplicate
    good tpm2_duplicate -C parent.ctx -c key.ctx -G null -p session:session.ctx -r duplicate \
        -s seed
    end_session
    good tpm2_import -Q -C parent.ctx -G rsa -i duplicate -u key.pub -r moved.priv -s seed \
        -L policy
    good tpm2_load -Q -C parent.ctx -u key.pub -r moved.priv -c moved.ctx
    good tpm2_sign -Q -c moved.ctx -g sha256 -o signature message
    policy_session
    good tpm2_policycommandcode -Q -S session.ctx TPM2_CC_Duplicate
    good tpm2_duplicate -C parent.ctx -c key.ctx -G aes -i wrapping.key -p session:session.ctx \
        -r duplicate -s seed
    end_session
    policy_session
    bad tpm2_duplicate -C parent.ctx -c key.ctx -G null -p session:session.ctx -r duplicate \
        -s seed
    end_session
    trial_session
    good tpm2_policyduplicationselect -Q -S session.ctx -N parent.name -n key.name -L policy
    end_session
}
