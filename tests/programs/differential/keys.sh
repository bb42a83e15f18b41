# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Keys of every kind and what they can do.

case_rsa()
{
    make_message
    primary o rsa
    child rsa2048
    sign_and_verify
    sign_and_verify -s rsassa
    sign_and_verify -s rsapss
    good tpm2_sign -Q -c key.ctx -g sha256 -d -o signature digest
    for padding in rsaes oaep; do
        good tpm2_rsaencrypt -c key.ctx -s "$padding" -o encrypted message
        good tpm2_rsadecrypt -c key.ctx -s "$padding" -o decrypted encrypted
        holds cmp message decrypted
    done
    head -c 256 /dev/zero >zeros
    good tpm2_rsaencrypt -c key.ctx -s null -o encrypted zeros
    show_file encrypted
    good tpm2_rsadecrypt -c key.ctx -s null -o decrypted encrypted
    holds cmp zeros decrypted
    good tpm2_certify -Q -c primary.ctx -C key.ctx -g sha256 -o attestation -s signature
    child rsa1024
    either tpm2_create -Q -C primary.ctx -G rsa4096 -u key.pub -r key.priv
}

case_ecc()
{
    make_message
    primary
    for algorithm in ecc ecc384 ecc521 ecc224 ecc256:ecdsa-sha256; do
        child "$algorithm"
        sign_and_verify
    done
    for algorithm in ecc256:ecschnorr ecc256:ecdaa4-sha256; do
        child "$algorithm"
        either tpm2_sign -Q -c key.ctx -g sha256 -o signature message
        bad tpm2_verifysignature -Q -c key.ctx -g sha256 -m message -s signature
    done
}

case_key_agreement()
{
    primary
    either tpm2_ecdhkeygen -c primary.ctx -u point -o shared
    good tpm2_create -Q -C primary.ctx -G ecc256:ecdh -c key.ctx
    good tpm2_ecdhkeygen -c key.ctx -u point -o shared
    good tpm2_ecdhzgen -c key.ctx -u point -o again
    holds cmp shared again
    # What the second makes the TPM remember is not an object, and counts on.
    good tpm2_ecephemeral ecc256 -u ephemeral -t counter
    show_file counter
    good tpm2_ecephemeral ecc256 -u ephemeral -t counter
    show_file counter
    either tpm2_zgen2phase -c key.ctx -s ecdh -t 1 --static-public point \
        --ephemeral-public ephemeral --output-Z1 z1 --output-Z2 z2
    bad tpm2_create -Q -C primary.ctx -G ecc256:ecmqv -c key.ctx
}

case_anonymous_signatures()
{
    make_message
    primary
    good tpm2_create -Q -C primary.ctx -G ecc256:ecdaa -c key.ctx -u key.pub -r key.priv
    good tpm2_commit -c key.ctx -u point -t counter
    show_file counter
    good tpm2_commit -Q -c key.ctx -t counter
    show_file counter
    good tpm2_sign -Q -c key.ctx -g sha256 -s ecdaa --commit-index 1 -o signature message
}

case_symmetric()
{
    head -c 16 /dev/zero >iv
    head -c 48 /dev/zero >plain
    primary
    for algorithm in aes128cfb aes128cbc aes128ctr aes128ofb aes256cfb; do
        good tpm2_create -Q -C primary.ctx -G "$algorithm" -c key.ctx
        good tpm2_encryptdecrypt -Q -c key.ctx -t iv -o encrypted plain
        good tpm2_encryptdecrypt -Q -c key.ctx -t iv -d -o decrypted encrypted
        holds cmp plain decrypted
    done
    # This mode has no initial value.
    good tpm2_create -Q -C primary.ctx -G aes128ecb -c key.ctx
    bad tpm2_encryptdecrypt -Q -c key.ctx -t iv -o encrypted plain
    for algorithm in aes192 camellia128; do
        either tpm2_create -Q -C primary.ctx -G "$algorithm" -c other.ctx
    done
}

# More than one command's worth of data goes through a sequence object.
case_hashes()
{
    make_message
    head -c 3000 /dev/zero >large
    for algorithm in sha1 sha256 sha384 sha512; do
        good tpm2_hash -g "$algorithm" -o hash message
        show_file hash
        good tpm2_hash -C o -g "$algorithm" -t ticket -o hash large
        show_file hash
    done
    either tpm2_hash -g sm3_256 -o hash large
    primary
    good tpm2_create -Q -C primary.ctx -G hmac -c key.ctx
    good tpm2_hmac -c key.ctx -o hmac message
    good tpm2_hmac -c key.ctx -t ticket -o hmac large
    good tpm2_create -Q -C primary.ctx -G hmac:sha384 -c key.ctx
    good tpm2_hmac -c key.ctx -g sha384 -o hmac large
    bad tpm2_hmac -c primary.ctx -o hmac message
}

# A restricted key signs what the TPM itself has hashed, and says so by a ticket.
case_restricted_key()
{
    make_message
    primary
    good tpm2_create -Q -C primary.ctx -G ecc256:ecdsa-sha256:null -u key.pub -r key.priv \
        -a 'sign|restricted|fixedtpm|fixedparent|sensitivedataorigin|userwithauth'
    good tpm2_load -Q -C primary.ctx -u key.pub -r key.priv -c key.ctx
    good tpm2_hash -C o -g sha256 -t ticket -o hash message
    good tpm2_sign -Q -c key.ctx -g sha256 -d -t ticket -o signature hash
    good tpm2_sign -Q -c key.ctx -g sha256 -o signature message
    bad tpm2_sign -Q -c key.ctx -g sha256 -d -o signature hash
}
