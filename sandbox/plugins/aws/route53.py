"""Records of a Route 53 hosted zone that is there already.

Blind spots: nothing resolves them; a change is in force at once, where AWS takes up to a minute.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register
from sandbox.plugins.aws.table import judged, refused, replace, update
from sandbox.plugins.protocol import Plain, PluginError, Unknown, has_unknown

_ROUTING = refused("routing over several records comes with what serves from several regions; use one record")
_ID = "zone_name_TYPE"


@register
class Record(ResourceType):
    """A record set."""

    token = "aws:route53/record:Record"  # noqa: S105 - a type token
    sdk = "route53.Record"
    cfn = "AWS::Route53::RecordSet"
    inputs = {
        "aliases": judged(
            "AliasTarget",
            fields={
                "evaluateTargetHealth": judged("EvaluateTargetHealth", required=True),
                "name": judged("DNSName", required=True),
                "zoneId": judged("HostedZoneId", required=True),
            },
            encode=lambda value: value,
        ),
        "allowOverwrite": update(
            source="no property in AWS: only steers whether a record that is there is taken over",
            default=False,
        ),
        "cidrRoutingPolicy": _ROUTING,
        "failoverRoutingPolicies": _ROUTING,
        "geolocationRoutingPolicies": _ROUTING,
        "geoproximityRoutingPolicy": _ROUTING,
        "healthCheckId": _ROUTING,
        "latencyRoutingPolicies": _ROUTING,
        "multivalueAnswerRoutingPolicy": _ROUTING,
        "name": replace(
            cfn="Name",
            required=True,
            source="Route 53 has no call that renames: ChangeResourceRecordSets finds a record by name and type",
        ),
        "records": judged("ResourceRecords", unordered=True),
        "setIdentifier": _ROUTING,
        "ttl": judged("TTL", encode=str),
        "type": judged("Type", required=True),
        "weightedRoutingPolicies": _ROUTING,
        "zoneId": judged("HostedZoneId", required=True),
    }
    outputs = ("fqdn",)
    identity = ("zoneId", "name", "type")

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A record has values and a TTL, or an alias."""
        if has_unknown([inputs.get(key) for key in ("aliases", "records", "ttl")]):
            return []
        alias, plain = inputs.get("aliases"), [key for key in ("records", "ttl") if inputs.get(key)]
        if alias and plain:
            return [
                ("aliases", f"and {', '.join(plain)} exclude one another: an alias has its target's values")
            ]
        if not alias and len(plain) < 2:
            return [("records", "and ttl are needed where there is no alias (Route 53, ResourceRecordSet)")]
        return (
            [("aliases", "has more than one target; Route 53 takes one")] if alias and len(alias) > 1 else []
        )

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """ChangeResourceRecordSets."""
        action = "UPSERT" if inputs.get("allowOverwrite") else "CREATE"
        return [self._change(inputs, {"Action": action, "ResourceRecordSet": _record_set(inputs)})]

    def _change(self, inputs: Inputs, *changes: dict[str, Any]) -> Call:
        params = {"HostedZoneId": inputs.get("zoneId"), "ChangeBatch": {"Changes": list(changes)}}
        return ("route53", "ChangeResourceRecordSets", params)

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """The full name, where the name is known."""
        name = inputs.get("name")
        return {} if isinstance(name, Unknown) or not name else {"fqdn": str(name).rstrip(".")}

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "zone_name_TYPE". A record that is there is refused, unless it may be overwritten."""
        zone, name, kind = (str(inputs[key]) for key in ("zoneId", "name", "type"))
        if not inputs.get("allowOverwrite") and _find(ctx, zone, name, kind) is not None:
            raise PluginError(
                f"zone {zone} has a record {name} {kind} already: import it as {zone}_{name}_{kind}, or set "
                "allowOverwrite to take it over"
            )
        ctx.send(self.request(ctx, inputs))
        return f"{zone}_{name.rstrip('.')}_{kind}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """ListResourceRecordSets, at the record."""
        zone, name, kind = _parts(resource_id)
        kind = str(inputs.get("type") or kind)
        found = _find(ctx, zone, name, kind)
        if found is None:
            return None
        given = inputs.get("name")
        same = isinstance(given, str) and _plain(given) == _plain(found["Name"])
        alias = found.get("AliasTarget")
        return {
            "zoneId": zone,
            "name": given if same else _plain(found["Name"]),
            "type": found["Type"],
            "ttl": found.get("TTL"),
            "records": [each["Value"] for each in found.get("ResourceRecords", [])] or None,
            "aliases": [
                {
                    "name": alias["DNSName"],
                    "zoneId": alias["HostedZoneId"],
                    "evaluateTargetHealth": alias["EvaluateTargetHealth"],
                }
            ]
            if alias
            else None,
            "fqdn": _plain(found["Name"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """One batch: Route 53 applies all of it or nothing."""
        changes = [{"Action": "UPSERT", "ResourceRecordSet": _record_set(new)}]
        if "type" in changed:
            changes.insert(0, {"Action": "DELETE", "ResourceRecordSet": _record_set(old)})
        ctx.send([self._change(new, *changes)])

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DELETE, which Route 53 takes only with the values that are there."""
        zone, name, kind = _parts(resource_id)
        found = _find(ctx, zone, name, str(state.get("type") or kind))
        if found is not None:
            ctx.send([self._change({"zoneId": zone}, {"Action": "DELETE", "ResourceRecordSet": found})])


def _record_set(inputs: Inputs) -> dict[str, Any]:
    aliases = inputs.get("aliases")
    return compact(
        Name=inputs.get("name"),
        Type=inputs.get("type"),
        TTL=inputs.get("ttl"),
        ResourceRecords=_values(inputs.get("records")),
        AliasTarget=_alias(aliases[0]) if isinstance(aliases, list) and aliases else None,
    )


def _values(records: Plain) -> Plain:
    return [{"Value": each} for each in records] if isinstance(records, list) else records


def _alias(given: Plain) -> Plain:
    if not isinstance(given, dict):
        return given
    return {
        "DNSName": given.get("name"),
        "HostedZoneId": given.get("zoneId"),
        "EvaluateTargetHealth": given.get("evaluateTargetHealth"),
    }


def _plain(name: str) -> str:
    return name.rstrip(".").replace("\\052", "*").lower()


def _find(ctx: Context, zone: str, name: str, kind: str) -> dict[str, Any] | None:
    pages = ctx.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
    for page in pages:
        for found in page["ResourceRecordSets"]:
            if _plain(found["Name"]) == _plain(name) and found["Type"] == kind:
                record: dict[str, Any] = found
                return record
    return None


def _parts(resource_id: str) -> tuple[str, str, str]:
    zone, _, rest = resource_id.partition("_")
    name, _, kind = rest.rpartition("_")
    if not (zone and name and kind):
        raise PluginError(f"the id {resource_id!r} is not of the form {_ID}, which imports take")
    return zone, name, kind
