"""What moto's KMS leaves out that a key made without the kit's plugin shows. `apply` is called once at start."""

from __future__ import annotations

from functools import wraps
from typing import Any


def apply() -> None:
    """Puts the patches in force."""
    from moto.kms.models import KmsBackend

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
