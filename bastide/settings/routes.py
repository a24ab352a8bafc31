"""Settings of routes: the names that clients ask for as `model`, and what stands behind each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bastide.plans.priorities import Lane
from bastide.settings.base import Strict
from bastide.settings.data_classes import DataClass, GuardName
from bastide.settings.route_traffic import (
    CooldownSettings,
    FallbacksSettings,
    RetriesSettings,
    RouteCacheSettings,
    RouteLimitsSettings,
    RouteName,
    RouteQueueSettings,
)

RouteKind = Literal["chat", "embedding", "batch"]

PositiveSeconds = Annotated[float, Field(gt=0, le=86_400)]


class RouteDeployment(Strict):
    """One deployment behind a route."""

    name: str
    """Name of one of bastide:engines or of bastide:hosted."""

    adapter: str | None = None
    """One of the engine's `lora.adapters`, which then answers instead of the model itself."""

    order: int = Field(1, ge=1, le=10)
    """Deployments of the lowest order are asked first; those of the next one when all of them fail."""

    weight: int = Field(1, ge=0, le=1000)
    """Share of the requests among deployments of one order. 0 takes none, as long as others have some."""

    regressed: bool = False
    """Whether its answers are known to have become worse: it is then asked for nothing, and where no other is left
    the fallbacks for `quality` answer."""


class RouteSettings(Strict):
    """One route: a public model name."""

    name: RouteName
    """What clients ask for."""

    kind: RouteKind = "chat"
    """`chat` answers in text; `embedding` in vectors; `batch` in text for work on which nobody waits."""

    lane: Lane | None = None
    """`serving` or `batch`: of which lane its engines are. Without a value that of its kind."""

    deployments: tuple[RouteDeployment, ...] = Field(min_length=1)
    """What stands behind it."""

    classes: tuple[DataClass, ...] | None = None
    """Classes that it serves. Each must have a deployment then. Without a value all that have one."""

    fallbacks: FallbacksSettings = FallbacksSettings()
    """Routes that answer instead, for each kind of failure."""

    timeout_seconds: PositiveSeconds = 60
    """Seconds of one try on one deployment, after which it has failed. LiteLLM's own default is 6,000."""

    first_token_seconds: PositiveSeconds | None = None
    """Seconds to the first token of a stream, after which the try has failed; without a value `timeoutSeconds`."""

    client_timeout_seconds: PositiveSeconds = 600
    """Seconds that clients wait for the whole answer. All tries, their pauses and the fallbacks must be over by then.
    600 is what OpenAI's client libraries wait by default."""

    retries: RetriesSettings = RetriesSettings()
    """Further tries."""

    cooldown: CooldownSettings = CooldownSettings()
    """When a deployment is left alone."""

    queue: RouteQueueSettings = RouteQueueSettings()
    """What happens to requests for which there is no room."""

    cache: RouteCacheSettings = RouteCacheSettings()
    """Answers that are given again."""

    limits: RouteLimitsSettings = RouteLimitsSettings()
    """Bounds of one request."""

    guards: tuple[GuardName, ...] = ()
    """Guards of bastide:guards through which its requests go, after those of their class."""

    @property
    def its_lane(self) -> Lane:
        """The lane, also where it follows from the kind."""
        return self.lane or ("batch" if self.kind == "batch" else "serving")
