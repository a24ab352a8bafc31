"""What moto's KMS leaves out that a key made without the kit's plugin shows. `apply` is called once at start."""

from __future__ import annotations

from functools import wraps
from typing import Any


def apply() -> None:
    """Puts the patch in force."""
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
