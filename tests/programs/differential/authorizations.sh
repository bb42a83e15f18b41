# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Who may do what: passwords, hierarchies, the lockout, and sessions.

case_passwords()
{
    make_message
    good tpm2_changeauth -c o owner
    good tpm2_changeauth -c e endorsement
    good tpm2_changeauth -c l lockout
    bad tpm2_createprimary -Q -C o -G ecc -c primary.ctx
    good tpm2_createprimary -Q -C o -P owner -G ecc -c primary.ctx
    child ecc -p first
    good tpm2_sign -Q -c key.ctx -p first -g sha256 -o signature message
    bad tpm2_sign -Q -c key.ctx -p wrong -g sha256 -o signature message
    good tpm2_changeauth -C primary.ctx -c key.ctx -p first -r new.priv second
    good tpm2_load -Q -C primary.ctx -u key.pub -r new.priv -c new.ctx
    good tpm2_sign -Q -c new.ctx -p second -g sha256 -o signature message
    bad tpm2_sign -Q -c new.ctx -p first -g sha256 -o signature message
    # One wrong answer for the lockout hierarchy, and it says nothing more.
    bad tpm2_clear -c l
    bad tpm2_clear -c l lockout
    bad tpm2_clearcontrol -C l s
    good tpm2_clearcontrol -C p c
    good tpm2_clear -c p
    good tpm2_createprimary -Q -C o -G ecc -c primary.ctx
    bad tpm2_load -Q -C primary.ctx -u key.pub -r new.priv -c new.ctx
}

case_hierarchies()
{
    make_message
    good tpm2_dictionarylockout -s -n 5 -t 600 -l 700
    good tpm2_setprimarypolicy -C o -g sha256 -L digest
    primary e
    good tpm2_hierarchycontrol -C p ehEnable clear
    bad tpm2_createprimary -Q -C e -G ecc -c other.ctx
    bad tpm2_readpublic -Q -c primary.ctx
    # What is saved outlives that.
    good tpm2_hierarchycontrol -C p ehEnable set
    good tpm2_readpublic -Q -c primary.ctx
    primary n
    good tpm2_hierarchycontrol -C o shEnable clear
    bad tpm2_createprimary -Q -C o -G ecc -c other.ctx
    good tpm2_readpublic -Q -c primary.ctx
    good tpm2_hierarchycontrol -C p shEnable set
    primary e
    primary p
    good tpm2_readpublic -Q -c primary.ctx
    good tpm2_changepps
    bad tpm2_readpublic -Q -c primary.ctx
    primary
    good tpm2_changeeps
    good tpm2_readpublic -Q -c primary.ctx
}

case_lockout()
{
    make_message
    good tpm2_dictionarylockout -s -n 2 -t 1000 -l 1000
    primary
    child ecc -p password
    for i in 1 2 3 4; do
        bad tpm2_sign -Q -c key.ctx -p wrong -g sha256 -o signature message
        good tpm2_getcap properties-variable
        show_lines TPM2_PT_LOCKOUT_COUNTER
    done
    bad tpm2_sign -Q -c key.ctx -p password -g sha256 -o signature message
    good tpm2_dictionarylockout -c
    good tpm2_sign -Q -c key.ctx -p password -g sha256 -o signature message
}

# A session that is ended is unknown, and so is an older state of one that lives.
case_hmac_sessions()
{
    make_message
    primary
    child ecc -p password
    good tpm2_startauthsession -Q --hmac-session -S session.ctx
    good tpm2_sessionconfig session.ctx
    good tpm2_sessionconfig session.ctx --enable-encrypt --enable-decrypt --enable-audit \
        --enable-continuesession
    good tpm2_sign -Q -c key.ctx -p session:session.ctx+password -g sha256 -o signature message
    bad tpm2_sign -Q -c key.ctx -p session:session.ctx+wrong -g sha256 -o signature message
    good tpm2_sign -Q -c key.ctx -p session:session.ctx+password -g sha256 -o signature message
    end_session
    bad tpm2_flushcontext session.ctx
    good tpm2_startauthsession -Q --hmac-session -S session.ctx
    cp session.ctx older.ctx
    good tpm2_sign -Q -c key.ctx -p session:session.ctx+password -g sha256 -o signature message
    bad tpm2_sign -Q -c key.ctx -p session:older.ctx+password -g sha256 -o signature message
    end_session
    for algorithm in sha1 sha384 sha512; do
        good tpm2_startauthsession -Q --hmac-session -g "$algorithm" -S session.ctx
        good tpm2_sign -Q -c key.ctx -p session:session.ctx+password -g sha256 -o signature \
            message
        end_session
    done
}

# Salted, bound, and to end with a command: the last one cannot be saved behind it, of which some
# versions of the tool complain.
case_special_sessions()
{
    make_message
    primary
    child ecc -p password
    good tpm2_startauthsession -Q --hmac-session --tpmkey-context primary.ctx \
        --bind-context key.ctx --bind-auth password -S session.ctx
    good tpm2_sign -Q -c key.ctx -p session:session.ctx+password -g sha256 -o signature message
    end_session
    good tpm2_startauthsession -Q --hmac-session -c primary.ctx -S session.ctx
    good tpm2_create -Q -C primary.ctx -P session:session.ctx -G ecc -u other.pub -r other.priv
    good tpm2_sessionconfig session.ctx --disable-continuesession
    either tpm2_create -Q -C primary.ctx -P session:session.ctx -G ecc -u other.pub -r other.priv
    bad tpm2_create -Q -C primary.ctx -P session:session.ctx -G ecc -u other.pub -r other.priv
}

# A policy and an audit session do not give what the key asks for.
case_sessions_of_other_kinds()
{
    make_message
    primary
    child ecc -p password
    for kind in --policy-session --audit-session; do
        good tpm2_startauthsession -Q "$kind" -S session.ctx
        good tpm2_sessionconfig session.ctx --enable-encrypt --enable-decrypt
        bad tpm2_sign -Q -c key.ctx -p session:session.ctx+password -g sha256 -o signature message
        end_session
        bad tpm2_flushcontext session.ctx
    done
}

# More sessions than a TPM holds loaded, in other order than they were started.
case_many_sessions()
{
    for i in 1 2 3 4 5 6 7 8; do
        good tpm2_startauthsession -Q --policy-session -S "$i.ctx"
    done
    for i in 8 1 7 2 6 3 5 4; do
        good tpm2_policycommandcode -Q -S "$i.ctx" TPM2_CC_Sign
    done
    for i in 1 2 3 4 5 6 7 8; do
        good tpm2_getpolicydigest -S "$i.ctx" --hex
        show
        good tpm2_flushcontext "$i.ctx"
    done
}
