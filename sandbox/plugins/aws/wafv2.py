"""Web ACLs of WAF, what they guard, and their logs.

Rules are compared as they were written: WAF keeps them as they came. Blind spots: no request is judged; capacity is
what moto says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    code_of,
    compact,
    register,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, tags
from sandbox.plugins.aws.tagging import retag
from sandbox.plugins.protocol import Plain, PluginError, Unknown

SERVICE: Final = "wafv2"

_SPELLED: Final = {
    "arn": "ARN",
    "ip": "IP",
    "uriFragment": "UriFragment",
    "evaluationWindowSec": "EvaluationWindowSec",
    "cloudwatchMetricsEnabled": "CloudWatchMetricsEnabled",
    "ja3Fingerprint": "JA3Fingerprint",
    "ja4Fingerprint": "JA4Fingerprint",
    "textTransformations": "TextTransformations",
}
"""Inputs whose names WAF spells otherwise than with a capital letter first."""


def wire(value: Plain) -> Plain:
    """An object as WAF names its fields: each word with a capital letter; what is not set is left out."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, list):
        return [wire(each) for each in value]
    if isinstance(value, Mapping):
        return {
            _SPELLED.get(name, name[:1].upper() + name[1:]): wire(each)
            for name, each in value.items()
            if each is not None
        }
    return value


def unwire(value: Plain) -> Plain:
    """An object of WAF's under the inputs' names."""
    back = {spelled: name for name, spelled in _SPELLED.items()}
    if isinstance(value, list):
        return [unwire(each) for each in value]
    if isinstance(value, Mapping):
        return {back.get(name, name[:1].lower() + name[1:]): unwire(each) for name, each in value.items()}
    return value


