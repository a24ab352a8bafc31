"""Every input of every class that the plugin serves is in its table exactly once, and the table is AWS's."""

from __future__ import annotations

import importlib
import inspect
import sys
import typing
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pulumi import _types

from sandbox.plugins.aws import judge
from sandbox.plugins.aws.framework import ResourceType
from sandbox.plugins.aws.provider import AwsProvider, verdicts
from sandbox.plugins.aws.table import Prop

TYPES = AwsProvider().types
KINDS = pytest.mark.parametrize("kind", TYPES.values(), ids=lambda kind: kind.sdk)

THE_KIT_USES = {
    "ec2.Vpc",
    "ec2.Subnet",
    "ec2.InternetGateway",
    "ec2.Eip",
    "ec2.NatGateway",
    "ec2.RouteTable",
    "ec2.Route",
    "ec2.RouteTableAssociation",
    "ec2.DefaultSecurityGroup",
    "ec2.SecurityGroup",
    "ec2.FlowLog",
    "ec2.VpcEndpoint",
    "ec2.LaunchTemplate",
    "ec2.PlacementGroup",
    "ec2.CapacityReservation",
    "ec2.CapacityBlockReservation",
    "vpc.SecurityGroupIngressRule",
    "vpc.SecurityGroupEgressRule",
    "iam.Role",
    "iam.RolePolicy",
    "iam.RolePolicyAttachment",
    "kms.Key",
    "kms.Alias",
    "cloudwatch.LogGroup",
    "cloudwatch.LogMetricFilter",
    "cloudwatch.MetricAlarm",
    "cloudwatch.EventRule",
    "cloudwatch.EventTarget",
    "sns.Topic",
    "sns.TopicPolicy",
    "sns.TopicSubscription",
    "s3.Bucket",
    "s3.BucketVersioning",
    "s3.BucketServerSideEncryptionConfiguration",
    "s3.BucketPublicAccessBlock",
    "s3.BucketOwnershipControls",
    "s3.BucketPolicy",
    "s3.BucketLifecycleConfiguration",
    "s3.BucketObjectLockConfiguration",
    "s3.BucketLogging",
    "s3.Inventory",
    "eks.Cluster",
    "eks.Addon",
    "eks.AccessEntry",
    "eks.AccessPolicyAssociation",
    "eks.PodIdentityAssociation",
    "eks.NodeGroup",
    "iam.InstanceProfile",
    "acm.Certificate",
    "acm.CertificateValidation",
    "route53.Record",
    "sqs.Queue",
    "sqs.QueuePolicy",
    "secretsmanager.Secret",
    "secretsmanager.SecretPolicy",
    "secretsmanager.SecretVersion",
    "rds.SubnetGroup",
    "rds.ParameterGroup",
    "rds.Instance",
    "elasticache.SubnetGroup",
    "elasticache.ParameterGroup",
    "elasticache.User",
    "elasticache.UserGroup",
    "elasticache.ReplicationGroup",
    "lb.LoadBalancer",
    "lb.TargetGroup",
    "lb.Listener",
    "lb.ListenerRule",
    "wafv2.WebAcl",
    "wafv2.WebAclAssociation",
    "wafv2.WebAclLoggingConfiguration",
}


def sdk_class(kind: ResourceType) -> Any:
    module, name = kind.sdk.split(".")
    return getattr(importlib.import_module(f"pulumi_aws.{module}"), name)


def args_class(kind: ResourceType) -> Any:
    cls = sdk_class(kind)
    module = importlib.import_module(cls.__module__)
    # Where a nested class already has the name, the SDK calls the resource's own XInitArgs.
    return getattr(module, f"{cls.__name__}InitArgs", None) or getattr(module, f"{cls.__name__}Args")


def nested_class(hint: Any) -> Any:
    """The SDK's input class inside a type hint such as Sequence[Input[XArgs]], if there is one."""
    if isinstance(hint, type) and _types.is_input_type(hint):
        return hint
    return next(filter(None, map(nested_class, typing.get_args(hint))), None)


def required_names(cls: Any) -> set[str]:
    names = _types.input_type_py_to_pulumi_names(cls)
    parameters = inspect.signature(cls.__init__).parameters
    return {wire for name, wire in names.items() if parameters[name].default is inspect.Parameter.empty}


def compare(table: Mapping[str, Prop], cls: Any, where: str) -> Iterator[str]:
    hints = _types.input_type_types(cls)
    for name in hints.keys() - table.keys():
        yield f"{where}{name} is an input of the SDK and in no table"
    for name in table.keys() - hints.keys():
        yield f"{where}{name} is in the table and no input of the SDK"
    for name in table.keys() & hints.keys():
        prop, inside = table[name], nested_class(hints[name])
        if prop.verdict == "refused":
            continue
        if prop.required != (name in required_names(cls)):
            yield f"{where}{name}: required is {prop.required} in the table and not so in the SDK"
        if inside is not None and prop.fields is None and not prop.json:
            yield f"{where}{name} is an object in the SDK, and the table has no fields for it"
        if prop.fields is not None:
            if inside is None:
                yield f"{where}{name} has fields in the table and is no object in the SDK"
            else:
                yield from compare(prop.fields, inside, f"{where}{name}.")


def test_the_plugin_serves_every_type_that_the_kit_uses() -> None:
    assert {kind.sdk for kind in TYPES.values()} == THE_KIT_USES


@KINDS
def test_every_input_of_the_sdk_is_in_the_table(kind: ResourceType) -> None:
    assert sdk_class(kind).pulumi_type == kind.token
    assert list(compare(kind.inputs, args_class(kind), "")) == []


@KINDS
def test_every_output_of_the_sdk_is_known_to_the_plugin(kind: ResourceType) -> None:
    outputs = set(_types.resource_types(sdk_class(kind))) - kind.inputs.keys() - {"tagsAll", "region"}
    assert outputs == set(kind.outputs)


@KINDS
def test_every_verdict_has_a_source_and_no_table_contradicts_aws(kind: ResourceType) -> None:
    found = judge.rulings(kind, "us-east-1")
    assert all(ruling.source for ruling in found)
    twice = [path for path, count in Counter(ruling.path for ruling in found).items() if count > 1]
    assert twice == []
    assert set(kind.identity) <= kind.inputs.keys()


@KINDS
def test_no_two_inputs_claim_the_same_property_of_aws(kind: ResourceType) -> None:
    claims = Counter(
        ruling.source
        for ruling in judge.rulings(kind, "us-east-1")
        if ruling.by_aws_schema and "." not in ruling.path
    )
    assert [source for source, count in claims.items() if count > 1] == []


def test_most_verdicts_come_from_aws_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    mapped = [ruling for ruling in verdicts() if ruling.effect != "refused"]
    judged = [ruling for ruling in mapped if ruling.by_aws_schema]
    with capsys.disabled():
        refused = len(verdicts()) - len(mapped)
        sys.stdout.write(
            f"\n{len(mapped)} inputs mapped, {len(judged)} of them judged by AWS's schemas; {refused} refused"
        )
    assert len(judged) > 0.75 * len(mapped)
