"""A model that is published and signed in a real S3 endpoint (moto's server), and the agent as a pod runs it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from artifact_agent.__main__ import main
from bastide.models.manifest import Manifest, scan
from bastide.models.publish import publish
from bastide.models.signing import FileSigner, public_pem
from tests.models.conftest import KEYS, bucket, endpoint, s3, tiny

__all__ = ["bucket", "endpoint", "s3", "tiny"]

PREFIX = "models/tiny-qwen2/1.0.0/"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """Exit status, the termination message, and the lines of the log."""

    status: int
    reason: str
    lines: list[dict[str, Any]]

    @property
    def fetched(self) -> int:
        """Bytes that came from the bucket."""
        return sum(each.get("bytesFetched", 0) for each in self.lines)


Agent = Callable[..., Ran]


@pytest.fixture(scope="session")
def signer() -> FileSigner:
    return FileSigner(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    """As the kit's own bucket is."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture
def manifest(s3: Any, versioned: str, tiny: Path, signer: FileSigner) -> Manifest:
    found = scan(tiny, "tiny-qwen2", "1.0.0", "MIT", "made here")
    publish(s3, versioned, tiny, found, lambda _: None, signer)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The volume of the models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def model_folder(root: Path) -> Path:
    """Where the engine looks for the model."""
    return root / "tiny-qwen2" / "1.0.0"


@pytest.fixture
def environment(
    endpoint: str, versioned: str, root: Path, model_folder: Path, tmp_path: Path, signer: FileSigner
) -> Callable[..., dict[str, str]]:
    """The agent's environment; keywords change it, and `model` changes the one model."""

    def make(model: dict[str, str] | None = None, **changes: str) -> dict[str, str]:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        one = {
            "name": "tiny-qwen2",
            "version": "1.0.0",
            "bucket": versioned,
            "prefix": PREFIX,
            "path": str(model_folder),
            **(model or {}),
        }
        return {
            **KEYS,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(work),
            "WORK_DIR": str(work),
            "TERMINATION_LOG": str(work / "reason"),
            "MODEL_ROOT": str(root),
            "MODEL_PUBLIC_KEYS": public_pem(signer.public),
            "MODELS": json.dumps([one]),
            **changes,
        }

    return make


@pytest.fixture
def agent(
    environment: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Agent]:
    """Runs `python3 -m artifact_agent fetch` to its end, in this process: most of its time would be imports."""

    def run(model: dict[str, str] | None = None, **changes: str) -> Ran:
        given = environment(model, **changes)
        for name, value in given.items():
            if name.startswith("AWS_"):  # boto3 looks for these itself
                monkeypatch.setenv(name, value)
        reason = Path(given["TERMINATION_LOG"])
        reason.write_text("")
        status = main(["fetch"], given)
        lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
        return Ran(status, reason.read_text(), lines)

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)
