# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# A day's work with IBM's tools, which find the bridge by the environment. Each tool is a process and
# a connection of its own, and names objects by the handles that others were given. The argument is
# the NV index to use. Runs in an empty directory, where the tools keep what belongs to sessions.
set -eu

index=$1
export TPM_DATA_DIR="$PWD" TPM_ENCRYPT_SESSIONS=0

# The handle that a tool has made.
handle()
{
    sed -n 's/^ *Handle \([0-9a-f]*\).*/\1/p' "$1"
}

refused()
{
    ! "$@" >/dev/null 2>&1
}

tssgetcapability -cap 6 -pr 100 -pc 1 | grep -q 'value 322e3000'

tsscreateprimary -hi o -ecc nistp256 >primary
primary=$(handle primary)
tsscreate -hp "$primary" -si -kt f -kt p -ecc nistp256 -opu key.pub -opr key.priv -pwdk word >created
tssload -hp "$primary" -ipu key.pub -ipr key.priv >loaded
key=$(handle loaded)
echo "a message" >message
echo "another" >other
tsssign -hk "$key" -pwdk word -if message -ecc -os signature >signed
tssverifysignature -hk "$key" -ecc -if message -is signature >verified
refused tssverifysignature -hk "$key" -ecc -if other -is signature
refused tsssign -hk "$key" -pwdk wrong -if message -ecc -os none

# An HMAC session serves several processes.
tssstartauthsession -se h >session
session=$(handle session)
tsssign -hk "$key" -pwdk word -if message -ecc -os signature -se0 "$session" 1 >signed
tsssign -hk "$key" -pwdk word -if message -ecc -os signature -se0 "$session" 0 >signed
tssflushcontext -ha "$key"
refused tsssign -hk "$key" -pwdk word -if message -ecc -os none

tssnvdefinespace -ha "$index" -hi o -pwdn nvword -sz 10 >defined
tssnvwrite -ha "$index" -pwdn nvword -ic "ten bytes." >written
tssnvread -ha "$index" -pwdn nvword -sz 10 -of nv >got
test "$(cat nv)" = "ten bytes."
tssnvundefinespace -ha "$index" -hi o >undefined

# PCR 16 is for anybody to use.
tsspcrread -ha 16 -halg sha256 >before
tsspcrextend -ha 16 -halg sha256 -ic measured >extended
tsspcrread -ha 16 -halg sha256 >after
refused cmp -s before after

# A policy of PCR 0, first tried, then fulfilled.
tssstartauthsession -se t >trial
tsspolicypcr -ha "$(handle trial)" -bm 1 -halg sha256 >policy
tsspolicygetdigest -ha "$(handle trial)" -of digest >policy
tssflushcontext -ha "$(handle trial)"
tssnvdefinespace -ha "$index" -hi o -hia o -sz 10 -pol digest >defined
tssnvwrite -ha "$index" -hia o -ic "ten bytes." >written
tssstartauthsession -se p >session
session=$(handle session)
tsspolicypcr -ha "$session" -bm 1 -halg sha256 >policy
tssnvread -ha "$index" -sz 10 -of nv -se0 "$session" 0 >got
test "$(cat nv)" = "ten bytes."
tssnvundefinespace -ha "$index" -hi o >undefined

tssflushcontext -ha "$primary"
echo "all is well"
