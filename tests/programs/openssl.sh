# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# OpenSSL with the provider tpm2: keys that only the TPM can use, in files that OpenSSL reads.

export TPM2OPENSSL_TCTI="$TPM2TOOLS_TCTI"

TLS_CLIENTS=3

# with_tpm COMMAND OPTION...   the openssl command with both providers, the TPM's first
with_tpm()
{
    with_tpm_command=$1
    shift
    openssl "$with_tpm_command" -provider tpm2 -provider default -propquery '?provider=tpm2' "$@"
}

# certified_key NAME ALGORITHM   NAME.key in the TPM, its own certificate NAME.pem
certified_key()
{
    case $2 in
    EC) certified_option=group:P-256 ;;
    RSA) certified_option=bits:2048 ;;
    esac
    openssl genpkey -provider tpm2 -algorithm "$2" -pkeyopt "$certified_option" -out "$1.key" &&
        grep 'BEGIN TSS2 PRIVATE KEY' "$1.key" &&
        with_tpm req -x509 -new -key "$1.key" -subj "/CN=$1" -out "$1.pem"
}

# The server ends by itself after its last client. When it says ACCEPT it listens.
tls_serve()
{
    mkfifo server.out || return 1
    openssl s_server -provider tpm2 -provider default -propquery '?provider=tpm2' \
        -unix tls.sock -naccept "$TLS_CLIENTS" -www -cert server.pem -key server.key \
        -CAfile client.pem -Verify 1 -verify_return_error >server.out 2>server.log &
    tls_server=$!
    trap 'kill "$tls_server"' EXIT
    exec 3<server.out
    while read -r tls_line <&3; do
        case $tls_line in ACCEPT*) return 0 ;; esac
    done
    cat server.log
    return 1
}

tls_server_ends()
{
    wait "$tls_server" && trap - EXIT
}

# tls_client OPTION...   true when the server takes the client and serves its page
tls_client()
{
    printf 'GET / HTTP/1.0\r\n\r\n' | timeout 60 openssl s_client -unix tls.sock -quiet -ign_eof \
        -CAfile server.pem -verify_return_error "$@" >page && grep 'HTTP/1.0 200' page
}

tls_client_with_key()
{
    tls_client -provider tpm2 -provider default -propquery '?provider=tpm2' -cert client.pem \
        -key client.key
}

tls_client_without_key_is_refused()
{
    ! tls_client && grep 'peer did not return a certificate' server.log
}

# job_openssl_tls SERVER-ALGORITHM CLIENT-ALGORITHM
job_openssl_tls()
{
    step "make the server's key, $1" certified_key server "$1" &&
        step "make the client's key, $2" certified_key client "$2" &&
        step "start the server" tls_serve &&
        step "it takes a client with a key" tls_client_with_key &&
        step "and once more" tls_client_with_key &&
        step "but none without a key" tls_client_without_key_is_refused &&
        step "it ends by itself" tls_server_ends
}

sign_and_verify()
{
    with_tpm pkeyutl -sign -rawin -digest sha256 -inkey server.key -in message \
        -out "signature.$1" &&
        openssl x509 -in server.pem -noout -pubkey >"public.$1" &&
        openssl dgst -sha256 -verify "public.$1" -signature "signature.$1" message
}

job_openssl_sign()
{
    step "make a key" certified_key server EC &&
        step "make a message" make_message &&
        step "sign, and verify without the TPM" sign_and_verify 1 &&
        step "12 random bytes" with_tpm rand -hex 12 &&
        step "sign once more, while four others use the TPM" sign_among_others
}

# Each of the others is a process with a key of its own.
sign_among_others()
{
    others=
    for other in 1 2 3 4; do
        (mkdir "other-$other" && cd "other-$other" && job_seal) >"other-$other.log" 2>&1 &
        others="$others $!"
    done
    good=0
    sign_and_verify 2 || good=1
    for other in $others; do
        wait "$other" || good=1
    done
    [ "$good" -eq 0 ] || cat other-*.log
    return "$good"
}
