"""What the agent is asked for. All of it comes by environment, so that a pod's specification shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from artifact_agent.errors import RefusedError
from artifact_agent.signature import PublicKey, read_public_key

_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PATH: Final = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+")


@dataclass(frozen=True)
class WantedModel:
    """One version: where it lies in S3 (`prefix` ends with a slash), where it goes, and its digest ('' where the
    bucket is believed, which only a sandbox does)."""

    name: str
    version: str
    bucket: str
    prefix: str
    path: Path
    digest: str


@dataclass(frozen=True)
class Wanted:
    """All that a pod needs. With a cache, `cache_bytes` bounds the volume at `root`, and models lie there by digest;
    without (0) they lie at their own paths and die with the pod."""

    models: tuple[WantedModel, ...]
    keys: tuple[PublicKey, ...]
    allow_unsigned: bool
    root: Path
    cache_bytes: int


def read(environment: Mapping[str, str]) -> Wanted:
    """From MODELS (a JSON list), MODEL_PUBLIC_KEYS (PEM, one after another), MODEL_ALLOW_UNSIGNED, MODEL_ROOT and
    MODEL_CACHE_BYTES. Raises RefusedError for what is missing or senseless."""
    keys = tuple(read_public_key(each) for each in _PEM.findall(environment.get("MODEL_PUBLIC_KEYS", "")))
    allow_unsigned = environment.get("MODEL_ALLOW_UNSIGNED", "false")
    if allow_unsigned not in ("true", "false"):
        raise RefusedError(f"MODEL_ALLOW_UNSIGNED is {allow_unsigned!r}: give true or false")
    if not keys and allow_unsigned == "false":
        raise RefusedError(
            "MODEL_PUBLIC_KEYS names no key, and unsigned models are not allowed: nothing could be accepted; give "
            "the key that signs models (modelStore.signing)"
        )
    root = Path(environment.get("MODEL_ROOT", "/models"))
    size = environment.get("MODEL_CACHE_BYTES", "0")
    if not size.isdecimal():
        raise RefusedError(f"MODEL_CACHE_BYTES is {size!r}: give a number of bytes, 0 for no cache")
    models = _models(environment.get("MODELS", ""), root)
    if int(size) and any(not each.digest for each in models):
        raise RefusedError("a cache keeps models by digest, and one has none: give every model's sha256")
    return Wanted(models, keys, allow_unsigned == "true", root, int(size))


def _models(document: str, root: Path) -> tuple[WantedModel, ...]:
    try:
        given = json.loads(document)
        models = tuple(_model(each, root) for each in given)
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"MODELS is not the JSON list of models that is needed ({error!r})") from None
    paths = {each.path for each in models}
    if not models or len(paths) != len(models):
        raise RefusedError("MODELS names no model, or two of one path")
    if any(parent in paths for each in paths for parent in each.parents):
        raise RefusedError(
            "MODELS names a model whose path lies in another's: its files would count as the other's"
        )
    return models


def _model(raw: Mapping[str, Any], root: Path) -> WantedModel:
    unknown = set(raw) - {"name", "version", "bucket", "prefix", "path", "sha256"}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    found = {key: raw[key] for key in ("name", "version", "bucket", "prefix", "path")}
    digest = raw.get("sha256", "")
    if not all(isinstance(each, str) and each for each in found.values()):
        raise ValueError("name, version, bucket, prefix and path must be texts")
    if digest and not _SHA256.fullmatch(digest):
        raise ValueError(f"sha256 {digest!r} is no SHA-256 in lower-case hexadecimal")
    if not found["prefix"].endswith("/"):
        raise ValueError(f"prefix {found['prefix']!r} does not end with a slash")
    path = Path(found["path"])
    below = root in path.parents and ".." not in path.parts
    if not below or not _PATH.fullmatch(f"/{path.relative_to(root)}"):
        raise ValueError(f"path {found['path']!r} is no plain path below {root}")
    return WantedModel(found["name"], found["version"], found["bucket"], found["prefix"], path, digest)
