"""Checks of the namespaces' bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.checks.common import Check, usable
from bastide.settings.errors import Problem
from bastide.settings.namespaces import NamespaceSettings, NamespacesSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _gpu_quota(settings: Settings) -> Iterator[Problem]:
    given = settings.namespaces.serving.gpus
    if given is None:
        return
    asked = {each.name: each.gpus_per_replica * each.replicas for each in settings.engines}
    if sum(asked.values()) > given:
        engines = ", ".join(f"{name} {gpus}" for name, gpus in asked.items())
        yield Problem(
            "namespaces.serving.gpus",
            f"{given} is less than the engines ask for; allowed: {sum(asked.values())} or more ({engines}); the API "
            "server would refuse the pods beyond it; raise it, lower an engine's replicas, or remove the line",
        )


def _defaults_of(name: str, limits: NamespaceSettings) -> Iterator[Problem]:
    if limits.default_memory_limit_mib < limits.default_memory_mib:
        yield Problem(
            f"namespaces.{name}.defaultMemoryLimitMib",
            f"{limits.default_memory_limit_mib} is less than defaultMemoryMib {limits.default_memory_mib}; allowed: "
            f"{limits.default_memory_mib} or more; a limit below the request is refused by Kubernetes; raise it",
        )


def _container_defaults(settings: Settings) -> Iterator[Problem]:
    for name, info in NamespacesSettings.model_fields.items():
        yield from usable(_defaults_of(info.alias or name, getattr(settings.namespaces, name)))


CHECKS: Final[tuple[Check, ...]] = (_gpu_quota, _container_defaults)
