"""Application load balancers and their target groups.

Blind spots: nothing balances; no request reaches a target through them, and no access log is written.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws import tagging
from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    compact,
    is_absent,
    register,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, tags, update
from sandbox.plugins.protocol import Plain, PluginError, Unknown

SERVICE = "elbv2"
NAME_PREFIX = refused(
    "the kit computes its names, so that ARNs and rights are known at the first preview; use name"
)
_ATTRIBUTE = (
    "an attribute: ModifyLoadBalancerAttributes sets it, and AWS's schema has one list of all attributes"
)
_TARGETS = (
    "an attribute: ModifyTargetGroupAttributes sets it, and AWS's schema has one list of all attributes"
)
_NETWORK = refused("the kit's load balancer is an application load balancer, and this is for network ones")

BALANCER_ATTRIBUTES = {
    "clientKeepAlive": "client_keep_alive.seconds",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableWafFailOpen": "waf.fail_open.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
}
"""Inputs and the attributes that they are."""

GROUP_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "slowStart": "slow_start.duration_seconds",
}


def attributes(inputs: Inputs, names: dict[str, str]) -> list[dict[str, str]]:
    """Attributes as ELB takes them: texts."""
    return [
        {"Key": wire, "Value": _text(inputs[name])}
        for name, wire in names.items()
        if inputs.get(name) is not None and not isinstance(inputs[name], Unknown)
    ]


def seen_attributes(found: list[dict[str, str]], names: dict[str, str]) -> dict[str, Plain]:
    """Attributes under the inputs' names, as numbers and truths where they are."""
    by_key = {each["Key"]: each["Value"] for each in found}
    return {name: _value(by_key[wire]) for name, wire in names.items() if wire in by_key}


def _text(value: Plain) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str) -> Plain:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if str(text).isdigit() else text


def retag(ctx: Context, arn: str, old: Inputs, new: Inputs) -> None:
    """Brings the tags of anything of ELB from the old inputs' to the new ones'."""
    tagging.retag(ctx, SERVICE, old, new, ("RemoveTags", "AddTags"), ResourceArns=[arn])


def tags_of(ctx: Context, arn: str) -> dict[str, str]:
    """The tags of anything of ELB."""
    found = ctx.client(SERVICE).describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return tag_map(found[0]["Tags"]) if found else {}


