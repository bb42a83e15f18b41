# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# What the cases of differential/ are written in. A case is a function, case_NAME; it runs in an
# empty directory and prints a transcript: a line for each call of a tool, and below it what the
# call brought forth where the same has to come from any TPM that was made a moment ago.
#
#   7 tpm2_unseal -c sealed.ctx => 3 Esys_Unseal 0x98E
#     | text of a shown output
#
# Behind the arrow: the exit status, and the response codes that the tool complained of with the
# functions that returned them. A call says what is expected of it (good, bad, either), so that a
# case in which nothing works cannot pass because it fails alike everywhere.
#
# To be sourced after common.sh. TPM2TOOLS_TCTI names what the tools talk to; BARE is 1 where that
# is the TPM itself. What a tool leaves loaded is flushed there after each call: nobody else does,
# and the TPM has room for three objects only.

unset TSS2_LOG
calls=0
disappointments=0

# What the tool complained of, on one line: "Esys_Unseal 0x98E". The library logs what a call came
# to, and most tools say it again; once is enough.
complaints()
{
    esys_call='\(Esys_[A-Za-z0-9_]*\)'
    sed -n -e "s/^ERROR:esys:.*:$esys_call() Esys Finish ErrorCode (0x0*\([0-9a-f]*\)).*/\1 \2/p" \
        -e "s/^ERROR: $esys_call(0x\([0-9A-F]*\)).*/\1 \2/p" "$calls.err" |
        awk '{ print $1, "0x" toupper($2) }' | uniq | tr '\n' ' '
}

# call VERDICT COMMAND...
call()
{
    call_verdict=$1
    shift
    calls=$((calls + 1))
    call_status=0
    "$@" >"$calls.out" 2>"$calls.err" </dev/null || call_status=$?
    # Names of keys are long, and other ones each time.
    printf '%s %s => %s %s\n' "$calls" "$*" "$call_status" "$(complaints)" |
        sed 's/[0-9a-f]\{64,\}/(hex)/g'
    case $call_verdict:$call_status in
        good:0 | bad:[1-9]* | either:*) ;;
        *)
            printf '  ! this was to be %s\n' "$call_verdict"
            sed 's/^/  ! /' "$calls.err"
            disappointments=$((disappointments + 1))
            ;;
    esac
    [ "$BARE" -ne 1 ] || tpm2_flushcontext -t >/dev/null
}

# The command must succeed.
good()
{
    call good "$@"
}

# The command must fail.
bad()
{
    call bad "$@"
}

# The command may do either: versions of the TPM and of the tools differ in what they can do.
either()
{
    call either "$@"
}

# Puts into the transcript what the last call printed. A property of the TPM comes on one line:
# "NAME:  raw: VALUE".
show()
{
    show_lines .
}

# The same of those lines that match a pattern.
show_lines()
{
    awk -v pattern="$1" '
        function put() { if (held ~ pattern) print "  | " held }
        /^ *raw:/ { held = held $0; next }
        { put(); held = $0 }
        END { put() }' "$calls.out"
}

# Puts bytes of a file into the transcript.
show_file()
{
    printf '  | %s:%s\n' "$1" "$(od -An -v -tx1 "$1" | tr -d ' \n')"
}

# holds COMMAND...   what must be true of what the tools have made
holds()
{
    if ! "$@" >holds.log 2>&1; then
        printf '  ! this does not hold: %s\n' "$*"
        disappointments=$((disappointments + 1))
    fi
}

# primary [HIERARCHY [ALGORITHM]]   primary.ctx
primary()
{
    good tpm2_createprimary -Q -C "${1:-o}" -G "${2:-ecc}" -c primary.ctx
}

# child ALGORITHM OPTION...   key.ctx below primary.ctx
child()
{
    child_algorithm=$1
    shift
    good tpm2_create -Q -C primary.ctx -G "$child_algorithm" -u key.pub -r key.priv "$@"
    good tpm2_load -Q -C primary.ctx -u key.pub -r key.priv -c key.ctx
}

# sign_and_verify OPTION...   with key.ctx
sign_and_verify()
{
    good tpm2_sign -Q -c key.ctx -g sha256 -o signature "$@" message
    good tpm2_verifysignature -Q -c key.ctx -g sha256 -m message -s signature
}

policy_session()
{
    good tpm2_startauthsession -Q --policy-session -S session.ctx
}

trial_session()
{
    good tpm2_startauthsession -Q -S session.ctx
}

end_session()
{
    good tpm2_flushcontext session.ctx
}

# seal_under POLICY OPTION...   sealed.ctx, a secret that opens to the policy alone
seal_under()
{
    printf 'a secret\n' >secret
    seal_policy=$1
    shift
    good tpm2_create -Q -C primary.ctx -i secret -L "$seal_policy" -u sealed.pub -r sealed.priv \
        -a 'fixedtpm|fixedparent' "$@"
    good tpm2_load -Q -C primary.ctx -u sealed.pub -r sealed.priv -c sealed.ctx
}

# opens [AUTH] and stays_shut [AUTH]   what session.ctx, and the secret's password, come to
opens()
{
    good tpm2_unseal -c sealed.ctx -p "session:session.ctx${1:-}"
    show
}

stays_shut()
{
    bad tpm2_unseal -c sealed.ctx -p "session:session.ctx${1:-}"
}

# fixed.pem and fixed.pub: a P-256 key that is the same each time, so that its name and policies
# with it are. SEC 1, C.4: the private number, and the curve by its identifier.
make_fixed_key()
{
    {
        printf '\060\061\002\001\001\004\040%s' 'a number which nobody keeps safe'
        printf '\240\012\006\010\052\206\110\316\075\003\001\007'
    } >fixed.der
    openssl ec -inform DER -in fixed.der -out fixed.pem 2>openssl.log
    openssl ec -in fixed.pem -pubout -out fixed.pub 2>openssl.log
}

# Runs a case. Not 0 when a call disappointed.
differential()
{
    [ "$BARE" -ne 1 ] || tpm2_startup -c
    "$1"
    [ "$disappointments" -eq 0 ]
}
