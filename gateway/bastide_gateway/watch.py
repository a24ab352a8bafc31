"""Looks every few seconds whether everything works that must, and says so to `/bastide/ready` and to the
metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from bastide_gateway import metrics
from bastide_gateway.gateway import Gateway

log = logging.getLogger("bastide.gateway")

EVERY_S: Final = 2.0
BOUND_S: Final = 5.0
"""How long one look may take; longer means that it does not work. A busy event loop takes some of it."""

Look = Callable[[], Awaitable[str | None]]


class Watch:
    """The looks, and what they last found."""

    def __init__(self, gateway: Gateway, looks: Mapping[str, Look]) -> None:
        self._gateway, self._looks = gateway, looks
        self._guards: dict[str, str] = {}
        self.ending = False
        self.looked = False

    def reasons(self) -> dict[str, str]:
        """By part: why no request should come here. Empty when all is well."""
        if self.ending:
            return {"gateway": "it is ending; requests under way are finished"}
        if not self.looked:
            return {"gateway": "it is starting"}
        document = self._gateway.document
        ignored = {
            part
            for part, on_failure in (
                ("redis", document.on_redis_failure),
                ("database", document.on_database_failure),
            )
            if on_failure == "pass"
        }
        found = {part: why for part, why in self._gateway.down.items() if part not in ignored}
        found |= {f"guard {name}": why for name, why in self._guards.items()}
        if self._gateway.log.broken is not None and document.on_log_failure == "refuse":
            found["log"] = self._gateway.log.broken
        return found

    async def look(self) -> None:
        """One look at everything."""
        down: dict[str, str] = {}
        for part, look in self._looks.items():
            try:
                async with asyncio.timeout(BOUND_S):
                    why = await look()
            except Exception as error:
                why = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            metrics.PART_READY.labels(part).set(0 if why else 1)
            if why:
                down[part] = why
        self._guards = await self._gateway.frame.readiness()
        self._gateway.log.probe()
        before = self.reasons() if self.looked else {}
        self._gateway.down.clear()
        self._gateway.down.update(down)
        self.looked = True
        after = self.reasons()
        if before != after:
            log.warning("ready" if not after else f"not ready: {after}")

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)
