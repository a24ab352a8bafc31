"""CloudWatch alarms of one metric.

Blind spot: the sandbox's CloudWatch keeps an alarm and evaluates none, so that no alarm goes off by itself.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Call, Context, Inputs, Named, compact, register, tag_map, tag_pairs
from sandbox.plugins.aws.table import REGION, judged, refused, tags
from sandbox.plugins.aws.tagging import retag
from sandbox.plugins.protocol import Plain

_FIELDS: Final = {
    "name": "AlarmName",
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "evaluationPeriods": "EvaluationPeriods",
    "insufficientDataActions": "InsufficientDataActions",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "okActions": "OKActions",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}
"""Inputs and the members of PutMetricAlarm and DescribeAlarms."""

_ONE_METRIC: Final = refused("the kit's alarms look at one metric with a fixed threshold")


def _pairs(value: Plain) -> Plain:
    return [{"Name": name, "Value": item} for name, item in value.items()]


@register
class MetricAlarm(Named):
    """An alarm that compares one metric's statistic with a threshold."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"  # noqa: S105 - a type token
    sdk = "cloudwatch.MetricAlarm"
    cfn = "AWS::CloudWatch::Alarm"
    arn_form = ("cloudwatch", "alarm:{}")
    inputs = {
        "name": judged("AlarmName", autoname=255),
        "actionsEnabled": judged("ActionsEnabled", default=True),
        "alarmActions": judged("AlarmActions", unordered=True),
        "alarmDescription": judged("AlarmDescription"),
        "comparisonOperator": judged("ComparisonOperator"),
        "datapointsToAlarm": judged("DatapointsToAlarm"),
        "dimensions": judged("Dimensions", encode=_pairs),
        "evaluationPeriods": judged("EvaluationPeriods"),
        "insufficientDataActions": judged("InsufficientDataActions", unordered=True),
        "metricName": judged("MetricName"),
        "namespace": judged("Namespace"),
        "okActions": judged("OKActions", unordered=True),
        "period": judged("Period"),
        "statistic": judged("Statistic"),
        "threshold": judged("Threshold"),
        "treatMissingData": judged("TreatMissingData", default="missing"),
        "unit": judged("Unit"),
        "evaluateLowSampleCountPercentiles": refused("the kit's alarms use no percentile"),
        "extendedStatistic": refused("the kit's alarms use no percentile"),
        "evaluationCriteria": _ONE_METRIC,
        "evaluationInterval": _ONE_METRIC,
        "evaluationWindow": _ONE_METRIC,
        "metricQueries": _ONE_METRIC,
        "thresholdMetricId": _ONE_METRIC,
        "warmUpConfiguration": refused("the kit's alarms look at what is rare, and need no time to warm up"),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("name",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """What an alarm of one metric needs (PutMetricAlarm's reference)."""
        needed = ("metricName", "namespace", "statistic", "period", "evaluationPeriods", "threshold")
        return [
            (name, "an alarm of one metric needs it (PutMetricAlarm); give it")
            for name in (*needed, "comparisonOperator")
            if inputs.get(name) is None
        ]

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutMetricAlarm, which makes and changes alike; tags only count when it makes."""
        params = compact(
            **{wire: inputs.get(name) for name, wire in _FIELDS.items()},
            Dimensions=_pairs(inputs["dimensions"]) if isinstance(inputs.get("dimensions"), dict) else None,
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("cloudwatch", "PutMetricAlarm", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeAlarms by name."""
        client = ctx.client("cloudwatch")
        alarms = client.describe_alarms(AlarmNames=[resource_id], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not alarms:
            return None
        found: dict[str, Any] = alarms[0]
        listed = client.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
        return {
            **{name: found[wire] for name, wire in _FIELDS.items() if wire in found},
            "dimensions": {pair["Name"]: pair["Value"] for pair in found.get("Dimensions", [])},
            "treatMissingData": found.get("TreatMissingData") or "missing",
            "tagsAll": tag_map(listed),
            "arn": found["AlarmArn"],
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """PutMetricAlarm again, and the tags by their own calls."""
        ctx.send(self.request(ctx, new))
        retag(ctx, "cloudwatch", old, new, ResourceARN=self.arn(ctx, resource_id))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteAlarms."""
        ctx.client("cloudwatch").delete_alarms(AlarmNames=[resource_id])
