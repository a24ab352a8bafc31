"""Runs the guards: their order, their time, what happens when one fails, and how long each took."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from bastide_gateway import metrics
from bastide_gateway.call import Call
from bastide_gateway.document import Document, GuardEntry
from bastide_gateway.errors import Refused, StartError
from bastide_gateway.guards import Guard, StreamFilter

log = logging.getLogger("bastide.gateway")

T = TypeVar("T")

READY_S: Final = 5.0
"""How long a guard may take to say whether it works."""


@dataclass(frozen=True)
class Hung:
    """A guard in its place."""

    entry: GuardEntry
    guard: Guard


class Frame:
    """All guards of the document, in its order."""

    def __init__(self, document: Document, hung: Sequence[Hung]) -> None:
        self._document = document
        self._hung = tuple(hung)
        self._broken: dict[str, str] = {}
        """By guard: why `finished` or `administered` failed last; until it works again."""

    @property
    def names(self) -> tuple[str, ...]:
        """The guards that are active."""
        return tuple(hung.entry.name for hung in self._hung)

    async def start(self) -> None:
        """Starts each; one that cannot keeps the gateway from starting."""
        for hung in self._hung:
            try:
                await hung.guard.start()
            except StartError:
                raise
            except Exception as error:
                raise StartError(
                    f"guard {hung.entry.name!r} could not start: {type(error).__name__}: {error}; "
                    "correct its settings in routes.json, or take it out of the classes and routes that "
                    "name it"
                ) from error

    async def stop(self) -> None:
        """Stops each, the last first; what one does wrong does not keep the others from it."""
        for hung in reversed(self._hung):
            try:
                await hung.guard.stop()
            except Exception as error:
                log.warning("guard %s did not stop: %s", hung.entry.name, type(error).__name__)

    async def readiness(self) -> dict[str, str]:
        """By guard that cannot work: why. One that may be passed by is measured, and does not count."""
        reasons: dict[str, str] = {}
        for hung in self._hung:
            name = hung.entry.name
            reason = await self._reason(hung, READY_S)
            metrics.GUARD_READY.labels(name).set(0 if reason else 1)
            if reason and hung.entry.on_failure == "refuse":
                reasons[name] = reason
        return reasons

    async def _reason(self, hung: Hung, seconds: float) -> str | None:
        try:
            async with asyncio.timeout(seconds):
                reason = await hung.guard.ready()
        except Exception as error:
            reason = type(error).__name__
        return reason or self._broken.get(hung.entry.name)

    async def check_request(self, call: Call, body: dict[str, Any]) -> None:
        """Every guard of the call looks at its request. Raises `Refused`."""
        for hung in self._of(call):
            if _overrides(hung.guard, "check_request"):
                await self._run(hung, call, "request", _request(hung, call, body), None)

    async def check_answer(self, call: Call, texts: Sequence[str]) -> Sequence[str]:
        """The answer's texts as the client may see them. Raises `Refused`."""
        for hung in reversed(self._of(call)):
            if _overrides(hung.guard, "check_answer"):
                texts = await self._run(hung, call, "answer", _answer(hung.guard, call, texts), texts)
        return texts

    def stream(self, call: Call) -> Callable[[], StreamFilter] | None:
        """Makes the filter of one choice of a stream, or none when no guard has any."""
        guards = [hung for hung in reversed(self._of(call)) if _overrides(hung.guard, "stream")]
        return (lambda: _Filters(self, call, guards)) if guards else None

    async def finished(self, call: Call) -> None:
        """Tells every guard that the request has ended. Raises nothing."""
        for hung in self._of(call):
            if _overrides(hung.guard, "finished"):
                await self._record(hung, call, "finished", partial(hung.guard.finished, call))

    async def administrable(self) -> None:
        """Raises `Refused` while a guard that must be told of changes could not take the line of one."""
        for hung in self._hung:
            if hung.entry.on_failure == "pass" or not _overrides(hung.guard, "administered"):
                continue
            reason = await self._reason(hung, hung.entry.timeout_ms / 1000)
            if reason:
                raise Refused(
                    503,
                    "administration_untold",
                    f"nothing was changed: the guard {hung.entry.name!r} could not tell of it ({reason}); try again, "
                    "and see what /bastide/ready says if it stays so",
                    {"retry-after": "5"},
                )

    async def administered(self, call: Call, record: Mapping[str, Any]) -> None:
        """Tells every guard that asks for it of a call of the administration. Raises nothing."""
        for hung in self._hung:
            if _overrides(hung.guard, "administered"):
                await self._record(hung, call, "administered", partial(hung.guard.administered, record))

    async def _record(self, hung: Hung, call: Call, step: str, work: Callable[[], Awaitable[None]]) -> None:
        name = hung.entry.name
        try:
            await self._measure(hung, call, step, work)
        except Exception as error:
            self._broken[name] = f"its last record failed: {type(error).__name__}"
        else:
            self._broken.pop(name, None)

    def _of(self, call: Call) -> tuple[Hung, ...]:
        named: set[str] = set()
        if call.data_class is not None:
            named.update(self._document.classes[call.data_class].guards)
        if call.route is not None:
            named.update(self._document.routes[call.route].guards)
        return tuple(hung for hung in self._hung if hung.guard.always or hung.entry.name in named)

    async def _run(
        self, hung: Hung, call: Call, step: str, work: Callable[[], Awaitable[T]], otherwise: T
    ) -> T:
        try:
            return await self._measure(hung, call, step, work)
        except Refused:
            raise
        except Exception as error:
            return self._failed(hung, step, error, otherwise)

    def _failed(self, hung: Hung, step: str, error: Exception, otherwise: T) -> T:
        # The message could hold text of the request.
        log.warning("guard %s failed at the %s: %s", hung.entry.name, step, type(error).__name__)
        if hung.entry.on_failure == "pass":
            return otherwise
        raise Refused(
            503,
            "guard_unavailable",
            f"the guard {hung.entry.name!r} could not look at the {step}, so that it was not let through; "
            "try again, "
            "and tell whoever runs this gateway if it stays so",
            {"retry-after": "5"},
        ) from None

    async def _measure(self, hung: Hung, call: Call, step: str, work: Callable[[], Awaitable[T]]) -> T:
        began = time.perf_counter()
        outcome = "ok"
        try:
            async with asyncio.timeout(hung.entry.timeout_ms / 1000):
                return await work()
        except Refused:
            outcome = "refused"
            raise
        except TimeoutError:
            outcome = "late"
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            took = (time.perf_counter() - began) * 1000
            name = hung.entry.name
            call.guards_ms[name] = call.guards_ms.get(name, 0.0) + took
            metrics.GUARD_MS.labels(name, step, outcome).observe(took)


