"""The chart's init container script, run by bash with the real AWS CLI against a published model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bastide.models.manifest import Manifest, scan
from bastide.models.publish import publish
from tests.models.conftest import KEYS

SCRIPT = Path(__file__).parents[2] / "charts/vllm/files/fetch-model.sh"
PREFIX = "models/tiny-qwen2/1.0.0/"


@dataclass(frozen=True)
class Fetched:
    """Exit status, the termination message, and where the model was to lie."""

    status: int
    reason: str
    model: Path


Fetch = Callable[..., Fetched]


@pytest.fixture
def manifest(s3: Any, bucket: str, tiny: Path) -> Manifest:
    found = scan(tiny, "tiny-qwen2", "1.0.0", "MIT", "made here")
    publish(s3, bucket, tiny, found, lambda _: None)
    return found


@pytest.fixture
def fetch(endpoint: str, bucket: str, tmp_path: Path) -> Fetch:
    def run(sha256: str = "") -> Fetched:
        work, model = tmp_path / "work", tmp_path / "models" / "tiny-qwen2" / "1.0.0"
        work.mkdir(exist_ok=True)
        (tmp_path / "reason").unlink(missing_ok=True)
        reason = tmp_path / "reason"
        done = subprocess.run(
            ["/bin/bash", str(SCRIPT)],
            env={
                **KEYS,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "HOME": str(work),
                "MODEL_BUCKET": bucket,
                "MODEL_PREFIX": PREFIX,
                "MODEL_PATH": str(model),
                "MODEL_SHA256": sha256,
                "WORK_DIR": str(work),
                "TERMINATION_LOG": str(reason),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Fetched(done.returncode, reason.read_text() if reason.exists() else done.stderr, model)

    return run


def test_a_published_model_is_copied_and_accepted(manifest: Manifest, fetch: Fetch, tiny: Path) -> None:
    done = fetch(manifest.digest)
    assert done.status == 0, done.reason
    for each in manifest.files:
        assert (done.model / each.name).read_bytes() == (tiny / each.name).read_bytes()


def test_a_version_without_its_manifest_is_refused(
    s3: Any, bucket: str, manifest: Manifest, fetch: Fetch
) -> None:
    s3.delete_object(Bucket=bucket, Key=f"{PREFIX}manifest.json")
    done = fetch()
    assert done.status == 1
    assert "was not published to its end" in done.reason
    assert not done.model.exists()


def test_another_model_than_the_stack_asks_for_is_refused(manifest: Manifest, fetch: Fetch) -> None:
    done = fetch("0" * 64)
    assert done.status == 1
    assert manifest.digest in done.reason
    assert "this is another model" in done.reason


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("config.json", "config.json: FAILED"),
        ("extra.json", "in the bucket but not in SHA256SUMS: extra.json"),
        ("sub/extra.json", "in the bucket but not in SHA256SUMS: sub/extra.json"),
        ("weights.bin", "weights.bin can run code when it is loaded"),
        ("sub/modeling.py", "sub/modeling.py can run code when it is loaded"),
        ("SHA256SUMS", "SHA256SUMS has a line that is no checksum"),
    ],
)
def test_a_changed_or_added_file_is_refused_by_name(
    s3: Any, bucket: str, manifest: Manifest, fetch: Fetch, key: str, reason: str
) -> None:
    s3.put_object(Bucket=bucket, Key=PREFIX + key, Body=b"changed\n")
    done = fetch()
    assert done.status == 1
    assert reason in done.reason


def test_a_missing_file_is_refused_by_name(s3: Any, bucket: str, manifest: Manifest, fetch: Fetch) -> None:
    s3.delete_object(Bucket=bucket, Key=f"{PREFIX}tokenizer.json")
    done = fetch()
    assert done.status == 1
    assert "missing in the bucket: tokenizer.json" in done.reason


def test_a_container_that_is_started_again_does_not_stumble_over_what_the_last_one_left(
    s3: Any, bucket: str, manifest: Manifest, fetch: Fetch, tiny: Path
) -> None:
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}config.json", Body=b"changed\n")
    refused = fetch()
    assert "config.json: FAILED" in refused.reason
    (refused.model / "model.safetensors.6eF5b5da").write_bytes(b"half a file")
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}config.json", Body=(tiny / "config.json").read_bytes())
    done = fetch(manifest.digest)
    assert done.status == 0, done.reason
