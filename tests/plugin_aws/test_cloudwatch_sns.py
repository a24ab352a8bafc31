"""From a log line to a person: metric filter, alarm, topic, policy, subscription, rule and target."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.state import aws_client
from tests.plugin_aws.conftest import REGION, Driver

GROUP = "aws:cloudwatch/logGroup:LogGroup"
FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
TOPIC = "aws:sns/topic:Topic"
POLICY = "aws:sns/topicPolicy:TopicPolicy"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
ARN = "arn:aws:sns:us-east-1:123456789012:"


@pytest.fixture
def client(aws_endpoint: str) -> Any:
    return lambda service: aws_client(service, REGION, aws_endpoint)


def test_metric_filter_lives_and_is_found_by_its_import_id(driver: Driver, client: Any) -> None:
    group = driver.create(GROUP, "audit", name="/audit")
    metric = {"name": "Used", "namespace": "Bastide", "value": "1", "defaultValue": "0"}
    inputs = {
        "logGroupName": "/audit",
        "name": "used",
        "pattern": '{ $.user.username = "a*" }',
        "metricTransformation": metric,
    }
    made = driver.create(FILTER, **inputs)
    assert made.id == "/audit:used"
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}
    [seen] = client("logs").describe_metric_filters(logGroupName="/audit")["metricFilters"]
    assert seen["filterPattern"] == inputs["pattern"]
    assert seen["metricTransformations"][0]["defaultValue"] == 0
    assert made.diff(**{**inputs, "logGroupName": "/other"}).replaces == ["logGroupName"]
    changed = {**inputs, "pattern": "", "metricTransformation": {**metric, "value": "2"}}
    assert made.diff(**changed).replaces == []
    made.update(**changed)
    found = driver.find(FILTER, made.id)
    assert found is not None
    assert found[2]["metricTransformation"]["value"] == "2"
    client("logs").put_metric_filter(
        logGroupName="/audit",
        filterName="used",
        filterPattern="nobody",
        metricTransformations=[{"metricName": "Used", "metricNamespace": "Bastide", "metricValue": "2"}],
    )
    assert set(made.refresh().properties) >= {"pattern"}
    made.delete()
    assert made.refresh() is None
    made.delete()
    group.delete()


def test_metric_filter_of_a_group_that_is_not_there_is_refused(driver: Driver) -> None:
    with pytest.raises(Exception, match="log group does not exist"):
        driver.create(
            FILTER,
            logGroupName="/nowhere",
            name="x",
            pattern="x",
            metricTransformation={"name": "a", "namespace": "b", "value": "1"},
        )


def alarm(**changes: Any) -> dict[str, Any]:
    return {
        "name": "used",
        "namespace": "Bastide",
        "metricName": "Used",
        "statistic": "Sum",
        "period": 60,
        "evaluationPeriods": 1,
        "threshold": 1,
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "alarmActions": [f"{ARN}people"],
        **changes,
    }


def test_alarm_changes_in_place_and_its_name_replaces(driver: Driver, client: Any) -> None:
    made = driver.create(ALARM, **alarm(), tags={"a": "1"})
    assert made.state["arn"] == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:used"
    assert made.diff(**alarm(), tags={"a": "1"}).properties == {}
    assert made.refresh().properties == {}
    assert made.diff(**alarm(name="other"), tags={"a": "1"}).replaces == ["name"]
    made.update(**alarm(threshold=5, treatMissingData="notBreaching"), tags={"b": "2"})
    [seen] = client("cloudwatch").describe_alarms(AlarmNames=["used"])["MetricAlarms"]
    assert (seen["Threshold"], seen["TreatMissingData"]) == (5, "notBreaching")
    assert client("cloudwatch").list_tags_for_resource(ResourceARN=made.state["arn"])["Tags"] == [
        {"Key": "b", "Value": "2"}
    ]
    client("cloudwatch").delete_alarms(AlarmNames=["used"])
    assert made.refresh() is None
    made.delete()


def test_alarm_mistakes_are_refused_with_what_is_allowed(driver: Driver) -> None:
    [(path, reason)] = driver.failures(ALARM, **alarm(comparisonOperator="MoreThan"))
    assert path == "comparisonOperator"
    assert "GreaterThanOrEqualToThreshold" in reason
    lacking = alarm()
    del lacking["threshold"]
    assert [path for path, _ in driver.failures(ALARM, **lacking)] == ["threshold"]


def test_topic_keeps_its_key_and_says_when_somebody_takes_it_away(driver: Driver, client: Any) -> None:
    inputs = {
        "name": "people",
        "displayName": "Bastide",
        "kmsMasterKeyId": "alias/alarms",
        "tags": {"a": "1"},
    }
    assert driver.preview(TOPIC, **inputs)["arn"] == f"{ARN}people"
    made = driver.create(TOPIC, **inputs)
    assert made.id == f"{ARN}people"
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}
    client("sns").set_topic_attributes(TopicArn=made.id, AttributeName="KmsMasterKeyId", AttributeValue="")
    assert list(made.refresh().properties) == ["kmsMasterKeyId"]
    made.update(name="people", displayName="Others", tags={"b": "2"})
    seen = client("sns").get_topic_attributes(TopicArn=made.id)["Attributes"]
    assert seen["DisplayName"] == "Others"
    assert not seen.get("KmsMasterKeyId")
    assert made.diff(name="other", displayName="Others", tags={"b": "2"}).replaces == ["name"]
    made.delete()
    assert made.refresh() is None
    made.delete()


def test_a_topics_policy_goes_back_to_its_owner_alone(driver: Driver, client: Any) -> None:
    topic = driver.create(TOPIC, "t", name="guarded")
    statement = {
        "Sid": "AlarmSenders",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic.id,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = driver.create(POLICY, arn=topic.id, policy=policy)
    assert made.id == topic.id
    assert made.refresh().properties == {}
    assert made.diff(arn=f"{ARN}other", policy=policy).replaces == ["arn"]
    made.delete()
    left = json.loads(client("sns").get_topic_attributes(TopicArn=topic.id)["Attributes"]["Policy"])
    assert left["Statement"][0]["Condition"] == {"StringEquals": {"AWS:SourceOwner": "123456789012"}}
    topic.delete()


def test_subscription_is_made_found_and_gone_with_its_topic(driver: Driver, client: Any) -> None:
    topic = driver.create(TOPIC, "t", name="heard")
    inputs = {"topic": topic.id, "protocol": "email", "endpoint": "on-call@example.com"}
    made = driver.create(SUBSCRIPTION, **inputs)
    assert made.id.startswith(f"{topic.id}:")
    assert made.refresh().properties == {}
    assert made.diff(**{**inputs, "endpoint": "others@example.com"}).replaces == ["endpoint"]
    found = driver.find(SUBSCRIPTION, made.id)
    assert found is not None
    assert found[2]["endpoint"] == "on-call@example.com"
    [seen] = client("sns").list_subscriptions_by_topic(TopicArn=topic.id)["Subscriptions"]
    assert seen["Protocol"] == "email"
    made.delete()
    assert made.refresh() is None
    topic.delete()


def test_a_protocol_that_sns_lacks_is_refused(driver: Driver) -> None:
    [(path, reason)] = driver.failures(SUBSCRIPTION, topic=f"{ARN}nobody", protocol="pigeon", endpoint="roof")
    assert path == "protocol"
    assert "email, email-json" in reason


def test_rule_waits_for_calls_and_sends_them_to_its_target(driver: Driver, client: Any) -> None:
    pattern = json.dumps({"source": ["aws.sts"]})
    inputs = {
        "name": "taken",
        "eventPattern": pattern,
        "state": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
    }
    rule = driver.create(RULE, **inputs, tags={"a": "1"})
    assert rule.refresh().properties == {}
    assert rule.diff(**{**inputs, "name": "other"}, tags={"a": "1"}).replaces == ["name"]
    target = driver.create(TARGET, rule="taken", targetId="people", arn=f"{ARN}people")
    assert target.id == "taken/people"
    assert target.refresh().properties == {}
    assert target.diff(rule="taken", targetId="others", arn=f"{ARN}people").replaces == ["targetId"]
    target.update(rule="taken", targetId="people", arn=f"{ARN}others")
    [seen] = client("events").list_targets_by_rule(Rule="taken")["Targets"]
    assert seen["Arn"] == f"{ARN}others"
    rule.update(**{**inputs, "description": "d"}, tags={"b": "2"})
    described = client("events").describe_rule(Name="taken")
    assert (described["Description"], described["State"]) == ("d", inputs["state"])
    assert client("events").list_tags_for_resource(ResourceARN=described["Arn"])["Tags"] == [
        {"Key": "b", "Value": "2"}
    ]
    target.delete()
    assert target.refresh() is None
    rule.delete()
    assert rule.refresh() is None


def test_rule_without_a_pattern_and_unknown_state_are_refused(driver: Driver) -> None:
    assert [path for path, _ in driver.failures(RULE, name="x")] == ["eventPattern"]
    [(path, reason)] = driver.failures(RULE, name="x", eventPattern='{"source": ["aws.sts"]}', state="ON")
    assert path == "state"
    assert "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" in reason
