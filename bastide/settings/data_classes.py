"""Settings of data classes: what may happen to text of each.

A request has the class of the caller's team and may raise it, never lower it. A team or key without a class has the
highest."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import ConfigDict, Field

from bastide.settings.base import Strict, matching

DataClass = Literal["public", "internal", "confidential", "regulated"]
"""In rising order."""

CLASSES: Final[tuple[DataClass, ...]] = get_args(DataClass)
"""In rising order."""

HIGHEST: Final[DataClass] = "regulated"
"""What a team or a key without a class has."""

HostedRule = Literal["any", "noTraining", "zeroRetention", "never"]
"""Under which agreement a hosted deployment may be used, in rising strictness."""

HOSTED_RULES: Final[tuple[HostedRule, ...]] = get_args(HostedRule)
"""In rising strictness."""

Place = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9-]{1,39}",
        "is not a region; allowed: a cloud's name of it such as 'us-east-1' or 'europe-west4', or what a provider "
        "without regions says of where text is processed: 'us', 'eu', 'global'",
    ),
]
"""A region, of any provider."""

GuardName = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9-]{0,39}",
        "is not a guard's name; allowed: up to 40 lower-case letters, digits and hyphens, a letter first; rename it",
    ),
]


def _in_part(schema: dict[str, Any]) -> None:
    """In a stack file nothing is required, as every class has a default."""
    del schema["required"]


class DataClassSettings(Strict):
    """What may happen to text of one class: in the first choice, in every fallback and in failover. What is not given
    is that class's own default, and never another's."""

    model_config = ConfigDict(json_schema_extra=_in_part)

    regions: tuple[Place, ...]
    """Regions in which it may be processed. Without any only the stack's own."""

    hosted: HostedRule
    """Under which agreement a hosted deployment may have it: `any`; `noTraining`: the provider must not train on it;
    `zeroRetention`: it must not keep it either; `never`. The agreement must name the class too."""

    cache: bool
    """Whether answers may be kept for identical requests of the same tenant. Never for regulated."""

    log: Literal["metadata", "none"]
    """What the log of decisions has of a request: who, which way, how long, at what cost, or nothing. The text of
    requests and answers is in no log."""

    retention_days: int = Field(ge=1, le=3653)
    """Days for which lines of decisions and of the audit trail are kept."""

    guards: tuple[GuardName, ...]
    """Guards of bastide:guards through which every request of this class goes, before those of its route."""


class DataClassesSettings(Strict):
    """The four classes, in rising order. Each is at least as strict as the one before."""

    public: DataClassSettings = DataClassSettings(
        regions=(), hosted="noTraining", cache=True, log="metadata", retention_days=30, guards=()
    )
    """What anybody may know."""

    internal: DataClassSettings = DataClassSettings(
        regions=(), hosted="noTraining", cache=True, log="metadata", retention_days=90, guards=()
    )
    """What stays inside the company, and harms little if it does not."""

    confidential: DataClassSettings = DataClassSettings(
        regions=(), hosted="zeroRetention", cache=False, log="metadata", retention_days=365, guards=("pii",)
    )
    """What harms the company or its customers if it gets out."""

    regulated: DataClassSettings = DataClassSettings(
        regions=(), hosted="never", cache=False, log="metadata", retention_days=2557, guards=("pii",)
    )
    """What the law protects: health, payments, ids. 2,557 days are seven years, the longest that usual rules ask of
    an audit trail (a choice; ask your lawyers)."""

    def of(self, name: DataClass) -> DataClassSettings:
        """The class of that name."""
        found: DataClassSettings = getattr(self, name)
        return found
