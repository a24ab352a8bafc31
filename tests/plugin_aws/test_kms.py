from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver

KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"


@pytest.fixture
def kms(aws_endpoint: str) -> Any:
    return aws_client("kms", "us-east-1", aws_endpoint)


def test_key_lives_through_creation_update_and_scheduled_deletion(driver: Driver, kms: Any) -> None:
    inputs = {
        "description": "secrets",
        "enableKeyRotation": True,
        "deletionWindowInDays": 7,
        "tags": {"a": "1"},
    }
    made = driver.create(KEY, **inputs)
    assert made.state["arn"].endswith(f":key/{made.id}")
    assert kms.get_key_rotation_status(KeyId=made.id)["KeyRotationEnabled"]
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}

    changed = {**inputs, "description": "all secrets", "enableKeyRotation": False, "tags": {"b": "2"}}
    assert made.diff(**changed).replaces == []
    made.update(**changed)
    assert kms.describe_key(KeyId=made.id)["KeyMetadata"]["Description"] == "all secrets"
    assert not kms.get_key_rotation_status(KeyId=made.id)["KeyRotationEnabled"]
    assert kms.list_resource_tags(KeyId=made.id)["Tags"] == [{"TagKey": "b", "TagValue": "2"}]

    made.delete()
    key = kms.describe_key(KeyId=made.id)["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion"
    assert made.refresh() is None
    made.delete()


def test_key_can_be_disabled_and_enabled_again(driver: Driver, kms: Any) -> None:
    made = driver.create(KEY, isEnabled=False, enableKeyRotation=True)
    assert not kms.describe_key(KeyId=made.id)["KeyMetadata"]["Enabled"]
    assert made.refresh().properties == {}
    made.update(isEnabled=True, enableKeyRotation=True)
    assert kms.describe_key(KeyId=made.id)["KeyMetadata"]["Enabled"]


def test_what_kms_cannot_change_replaces_the_key(driver: Driver) -> None:
    made = driver.create(KEY)
    assert made.diff(multiRegion=True).replaces == ["multiRegion"]
    assert made.diff(customerMasterKeySpec="RSA_2048", keyUsage="SIGN_VERIFY").replaces == [
        "customerMasterKeySpec",
        "keyUsage",
    ]
    assert made.diff(deletionWindowInDays=10).replaces == []


def test_multi_region_key_has_a_multi_region_id(driver: Driver) -> None:
    assert driver.create(KEY, multiRegion=True).id.startswith("mrk-")


def test_key_policy_is_compared_as_json_and_drift_is_found(driver: Driver, kms: Any) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*"}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"}]}
    made = driver.create(KEY, policy=json.dumps(policy))
    assert made.diff(policy=json.dumps(policy, indent=1)).properties == {}
    assert made.refresh().properties == {}
    policy["Statement"][0]["Sid"] = "Someone"
    kms.put_key_policy(KeyId=made.id, PolicyName="default", Policy=json.dumps(policy))
    assert made.refresh().properties == {"policy": "update"}


def test_key_settings_outside_aws_limits_are_refused_with_the_limits(driver: Driver) -> None:
    reasons = dict(
        driver.failures(
            KEY, deletionWindowInDays=3, keyUsage="SIGNING", rotationPeriodInDays=30, xksKeyId="x"
        )
    )
    assert "7" in reasons["deletionWindowInDays"]
    assert "ENCRYPT_DECRYPT, SIGN_VERIFY" in reasons["keyUsage"]
    assert "90" in reasons["rotationPeriodInDays"]
    assert "no external key store" in reasons["xksKeyId"]


def test_rotation_period_without_rotation_is_refused(driver: Driver) -> None:
    [(path, reason)] = driver.failures(KEY, rotationPeriodInDays=180)
    assert path == "rotationPeriodInDays"
    assert "enableKeyRotation: true" in reason


def test_misspelt_key_input_is_refused_with_the_nearest_name(driver: Driver) -> None:
    [(path, reason)] = driver.failures(KEY, enableKeyRotate=True)
    assert path == "enableKeyRotate"
    assert "did you mean 'enableKeyRotation'" in reason


def test_import_of_a_key_finds_inputs_that_check(driver: Driver) -> None:
    made = driver.create(KEY, description="found", tags={"a": "1"})
    found = driver.find(KEY, made.id)
    assert found is not None
    assert (found[2]["description"], found[2]["tags"]) == ("found", {"a": "1"})
    assert driver.failures(KEY, **found[2]) == []


def test_alias_moves_to_another_key_in_place(driver: Driver, kms: Any) -> None:
    first, second = driver.create(KEY), driver.create(KEY)
    made = driver.create(ALIAS, name="alias/models", targetKeyId=first.state["arn"])
    assert made.state["arn"] == "arn:aws:kms:us-east-1:123456789012:alias/models"
    assert made.state["targetKeyArn"] == first.state["arn"]
    assert made.refresh().properties == {}
    assert made.diff(name="alias/models", targetKeyId=second.id).properties == {"targetKeyId": "update"}
    assert made.diff(name="alias/other", targetKeyId=first.state["arn"]).replaces == ["name"]
    made.update(name="alias/models", targetKeyId=second.id)
    assert made.state["targetKeyArn"] == second.state["arn"]
    found = driver.find(ALIAS, "alias/models")
    assert found is not None
    assert found[2] == {"name": "alias/models", "targetKeyId": second.id}
    made.delete()
    assert made.refresh() is None


def test_alias_without_its_prefix_is_refused(driver: Driver) -> None:
    [(path, reason)] = driver.failures(ALIAS, name="models", targetKeyId="x")
    assert path == "name"
    assert "alias/" in reason