@register
class WebAcl(ResourceType):
    """Rules that requests pass before they reach what is guarded."""

    token = "aws:wafv2/webAcl:WebAcl"  # noqa: S105 - a type token
    sdk = "wafv2.WebAcl"
    cfn = "AWS::WAFv2::WebACL"
    inputs = {
        "associationConfig": refused(
            "a load balancer's body limit is fixed at 8 KB, which this would raise for others"
        ),
        "captchaConfig": refused("callers are programs"),
        "challengeConfig": refused("callers are programs"),
        "customResponseBodies": judged(
            "CustomResponseBodies", json=True, encode=lambda bodies: _bodies(bodies)
        ),
        "dataProtectionConfig": refused("the log's redacted fields hide keys"),
        "defaultAction": judged("DefaultAction", required=True, json=True, encode=wire),
        "description": judged("Description"),
        "monetizationConfig": refused("the kit's callers are the company's own"),
        "name": judged("Name", autoname=128),
        "namePrefix": refused(
            "the kit computes its names, so that rights are known at the first preview; use name"
        ),
        "ruleJson": refused("rules are typed, so that a preview shows which one changes; use rules"),
        "rules": judged("Rules", json=True, encode=wire),
        "scope": judged("Scope", required=True),
        "tokenDomains": refused("they are for challenges, and callers are programs"),
        "visibilityConfig": judged("VisibilityConfig", required=True, json=True, encode=wire),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("applicationIntegrationUrl", "arn", "capacity", "lockToken")
    identity = ("name",)

    def volatile(self, changed: set[str]) -> tuple[str, ...]:
        """Every change has a new token; other rules cost other capacity."""
        return ("lockToken", "capacity") if "rules" in changed else ("lockToken",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """Priorities are WAF's order: each is one rule's."""
        rules = inputs.get("rules")
        if not isinstance(rules, list):
            return []
        known = [each for each in rules if isinstance(each, Mapping)]
        seen = [each.get("priority") for each in known]
        found = [
            (f"rules[{index}].priority", f"{each} is an earlier rule's already (WAF API, CreateWebACL)")
            for index, each in enumerate(seen)
            if each in seen[:index]
        ]
        for index, each in enumerate(known):
            group = "managedRuleGroupStatement" in (each.get("statement") or {})
            needed, other = ("overrideAction", "action") if group else ("action", "overrideAction")
            if each.get(needed) is None or each.get(other) is not None:
                found.append((f"rules[{index}].{needed}", f"is needed by this kind of rule, and no {other}"))
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateWebACL."""
        params = compact(
            Name=inputs.get("name"),
            Scope=inputs.get("scope"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
            **_acl(inputs),
        )
        return [(SERVICE, "CreateWebACL", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is WAF's."""
        return str(ctx.send(self.request(ctx, inputs))["Summary"]["Id"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetWebACL; an import says `ID/NAME/SCOPE`, as with the official provider."""
        resource_id, name, scope = _named(resource_id, inputs)
        try:
            answer = ctx.client(SERVICE).get_web_acl(Name=name, Scope=scope, Id=resource_id)
        except Exception as error:
            if _missing(error):
                return None
            raise
        found = answer["WebACL"]
        listed = ctx.client(SERVICE).list_tags_for_resource(ResourceARN=found["ARN"])
        return {
            "applicationIntegrationUrl": answer.get("ApplicationIntegrationURL"),
            "arn": found["ARN"],
            "capacity": found.get("Capacity"),
            "lockToken": answer["LockToken"],
            "customResponseBodies": [
                {"key": key, "content": each["Content"], "contentType": each["ContentType"]}
                for key, each in (found.get("CustomResponseBodies") or {}).items()
            ],
            "defaultAction": unwire(found["DefaultAction"]),
            "description": found.get("Description") or None,
            "name": found["Name"],
            "rules": [unwire(each) for each in found.get("Rules", [])],
            "scope": scope,
            "visibilityConfig": unwire(found["VisibilityConfig"]),
            "tagsAll": tag_map(listed["TagInfoForResource"]["TagList"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """UpdateWebACL, by the token that it has now."""
        waf = ctx.client(SERVICE)
        answer = waf.get_web_acl(Name=new["name"], Scope=new["scope"], Id=resource_id)
        if changed - {"tags", "tagsAll"}:
            waf.update_web_acl(
                Name=new["name"],
                Scope=new["scope"],
                Id=resource_id,
                LockToken=answer["LockToken"],
                **_acl(new),
            )
        retag(ctx, SERVICE, old, new, ResourceARN=answer["WebACL"]["ARN"])

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteWebACL; refused while it guards something."""
        waf, (name, scope) = ctx.client(SERVICE), (state["name"], state["scope"])
        try:
            token = waf.get_web_acl(Name=name, Scope=scope, Id=resource_id)["LockToken"]
            waf.delete_web_acl(Name=name, Scope=scope, Id=resource_id, LockToken=token)
        except Exception as error:
            if not _missing(error):
                raise


def _named(resource_id: str, inputs: Inputs) -> tuple[str, str, str]:
    if inputs.get("name"):
        return resource_id, str(inputs["name"]), str(inputs["scope"])
    parts = resource_id.split("/")
    if len(parts) != 3:
        raise PluginError(f"{resource_id!r} is no web ACL's import id; give ID/NAME/SCOPE")
    return parts[0], parts[1], parts[2]


def _acl(inputs: Inputs) -> dict[str, Any]:
    return compact(
        DefaultAction=wire(inputs.get("defaultAction")),
        Description=inputs.get("description"),
        Rules=wire(inputs.get("rules") or []),
        VisibilityConfig=wire(inputs.get("visibilityConfig")),
        CustomResponseBodies=_bodies(inputs["customResponseBodies"])
        if inputs.get("customResponseBodies")
        else None,
    )


def _bodies(bodies: Plain) -> Plain:
    if isinstance(bodies, Unknown):
        return bodies
    return {each["key"]: {"Content": each["content"], "ContentType": each["contentType"]} for each in bodies}


def _missing(error: Exception) -> bool:
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError) and code_of(error) == "WAFNonexistentItemException"


@register
class WebAclAssociation(ResourceType):
    """A web ACL before a load balancer."""

    token = "aws:wafv2/webAclAssociation:WebAclAssociation"  # noqa: S105 - a type token
    sdk = "wafv2.WebAclAssociation"
    cfn = "AWS::WAFv2::WebACLAssociation"
    inputs = {
        "resourceArn": judged("ResourceArn", required=True),
        "webAclArn": judged("WebACLArn", required=True),
        **REGION,
    }
    identity = ("resourceArn",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """AssociateWebACL."""
        params = compact(ResourceArn=inputs.get("resourceArn"), WebACLArn=inputs.get("webAclArn"))
        return [(SERVICE, "AssociateWebACL", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is both ARNs, as with the official provider."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['webAclArn']},{inputs['resourceArn']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetWebACLForResource."""
        _, _, resource = resource_id.partition(",")
        try:
            found = ctx.client(SERVICE).get_web_acl_for_resource(ResourceArn=resource).get("WebACL")
        except Exception as error:
            if _missing(error):
                return None
            raise
        return {"resourceArn": resource, "webAclArn": found["ARN"]} if found else None

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DisassociateWebACL."""
        ctx.client(SERVICE).disassociate_web_acl(ResourceArn=state["resourceArn"])


@register
class WebAclLoggingConfiguration(ResourceType):
    """Where WAF writes what it judged, and what it leaves out."""

    token = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"  # noqa: S105 - a type token
    sdk = "wafv2.WebAclLoggingConfiguration"
    cfn = "AWS::WAFv2::LoggingConfiguration"
    inputs = {
        "logDestinationConfigs": judged("LogDestinationConfigs", required=True, unordered=True),
        "loggingFilter": judged("LoggingFilter", json=True, encode=wire),
        "redactedFields": judged("RedactedFields", json=True, encode=wire),
        "resourceArn": judged("ResourceArn", required=True),
        **REGION,
    }
    identity = ("resourceArn",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """WAF writes to destinations of its own prefix alone."""
        return [
            (
                "logDestinationConfigs",
                f"{each!r} is none that WAF takes: its name must start with aws-waf-logs-",
            )
            for each in inputs.get("logDestinationConfigs") or []
            if isinstance(each, str) and "aws-waf-logs-" not in each
        ]

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutLoggingConfiguration."""
        wanted = compact(
            ResourceArn=inputs.get("resourceArn"),
            LogDestinationConfigs=inputs.get("logDestinationConfigs"),
            LoggingFilter=wire(inputs.get("loggingFilter")),
            RedactedFields=wire(inputs.get("redactedFields")),
        )
        return [(SERVICE, "PutLoggingConfiguration", {"LoggingConfiguration": wanted})]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the web ACL's ARN."""
        ctx.send(self.request(ctx, inputs))
        return str(inputs["resourceArn"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetLoggingConfiguration."""
        try:
            answer = ctx.client(SERVICE).get_logging_configuration(ResourceArn=resource_id)
        except Exception as error:
            if _missing(error):
                return None
            raise
        found = answer["LoggingConfiguration"]
        return {
            "logDestinationConfigs": found["LogDestinationConfigs"],
            "loggingFilter": unwire(found.get("LoggingFilter")),
            "redactedFields": unwire(found.get("RedactedFields")),
            "resourceArn": resource_id,
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """PutLoggingConfiguration replaces what was there."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteLoggingConfiguration."""
        try:
            ctx.client(SERVICE).delete_logging_configuration(ResourceArn=resource_id)
        except Exception as error:
            if not _missing(error):
                raise
