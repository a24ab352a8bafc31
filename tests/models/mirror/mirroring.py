"""A hub that is mirrored, and what lies in the bucket then."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

from bastide.models.hub import hub_model
from bastide.models.mirror import Mirrored, mirror
from bastide.models.mirror_http import Fetcher
from tests.models.hub_server import REPO, Hub

PART = 5 * 1024 * 1024
BIG = "model-00002.safetensors"
PREFIX = "models/tiny-qwen2/1.0.0/"
MANIFEST = f"{PREFIX}manifest.json"


def weights(path: Path, size: int) -> None:
    """A real safetensors file of random bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + os.urandom(size))


def run(s3: Any, bucket: str, hub: Hub, lines: list[str] | None = None, **changed: Any) -> Mirrored:
    fetcher = Fetcher(hub.token, pause=lambda _: None)
    given: dict[str, Any] = {
        "name": "tiny-qwen2",
        "version": "1.0.0",
        "licence": "apache-2.0",
        "leave_out": (),
        "report": (lines if lines is not None else []).append,
        "part": PART,
        **changed,
    }
    return mirror(s3, bucket, hub_model(f"{REPO}@main", hub.url, fetcher), fetcher, **given)


def keys(s3: Any, bucket: str) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}


def uploads(s3: Any, bucket: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return found
