from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver

SECRET = "aws:secretsmanager/secret:Secret"
POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
DENY = {
    "Sid": "OnlyItsReaders",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "secretsmanager:GetSecretValue",
    "Resource": "*",
    "Condition": {"ArnNotLike": {"aws:PrincipalArn": ["arn:aws:iam::123456789012:role/reader"]}},
}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [DENY]})


@pytest.fixture
def manager(aws_endpoint: str) -> Any:
    return aws_client("secretsmanager", "us-east-1", aws_endpoint)


def test_a_secret_lives_through_creation_update_and_deletion_at_once(driver: Driver, manager: Any) -> None:
    inputs = {"name": "p/one", "description": "first", "recoveryWindowInDays": 0, "tags": {"a": "1"}}
    made = driver.create(SECRET, **inputs)
    assert made.state["arn"].startswith("arn:aws:secretsmanager:us-east-1:123456789012:secret:p/one-")
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}
    assert (
        "VersionIdsToStages" not in manager.describe_secret(SecretId=made.id)
        or not (manager.describe_secret(SecretId=made.id)["VersionIdsToStages"])
    )

    changed = {**inputs, "description": "second", "tags": {"b": "2"}}
    assert made.diff(**changed).replaces == []
    made.update(**changed)
    found = manager.describe_secret(SecretId=made.id)
    assert found["Description"] == "second"
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]
    assert made.diff(**{**changed, "name": "p/other"}).replaces == ["name"]

    made.delete()
    with pytest.raises(manager.exceptions.ResourceNotFoundException):
        manager.describe_secret(SecretId=made.id)
    assert made.refresh() is None


def test_a_deleted_secret_can_be_had_back_for_its_window_and_counts_as_gone(
    driver: Driver, manager: Any
) -> None:
    made = driver.create(SECRET, name="p/kept", recoveryWindowInDays=7)
    made.delete()
    assert manager.describe_secret(SecretId=made.id)["DeletedDate"]
    assert made.refresh() is None
    made.delete()  # again: nothing to do


def test_a_window_that_aws_does_not_take_is_refused_before_anything_is_made(driver: Driver) -> None:
    reasons = dict(driver.failures(SECRET, name="p/short", recoveryWindowInDays=3))
    assert "7 to 30" in reasons["recoveryWindowInDays"]
    assert "region" in dict(driver.failures(SECRET, name="p/short", replicas=[{"region": "x"}]))["replicas"]


def test_a_value_makes_a_version_and_another_value_another_one(driver: Driver, manager: Any) -> None:
    secret = driver.create(SECRET, name="p/valued", recoveryWindowInDays=0)
    made = driver.create(VERSION, secretId=secret.id, secretString="canary-1")
    assert manager.get_secret_value(SecretId=secret.id)["SecretString"] == "canary-1"
    assert made.refresh().properties == {}
    assert made.diff(secretId=secret.id, secretString="canary-2").replaces == ["secretString"]
    driver.create(VERSION, secretId=secret.id, secretString="canary-2")
    assert manager.get_secret_value(SecretId=secret.id)["SecretString"] == "canary-2"
    assert made.refresh().properties == {}, "the version before is still there"
    made.delete()
    assert manager.get_secret_value(SecretId=secret.id)["SecretString"] == "canary-2"


def test_a_refusal_of_a_value_does_not_repeat_it(driver: Driver) -> None:
    long = "canary-" + "x" * 65536
    reasons = driver.failures(VERSION, secretId="arn", secretString=long)
    assert "65,536" in dict(reasons)["secretString"]
    assert "canary-" not in str(reasons)


def test_a_policy_is_compared_as_json_and_its_absence_is_found(driver: Driver, manager: Any) -> None:
    secret = driver.create(SECRET, name="p/guarded", recoveryWindowInDays=0)
    made = driver.create(POLICY, secretArn=secret.id, policy=DOCUMENT, blockPublicPolicy=True)
    assert made.refresh().properties == {}
    indented = json.dumps(json.loads(DOCUMENT), indent=1)
    assert made.diff(secretArn=secret.id, policy=indented, blockPublicPolicy=True).properties == {}
    other = json.dumps({"Version": "2012-10-17", "Statement": [{**DENY, "Sid": "Other"}]})
    made.update(secretArn=secret.id, policy=other, blockPublicPolicy=True)
    assert "Other" in manager.get_resource_policy(SecretId=secret.id)["ResourcePolicy"]
    made.delete()
    assert made.refresh() is None
