"""Instance profiles hold one role."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver

PROFILE = "aws:iam/instanceProfile:InstanceProfile"


@pytest.fixture
def iam(aws_endpoint: str) -> Any:
    return aws_client("iam", "us-east-1", aws_endpoint)


@pytest.fixture
def roles(iam: Any) -> list[str]:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    names = ["profile-one", "profile-two"]
    for name in names:
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return names


def test_a_profile_lives_through_creation_update_refresh_and_deletion(
    driver: Driver, iam: Any, roles: list[str]
) -> None:
    inputs = {"name": "nodes", "role": roles[0], "tags": {"a": "1"}}
    arn = "arn:aws:iam::123456789012:instance-profile/nodes"
    assert driver.preview(PROFILE, **inputs)["arn"] == arn
    made = driver.create(PROFILE, **inputs)
    assert made.state["arn"] == arn
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}

    other = {**inputs, "role": roles[1], "tags": {"b": "2"}}
    assert made.diff(**other).replaces == []
    made.update(**other)
    found = iam.get_instance_profile(InstanceProfileName="nodes")["InstanceProfile"]
    assert [each["RoleName"] for each in found["Roles"]] == [roles[1]]
    assert {each["Key"]: each["Value"] for each in found["Tags"]} == {"b": "2"}
    assert made.diff(**{**other, "name": "others"}).replaces == ["name"]

    iam.remove_role_from_instance_profile(InstanceProfileName="nodes", RoleName=roles[1])
    assert list(made.refresh().properties) == ["role"]
    made.delete()
    assert made.refresh() is None


def test_a_misspelt_input_is_refused_with_the_nearest_name(driver: Driver) -> None:
    found = dict(driver.failures(PROFILE, name="x", roles=["y"]))
    assert "did you mean 'role'" in found["roles"]
    assert "AWS::IAM::InstanceProfile demands Roles" in found["role"]
