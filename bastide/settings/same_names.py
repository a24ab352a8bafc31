"""Whether a stack's names in AWS are those of a stack beside it.

Every name is made of name, environment and region, and the bucket's of the account too. Two stacks that share them
would fight over one cluster, one bucket and one state. The other stacks are given as parsed mappings, so that
nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bastide.settings import Settings
from bastide.settings.errors import Problem

_DEFAULT: Final = Settings.model_fields["name"].default


def same_names(own: Settings, others: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """One problem for each stack that has this one's names. `others` has each other stack's raw settings, shared ones
    merged in, by the name that a message should call it by. What is mistaken in another file is left out: it is
    reported when that stack is run."""
    return [
        Problem(
            "name",
            f"{own.name!r} is also the name of stack {name}, in the same environment ({own.environment}), region "
            f"({own.region}) and account ({own.account_id}), so both would be {own.prefix}: one cluster, one bucket "
            "and one set of IAM roles for two; give one of them another bastide:name",
        )
        for name, raw in sorted(others.items())
        if _identity(raw) == (own.name, str(own.environment), own.region, own.account_id)
    ]


def _identity(raw: Mapping[str, Any]) -> tuple[object, ...]:
    cloud = raw.get("cloud")
    if not isinstance(cloud, Mapping):
        cloud = {}
    return raw.get("name", _DEFAULT), raw.get("environment"), cloud.get("region"), cloud.get("accountId")
