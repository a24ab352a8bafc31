"""The provider's own configuration: which of the official settings the sandbox takes, and their values."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sandbox.plugins.aws import schema
from sandbox.plugins.protocol import Plain, Unknown, has_unknown

_TAKEN: Final = {"region", "allowedAccountIds", "defaultTags"}

_FIXED: Final[dict[str, Plain]] = {"skipCredentialsValidation": False, "skipRegionValidation": True}
"""What the SDK's provider class fills in by itself; any other value is a wish that the sandbox refuses."""

_FROM_ENGINE: Final = {"version", "pluginDownloadURL", "__internal"}
"""What the engine adds."""


@dataclass(frozen=True)
class Settings:
    """The configuration, read. `default_tags` may be `UNKNOWN` at a preview."""

    region: str
    allowed_account_ids: tuple[str, ...] = ()
    default_tags: Plain = field(default_factory=dict)


def decode(config: Mapping[str, Plain]) -> dict[str, Plain]:
    """The configuration with nested values as values: Pulumi hands them over as JSON in a string."""
    result = {}
    for name, value in config.items():
        if isinstance(value, str) and name != "region" and name not in _FROM_ENGINE:
            try:
                result[name] = json.loads(value)
                continue
            except ValueError:
                pass
        result[name] = value
    return result


def problems(config: Mapping[str, Plain]) -> list[tuple[str, str]]:
    """What is wrong with the configuration, as (setting, reason)."""
    values = decode(config)
    found = []
    for name, value in values.items():
        if name in _TAKEN or name in _FROM_ENGINE or value is None:
            continue
        if name in _FIXED:
            if value != _FIXED[name]:
                found.append(
                    (name, f"{name} is {value!r}; the sandbox's aws provider has no use for it: leave it out")
                )
            continue
        nearest = difflib.get_close_matches(name, _TAKEN, 1, 0.6)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"it takes {', '.join(sorted(_TAKEN))}"
        found.append(
            (
                name,
                f"the sandbox's aws provider does not take {name!r}: its endpoint, credentials and retries "
                f"are the world's own; {hint}",
            )
        )
    return (
        found
        + _region_problems(values.get("region"))
        + _account_problems(values.get("allowedAccountIds"))
        + (_tag_problems(values.get("defaultTags")))
    )


def _region_problems(region: Plain) -> list[tuple[str, str]]:
    if isinstance(region, Unknown):
        return []
    if not region:
        return [("region", "region is missing: give the provider its region, for example us-east-1")]
    if region not in schema.known_regions():
        nearest = difflib.get_close_matches(str(region), schema.known_regions(), 1, 0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"it has {', '.join(schema.known_regions())}"
        return [("region", f"{region!r} is no region ({schema.SOURCE}); {hint}")]
    return []


def _account_problems(accounts: Plain) -> list[tuple[str, str]]:
    if accounts is None or has_unknown(accounts):
        return []
    if not isinstance(accounts, list) or not all(isinstance(one, str | int) for one in accounts):
        return [("allowedAccountIds", f"allowedAccountIds is {accounts!r}; it must be a list of account ids")]
    return [
        ("allowedAccountIds", f"{one!r} is no AWS account id: those have 12 digits")
        for one in map(str, accounts)
        if not (one.isdigit() and len(one) == 12)
    ]


def _tag_problems(default_tags: Plain) -> list[tuple[str, str]]:
    if default_tags is None or has_unknown(default_tags):
        return []
    if not isinstance(default_tags, Mapping) or set(default_tags) - {"tags"}:
        return [
            ("defaultTags", f"defaultTags is {default_tags!r}; it must be an object with the one field tags")
        ]
    tags = default_tags.get("tags") or {}
    wrong = [key for key, value in tags.items() if not isinstance(value, str)]
    return [("defaultTags", f"the value of the default tag {key!r} must be a string") for key in wrong]


def read(config: Mapping[str, Plain]) -> Settings:
    """The settings of a configuration that `problems` found nothing against."""
    values = decode(config)
    default_tags = values.get("defaultTags") or {}
    accounts = values.get("allowedAccountIds") or []
    return Settings(
        region=str(values["region"]),
        allowed_account_ids=() if has_unknown(accounts) else tuple(map(str, accounts)),
        default_tags=default_tags if has_unknown(default_tags) else dict(default_tags.get("tags") or {}),
    )
