# SPDX-License-Identifier: BSD-2-Clause
"""Python programs that use the TPM through ESAPI: one job of those below, named on the command
line, with the TCTI that TPM2TOOLS_TCTI names."""
import hashlib
import os
import sys

from tpm2_pytss import (
    ESAPI, ESYS_TR, TCTILdr, TPM2_ALG, TPM2_CAP, TPM2_CC, TPM2_HC, TPM2_RH, TPM2_SE, TPM2_ST, TPMA_NV,
    TPMA_SESSION, TPM2B_DIGEST, TPM2B_NV_PUBLIC, TPM2B_PUBLIC, TPM2B_SENSITIVE_CREATE,
    TPML_PCR_SELECTION, TPMS_NV_PUBLIC, TPMS_SENSITIVE_CREATE, TPMT_SIG_SCHEME, TPMT_SYM_DEF,
    TPMT_TK_HASHCHECK, TPMU_SYM_KEY_BITS, TPMU_SYM_MODE, TSS2_Exception)

MESSAGE = b"a message"
DIGEST = hashlib.sha256(MESSAGE).digest()
SECRET = b"my secret"
POLICY_CHECK_FAILED = 0x99D
SIGNATURE_WRONG = 0x2DB
SIGNING = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
MANY = 8  # more objects than the three that a chip holds


def connect():
    name, _, conf = os.environ["TPM2TOOLS_TCTI"].partition(":")
    return ESAPI(TCTILdr(name, conf))


def sensitive(auth=b"", data=b""):
    return TPM2B_SENSITIVE_CREATE(TPMS_SENSITIVE_CREATE(userAuth=auth, data=data))


def primary(tpm):
    return tpm.create_primary(sensitive(), "ecc256")[0]


def child(tpm, parent, kind, auth=b"", data=b"", **template):
    private, public = tpm.create(
        parent, sensitive(auth, data), TPM2B_PUBLIC.parse(kind, **template))[:2]
    return tpm.load(parent, private, public)


def signing_key(tpm, parent, auth=b""):
    return child(tpm, parent, "ecc256:ecdsa-sha256", auth, objectAttributes=SIGNING)


def sign(tpm, key, digest=DIGEST, **sessions):
    return tpm.sign(
        key, TPM2B_DIGEST(digest), TPMT_SIG_SCHEME(scheme=TPM2_ALG.NULL),
        TPMT_TK_HASHCHECK(tag=TPM2_ST.HASHCHECK, hierarchy=TPM2_RH.NULL), **sessions)


def session(tpm, kind, **keys):
    return tpm.start_auth_session(
        keys.get("salt", ESYS_TR.NONE), keys.get("bind", ESYS_TR.NONE), kind,
        TPMT_SYM_DEF(algorithm=TPM2_ALG.AES, keyBits=TPMU_SYM_KEY_BITS(sym=128),
                     mode=TPMU_SYM_MODE(sym=TPM2_ALG.CFB)), TPM2_ALG.SHA256)


def refused(code, call, *arguments, **keywords):
    """The call must fail with this response code."""
    try:
        call(*arguments, **keywords)
    except TSS2_Exception as error:
        assert error.rc == code, f"refused with {error.rc:#x}, not {code:#x}"
    else:
        raise AssertionError(f"not refused with {code:#x}")


def handles(tpm, first):
    _, capabilities = tpm.get_capability(TPM2_CAP.HANDLES, first, 254)
    return list(capabilities.data.handles)


def job_keys():
    """More keys than slots, used in turn and then again; all of one client."""
    with connect() as tpm:
        parent = primary(tpm)
        keys = [signing_key(tpm, parent) for _ in range(MANY)]
        for _ in range(2):
            signatures = [sign(tpm, key) for key in keys]
            for key, signature in zip(keys, signatures):
                tpm.verify_signature(key, TPM2B_DIGEST(DIGEST), signature)
        refused(SIGNATURE_WRONG, tpm.verify_signature, keys[0], TPM2B_DIGEST(DIGEST),
                signatures[1])
        assert len(handles(tpm, TPM2_HC.TRANSIENT_FIRST)) == MANY + 1
        for key in keys:
            tpm.flush_context(key)
        assert len(handles(tpm, TPM2_HC.TRANSIENT_FIRST)) == 1


