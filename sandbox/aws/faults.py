"""Faults that a test or a person asks for: AWS short of instances, or answering with an error.

    {"capacity": {"p5": 2, "p5:spot": 0},
     "error": {"eks.CreateCluster": {"code": "ServerException", "status": 500, "times": 1}}}

`capacity`: how many instances of a family (`p5`) or a type (`p5.48xlarge`) a region has in all, or in one
market (`p5:spot`, `p5:on-demand`). On-demand reservations count as given away; Capacity Blocks are apart.
`error`: the next `times` calls of an operation are answered so (`times` left out: until lifted).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from sandbox.aws import catalogue, model
from sandbox.aws.errors import ApiError

ON_DEMAND: Final = "on-demand"
SPOT: Final = "spot"
MARKETS: Final = (ON_DEMAND, SPOT)


class FaultError(ValueError):
    """A fault that cannot be set; the text says what is allowed."""


@dataclass
class InjectedError:
    """An error to answer with; `times` None means until it is lifted."""

    code: str
    message: str
    status: int
    times: int | None

    @staticmethod
    def parse(operation: str, given: object) -> InjectedError:
        """Checks one entry of the `error` table."""
        if "." not in operation:
            raise FaultError(f"error {operation!r}: give service.Operation, for example eks.CreateCluster")
        service, _, name = operation.partition(".")
        known = model.service_model(service)
        if known is None or name not in known.operation_names:
            # Such a fault would never be met, and whoever set it would take the calls for healthy.
            near = difflib.get_close_matches(name, known.operation_names if known else (), 3)
            hint = f"did you mean {', '.join(near)}?" if near else "give for example eks.CreateCluster"
            what = f"{service} has no operation {name!r}" if known else f"AWS has no service {service!r}"
            raise FaultError(f"error {operation!r}: {what}; {hint}")
        if not isinstance(given, dict) or not isinstance(given.get("code"), str):
            raise FaultError(
                f"error {operation!r}: give an object with at least a code, for example "
                '{"code": "ThrottlingException", "status": 400, "times": 3}'
            )
        unknown = set(given) - {"code", "message", "status", "times"}
        if unknown:
            raise FaultError(
                f"error {operation!r}: unknown {sorted(unknown)}; allowed: code, message, status, times"
            )
        times, status = given.get("times"), given.get("status", 500)
        if times is not None and (not isinstance(times, int) or times < 1):
            raise FaultError(
                f"error {operation!r}: times is {times!r}; give a whole number of at least 1, or leave it out"
            )
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise FaultError(
                f"error {operation!r}: status is {status!r}; an error has an HTTP status of 400 to 599"
            )
        return InjectedError(
            given["code"], str(given.get("message", "injected by a sandbox fault")), status, times
        )

    def document(self) -> dict[str, Any]:
        """As it is given and shown."""
        shown: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        return shown if self.times is None else {**shown, "times": self.times}


@dataclass
class Faults:
    """The faults in force."""

    capacity: dict[str, int] = field(default_factory=dict)
    errors: dict[str, InjectedError] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def replace(self, given: object) -> None:
        """Sets the whole table; raises `FaultError` and changes nothing when it is wrong."""
        if not isinstance(given, dict):
            raise FaultError("give an object with capacity and error")
        unknown = set(given) - {"capacity", "error"}
        if unknown:
            raise FaultError(f"unknown {sorted(unknown)}; allowed: capacity, error")
        for part in ("capacity", "error"):
            if not isinstance(given.get(part) or {}, dict):
                raise FaultError(
                    f'{part} is {given[part]!r}; give an object, for example {{"capacity": {{"p5": 2}}}}'
                )
        capacity = given.get("capacity") or {}
        for name, count in capacity.items():
            machine, colon, market = name.partition(":")
            if colon and market not in MARKETS:
                raise FaultError(
                    f"capacity {name!r}: {market!r} is no market; give for example p5:{' or p5:'.join(MARKETS)}"
                )
            if not catalogue.has(machine):
                raise FaultError(
                    f"capacity {name!r}: AWS's catalogue has no such family or type; give for example p5 or "
                    "p5.48xlarge"
                )
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                raise FaultError(
                    f"capacity {name!r} is {count!r}; give a whole number of instances, 0 or more"
                )
        errors = {
            name: InjectedError.parse(name, entry) for name, entry in (given.get("error") or {}).items()
        }
        with self._lock:
            self.capacity = dict(capacity)
            self.errors = errors

    def document(self) -> dict[str, Any]:
        """The table as `replace` takes it."""
        with self._lock:
            return {
                "capacity": dict(self.capacity),
                "error": {n: e.document() for n, e in self.errors.items()},
            }

    def take(self, service: str, operation: str) -> ApiError | None:
        """The error to answer this call with, counted down; None when there is none."""
        name = f"{service}.{operation}"
        with self._lock:
            found = self.errors.get(name)
            if found is None:
                return None
            if found.times is not None:
                found.times -= 1
                if found.times == 0:
                    del self.errors[name]
            return ApiError(found.code, found.message, found.status)

    def room(self, instance_type: str, market: str, taken: Iterable[tuple[str, str]]) -> int | None:
        """How many more of `instance_type` fit in `market` beside those `taken`, each a type and its market;
        None when no fault limits it."""
        given = list(taken)
        limits = [
            max(0, count - sum(_covers(name, *other) for other in given))
            for name, count in self.capacity.items()
            if _covers(name, instance_type, market)
        ]
        return min(limits) if limits else None


def _covers(name: str, instance_type: str, market: str) -> bool:
    # "p5" means the family p5 and neither p5e nor p5en, which are other machines.
    machine, _, only = name.partition(":")
    return machine in (instance_type, instance_type.partition(".")[0]) and only in ("", market)
