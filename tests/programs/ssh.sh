# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# A login over SSH with a key in the TPM, which the agent reaches through PKCS #11. The server
# serves one connection on its standard input, so there is no port; it is an ordinary user's
# process, and nss_wrapper makes a user with a shell known to it. TABRMD_TEST_SSHD names another
# sshd than the usual one; its helper programs and libraries may lie beside it.

# With the library's path: the agent, a set-group-ID program, does without LD_LIBRARY_PATH.
export TPM2_PKCS11_TCTI="$LD_LIBRARY_PATH/libtss2-tcti-tabrmd.so.0:${TPM2TOOLS_TCTI#*:}"
export TPM2_PKCS11_STORE="$PWD/store"

SSH_SERVER=${TABRMD_TEST_SSHD:-/usr/sbin/sshd}

# Prints the PKCS #11 module's real path: the agent loads nothing by another one. It is where
# PKCS #11 modules are, or, of old, where libraries are.
pkcs11_module()
{
    for module in /usr/lib/*/pkcs11/libtpm2_pkcs11.so.1 /usr/lib/*/libtpm2_pkcs11.so.1; do
        if [ -e "$module" ]; then
            readlink -f "$module"
            return
        fi
    done
    echo "libtpm2_pkcs11.so.1 is missing; install libtpm2-pkcs11-1" >&2
    return 1
}

make_token()
{
    mkdir store && tpm2_ptool init &&
        tpm2_ptool addtoken --pid=1 --sopin=sopin --userpin=userpin --label=token &&
        tpm2_ptool addkey --algorithm="$1" --label=token --userpin=userpin --key-label=login
}

# Prints the option of sshd that names a helper program, when that lies beside it: sshd looks for
# it nowhere but where it was installed. Those who have no such helper know no such option.
ssh_helper()
{
    ssh_helper_path="${SSH_SERVER%/sbin/sshd}/lib/openssh/$2"
    [ ! -x "$ssh_helper_path" ] || printf '%s' "-o $1=$ssh_helper_path"
}

# The server's files, readable for the user that it runs as: whoever runs the test, or nobody's
# ID when that is root.
make_server()
{
    [ -x "$SSH_SERVER" ] || {
        echo "$SSH_SERVER is missing; name one with TABRMD_TEST_SSHD or install openssh-server"
        return 1
    }
    ssh_uid=$(id -u)
    ssh_gid=$(id -g)
    [ "$ssh_uid" -ne 0 ] || ssh_uid=65534 ssh_gid=65534
    ssh_dir=$(mktemp -d /tmp/tabrmd-sshd.XXXXXX) || return 1
    trap 'rm -rf "$ssh_dir"' EXIT
    trap 'exit 1' TERM
    ssh-keygen -q -t ed25519 -N '' -f "$ssh_dir/host" &&
        ssh-keygen -D "$(pkcs11_module)" >"$ssh_dir/authorized_keys" &&
        echo "tester:x:$ssh_uid:$ssh_gid::$ssh_dir:/bin/sh" >"$ssh_dir/passwd" &&
        echo "tester:x:$ssh_gid:" >"$ssh_dir/group" &&
        echo "server $(cat "$ssh_dir/host.pub")" >known_hosts || return 1
    cat >server <<EOF
#!/bin/sh
export LD_LIBRARY_PATH=$(libraries_beside "$SSH_SERVER")
[ "\$(id -u)" -ne 0 ] || set -- setpriv --reuid=$ssh_uid --regid=$ssh_gid --clear-groups
exec "\$@" env LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD="$ssh_dir/passwd" \\
    NSS_WRAPPER_GROUP="$ssh_dir/group" "$SSH_SERVER" -i -f /dev/null -h "$ssh_dir/host" \\
    -E "$ssh_dir/log" -o UsePAM=no -o StrictModes=no -o PasswordAuthentication=no \\
    -o KbdInteractiveAuthentication=no -o AuthorizedKeysFile="$ssh_dir/authorized_keys" \\
    $(ssh_helper SshdSessionPath sshd-session) $(ssh_helper SshdAuthPath sshd-auth)
EOF
    printf '#!/bin/sh\necho userpin\n' >askpass
    chmod +x server askpass &&
        { [ "$(id -u)" -ne 0 ] || chown -R "$ssh_uid:$ssh_gid" "$ssh_dir"; }
}

# login COMMAND   over SSH
login()
{
    timeout 60 ssh -F none -o ProxyCommand="$PWD/server" -o HostKeyAlias=server \
        -o UserKnownHostsFile="$PWD/known_hosts" -o StrictHostKeyChecking=yes \
        -o PreferredAuthentications=publickey -o IdentityFile=none tester@server "$@"
}

# True when the server itself refuses, and not when there is none to ask.
login_is_refused()
{
    ! login true 2>refusal && grep 'Permission denied (publickey)' refusal && return
    cat refusal "$ssh_dir/log"
    return 1
}

# Runs as a child of the agent, which ends with it.
inside_agent()
{
    export SSH_AUTH_SOCK="$PWD/agent" SSH_ASKPASS="$PWD/askpass" SSH_ASKPASS_REQUIRE=force
    step "without a key the login is refused" login_is_refused &&
        step "give the key to the agent" ssh-add -s "$(pkcs11_module)" &&
        step "log in" prints "this is $1" login "echo this is \$(id -u)" &&
        step "log in while four others use the TPM" login_among_others "$1" &&
        step "take the key from the agent" ssh-add -e "$(pkcs11_module)" &&
        step "the login is refused again" login_is_refused
}

login_among_others()
{
    (mkdir others && cd others && job_four_users) >others.log 2>&1 &
    others=$!
    good=0
    prints "this is $1" login "echo this is \$(id -u)" || good=1
    wait "$others" || good=1
    [ "$good" -eq 0 ] || cat others.log
    return "$good"
}

run_agent()
{
    timeout 100 ssh-agent -a "$PWD/agent" sh -euc \
        "JOBS='$JOBS' PROGRAMS='$PROGRAMS'; export LD_LIBRARY_PATH='$LD_LIBRARY_PATH'
        . '$JOBS'; . '$PROGRAMS/common.sh'; . '$PROGRAMS/ssh.sh'
        ssh_dir='$ssh_dir'; inside_agent $ssh_uid"
}

# job_ssh_login ALGORITHM
job_ssh_login()
{
    step "make a PKCS #11 token with a key, $1" make_token "$1" &&
        step "make a server" make_server &&
        run_agent
}
