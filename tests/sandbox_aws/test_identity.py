from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from sandbox.state import ACCESS_KEY_ID, OPERATOR_ARN, SECRET_ACCESS_KEY
from tests.sandbox_aws.conftest import REGION, Account
from tests.waits import PATIENCE_S


def token(aws: Account, environment: dict[str, str]) -> str:
    aws_command = Path(sys.executable).parent / "aws"
    result = subprocess.run(
        [
            str(aws_command),
            "eks",
            "get-token",
            "--cluster-name",
            "one",
            "--region",
            REGION,
            "--output",
            "text",
            "--query",
            "status.token",
        ],
        env={
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


def replay(aws: Account, given: str) -> str:
    encoded = given.removeprefix("k8s-aws-v1.")
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    answer = requests.get(
        f"{aws.endpoint}{url.path}?{url.query}",
        headers={"x-k8s-aws-id": "one", "Accept": "application/json"},
        timeout=PATIENCE_S,
    )
    return answer.text


def test_the_documented_credentials_belong_to_the_operator(aws: Account) -> None:
    assert aws("sts").get_caller_identity()["Arn"] == OPERATOR_ARN


def test_the_operator_survives_a_reset(aws: Account) -> None:
    aws.control.reset()
    assert aws("sts").get_caller_identity()["Arn"] == OPERATOR_ARN


def test_a_token_of_the_aws_cli_resolves_to_the_operator(aws: Account) -> None:
    given = token(aws, {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY})
    assert f"<Arn>{OPERATOR_ARN}</Arn>" in replay(aws, given)


def test_a_token_of_an_assumed_role_resolves_to_its_session(aws: Account) -> None:
    role = aws.role("auditor", "ec2.amazonaws.com")
    keys = aws("sts").assume_role(RoleArn=role, RoleSessionName="anna")["Credentials"]
    given = token(
        aws,
        {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        },
    )
    assert ":assumed-role/auditor/anna</Arn>" in replay(aws, given)


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("sts", "get_caller_identity"),
        ("ec2", "describe_vpcs"),
        ("eks", "list_clusters"),
        ("kms", "list_keys"),
    ],
)
def test_a_key_that_nobody_owns_is_refused(any_aws: Account, service: str, call: str) -> None:
    client: Any = boto3.client(
        service,
        region_name=REGION,
        endpoint_url=any_aws.endpoint,
        aws_access_key_id="AKIAXXXXXXXXXXXXXXXX",
        aws_secret_access_key="x",
    )
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        getattr(client, call)()
