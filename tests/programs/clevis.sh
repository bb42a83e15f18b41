# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# clevis keeps data that decrypts by itself on the machine whose TPM it was encrypted with.

CLEVIS_SECRET="pass phrase of a disk"

# clevis_encrypt NAME CONFIG   writes NAME.jwe
clevis_encrypt()
{
    printf '%s\n' "$CLEVIS_SECRET" | clevis encrypt tpm2 "$2" >"$1.jwe" && [ -s "$1.jwe" ]
}

# clevis_decrypts NAME   true when it is the secret that comes out
clevis_decrypts()
{
    prints "$CLEVIS_SECRET" clevis decrypt <"$1.jwe"
}

job_clevis_decrypt()
{
    step "encrypt with an ECC key" clevis_encrypt ecc '{}' &&
        step "decrypt" clevis_decrypts ecc &&
        step "encrypt with an RSA key" clevis_encrypt rsa '{"key":"rsa"}' &&
        step "decrypt" clevis_decrypts rsa &&
        step "decrypt the first once more" clevis_decrypts ecc
}

job_clevis_pcr_policy()
{
    step "encrypt under PCRs 0 and 7" clevis_encrypt pcr \
        '{"pcr_bank":"sha256","pcr_ids":"0,7"}' &&
        step "encrypt under nothing" clevis_encrypt plain '{}' &&
        step "decrypt the first" clevis_decrypts pcr &&
        step "extend PCR 7" tpm2_pcrextend \
            7:sha256=0000000000000000000000000000000000000000000000000000000000000000 &&
        refused "decrypting it is refused from now on" clevis_decrypts pcr &&
        step "decrypt the second" clevis_decrypts plain
}
