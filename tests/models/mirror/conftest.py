"""A sandbox's S3, and a hub with a tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sandbox.state import aws_client
from tests.models.hub_server import Hub, serving
from tests.sandbox_aws.conftest import _serve


@pytest.fixture(scope="package")
def aws() -> Iterator[str]:
    yield from _serve("--self-sufficient")


@pytest.fixture
def s3(aws: str) -> Any:
    return aws_client("s3", "us-east-1", aws)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"models-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def hub(tiny: Path) -> Iterator[Hub]:
    (tiny / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    with serving(Hub(tiny)) as found:
        yield found
