"""Checks of secrets: names that the stack needs, sources that each may have, and what must never be renewed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.catalogues.secrets import Source, kind_of
from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem, choices

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _names(settings: Settings) -> Iterator[Problem]:
    from bastide.plans.secrets import needed

    asked = needed(settings)
    for name in settings.secrets.overrides:
        if name in asked:
            continue
        if not settings.gateway.enabled:
            why = "the stack needs no secret while gateway.enabled is off"
        elif name.startswith("provider-"):
            why = "no deployment under bastide:hosted has this key"
        else:
            why = "no part of the stack needs it"
        yield Problem(
            f"secrets.overrides.{name}", f"{why}{choices(name, asked)}; it would have no effect; remove it"
        )


def _sources(settings: Settings) -> Iterator[Problem]:
    from bastide.settings.secrets import AwsSecretsManager

    store = settings.secrets.store
    for name, override in settings.secrets.overrides.items():
        kind = kind_of(name)
        if kind is None or override.source is None:
            continue
        path = f"secrets.overrides.{name}.source"
        if override.source not in kind.sources:
            yield Problem(
                path,
                f"{str(override.source)!r} is not possible for this secret; allowed: "
                f"{', '.join(kind.sources)}; its value is made by somebody else, and a made-up one opens nothing",
            )
        elif not isinstance(store, AwsSecretsManager) and override.source is not Source.STORED:
            yield Problem(
                path,
                f"{str(override.source)!r} while secrets.store.kind is {store.kind!r}; allowed: stored; the kit makes "
                "secrets in AWS Secrets Manager alone; put the value into that store",
            )


def _rotation(settings: Settings) -> Iterator[Problem]:
    for name, override in settings.secrets.overrides.items():
        kind = kind_of(name)
        if kind is not None and not kind.rotatable and override.rotation_days is not None:
            yield Problem(
                f"secrets.overrides.{name}.rotationDays",
                f"{override.rotation_days} is not possible: {kind.never_because or 'its issuer renews it'}; remove it",
            )


CHECKS: Final[tuple[Check, ...]] = (_names, _sources, _rotation)