def _request(hung: Hung, call: Call, body: dict[str, Any]) -> Callable[[], Awaitable[None]]:
    if hung.entry.on_failure == "refuse":
        return partial(hung.guard.check_request, call, body)

    async def on_a_copy() -> None:
        copy = deepcopy(body)
        await hung.guard.check_request(call, copy)
        body.clear()
        body.update(copy)

    return on_a_copy


def _answer(guard: Guard, call: Call, texts: Sequence[str]) -> Callable[[], Awaitable[Sequence[str]]]:
    async def work() -> Sequence[str]:
        changed = await guard.check_answer(call, texts)
        if len(changed) != len(texts):
            raise ValueError("it gave back another number of texts")
        return changed

    return work


class _Filters(StreamFilter):
    """The filters of all guards, one after the other."""

    def __init__(self, frame: Frame, call: Call, guards: Sequence[Hung]) -> None:
        self._frame, self._call = frame, call
        self._filters = [(hung, made) for hung in guards if (made := hung.guard.stream(call)) is not None]

    async def feed(self, text: str) -> str:
        for hung, made in self._filters:
            text = await self._step(hung, made.feed, text)
        return text

    async def close(self) -> str:
        rest = ""
        for hung, made in self._filters:
            fed = await self._step(hung, made.feed, rest) if rest else ""
            rest = fed + await self._frame._run(hung, self._call, "stream", made.close, "")
        return rest

    async def _step(self, hung: Hung, work: Callable[[str], Awaitable[str]], text: str) -> str:
        return await self._frame._run(hung, self._call, "stream", partial(work, text), text)


def _overrides(guard: Guard, method: str) -> bool:
    return getattr(type(guard), method) is not getattr(Guard, method)


def load(document: Document) -> Frame:
    """Imports and makes every guard of the document. Raises `StartError` naming the one that is not there."""
    hung: list[Hung] = []
    for entry in document.guards:
        try:
            module = importlib.import_module(entry.module)
        except Exception as error:
            raise StartError(
                f"guard {entry.name!r}: its module {entry.module!r} cannot be imported "
                f"({type(error).__name__}: {error}); the gateway does not start without a guard that is "
                "configured"
            ) from error
        make = getattr(module, "make", None)
        if make is None:
            raise StartError(f"guard {entry.name!r}: {entry.module} has no `make(settings)`")
        try:
            guard = make(entry.settings)
        except StartError:
            raise
        except Exception as error:
            raise StartError(f"guard {entry.name!r}: {type(error).__name__}: {error}") from error
        if not isinstance(guard, Guard):
            raise StartError(f"guard {entry.name!r}: {entry.module}.make gave no Guard")
        guard.name = entry.name
        hung.append(Hung(entry, guard))
    return Frame(document, hung)
