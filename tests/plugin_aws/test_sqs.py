"""Queues and their policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.plugins.protocol import PluginError
from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver

QUEUE = "aws:sqs/queue:Queue"
POLICY = "aws:sqs/queuePolicy:QueuePolicy"


@pytest.fixture
def sqs(aws_endpoint: str) -> Any:
    return aws_client("sqs", "us-east-1", aws_endpoint)


def attributes(sqs: Any, url: str) -> dict[str, str]:
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def test_a_queue_lives_through_creation_update_refresh_and_deletion(driver: Driver, sqs: Any) -> None:
    inputs = {
        "name": "interruptions",
        "messageRetentionSeconds": 300,
        "sqsManagedSseEnabled": True,
        "tags": {"a": "1"},
    }
    assert driver.preview(QUEUE, **inputs)["arn"] == "arn:aws:sqs:us-east-1:123456789012:interruptions"
    made = driver.create(QUEUE, **inputs)
    assert made.id == made.state["url"]
    assert attributes(sqs, made.id)["MessageRetentionPeriod"] == "300"
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}

    made.update(**{**inputs, "messageRetentionSeconds": 600, "tags": {"b": "2"}})
    assert attributes(sqs, made.id)["MessageRetentionPeriod"] == "600"
    assert sqs.list_queue_tags(QueueUrl=made.id)["Tags"] == {"b": "2"}
    sqs.set_queue_attributes(QueueUrl=made.id, Attributes={"VisibilityTimeout": "99"})
    assert made.refresh().properties == {"visibilityTimeoutSeconds": "update"}
    made.delete()
    assert made.refresh() is None
    made.delete()


def test_a_queue_that_is_there_is_not_handed_out_as_ours(driver: Driver, sqs: Any) -> None:
    sqs.create_queue(QueueName="theirs")
    with pytest.raises(PluginError, match="is there already: import it as"):
        driver.create(QUEUE, name="theirs")


def test_name_replaces_and_fifo_is_refused(driver: Driver) -> None:
    made = driver.create(QUEUE, name="first")
    assert made.diff(name="second").replaces == ["name"]
    made.delete()
    assert [path for path, _ in driver.failures(QUEUE, name="x", fifoQueue=True)] == ["fifoQueue"]
    assert [path for path, _ in driver.failures(QUEUE, name="x", policy="{}")] == ["policy"]


def test_a_policy_is_written_compared_as_json_and_taken_away(driver: Driver, sqs: Any) -> None:
    queue = driver.create(QUEUE, name="guarded")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.state["arn"],
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = driver.create(POLICY, queueUrl=queue.id, policy=text)
    assert made.diff(queueUrl=queue.id, policy=json.dumps(json.loads(text), indent=4)).properties == {}
    assert made.refresh().properties == {}
    other = text.replace("sqs:SendMessage", "sqs:ReceiveMessage")
    assert made.diff(queueUrl=queue.id, policy=other).properties == {"policy": "update"}
    assert made.diff(queueUrl="https://other", policy=text).replaces == ["queueUrl"]
    made.update(queueUrl=queue.id, policy=other)
    assert json.loads(attributes(sqs, queue.id)["Policy"])["Statement"][0]["Action"] == "sqs:ReceiveMessage"
    made.delete()
    assert not attributes(sqs, queue.id).get("Policy")
    queue.delete()
