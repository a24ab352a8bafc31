"""Whose bucket weights go to.

A bucket's name can be guessed and belongs to whoever makes it first, so every request says which account must own
the bucket (`ExpectedBucketOwner`); S3 refuses it otherwise, before it reads a byte.
"""

from __future__ import annotations

from typing import Any, Final

_PARAMETER: Final = "ExpectedBucketOwner"


def expecting(client: Any, account_id: str) -> Any:
    """The boto3 S3 client, which from now on sends the owner with every operation that takes it."""

    def add(params: dict[str, Any], model: Any, **_: Any) -> None:
        if _PARAMETER in model.input_shape.members:
            params.setdefault(_PARAMETER, account_id)

    client.meta.events.register("before-parameter-build.s3", add)
    return client
