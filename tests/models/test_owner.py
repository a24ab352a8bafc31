"""Weights go to the stack's account and to nobody else's: a bucket's name can be guessed and taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from bastide.cli import main
from bastide.models.owner import expecting
from sandbox.aws.client import Aws
from sandbox.state import ACCOUNT_ID, World, aws_client, aws_env
from tests.sandbox_aws.conftest import _serve

OTHER = "210987654321"
REGION = "us-east-1"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    yield from _serve("--self-sufficient")


@pytest.fixture
def here(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws_env(World(aws, "", 0)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def taken(aws: str) -> str:
    """A name that another account has; its bucket takes everybody's objects."""
    name = f"models-{uuid4().hex}"
    Aws(aws).take_bucket_name(REGION, name, OTHER)
    aws_client("s3", REGION, aws).put_object(Bucket=name, Key="anybody", Body=b"may write here")
    return name


def arguments(bucket: str, tiny: Path, action: str, *more: str) -> list[str]:
    origin = [str(tiny)] if action == "publish" else ["--from", f"dir:{tiny}"]
    named = ["--name", "tiny-qwen2", "--version", "1.0.0", "--licence", "mit", "--source", "made here"]
    return ["model", action, *origin, *named, "--bucket", bucket, "--unsigned", *more]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("action", ["publish", "mirror"])
@pytest.mark.parametrize("more", [[], ["--stack", "sandbox"]])
def test_nothing_is_sent_to_another_accounts_bucket(
    aws: str, taken: str, tiny: Path, action: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(taken, tiny, action, *more)) == 1
    assert "nothing goes to others" in capsys.readouterr().err
    listed = aws_client("s3", REGION, aws).list_objects_v2(Bucket=taken)["Contents"]
    assert [each["Key"] for each in listed] == ["anybody"]


def test_every_operation_carries_the_owner(aws: str, taken: str) -> None:
    s3 = aws_client.__wrapped__("s3", REGION, aws)
    expecting(s3, ACCOUNT_ID)
    at = {"Bucket": taken, "Key": "weights"}
    calls = [
        lambda: s3.put_object(**at, Body=b"x"),
        lambda: s3.create_multipart_upload(**at),
        lambda: s3.upload_part(**at, UploadId="x", PartNumber=1, Body=b"x"),
        lambda: s3.complete_multipart_upload(**at, UploadId="x", MultipartUpload={"Parts": []}),
        lambda: s3.list_parts(**at, UploadId="x"),
        lambda: s3.list_multipart_uploads(Bucket=taken),
        lambda: s3.list_objects_v2(Bucket=taken),
        lambda: s3.get_object(Bucket=taken, Key="anybody"),
        lambda: s3.head_object(Bucket=taken, Key="anybody"),
        lambda: s3.delete_object(Bucket=taken, Key="anybody"),
    ]
    for call in calls:
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_owners_own_bucket_takes_everything(aws: str) -> None:
    s3 = aws_client.__wrapped__("s3", REGION, aws)
    expecting(s3, ACCOUNT_ID)
    name = f"models-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a", Body=b"x")
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"x"
