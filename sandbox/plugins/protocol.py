"""What a provider plugin of the sandbox is, in plain Python values.

A plugin is a `Provider` whose methods take and return dicts and lists; `UNKNOWN` stands where a value is not known
until another resource exists. This module holds what every provider needs and none of what a cloud means: errors
that the engine can show, partial failure, differences, progress lines. `sandbox.plugins.server` speaks the wire
protocol for it.

Secrets: the plugins do not ask for them (`acceptSecrets` is false), so the engine hands over plain values and
marks the outputs of the same name secret again when it writes the state. Values are never logged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
)

Plain = Any
"""A JSON-like value: None, bool, int, float, str, list, dict, or `UNKNOWN`."""

DiffKind = Literal["add", "update", "delete", "add-replace", "update-replace", "delete-replace"]


class Unknown:
    """The type of `UNKNOWN`: a value that the engine will only know after another resource was made."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, memo: object) -> Unknown:
        return self

    def __copy__(self) -> Unknown:
        return self


UNKNOWN: Final = Unknown()


class PluginError(Exception):
    """A failure that the user should read as it stands: what was asked, what is allowed, what to do."""


class PartialError(PluginError):
    """The resource exists but is not as it should be; the engine keeps it in state and says `reasons`.

    `state` and `inputs` are what the resource has now, so that the next `up` carries on from there.
    """

    def __init__(
        self, resource_id: str, state: dict[str, Plain], inputs: dict[str, Plain], reasons: list[str]
    ):
        super().__init__("; ".join(reasons))
        self.resource_id, self.state, self.inputs, self.reasons = resource_id, state, inputs, reasons


@dataclass
class Diff:
    """What a change of inputs would do. `properties` maps a property path to the kind of its change."""

    properties: dict[str, DiffKind] = field(default_factory=dict)
    delete_before_replace: bool = False

    @property
    def replaces(self) -> list[str]:
        """Paths whose change cannot be made in place."""
        return [path for path, kind in self.properties.items() if kind.endswith("-replace")]

    @property
    def changes(self) -> list[str]:
        """Top-level properties in which something changes: the engine looks these up in the inputs, so nested
        paths would show as nothing."""
        return list(dict.fromkeys(re.split(r"[.\[]", path, maxsplit=1)[0] for path in self.properties))


@dataclass(frozen=True)
class Resource:
    """Which resource a request is about: its URN, parsed."""

    urn: str

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.urn.split("::")[0].removeprefix("urn:pulumi:")

    @property
    def type(self) -> str:
        """The resource's own type token, without its parents'."""
        return self.urn.split("::")[2].split("$")[-1]

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.split("::", 3)[3]


def has_unknown(value: Plain) -> bool:
    """Whether `UNKNOWN` occurs anywhere in the value."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(item) for item in value)
    return False


class Provider:
    """What a plugin implements. Every method may raise `PluginError`; the engine shows its text."""

    name: str
    version: str

    def __init__(self) -> None:
        self._engine: engine_pb2_grpc.EngineStub | None = None

    def attach(self, engine: engine_pb2_grpc.EngineStub) -> None:
        """Called once with the engine's own service, for `log`."""
        self._engine = engine

    def log(
        self,
        message: str,
        resource: Resource | None = None,
        severity: Literal["debug", "info", "warning"] = "info",
        ephemeral: bool = False,
    ) -> None:
        """Shows a line beside the resource; an ephemeral one only while the operation lasts."""
        if self._engine is None:
            return
        level = {
            "debug": engine_pb2.DEBUG,
            "info": engine_pb2.INFO,
            "warning": engine_pb2.WARNING,
        }[severity]
        self._engine.Log(
            engine_pb2.LogRequest(
                severity=level,
                message=message,
                urn=resource.urn if resource else "",
                ephemeral=ephemeral,
            )
        )

    def guard(self, resource: Resource) -> None:
        """Called with every resource before anything else; raises to refuse it."""

    def check_config(self, config: dict[str, Plain]) -> list[tuple[str, str]]:
        """Problems of the provider's own configuration, as (property, reason)."""
        return []

    def diff_config(self, old: dict[str, Plain], new: dict[str, Plain]) -> Diff:
        """How a change of the provider's configuration acts; a replaced provider replaces its resources."""
        return Diff({key: "update" for key in old.keys() | new.keys() if old.get(key) != new.get(key)})

    def configure(self, config: dict[str, Plain]) -> None:
        """Takes the checked configuration; at preview a value may be `UNKNOWN`."""

    def check(
        self, resource: Resource, old: dict[str, Plain], new: dict[str, Plain], random_seed: bytes
    ) -> tuple[dict[str, Plain], list[tuple[str, str]]]:
        """The inputs with defaults filled in, and what is wrong with them as (property, reason)."""
        raise NotImplementedError

    def diff(
        self,
        resource: Resource,
        resource_id: str,
        old_state: dict[str, Plain],
        old_inputs: dict[str, Plain],
        new_inputs: dict[str, Plain],
    ) -> Diff:
        """What going from the old inputs to the new would do."""
        raise NotImplementedError

    def create(
        self, resource: Resource, inputs: dict[str, Plain], preview: bool, timeout: float
    ) -> tuple[str, dict[str, Plain]]:
        """Makes the resource; returns its id and state. At preview only says what is known already."""
        raise NotImplementedError

    def read(
        self, resource: Resource, resource_id: str, state: dict[str, Plain], inputs: dict[str, Plain]
    ) -> tuple[str, dict[str, Plain], dict[str, Plain]] | None:
        """Id, state and inputs as the world has them now, or None if it is gone. Empty `state` is an import."""
        raise NotImplementedError

    def update(
        self,
        resource: Resource,
        resource_id: str,
        old_state: dict[str, Plain],
        old_inputs: dict[str, Plain],
        new_inputs: dict[str, Plain],
        preview: bool,
        timeout: float,
    ) -> dict[str, Plain]:
        """Changes the resource in place; returns its new state."""
        raise NotImplementedError

    def delete(
        self,
        resource: Resource,
        resource_id: str,
        state: dict[str, Plain],
        inputs: dict[str, Plain],
        timeout: float,
    ) -> None:
        """Removes the resource; one that is already gone is no error."""
        raise NotImplementedError

    def invoke(self, token: str, args: dict[str, Plain]) -> dict[str, Plain]:
        """A function of the provider's."""
        raise PluginError(f"the sandbox's {self.name} plugin does not have the function {token}")

    def cancel(self) -> None:
        """The user interrupted: long operations should end soon."""
