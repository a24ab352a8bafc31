"""What turns lines of a log group into a metric.

Blind spot: the sandbox's CloudWatch Logs keeps a filter and counts nothing with it.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register
from sandbox.plugins.aws.table import REGION, judged, refused
from sandbox.plugins.aws.values import Shape, inward, outward, parts
from sandbox.plugins.protocol import Plain

_ID: Final = "log-group:filter"

_TRANSFORMATION: Final[Shape] = {
    "name": "metricName",
    "namespace": "metricNamespace",
    "value": "metricValue",
    "defaultValue": "defaultValue",
    "dimensions": "dimensions",
    "unit": "unit",
}


def _listed(value: Plain) -> Plain:
    return [value]


@register
class LogMetricFilter(ResourceType):
    """A filter of one log group with one metric."""

    token = "aws:cloudwatch/logMetricFilter:LogMetricFilter"  # noqa: S105 - a type token
    sdk = "cloudwatch.LogMetricFilter"
    cfn = "AWS::Logs::MetricFilter"
    inputs = {
        "logGroupName": judged("LogGroupName", required=True),
        "name": judged("FilterName", autoname=512),
        "pattern": judged("FilterPattern", required=True),
        "metricTransformation": judged(
            "MetricTransformations",
            required=True,
            fields={
                "name": judged("MetricName", required=True),
                "namespace": judged("MetricNamespace", required=True),
                "value": judged("MetricValue", required=True),
                "defaultValue": judged("DefaultValue", encode=lambda text: _number(text)),
                "dimensions": refused("the kit counts lines, and tells them apart by filter"),
                "unit": judged("Unit", default="None"),
            },
        ),
        "applyOnTransformedLogs": refused("the kit's log groups have no transformer"),
        **REGION,
    }
    identity = ("logGroupName", "name")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutMetricFilter, which makes and changes alike."""
        wanted = outward(inputs.get("metricTransformation"), _TRANSFORMATION)
        if isinstance(wanted, dict) and isinstance(wanted.get("defaultValue"), str):
            wanted["defaultValue"] = _number(wanted["defaultValue"])
        params = compact(
            logGroupName=inputs.get("logGroupName"),
            filterName=inputs.get("name"),
            metricTransformations=[wanted],
        )
        return [("logs", "PutMetricFilter", {**params, "filterPattern": inputs.get("pattern")})]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "log-group:filter", as imports take it."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['logGroupName']}:{inputs['name']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeMetricFilters, whose prefix finds longer names too."""
        group, name = parts(resource_id, ":", _ID)
        pages = ctx.client("logs").get_paginator("describe_metric_filters")
        for page in pages.paginate(logGroupName=group, filterNamePrefix=name):
            for found in page["metricFilters"]:
                if found["filterName"] == name:
                    return _state(group, name, found)
        return None

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """PutMetricFilter again."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteMetricFilter."""
        group, name = parts(resource_id, ":", _ID)
        ctx.client("logs").delete_metric_filter(logGroupName=group, filterName=name)


def _state(group: str, name: str, found: dict[str, Any]) -> dict[str, Plain]:
    transformation = inward(found["metricTransformations"][0], _TRANSFORMATION)
    transformation.setdefault("unit", "None")
    if "defaultValue" in transformation:
        transformation["defaultValue"] = f"{transformation['defaultValue']:g}"
    return {
        "logGroupName": group,
        "name": name,
        "pattern": found.get("filterPattern", ""),
        "metricTransformation": transformation,
    }


def _number(text: Plain) -> Plain:
    try:
        return float(text)
    except (TypeError, ValueError):
        return text
