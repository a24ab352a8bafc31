"""The words of a type's table: for each input of the SDK's class, what a change of it does, and who says so.

    INPUTS = {
        "cidrBlock": judged("CidrBlock"),                      # AWS's schema says update or replace
        "enableDnsSupport": judged("EnableDnsSupport", default=True),
        "securityGroupIds": judged("SecurityGroupIds", unordered=True),
        "policy": judged("PolicyDocument", json=True),         # compared and judged as JSON
        "dnsOptions": judged("DnsOptions", fields={"dnsRecordIpType": judged("DnsRecordIpType")}),
        "forceDetach": update(source="only steers the delete call"),
        "namePrefix": refused("the kit's names are computed; use name"),
        **tags("Tags"),
        **REGION,
    }

A path such as "VpcConfig/SubnetIds" leads into nested objects of the schema; a field's path is relative to
its parent's. "AWS::EC2::VPCGatewayAttachment#VpcId" names another type, where AWS splits what the SDK joins.
Nothing is passed through: a property that is not in the table is refused with the nearest name.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as _replaced
from typing import Any, Final, Literal

from sandbox.plugins.protocol import Plain, Unknown

Verdict = Literal["judged", "update", "replace", "refused"]


@dataclass(frozen=True)
class Prop:
    """One input: see `judged`, `update`, `replace` and `refused`, which make it."""

    verdict: Verdict
    cfn: str = ""
    source: str = ""
    conditional: Literal["", "update", "replace"] = ""
    required: bool = False
    default: Plain = None
    computed: bool = False
    unordered: bool = False
    json: bool = False
    autoname: int = 0
    fields: Mapping[str, Prop] | None = None
    encode: Callable[[Plain], Plain] | None = None

    def same(self, old: Plain, new: Plain) -> bool:
        """Whether two values mean the same to AWS."""
        return bool(self.plain(old) == self.plain(new))

    def plain(self, value: Plain) -> Plain:
        """The value in the form in which two that mean the same are equal; nothing, "", [] and {} are one."""
        if value is None or value in ("", [], {}):
            return None
        if isinstance(value, Unknown):
            return value
        if self.json and isinstance(value, str):
            try:
                return canonical_json(jsonlib.loads(value))
            except ValueError:
                return value
        if self.fields is not None and isinstance(value, list):
            items = [self.plain(item) for item in value]
            return sorted(items, key=repr) if self.unordered else items
        if self.fields is not None and isinstance(value, Mapping):
            pairs = {
                name: self.fields[name].plain(item) if name in self.fields else item
                for name, item in value.items()
            }
            return {name: item for name, item in pairs.items() if item is not None}
        if self.unordered and isinstance(value, list):
            return sorted(value, key=repr)
        return value

    def to_cfn(self, value: Plain) -> Plain:
        """The value as AWS's schema expects it."""
        if isinstance(value, Unknown):
            return value
        if self.encode is not None:
            return self.encode(value)
        if self.json and isinstance(value, str):
            return jsonlib.loads(value)
        return value


def canonical_json(value: Plain) -> Plain:
    """A policy in the form IAM compares: a single string and a list of that one string are the same."""
    if isinstance(value, Mapping):
        return {key: canonical_json(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [canonical_json(item) for item in value]
        if all(isinstance(item, str) for item in items):
            return items[0] if len(items) == 1 else sorted(items)
        return items
    return value


def judged(
    cfn: str,
    *,
    conditional: Literal["", "update", "replace"] = "",
    source: str = "",
    required: bool = False,
    default: Plain = None,
    computed: bool = False,
    unordered: bool = False,
    json: bool = False,
    autoname: int = 0,
    fields: Mapping[str, Prop] | None = None,
    encode: Callable[[Plain], Plain] | None = None,
) -> Prop:
    """An input whose change is judged by AWS's schema: replacement where it lists the path as create-only.

    `conditional` says what happens where AWS's list is itself conditional, and then needs `source`.
    `required`: the SDK demands it. `default`: what the official provider fills in. `computed`: AWS picks a
    value when it is not set, so that leaving it out later changes nothing. `unordered`: a list that is a
    set to AWS.
    `json`: a string that holds JSON. `autoname`: when absent, the resource's name with "-" and seven hex
    digits, cut to this many characters. `fields`: the inputs of a nested object or of each object in a list.
    `encode`: how the value looks in AWS's schema, where that is not as it stands.
    """
    return Prop(
        "judged",
        cfn,
        source,
        conditional,
        required,
        default,
        computed,
        unordered,
        json,
        autoname,
        fields,
        encode,
    )


def update(*, source: str, cfn: str = "", **traits: Any) -> Prop:
    """An input that changes in place, by `source` (no counterpart in AWS's schema, or a differing one).

    With `cfn` the value is still held against AWS's schema. Other traits as for `judged`.
    """
    return _replaced(judged(cfn, source=source, **traits), verdict="update")


def replace(*, source: str, cfn: str = "", **traits: Any) -> Prop:
    """An input whose change replaces the resource, by `source`. Other traits as for `judged`."""
    return _replaced(judged(cfn, source=source, **traits), verdict="replace")


def refused(reason: str) -> Prop:
    """An input that the sandbox refuses by name; the reason is what the user reads."""
    return Prop("refused", source=reason)


def tag_list(value: Plain) -> Plain:
    """Tags as AWS's schemas mostly have them: a list of Key and Value."""
    return [{"Key": key, "Value": item} for key, item in value.items()]


def tags(cfn: str = "Tags", *, as_map: bool = False, source: str = "") -> dict[str, Prop]:
    """The `tags` input. With it a type also gets `tagsAll`: the default tags under the resource's own.

    `as_map`: AWS's schema has a map here and not a list. `source`: where the schema has no such property.
    """
    encode = None if as_map else tag_list
    if source:
        return {"tags": update(source=source)}
    return {"tags": judged(cfn, encode=encode)}


REGION: Final[dict[str, Prop]] = {
    "region": refused("one provider works in one region: make a provider for the other region instead")
}
"""Every class of the SDK has it since version 7."""
