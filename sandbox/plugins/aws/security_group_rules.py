"""SecurityGroupIngressRule and SecurityGroupEgressRule: one rule of a group each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from sandbox.plugins.aws.framework import Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, Prop, judged, refused, tags
from sandbox.plugins.protocol import Plain, Unknown

_SOURCES: Final = ("cidrIpv4", "prefixListId", "referencedSecurityGroupId")
_TAG_SOURCE: Final = (
    "EC2 tags a rule like any resource (CreateTags on sgr-...); AWS's resource schema has no tags for rules"
)


class _Rule(ResourceType):
    """What rules in both directions share; AWS's schemas list all but the description as create-only."""

    direction: ClassVar[str]
    outputs = ("arn", "securityGroupRuleId")

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """One peer, and ports unless the protocol has none; EC2 refuses anything else."""
        found = []
        given = [name for name in _SOURCES if inputs.get(name) is not None]
        if len(given) != 1:
            found.append(
                (
                    "cidrIpv4",
                    f"a rule has one peer, and this has {len(given)}; set one of {', '.join(_SOURCES)}",
                )
            )
        protocol = inputs.get("ipProtocol")
        ports = [name for name in ("fromPort", "toPort") if inputs.get(name) is not None]
        if protocol == "-1" and ports:
            found.append(
                (ports[0], "ports are set, and ipProtocol -1 is every protocol: leave the ports out")
            )
        if isinstance(protocol, str) and protocol in {"tcp", "udp", "6", "17"} and len(ports) != 2:
            found.append(("fromPort", f"ipProtocol {protocol} needs both fromPort and toPort"))
        start, end = inputs.get("fromPort"), inputs.get("toPort")
        if isinstance(start, int) and isinstance(end, int) and protocol in {"tcp", "udp"} and start > end:
            found.append(("fromPort", f"fromPort {start} is above toPort {end}"))
        return found

    def _permission(self, inputs: Inputs) -> dict[str, Any]:
        described = compact(Description=inputs.get("description"))
        peers: dict[str, Any] = {}
        if inputs.get("cidrIpv4") is not None:
            peers["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **described}]
        if inputs.get("prefixListId") is not None:
            peers["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"], **described}]
        if inputs.get("referencedSecurityGroupId") is not None:
            group = inputs["referencedSecurityGroupId"]
            # Across accounts the SDK's form is ACCOUNT/GROUP.
            account, _, group_id = group.rpartition("/") if isinstance(group, str) else ("", "", group)
            peers["UserIdGroupPairs"] = [
                {"GroupId": group_id, **compact(UserId=account or None), **described}
            ]
        return compact(
            IpProtocol=inputs.get("ipProtocol"),
            FromPort=inputs.get("fromPort"),
            ToPort=inputs.get("toPort"),
            **peers,
        )

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """AuthorizeSecurityGroupIngress or -Egress with this one rule."""
        return [
            (
                "ec2",
                f"AuthorizeSecurityGroup{self.direction}",
                compact(
                    GroupId=inputs.get("securityGroupId"),
                    IpPermissions=[self._permission(inputs)],
                    TagSpecifications=ctx.ec2_tags("security-group-rule", inputs),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the rule's id."""
        return str(ctx.send(self.request(ctx, inputs))["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it."""
        found = ctx.client("ec2").describe_security_group_rules(SecurityGroupRuleIds=[resource_id])
        rule = first(found["SecurityGroupRules"])
        if rule is None:
            return None
        every = rule["IpProtocol"] == "-1"
        return {
            key: value
            for key, value in {
                "securityGroupId": rule["GroupId"],
                "ipProtocol": rule["IpProtocol"],
                "fromPort": None if every else rule.get("FromPort"),
                "toPort": None if every else rule.get("ToPort"),
                "cidrIpv4": rule.get("CidrIpv4"),
                "prefixListId": rule.get("PrefixListId"),
                "referencedSecurityGroupId": (rule.get("ReferencedGroupInfo") or {}).get("GroupId"),
                "description": rule.get("Description"),
                "tagsAll": tag_map(rule.get("Tags")),
                "arn": ctx.arn("ec2", f"security-group-rule/{resource_id}"),
                "securityGroupRuleId": resource_id,
            }.items()
            if value is not None
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Description and tags."""
        if "description" in changed:
            call = getattr(
                ctx.client("ec2"), f"update_security_group_rule_descriptions_{self.direction.lower()}"
            )
            call(GroupId=new["securityGroupId"], IpPermissions=[self._permission(new)])
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Takes the rule from its group."""
        call = getattr(ctx.client("ec2"), f"revoke_security_group_{self.direction.lower()}")
        call(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[resource_id])


def _port(value: Plain) -> Plain:
    return value if isinstance(value, Unknown) else int(value)


def _rule_inputs(peer: str) -> Mapping[str, Prop]:
    return {
        "securityGroupId": judged("GroupId", required=True),
        "ipProtocol": judged("IpProtocol", required=True),
        "fromPort": judged("FromPort", encode=_port),
        "toPort": judged("ToPort", encode=_port),
        "cidrIpv4": judged("CidrIp"),
        "prefixListId": judged(f"{peer}PrefixListId"),
        "referencedSecurityGroupId": judged(f"{peer}SecurityGroupId"),
        "description": judged("Description"),
        "cidrIpv6": refused("the kit's networks are IPv4 only"),
        **tags(source=_TAG_SOURCE),
        **REGION,
    }


@register
class SecurityGroupIngressRule(_Rule):
    """Who may reach a group."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"  # noqa: S105 - a type token
    sdk = "vpc.SecurityGroupIngressRule"
    cfn = "AWS::EC2::SecurityGroupIngress"
    direction = "Ingress"
    inputs = _rule_inputs("Source")


@register
class SecurityGroupEgressRule(_Rule):
    """Whom a group may reach."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"  # noqa: S105 - a type token
    sdk = "vpc.SecurityGroupEgressRule"
    cfn = "AWS::EC2::SecurityGroupEgress"
    direction = "Egress"
    inputs = _rule_inputs("Destination")
