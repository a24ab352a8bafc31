from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugins.protocol import PluginError
from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver

GROUP = "aws:cloudwatch/logGroup:LogGroup"


@pytest.fixture
def logs(aws_endpoint: str) -> Any:
    return aws_client("logs", "us-east-1", aws_endpoint)


def test_log_group_lives_through_creation_update_refresh_and_deletion(driver: Driver, logs: Any) -> None:
    inputs = {"name": "/aws/vpc/flow", "retentionInDays": 30, "tags": {"a": "1"}}
    made = driver.create(GROUP, **inputs)
    assert made.id == "/aws/vpc/flow"
    assert made.state["arn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vpc/flow"
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}

    made.update(name="/aws/vpc/flow", retentionInDays=365, tags={"b": "2"})
    [group] = logs.describe_log_groups(logGroupNamePrefix="/aws/vpc/flow")["logGroups"]
    assert group["retentionInDays"] == 365
    assert logs.list_tags_for_resource(resourceArn=made.state["arn"])["tags"] == {"b": "2"}

    logs.put_retention_policy(logGroupName="/aws/vpc/flow", retentionInDays=1)
    assert made.refresh().properties == {"retentionInDays": "update"}
    logs.delete_retention_policy(logGroupName="/aws/vpc/flow")
    assert list(made.refresh().properties) == ["retentionInDays"]

    made.delete()
    assert made.refresh() is None
    made.delete()


def test_retention_can_be_taken_away(driver: Driver, logs: Any) -> None:
    made = driver.create(GROUP, name="/keep", retentionInDays=30)
    made.update(name="/keep")
    [group] = logs.describe_log_groups(logGroupNamePrefix="/keep")["logGroups"]
    assert "retentionInDays" not in group
    made.delete()


def test_group_whose_name_begins_another_is_not_mistaken_for_it(driver: Driver) -> None:
    longer = driver.create(GROUP, name="/short/and/longer")
    assert driver.find(GROUP, "/short") is None
    longer.delete()


def test_name_and_class_replace_and_the_old_group_goes_first_where_the_name_stays(driver: Driver) -> None:
    made = driver.create(GROUP, name="/replaced")
    assert made.diff(name="/other").replaces == ["name"]
    diff = made.diff(name="/replaced", logGroupClass="INFREQUENT_ACCESS")
    assert diff.replaces == ["logGroupClass"]
    assert diff.delete_before_replace
    made.delete()


def test_retention_that_aws_does_not_have_is_refused_with_the_list(driver: Driver) -> None:
    [(path, reason)] = driver.failures(GROUP, name="/x", retentionInDays=31)
    assert path == "retentionInDays"
    assert "1, 3, 5, 7, 14, 30" in reason


def test_group_to_be_left_stays_after_deletion(driver: Driver) -> None:
    made = driver.create(GROUP, name="/left", skipDestroy=True)
    made.delete()
    assert driver.find(GROUP, "/left") is not None


def test_misspelt_log_group_input_is_refused_with_the_nearest_name(driver: Driver) -> None:
    [(path, reason)] = driver.failures(GROUP, name="/x", retentionInDay=30)
    assert path == "retentionInDay"
    assert "did you mean 'retentionInDays'" in reason


def test_key_that_the_sandbox_cannot_change_is_said_and_changes_nothing_else(
    driver: Driver, logs: Any
) -> None:
    made = driver.create(GROUP, name="/sealed", retentionInDays=30)
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    with pytest.raises(PluginError, match="AssociateKmsKey"):
        made.update(name="/sealed", retentionInDays=60, kmsKeyId=key)
    [group] = logs.describe_log_groups(logGroupNamePrefix="/sealed")["logGroups"]
    assert group["retentionInDays"] == 30
    made.delete()
