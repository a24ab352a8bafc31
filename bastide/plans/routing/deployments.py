"""Engines and hosted deployments in one form, as routes see them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from bastide.plans.routing.prices import Price, of_hosted
from bastide.settings import EngineSettings, Settings
from bastide.settings.route_hosted import AgreementSettings, HostedBase

EnginePrice = Callable[[Settings, EngineSettings], Price]
"""Where an engine's price comes from."""


@dataclass(frozen=True)
class Deployment:
    """What may answer a request. `kind` is `engine` or the provider's, `context` the longest sequence in tokens,
    `agreement` None for an engine of the stack: nobody else sees the text."""

    name: str
    kind: str
    model: str
    region: str
    runner: Literal["generate", "embed"]
    context: int
    price: Price
    agreement: AgreementSettings | None = None

    @property
    def hosting(self) -> Literal["self", "hosted"]:
        """Whose machines it runs on."""
        return "self" if self.agreement is None else "hosted"


def deployments(
    settings: Settings, wanted: Collection[str], engine_price: EnginePrice
) -> dict[str, Deployment]:
    """Those of these names, by name, engines first."""
    engines = {
        each.name: Deployment(
            each.name,
            "engine",
            each.model,
            settings.region,
            each.runner,
            each.max_model_len,
            engine_price(settings, each),
        )
        for each in settings.engines
        if each.name in wanted
    }
    return engines | {each.name: of(each) for each in settings.hosted if each.name in wanted}


def of(hosted: HostedBase) -> Deployment:
    """A hosted deployment."""
    return Deployment(
        hosted.name,
        str(getattr(hosted, "kind")),  # noqa: B009 - each variant has it, the base has none
        hosted.model,
        hosted.place,
        hosted.runner,
        hosted.context_tokens,
        of_hosted(hosted),
        hosted.agreement,
    )
