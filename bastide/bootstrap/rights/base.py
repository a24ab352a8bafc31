"""One right, and the names by which rights are fenced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bastide import names
from bastide.settings import Settings

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]

PURPOSE_TAG: Final = "bastide:purpose"
STATE_PURPOSE: Final = "pulumi-state"
"""Tag of what bootstrap makes for Pulumi's state. It has the stack's tags too, and is not the stack's to change."""


@dataclass(frozen=True)
class Right:
    """One Allow statement, and why it is needed."""

    sid: str
    why: str
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Conditions = field(default_factory=dict)

    def statement(self) -> dict[str, Any]:
        """As IAM writes it."""
        found: dict[str, Any] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": list(self.resources),
        }
        if self.conditions:
            found["Condition"] = {
                operator: {
                    key: value if isinstance(value, str) else list(value) for key, value in keys.items()
                }
                for operator, keys in self.conditions.items()
            }
        return found


@dataclass(frozen=True)
class Scope:
    """The stack whose role it is."""

    settings: Settings

    def arn(self, service: str, resource: str) -> str:
        """An ARN in the stack's region and account."""
        return names.arn(service, self.settings.region, self.settings.account_id, resource)

    def role(self, pattern: str = "*") -> str:
        """Roles of the stack."""
        return names.role_arn(self.settings.account_id, f"{self.settings.prefix}-{pattern}")

    @property
    def in_region(self) -> Conditions:
        """For actions that AWS gives no resource."""
        return {"StringEquals": {"aws:RequestedRegion": self.settings.region}}

    @property
    def owned(self) -> Conditions:
        """The resource carries the stack's tags, which the provider gives to all that it makes."""
        return {"StringEquals": self._tags("aws:ResourceTag")}

    @property
    def owned_keys(self) -> Conditions:
        """KMS keys with the stack's tags, but the one of its Pulumi state."""
        return {**self.owned, "StringNotEquals": {f"aws:ResourceTag/{PURPOSE_TAG}": STATE_PURPOSE}}

    @property
    def tagged(self) -> Conditions:
        """The request gives the new resource the stack's tags."""
        return {"StringEquals": self._tags("aws:RequestTag")}

    def _tags(self, key: str) -> dict[str, str]:
        return {
            f"{key}/bastide:name": self.settings.name,
            f"{key}/bastide:environment": str(self.settings.environment),
        }
