"""Listeners of application load balancers, and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register, tag_pairs
from sandbox.plugins.aws.lb import SERVICE, retag, tags_of
from sandbox.plugins.aws.table import REGION, Prop, judged, refused, tags, update
from sandbox.plugins.aws.values import Shape, inward, outward
from sandbox.plugins.protocol import Plain, Unknown, has_unknown

_SIGN_IN = refused(
    "callers sign in to the gateway, which knows keys and teams; the load balancer knows neither"
)
_HEADERS = refused("the gateway sets its own headers")
_CLIENT_CERTIFICATE = refused("the kit's edge takes keys and tokens, and no clients' certificates")

_ACTION_FIELDS: Mapping[str, Prop] = {
    "authenticateCognito": _SIGN_IN,
    "authenticateOidc": _SIGN_IN,
    "fixedResponse": judged(
        "FixedResponseConfig",
        fields={
            "contentType": judged("ContentType", required=True),
            "messageBody": judged("MessageBody"),
            "statusCode": judged("StatusCode", computed=True),
        },
    ),
    "forward": refused("the kit forwards to one group; use targetGroupArn"),
    "jwtValidation": _SIGN_IN,
    "order": judged("Order", computed=True),
    "redirect": refused(
        "the kit has no listener without TLS that would send callers on: their keys would go first"
    ),
    "targetGroupArn": judged("TargetGroupArn"),
    "type": judged("Type", required=True),
}

_ACTION: Shape = {
    "type": "Type",
    "order": "Order",
    "targetGroupArn": "TargetGroupArn",
    "fixedResponse": (
        "FixedResponseConfig",
        {"contentType": "ContentType", "messageBody": "MessageBody", "statusCode": "StatusCode"},
    ),
}


def _actions(actions: Plain) -> Plain:
    return actions if has_unknown(actions) and not isinstance(actions, list) else outward(actions, _ACTION)


def _seen_actions(actions: Any) -> list[dict[str, Plain]]:
    return [
        inward({name: each[name] for name in each if name != "ForwardConfig"}, _ACTION) for each in actions
    ]


@register
class Listener(ResourceType):
    """A port, its certificate, and what happens to requests that no rule takes."""

    token = "aws:lb/listener:Listener"  # noqa: S105 - a type token
    sdk = "lb.Listener"
    cfn = "AWS::ElasticLoadBalancingV2::Listener"
    inputs = {
        "alpnPolicy": refused("it is for network load balancers"),
        "certificateArn": judged("Certificates", encode=lambda arn: [{"CertificateArn": arn}]),
        "defaultActions": judged("DefaultActions", required=True, fields=_ACTION_FIELDS),
        "loadBalancerArn": judged("LoadBalancerArn", required=True),
        "mutualAuthentication": _CLIENT_CERTIFICATE,
        "port": judged("Port"),
        "protocol": judged("Protocol", computed=True),
        **{
            f"routingHttpRequest{each}HeaderName": _CLIENT_CERTIFICATE
            for each in (
                "XAmznMtlsClientcert",
                "XAmznMtlsClientcertIssuer",
                "XAmznMtlsClientcertLeaf",
                "XAmznMtlsClientcertSerialNumber",
                "XAmznMtlsClientcertSubject",
                "XAmznMtlsClientcertValidity",
                "XAmznTlsCipherSuite",
                "XAmznTlsVersion",
            )
        },
        **{
            f"routingHttpResponse{each}HeaderValue": _HEADERS
            for each in (
                "AccessControlAllowCredentials",
                "AccessControlAllowHeaders",
                "AccessControlAllowMethods",
                "AccessControlAllowOrigin",
                "AccessControlExposeHeaders",
                "AccessControlMaxAge",
                "ContentSecurityPolicy",
                "XContentTypeOptions",
                "XFrameOptions",
            )
        },
        "routingHttpResponseServerEnabled": update(
            source="an attribute: ModifyListenerAttributes sets it, and AWS's schema has one list of all attributes",
            computed=True,
        ),
        "routingHttpResponseStrictTransportSecurityHeaderValue": update(
            source="an attribute: ModifyListenerAttributes sets it, and AWS's schema has one list of all attributes",
        ),
        "sslPolicy": judged("SslPolicy", computed=True),
        "tcpIdleTimeoutSeconds": refused("it is for network load balancers"),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("loadBalancerArn", "port")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateListener; attributes are set once it is there."""
        return [
            (
                SERVICE,
                "CreateListener",
                compact(
                    LoadBalancerArn=inputs.get("loadBalancerArn"),
                    Tags=tag_pairs(inputs.get("tagsAll") or {}),
                    **_listener(inputs),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the ARN."""
        return str(ctx.send(self.request(ctx, inputs))["Listeners"][0]["ListenerArn"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Its attributes."""
        wanted = []
        if inputs.get("routingHttpResponseServerEnabled") is not None:
            on = str(bool(inputs["routingHttpResponseServerEnabled"])).lower()
            wanted.append({"Key": _SERVER, "Value": on})
        strict = inputs.get("routingHttpResponseStrictTransportSecurityHeaderValue")
        wanted.append({"Key": _STRICT, "Value": strict or ""})
        ctx.client(SERVICE).modify_listener_attributes(ListenerArn=resource_id, Attributes=wanted)

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeListeners with its attributes."""
        elb = ctx.client(SERVICE)
        found = elb.describe_listeners(ListenerArns=[resource_id])["Listeners"][0]
        answer = elb.describe_listener_attributes(ListenerArn=resource_id)["Attributes"]
        by_key = {each["Key"]: each["Value"] for each in answer}
        state = {
            "arn": resource_id,
            "certificateArn": next((each["CertificateArn"] for each in found.get("Certificates", [])), None),
            "defaultActions": _seen_actions(found["DefaultActions"]),
            "loadBalancerArn": found["LoadBalancerArn"],
            "port": found.get("Port"),
            "protocol": found.get("Protocol"),
            "sslPolicy": found.get("SslPolicy"),
            "routingHttpResponseStrictTransportSecurityHeaderValue": by_key.get(_STRICT) or None,
            "tagsAll": tags_of(ctx, resource_id),
        }
        if _SERVER in by_key:
            state["routingHttpResponseServerEnabled"] = by_key[_SERVER] == "true"
        return state

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyListener; attributes follow in `ready`."""
        if changed & {"certificateArn", "defaultActions", "port", "protocol", "sslPolicy"}:
            ctx.client(SERVICE).modify_listener(ListenerArn=resource_id, **_listener(new))
        retag(ctx, resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteListener."""
        ctx.client(SERVICE).delete_listener(ListenerArn=resource_id)


_SERVER = "routing.http.response.server.enabled"
_STRICT = "routing.http.response.strict_transport_security.header_value"


def _listener(inputs: Inputs) -> dict[str, Any]:
    certificate = inputs.get("certificateArn")
    return compact(
        Port=inputs.get("port"),
        Protocol=inputs.get("protocol"),
        SslPolicy=inputs.get("sslPolicy"),
        Certificates=None if certificate is None else [{"CertificateArn": certificate}],
        DefaultActions=_actions(inputs.get("defaultActions")),
    )


_ONE_FIELD = refused("the kit's rules are by path; hosts and methods are the gateway's to judge")


@register
class ListenerRule(ResourceType):
    """Which requests a listener forwards."""

    token = "aws:lb/listenerRule:ListenerRule"  # noqa: S105 - a type token
    sdk = "lb.ListenerRule"
    cfn = "AWS::ElasticLoadBalancingV2::ListenerRule"
    inputs = {
        "actions": judged("Actions", required=True, fields=_ACTION_FIELDS),
        "conditions": judged(
            "Conditions",
            required=True,
            fields={
                "hostHeader": _ONE_FIELD,
                "httpHeader": _ONE_FIELD,
                "httpRequestMethod": _ONE_FIELD,
                "pathPattern": judged(
                    "PathPatternConfig",
                    fields={
                        "regexValues": refused("the kit's paths are plain; use values"),
                        "values": judged("Values", unordered=True),
                    },
                ),
                "queryStrings": _ONE_FIELD,
                "sourceIp": _ONE_FIELD,
            },
        ),
        "listenerArn": judged("ListenerArn", required=True),
        "priority": judged("Priority", computed=True),
        "transforms": refused("the gateway gets requests as they came"),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("listenerArn", "priority")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateRule."""
        return [
            (
                SERVICE,
                "CreateRule",
                compact(
                    ListenerArn=inputs.get("listenerArn"),
                    Priority=inputs.get("priority"),
                    Conditions=_conditions(inputs.get("conditions")),
                    Actions=_actions(inputs.get("actions")),
                    Tags=tag_pairs(inputs.get("tagsAll") or {}),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the ARN."""
        return str(ctx.send(self.request(ctx, inputs))["Rules"][0]["RuleArn"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeRules."""
        found = ctx.client(SERVICE).describe_rules(RuleArns=[resource_id])["Rules"][0]
        return {
            "actions": _seen_actions(found["Actions"]),
            "arn": resource_id,
            "conditions": [
                {
                    "pathPattern": {
                        "values": (each.get("PathPatternConfig") or {}).get("Values") or each.get("Values")
                    }
                }
                for each in found["Conditions"]
            ],
            "listenerArn": inputs.get("listenerArn") or _listener_of(resource_id),
            "priority": int(found["Priority"]),
            "tagsAll": tags_of(ctx, resource_id),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyRule; another priority by SetRulePriorities."""
        elb = ctx.client(SERVICE)
        if changed & {"actions", "conditions"}:
            elb.modify_rule(
                RuleArn=resource_id,
                Conditions=_conditions(new["conditions"]),
                Actions=_actions(new["actions"]),
            )
        if "priority" in changed:
            elb.set_rule_priorities(RulePriorities=[{"RuleArn": resource_id, "Priority": new["priority"]}])
        retag(ctx, resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteRule."""
        ctx.client(SERVICE).delete_rule(RuleArn=resource_id)


def _conditions(conditions: Plain) -> Plain:
    if isinstance(conditions, Unknown) or conditions is None:
        return conditions
    return [
        {
            "Field": "path-pattern",
            "PathPatternConfig": {"Values": (each.get("pathPattern") or {}).get("values")},
        }
        for each in conditions
    ]


def _listener_of(rule_arn: str) -> str:
    return rule_arn.replace(":listener-rule/", ":listener/").rpartition("/")[0]
