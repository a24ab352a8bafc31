"""Which keys a stack may trust to sign its models."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bastide.settings import Settings, SettingsError, read_stack_file
from bastide.settings.signing import AllowUnsigned, KeySigning, KmsSigning

STACKS = Path(__file__).parents[2] / "stacks"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""
"""The generator of P-256: the public half of the number 1."""


def pem_on(curve: ec.EllipticCurve) -> str:
    key = ec.derive_private_key(2, curve).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def load(stack: str, signing: dict[str, Any] | None) -> Settings:
    raw = copy.deepcopy(read_stack_file(STACKS / f"Pulumi.{stack}.yaml"))
    if signing is not None:
        raw["modelStore"] = {**raw.get("modelStore", {}), "signing": signing}
    return Settings.load(raw)


def problems(stack: str, signing: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(stack, signing)
    return {each.path: each.message for each in caught.value.problems}


@pytest.mark.parametrize("stack", ["sandbox", "sandbox-full", "dev", "staging", "prod-us-east-1"])
def test_every_stack_asks_for_signatures_without_saying_so(stack: str) -> None:
    assert load(stack, None).model_store.signing == KmsSigning()


def test_the_kinds_are_told_apart() -> None:
    assert isinstance(load("sandbox", {"kind": "keys", "trustedKeys": [PEM]}).model_store.signing, KeySigning)
    assert isinstance(load("dev", {"kind": "allow-unsigned"}).model_store.signing, AllowUnsigned)
    named = load("sandbox", {"keyArn": KEY, "trustedKeys": [PEM.strip()]}).model_store.signing
    assert named == KmsSigning(key_arn=KEY, trusted_keys=(PEM,))


@pytest.mark.parametrize("stack", ["staging", "prod-us-east-1"])
def test_unsigned_models_are_refused_where_users_are_served(stack: str) -> None:
    found = problems(stack, {"kind": "allow-unsigned"})
    assert "does not go with environment" in found["modelStore.signing.kind"]
    assert "bastide model sign" in found["modelStore.signing.kind"]


@pytest.mark.parametrize(
    ("signing", "path", "said"),
    [
        ({"kind": "keys"}, "trustedKeys", ""),
        ({"kind": "keys", "trustedKeys": []}, "trustedKeys", ""),
        (
            {"trustedKeys": [PEM, PEM + pem_on(ec.SECP256R1())]},
            "trustedKeys[1]",
            "holds 2 keys; allowed: one in each entry",
        ),
        ({"trustedKeys": ["no key"]}, "trustedKeys[0]", "is not a public key that signs models"),
        ({"trustedKeys": [pem_on(ec.SECP384R1())]}, "trustedKeys[0]", "not an elliptic-curve key on P-256"),
        ({"trustedKeys": ["-----BEGIN PRIVATE KEY-----"]}, "trustedKeys[0]", "is a private key"),
        ({"keyArn": "alias/models"}, "keyArn", "is not the ARN of a KMS key"),
        ({"keyArn": KEY.replace("us-east-1", "eu-west-1")}, "keyArn", "is a key of eu-west-1"),
    ],
)
def test_what_cannot_be_trusted_is_refused_by_name(signing: dict[str, Any], path: str, said: str) -> None:
    found = problems("sandbox", signing)
    assert list(found) == [f"modelStore.signing.{path}"]
    assert said in found[f"modelStore.signing.{path}"]


def test_a_private_key_is_not_repeated_in_the_message() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(SettingsError) as caught:
        load("sandbox", {"trustedKeys": [key.decode()]})
    assert key.decode().splitlines()[1] not in str(caught.value)
