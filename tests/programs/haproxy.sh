# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# HAProxy as a TLS server whose key is in the TPM. It opens its key first and forks then: its workers
# use a connection that another process made. TABRMD_TEST_HAPROXY names another haproxy than the
# usual one; its libraries may lie beside it.

# shellcheck source=tests/programs/openssl.sh
. "$PROGRAMS/openssl.sh"

HAPROXY=${TABRMD_TEST_HAPROXY:-/usr/sbin/haproxy}
HAPROXY_HANDSHAKES=4

haproxy_configure()
{
    cat >openssl.cnf <<EOF
openssl_conf = main
[main]
providers = providers
alg_section = algorithms
[providers]
default = provider
tpm2 = provider
[provider]
activate = 1
[algorithms]
default_properties = ?provider=tpm2
EOF
    cat >haproxy.cfg <<EOF
global
    maxconn 16
    nbthread 1
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 60s
frontend tls
    bind unix@$PWD/tls.sock ssl crt $PWD/site.pem
    http-request return status 200 content-type text/plain string served
EOF
    cat server.pem server.key >site.pem
}

run_haproxy()
{
    haproxy_libraries=$LD_LIBRARY_PATH:$(libraries_beside "$HAPROXY")
    OPENSSL_CONF=$PWD/openssl.cnf LD_LIBRARY_PATH=$haproxy_libraries exec "$HAPROXY" \
        -f haproxy.cfg -p "$PWD/haproxy.pid" "$@" >haproxy.log 2>&1
}

# haproxy_start WHERE OPTION...   returns when it listens; its process is haproxy_pid then. WHERE is
# foreground, or background: there it is another process than the one that was started.
haproxy_start()
{
    [ -x "$HAPROXY" ] || {
        echo "$HAPROXY is missing; name one with TABRMD_TEST_HAPROXY or install haproxy"
        return 1
    }
    trap 'kill "$haproxy_pid" $(cat haproxy.pid)' EXIT
    trap 'exit 1' TERM
    haproxy_where=$1
    shift
    (run_haproxy "$@") &
    haproxy_pid=$!
    if [ "$haproxy_where" = background ]; then
        wait "$haproxy_pid" && await test -s haproxy.pid || return 1
        [ "$(cat haproxy.pid)" -ne "$haproxy_pid" ] || return 1
        haproxy_pid=$(cat haproxy.pid)
    fi
    await haproxy_listens || {
        cat haproxy.log
        return 1
    }
}

# Looks until the command is true.
await()
{
    await_tries=600
    until "$@"; do
        await_tries=$((await_tries - 1))
        [ "$await_tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

haproxy_listens()
{
    [ -S tls.sock ] && kill -0 "$haproxy_pid"
}

haproxy_is_gone()
{
    ! kill -0 "$haproxy_pid" 2>/dev/null
}

haproxy_answers()
{
    printf 'GET / HTTP/1.0\r\n\r\n' | timeout 60 openssl s_client -unix tls.sock -quiet -ign_eof \
        -CAfile server.pem -verify_return_error >page && grep -x served page
}

haproxy_serves()
{
    for handshake in $(seq "$HAPROXY_HANDSHAKES"); do
        haproxy_answers || {
            echo "handshake $handshake failed"
            cat haproxy.log
            return 1
        }
    done
}

# A child stays until it is waited for.
haproxy_ends()
{
    kill "$haproxy_pid" || return 1
    if [ "$haproxy_where" = foreground ]; then
        wait "$haproxy_pid" || :
    fi
    await haproxy_is_gone && trap - EXIT
}

# job_haproxy ALGORITHM WHERE OPTION...
job_haproxy()
{
    step "make a key, $1" certified_key server "$1" &&
        step "write the configuration" haproxy_configure || return 1
    shift
    step "start haproxy in the $*" haproxy_start "$@" &&
        step "$HAPROXY_HANDSHAKES handshakes" haproxy_serves &&
        step "they go on while others use the TPM" haproxy_among_others &&
        step "it ends" haproxy_ends
}

haproxy_among_others()
{
    (mkdir others && cd others && job_four_users) >others.log 2>&1 &
    others=$!
    good=0
    haproxy_serves || good=1
    wait "$others" || good=1
    [ "$good" -eq 0 ] || cat others.log
    return "$good"
}
