"""What could be done to a published version in its bucket. Each returns what the refusal must say."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from artifact_agent.signature import key_id, pae

WEIGHTS = "model.safetensors"
SIGNATURE = "model.sig"


def _one_byte_flipped(files: dict[str, bytes]) -> tuple[str, ...]:
    good = files[WEIGHTS]
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 1
    files[WEIGHTS] = bytes(bad)
    return WEIGHTS, sha256(good).hexdigest(), sha256(bad).hexdigest()


def _an_extra_file(files: dict[str, bytes]) -> tuple[str, ...]:
    files["notes.txt"] = b"added later"
    return "'notes.txt' is in s3://", "was not published"


def _a_missing_file(files: dict[str, bytes]) -> tuple[str, ...]:
    gone = files.pop("tokenizer.json")
    return "tokenizer.json is missing in s3://", sha256(gone).hexdigest()


def _a_pickle(files: dict[str, bytes]) -> tuple[str, ...]:
    files["pytorch_model.bin"] = b"\x80\x04N."
    return "'pytorch_model.bin'", ".bin files can run code when they are loaded"


def _signed(files: dict[str, bytes], *, claims_the_trusted_key: bool) -> str:
    """Signs the same list of files by another key; returns the start of the id that model.sig then names."""
    key = ec.generate_private_key(ec.SECP256R1())
    document = json.loads(files[SIGNATURE])
    envelope = document["dsseEnvelope"]
    signature = key.sign(pae(base64.b64decode(envelope["payload"])), ec.ECDSA(hashes.SHA256()))
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    named = document["verificationMaterial"]["publicKey"]
    if not claims_the_trusted_key:
        named["hint"] = key_id(key.public_key())
    files[SIGNATURE] = json.dumps(document).encode()
    return str(named["hint"])[:16]


def _a_signature_by_a_stranger(files: dict[str, bytes]) -> tuple[str, ...]:
    named = _signed(files, claims_the_trusted_key=False)
    return f"model.sig is by key {named}", "not trusted"


def _a_forged_signature(files: dict[str, bytes]) -> tuple[str, ...]:
    named = _signed(files, claims_the_trusted_key=True)
    return "model.sig does not hold", named


def _no_signature(files: dict[str, bytes]) -> tuple[str, ...]:
    del files[SIGNATURE]
    return "has no model.sig", "not signed"


CHANGES: dict[str, Callable[[dict[str, bytes]], tuple[str, ...]]] = {
    "one byte flipped": _one_byte_flipped,
    "an extra file": _an_extra_file,
    "a missing file": _a_missing_file,
    "a pickle": _a_pickle,
    "a signature by a stranger": _a_signature_by_a_stranger,
    "a forged signature": _a_forged_signature,
    "no signature": _no_signature,
}
