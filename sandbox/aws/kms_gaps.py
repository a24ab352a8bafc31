"""What moto's KMS leaves out that a key made without the kit's plugin shows, and signing. `apply` is called once at
start."""

from __future__ import annotations

import base64
import json
from functools import wraps
from typing import Any


def apply() -> None:
    """Puts the patches in force."""
    from moto.kms.models import KmsBackend
    from moto.kms.responses import KmsResponse

    original = KmsBackend.create_key

    @wraps(original)
    def create_key(
        self: Any, policy: str | None, key_usage: str | None, key_spec: str, *args: Any, **kwargs: Any
    ) -> Any:
        # KMS's own defaults (API reference, CreateKey): moto leaves them out of its answers for ever.
        key = original(self, policy, key_usage or "ENCRYPT_DECRYPT", key_spec, *args, **kwargs)
        key.multi_region = bool(key.multi_region)
        return key

    KmsBackend.create_key = create_key
    _take_arns(KmsBackend)
    _sign_digests(KmsResponse)
    _tell_public_keys(KmsResponse)


def _take_arns(backend: Any) -> None:
    # KMS takes a key's ARN wherever it takes its id; moto answers these with HTTP 500.
    for name in ("schedule_key_deletion", "cancel_key_deletion"):
        _take_arn(backend, name)


def _take_arn(backend: Any, name: str) -> None:
    original = getattr(backend, name)

    @wraps(original)
    def by_id(self: Any, key_id: str, *args: Any) -> Any:
        return original(self, self.any_id_to_key_id(key_id), *args)

    setattr(backend, name, by_id)


class _Digest(bytes):
    """A message that is a hash already."""


def _sign_digests(responses: Any) -> None:
    # moto hashes what it is told is a hash: the signature would hold for nothing that was meant.
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from moto.kms.exceptions import ValidationException
    from moto.kms.utils import ECDSAPrivateKey

    sign_response, sign_message = responses.sign, ECDSAPrivateKey.sign
    hashed_by = {
        "ECDSA_SHA_256": hashes.SHA256(),
        "ECDSA_SHA_384": hashes.SHA384(),
        "ECDSA_SHA_512": hashes.SHA512(),
    }

    @wraps(sign_message)
    def with_digest(self: Any, message: bytes, signing_algorithm: str) -> bytes:
        if not isinstance(message, _Digest):
            return bytes(sign_message(self, message, signing_algorithm))
        return bytes(self.private_key.sign(message, ec.ECDSA(Prehashed(hashed_by[signing_algorithm]))))

    @wraps(sign_response)
    def sign(self: Any) -> Any:
        message, algorithm = self._get_param("Message"), self._get_param("SigningAlgorithm")
        if self._get_param("MessageType") != "DIGEST":
            # KMS's own bound (API reference, Sign).
            if len(message) > 4096:
                raise ValidationException(
                    "1 validation error detected: Value at 'message' is too long (4096)"
                )
            return sign_response(self)
        if algorithm in hashed_by and len(message) != hashed_by[algorithm].digest_size:
            raise ValidationException("Digest is invalid length for algorithm " + algorithm)
        self._validate_key_id(self._get_param("KeyId"))
        arn, signature, algorithm = self.kms_backend.sign(
            key_id=self._get_param("KeyId"), message=_Digest(message), signing_algorithm=algorithm
        )
        answer = {"KeyId": arn, "Signature": base64.b64encode(signature).decode()}
        return json.dumps({**answer, "SigningAlgorithm": algorithm})

    ECDSAPrivateKey.sign = with_digest
    responses.sign = sign


def _tell_public_keys(responses: Any) -> None:
    # KMS names the key by its ARN, and its spec by both names (API reference, GetPublicKey).
    original = responses.get_public_key

    @wraps(original)
    def get_public_key(self: Any) -> Any:
        answer = json.loads(original(self))
        key = self.kms_backend.describe_key(self._get_param("KeyId"))
        return json.dumps({**answer, "KeyId": key.arn, "KeySpec": key.key_spec})

    responses.get_public_key = get_public_key
