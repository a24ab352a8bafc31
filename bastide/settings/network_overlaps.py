"""Whether a stack's network overlaps those of the stacks beside it.

Regions are joined sooner or later, by peering or a transit gateway, and a VPC's block cannot be changed then. The
other stacks are given as parsed mappings, so that nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from bastide.settings import AdoptedNetwork, CreatedNetwork, Settings
from bastide.settings.base import Cidr
from bastide.settings.errors import Problem

_CIDR: Final[TypeAdapter[IPv4Network]] = TypeAdapter(Cidr)
_DEFAULT: Final = CreatedNetwork.model_fields["cidr"].default


def overlaps(own: Settings, others: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Problems of the stack's block with the others'. `others` has each other stack's raw settings, shared ones
    merged in, by the name that a message should call it by.

    Left out: sandboxes, which are joined with nothing; stacks in the same adopted VPC; and what is mistaken in
    another file, which is reported when that stack is run."""
    if own.sandbox:
        return []
    return [
        Problem(
            "network.cidr",
            f"'{own.network.cidr}' overlaps '{block}', which stack {name} has for {setting}; two networks that share "
            "addresses can never be joined, and a VPC's block cannot be changed; choose another block",
        )
        for name, raw in sorted(others.items())
        if raw.get("environment") != "sandbox"
        for setting, block in _blocks(own, raw)
        if block.overlaps(own.network.cidr)
    ]


def _blocks(own: Settings, raw: Mapping[str, Any]) -> Iterator[tuple[str, IPv4Network]]:
    network = raw.get("network")
    if not isinstance(network, Mapping):
        return
    if isinstance(own.network, AdoptedNetwork) and network.get("vpcId") == own.network.vpc_id:
        return
    try:
        yield "network.cidr", _CIDR.validate_python(network.get("cidr", _DEFAULT))
    except ValidationError:
        return