def job_sessions():
    """Salted and bound, with encrypted parameters, several at a time."""
    with connect() as tpm:
        parent = primary(tpm)
        key = signing_key(tpm, parent, auth=b"password")
        tpm.tr_set_auth(key, b"password")
        sealed = child(tpm, parent, "keyedhash", auth=b"password", data=SECRET,
                       objectAttributes="fixedtpm|fixedparent|userwithauth")
        tpm.tr_set_auth(sealed, b"password")
        kinds = [{}, {"salt": parent}, {"bind": key}, {"salt": parent, "bind": key}]
        sessions = [session(tpm, TPM2_SE.HMAC, **kind) for kind in kinds]
        flags = TPMA_SESSION.CONTINUESESSION | TPMA_SESSION.DECRYPT | TPMA_SESSION.ENCRYPT
        for one in sessions:
            tpm.trsess_set_attributes(one, flags)
        for _ in range(2):
            for one in sessions:
                assert bytes(tpm.unseal(sealed, session1=one)) == SECRET
            tpm.verify_signature(key, TPM2B_DIGEST(DIGEST), sign(tpm, key))
        assert len(handles(tpm, TPM2_HC.LOADED_SESSION_FIRST)) == len(sessions)
        for one in sessions:
            tpm.flush_context(one)
        assert handles(tpm, TPM2_HC.LOADED_SESSION_FIRST) == []


def pcr_policy(tpm, kind, code):
    one = session(tpm, kind)
    tpm.policy_pcr(one, TPM2B_DIGEST(), TPML_PCR_SELECTION.parse("sha256:16"))
    tpm.policy_command_code(one, code)
    return one


def job_policy():
    """A secret that opens while PCR 16 is as it was, for TPM2_Unseal only."""
    with connect() as tpm:
        trial = pcr_policy(tpm, TPM2_SE.TRIAL, TPM2_CC.Unseal)
        policy = bytes(tpm.policy_get_digest(trial))
        tpm.flush_context(trial)
        parent = primary(tpm)
        sealed = child(tpm, parent, "keyedhash", data=SECRET, authPolicy=policy,
                       objectAttributes="fixedtpm|fixedparent|adminwithpolicy")
        one = pcr_policy(tpm, TPM2_SE.POLICY, TPM2_CC.Unseal)
        tpm.trsess_set_attributes(one, TPMA_SESSION.CONTINUESESSION)
        assert bytes(tpm.unseal(sealed, session1=one)) == SECRET
        tpm.policy_restart(one)
        refused(POLICY_CHECK_FAILED, tpm.unseal, sealed, session1=one)
        tpm.flush_context(one)
        tpm.pcr_event(ESYS_TR.PCR16, MESSAGE)
        one = pcr_policy(tpm, TPM2_SE.POLICY, TPM2_CC.Unseal)
        refused(POLICY_CHECK_FAILED, tpm.unseal, sealed, session1=one)


def job_nv():
    """An index is written in parts, read by another client, and removed."""
    public = TPMS_NV_PUBLIC(
        nvIndex=0x1500018, nameAlg=TPM2_ALG.SHA256, dataSize=2000,
        attributes=TPMA_NV.parse("ownerread|ownerwrite|authread|authwrite"))
    data = os.urandom(2000)
    with connect() as tpm, connect() as other:
        index = tpm.nv_define_space(b"password", TPM2B_NV_PUBLIC(nvPublic=public))
        for offset in range(0, len(data), 1000):
            tpm.nv_write(index, data[offset:offset + 1000], offset=offset)
        seen = other.tr_from_tpmpublic(0x1500018)
        other.tr_set_auth(seen, b"password")
        read = [bytes(other.nv_read(seen, 500, offset=o)) for o in range(0, len(data), 500)]
        assert b"".join(read) == data
        tpm.nv_undefine_space(index)


def job_contexts():
    """What one client saved another one loads; what it did not is not to be had."""
    with connect() as tpm, connect() as other:
        key = signing_key(tpm, primary(tpm))
        signature = sign(tpm, key)
        loaded = other.context_load(tpm.context_save(key))
        other.verify_signature(loaded, TPM2B_DIGEST(DIGEST), signature)
        tpm.flush_context(key)
        other.verify_signature(loaded, TPM2B_DIGEST(DIGEST), sign(other, loaded))
        one = session(tpm, TPM2_SE.HMAC)
        taken = other.context_load(tpm.context_save(one))
        other.verify_signature(loaded, TPM2B_DIGEST(DIGEST), sign(other, loaded, session1=taken))
        sequence = tpm.hash_sequence_start(None, TPM2_ALG.SHA256)
        tpm.sequence_update(sequence, MESSAGE[:4])
        moved = other.context_load(tpm.context_save(sequence))
        tpm.sequence_update(sequence, MESSAGE[4:])
        digest, _ = tpm.sequence_complete(sequence, None)
        assert bytes(digest) == DIGEST
        digest, _ = other.sequence_complete(moved, MESSAGE[4:])
        assert bytes(digest) == DIGEST


JOBS = {
    "keys": job_keys, "sessions": job_sessions, "policy": job_policy, "nv": job_nv,
    "contexts": job_contexts}

if __name__ == "__main__":
    JOBS[sys.argv[1]]()
