"""EKS's front: each operation of AWS's model is handled here or answered as not emulated, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sandbox.aws.eks.store import Cluster, Store
from sandbox.aws.errors import ApiError
from sandbox.aws.runtime import Runtime


@dataclass(frozen=True)
class Call:
    """Who calls, where, and the state to work on."""

    runtime: Runtime
    store: Store
    region: str
    caller: str

    def cluster(self, name: str) -> Cluster:
        """The named cluster of this region."""
        return self.store.cluster(self.region, name)


Handler = Callable[[Call, dict[str, Any]], dict[str, Any]]
T = TypeVar("T")

HANDLERS: dict[str, Handler] = {}


def operation(name: str) -> Callable[[Handler], Handler]:
    """Registers the handler of an operation."""

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def dispatch(call: Call, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Answers a validated request; null members are left out, as AWS leaves them out."""
    handler = HANDLERS.get(name)
    if handler is None:
        raise ApiError("NotImplementedException", f"the sandbox does not emulate eks.{name}", 501)
    result: dict[str, Any] = _without_nulls(handler(call, parameters))
    return result


def page(items: list[T], parameters: dict[str, Any]) -> tuple[list[T], str | None]:
    """One page of a list and the token of the next. EKS's pages hold 100 by default and at most."""
    token = parameters.get("nextToken") or "0"
    if not token.isdigit():
        raise ApiError("InvalidParameterException", f"nextToken {token!r} was not given by this service")
    start = int(token)
    end = start + int(parameters.get("maxResults") or 100)
    return items[start:end], str(end) if end < len(items) else None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