@register
class LoadBalancer(ResourceType):
    """An application load balancer."""

    token = "aws:lb/loadBalancer:LoadBalancer"  # noqa: S105 - a type token
    sdk = "lb.LoadBalancer"
    cfn = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    inputs = {
        "accessLogs": update(
            source=_ATTRIBUTE,
            fields={
                "bucket": update(source=_ATTRIBUTE, required=True),
                "enabled": update(source=_ATTRIBUTE),
                "prefix": update(source=_ATTRIBUTE),
            },
        ),
        "clientKeepAlive": update(source=_ATTRIBUTE, computed=True),
        "connectionLogs": refused("the kit keeps access logs, which name the same connections"),
        "customerOwnedIpv4Pool": refused("the kit's load balancer is in the region and not on an Outpost"),
        "desyncMitigationMode": update(source=_ATTRIBUTE, computed=True),
        "dnsRecordClientRoutingPolicy": _NETWORK,
        "dropInvalidHeaderFields": update(source=_ATTRIBUTE, default=False),
        "enableCrossZoneLoadBalancing": refused("application load balancers always balance across zones"),
        "enableDeletionProtection": update(source=_ATTRIBUTE, default=False),
        "enableHttp2": update(source=_ATTRIBUTE, computed=True),
        "enablePrefixForIpv6SourceNat": _NETWORK,
        "enableTlsVersionAndCipherSuiteHeaders": refused("the gateway reads no such header"),
        "enableWafFailOpen": update(source=_ATTRIBUTE, default=False),
        "enableXffClientPort": refused("the gateway reads no such header"),
        "enableZonalShift": refused("the sandbox has no zonal shifts"),
        "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic": _NETWORK,
        "healthCheckLogs": refused("the kit keeps access logs; health shows in the target group"),
        "idleTimeout": update(source=_ATTRIBUTE, default=60),
        "internal": judged(
            "Scheme", encode=lambda internal: "internal" if internal else "internet-facing", default=False
        ),
        "ipAddressType": judged("IpAddressType", computed=True),
        "ipamPools": refused("the kit takes AWS's addresses"),
        "loadBalancerType": judged("Type", default="application"),
        "minimumLoadBalancerCapacity": refused("the kit reserves no capacity of load balancers"),
        "name": judged("Name", autoname=32),
        "namePrefix": NAME_PREFIX,
        "preserveHostHeader": update(source=_ATTRIBUTE, default=False),
        "secondaryIpsAutoAssignedPerSubnet": _NETWORK,
        "securityGroups": judged("SecurityGroups", unordered=True),
        "subnetMappings": _NETWORK,
        "subnets": judged("Subnets", unordered=True),
        "xffHeaderProcessingMode": update(source=_ATTRIBUTE, computed=True),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn", "arnSuffix", "dnsName", "vpcId", "zoneId")
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateLoadBalancer; attributes are set once it is there."""
        internal = inputs.get("internal")
        scheme = internal if isinstance(internal, Unknown) else "internal" if internal else "internet-facing"
        params = compact(
            Name=inputs.get("name"),
            Type=inputs.get("loadBalancerType"),
            Scheme=scheme,
            Subnets=inputs.get("subnets"),
            SecurityGroups=inputs.get("securityGroups"),
            IpAddressType=inputs.get("ipAddressType"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [(SERVICE, "CreateLoadBalancer", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the ARN."""
        return str(ctx.send(self.request(ctx, inputs))["LoadBalancers"][0]["LoadBalancerArn"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Until it is active; then its attributes, which need the bucket's policy."""
        ctx.wait(
            f"{inputs['name']} to be active",
            lambda: _described(ctx, resource_id)["State"]["Code"] == "active",
        )
        wanted = attributes(inputs, BALANCER_ATTRIBUTES) + _logs(inputs.get("accessLogs"))
        ctx.client(SERVICE).modify_load_balancer_attributes(LoadBalancerArn=resource_id, Attributes=wanted)

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeLoadBalancers with its attributes."""
        found = _described(ctx, resource_id)
        answer = ctx.client(SERVICE).describe_load_balancer_attributes(LoadBalancerArn=resource_id)
        by_key = {each["Key"]: each["Value"] for each in answer["Attributes"]}
        logs = None
        if by_key.get("access_logs.s3.bucket"):
            logs = {
                "bucket": by_key["access_logs.s3.bucket"],
                "enabled": by_key.get("access_logs.s3.enabled") == "true",
                "prefix": by_key.get("access_logs.s3.prefix") or None,
            }
        return {
            **seen_attributes(answer["Attributes"], BALANCER_ATTRIBUTES),
            "accessLogs": logs,
            "arn": resource_id,
            "arnSuffix": resource_id.partition(":loadbalancer/")[2],
            "dnsName": found["DNSName"],
            "internal": found["Scheme"] == "internal",
            "ipAddressType": found["IpAddressType"],
            "loadBalancerType": found["Type"],
            "name": found["LoadBalancerName"],
            "securityGroups": found["SecurityGroups"],
            "subnets": [each["SubnetId"] for each in found["AvailabilityZones"]],
            "vpcId": found["VpcId"],
            "zoneId": found["CanonicalHostedZoneId"],
            "tagsAll": tags_of(ctx, resource_id),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """SetSubnets and SetSecurityGroups; attributes follow in `ready`."""
        elb = ctx.client(SERVICE)
        if "subnets" in changed:
            elb.set_subnets(LoadBalancerArn=resource_id, Subnets=new["subnets"])
        if "securityGroups" in changed:
            elb.set_security_groups(LoadBalancerArn=resource_id, SecurityGroups=new["securityGroups"])
        if "ipAddressType" in changed and new.get("ipAddressType"):
            elb.set_ip_address_type(LoadBalancerArn=resource_id, IpAddressType=new["ipAddressType"])
        retag(ctx, resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteLoadBalancer; refused while it is protected."""
        if state.get("enableDeletionProtection"):
            raise PluginError(
                f"{state.get('name')} is protected against deletion: set enableDeletionProtection to false, run `up`, "
                "then delete"
            )
        ctx.client(SERVICE).delete_load_balancer(LoadBalancerArn=resource_id)
        ctx.wait(f"{state.get('name')} to be gone", lambda: is_absent(lambda: _described(ctx, resource_id)))


def _logs(logs: Plain) -> list[dict[str, str]]:
    if not logs or isinstance(logs, Unknown):
        return [{"Key": "access_logs.s3.enabled", "Value": "false"}]
    return [
        {"Key": "access_logs.s3.enabled", "Value": _text(bool(logs.get("enabled")))},
        {"Key": "access_logs.s3.bucket", "Value": str(logs["bucket"])},
        {"Key": "access_logs.s3.prefix", "Value": str(logs.get("prefix") or "")},
    ]


def _described(ctx: Context, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = ctx.client(SERVICE).describe_load_balancers(LoadBalancerArns=[arn])[
        "LoadBalancers"
    ][0]
    return found


_HEALTH = {
    "enabled": ("HealthCheckEnabled", "HealthCheckEnabled"),
    "healthyThreshold": ("HealthyThresholdCount", "HealthyThresholdCount"),
    "interval": ("HealthCheckIntervalSeconds", "HealthCheckIntervalSeconds"),
    "path": ("HealthCheckPath", "HealthCheckPath"),
    "port": ("HealthCheckPort", "HealthCheckPort"),
    "protocol": ("HealthCheckProtocol", "HealthCheckProtocol"),
    "timeout": ("HealthCheckTimeoutSeconds", "HealthCheckTimeoutSeconds"),
    "unhealthyThreshold": ("UnhealthyThresholdCount", "UnhealthyThresholdCount"),
}
_KIND = "AWS::ElasticLoadBalancingV2::TargetGroup"


@register
class TargetGroup(ResourceType):
    """Where a listener forwards to."""

    token = "aws:lb/targetGroup:TargetGroup"  # noqa: S105 - a type token
    sdk = "lb.TargetGroup"
    cfn = _KIND
    inputs = {
        "connectionTermination": _NETWORK,
        "deregistrationDelay": update(source=_TARGETS, default=300),
        "healthCheck": update(
            source="AWS's schema has its members beside one another in the group",
            computed=True,
            fields={
                **{name: judged(f"{_KIND}#{cfn}") for name, (cfn, _) in _HEALTH.items()},
                "matcher": judged(f"{_KIND}#Matcher", encode=lambda codes: {"HttpCode": codes}),
            },
        ),
        "ipAddressType": judged("IpAddressType", computed=True),
        "lambdaMultiValueHeadersEnabled": refused("the kit's targets are pods"),
        "loadBalancingAlgorithmType": update(source=_TARGETS, computed=True),
        "loadBalancingAnomalyMitigation": refused(
            "it needs weighted random balancing; the kit's is by open requests"
        ),
        "loadBalancingCrossZoneEnabled": refused("application load balancers always balance across zones"),
        "name": judged("Name", autoname=32),
        "namePrefix": NAME_PREFIX,
        "port": judged("Port"),
        "preserveClientIp": _NETWORK,
        "protocol": judged("Protocol"),
        "protocolVersion": judged("ProtocolVersion", computed=True),
        "proxyProtocolV2": _NETWORK,
        "slowStart": update(source=_TARGETS, default=0),
        "stickiness": refused("a client sticks to no pod of the gateway: limits are counted in Redis"),
        "targetControlPort": refused("the kit's targets have no agent of target control"),
        "targetFailovers": _NETWORK,
        "targetGroupHealth": refused("with no healthy pod a request fails, whatever this says"),
        "targetHealthStates": _NETWORK,
        "targetType": judged("TargetType", default="instance"),
        "vpcId": judged("VpcId"),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn", "arnSuffix", "loadBalancerArns")
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateTargetGroup."""
        params = compact(
            Name=inputs.get("name"),
            Protocol=inputs.get("protocol"),
            ProtocolVersion=inputs.get("protocolVersion"),
            Port=inputs.get("port"),
            VpcId=inputs.get("vpcId"),
            TargetType=inputs.get("targetType"),
            IpAddressType=inputs.get("ipAddressType"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
            **_health(inputs.get("healthCheck")),
        )
        return [(SERVICE, "CreateTargetGroup", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the ARN."""
        return str(ctx.send(self.request(ctx, inputs))["TargetGroups"][0]["TargetGroupArn"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Its attributes."""
        ctx.client(SERVICE).modify_target_group_attributes(
            TargetGroupArn=resource_id, Attributes=attributes(inputs, GROUP_ATTRIBUTES)
        )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeTargetGroups with its attributes."""
        elb = ctx.client(SERVICE)
        found = elb.describe_target_groups(TargetGroupArns=[resource_id])["TargetGroups"][0]
        answer = elb.describe_target_group_attributes(TargetGroupArn=resource_id)["Attributes"]
        check = {name: found[wire] for name, (_, wire) in _HEALTH.items() if wire in found}
        check["matcher"] = (found.get("Matcher") or {}).get("HttpCode")
        return {
            **seen_attributes(answer, GROUP_ATTRIBUTES),
            "arn": resource_id,
            "arnSuffix": "targetgroup/" + resource_id.partition(":targetgroup/")[2],
            "healthCheck": check,
            "ipAddressType": found.get("IpAddressType"),
            "loadBalancerArns": found.get("LoadBalancerArns", []),
            "name": found["TargetGroupName"],
            "port": int(found["Port"]),
            "protocol": found["Protocol"],
            "protocolVersion": found.get("ProtocolVersion"),
            "targetType": found["TargetType"],
            "vpcId": found["VpcId"],
            "tagsAll": tags_of(ctx, resource_id),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyTargetGroup; attributes follow in `ready`."""
        if "healthCheck" in changed and new.get("healthCheck"):
            ctx.client(SERVICE).modify_target_group(TargetGroupArn=resource_id, **_health(new["healthCheck"]))
        retag(ctx, resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteTargetGroup; refused while a listener forwards to it."""
        ctx.client(SERVICE).delete_target_group(TargetGroupArn=resource_id)


def _health(check: Plain) -> dict[str, Any]:
    if not check or isinstance(check, Unknown):
        return {}
    found = {wire: check[name] for name, (_, wire) in _HEALTH.items() if check.get(name) is not None}
    if check.get("matcher") is not None:
        found["Matcher"] = {"HttpCode": check["matcher"]}
    return found
