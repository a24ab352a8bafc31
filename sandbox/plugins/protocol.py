"""The provider side of Pulumi's plugin protocol, as plain Python values.

The engine speaks gRPC with protobuf Structs. A plugin here is a `Provider` whose methods take and return
dicts and lists; `UNKNOWN` stands where a value is not known until another resource exists. This module holds
what every provider needs and none of what a cloud means: marshalling, errors that the engine can show, partial
failure, progress lines, and the watch that ends the plugin when its engine has died.

Secrets: the plugins do not ask for them (`acceptSecrets` is false), so the engine hands over plain values and
marks the outputs of the same name secret again when it writes the state. Values are never logged here.

Blind spots: no Construct, no Call, no parameterisation and no schema; the kit needs none of them, and the
engine is told so by `UNIMPLEMENTED`.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_SIGNATURE

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

    def __init__(self, resource_id: str, state: dict[str, Plain], inputs: dict[str, Plain], reasons: list[str]):
        super().__init__("; ".join(reasons))
        self.resource_id, self.state, self.inputs, self.reasons = resource_id, state, inputs, reasons


@dataclass
class Diff:
    """What a change of inputs would do. `properties` maps a property path to the kind of its change."""

    properties: dict[str, DiffKind] = field(default_factory=dict)
    delete_before_replace: bool = False

    @property
    def replaces(self) -> list[str]:
        """Top-level properties in which something cannot be changed in place."""
        return _top_level(path for path, kind in self.properties.items() if kind.endswith("-replace"))

    @property
    def changes(self) -> list[str]:
        """Top-level properties in which something changes."""
        return _top_level(self.properties)


def _top_level(paths: Iterable[str]) -> list[str]:
    """The engine looks these up in the inputs, so nested paths would show as nothing."""
    return list(dict.fromkeys(re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths))


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


def unmarshal(value: struct_pb2.Struct) -> dict[str, Plain]:
    """The dict that a protobuf Struct stands for; whole numbers become int."""
    return {key: _unmarshal_value(item) for key, item in value.fields.items()}


def _unmarshal_value(value: struct_pb2.Value) -> Plain:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_SIGNATURE else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_unmarshal_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        return unmarshal(value.struct_value)
    return None


def marshal(value: Mapping[str, Plain]) -> struct_pb2.Struct:
    """The protobuf Struct of a dict; `UNKNOWN` becomes the engine's marker."""
    result = struct_pb2.Struct()
    for key, item in value.items():
        result.fields[key].CopyFrom(_marshal_value(item))
    return result


def _marshal_value(value: Plain) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=UNKNOWN_SIGNATURE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=marshal(value))
    if isinstance(value, Sequence):
        return struct_pb2.Value(
            list_value=struct_pb2.ListValue(values=[_marshal_value(item) for item in value])
        )
    raise TypeError(f"a {type(value).__name__} cannot be a Pulumi property")


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


_KINDS: Final[dict[DiffKind, Any]] = {
    "add": provider_pb2.PropertyDiff.ADD,
    "add-replace": provider_pb2.PropertyDiff.ADD_REPLACE,
    "delete": provider_pb2.PropertyDiff.DELETE,
    "delete-replace": provider_pb2.PropertyDiff.DELETE_REPLACE,
    "update": provider_pb2.PropertyDiff.UPDATE,
    "update-replace": provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Speaks the protocol for a `Provider`."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def _fail(self, context: grpc.ServicerContext, error: Exception) -> None:
        if isinstance(error, PartialError):
            detail = any_pb2.Any()
            detail.Pack(
                provider_pb2.ErrorResourceInitFailed(
                    id=error.resource_id,
                    properties=marshal(error.state),
                    inputs=marshal(error.inputs),
                    reasons=error.reasons,
                )
            )
            status = status_pb2.Status(
                code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail]
            )
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        if isinstance(error, PluginError):
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        if isinstance(error, NotImplementedError):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
        traceback.print_exc(file=sys.stderr)
        context.abort(
            grpc.StatusCode.INTERNAL,
            f"the sandbox's {self.provider.name} plugin failed, which is a defect of the sandbox: "
            f"{type(error).__name__}: {error}",
        )

    def _resource(self, urn: str) -> Resource:
        resource = Resource(urn)
        self.provider.guard(resource)
        return resource

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.provider.version)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        try:
            if request.urn:
                self._resource(request.urn)
            failures = self.provider.check_config(unmarshal(request.news))
        except Exception as error:
            self._fail(context, error)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    def DiffConfig(self, request: Any, context: Any) -> Any:
        try:
            return _diff_response(
                self.provider.diff_config(unmarshal(request.old_inputs), unmarshal(request.news))
            )
        except Exception as error:
            self._fail(context, error)

    def Configure(self, request: Any, context: Any) -> Any:
        try:
            self.provider.configure(unmarshal(request.args))
        except Exception as error:
            self._fail(context, error)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:
        try:
            inputs, failures = self.provider.check(
                self._resource(request.urn),
                unmarshal(request.olds),
                unmarshal(request.news),
                request.randomSeed,
            )
            return provider_pb2.CheckResponse(inputs=marshal(inputs), failures=_failures(failures))
        except Exception as error:
            self._fail(context, error)

    def Diff(self, request: Any, context: Any) -> Any:
        try:
            old, new = unmarshal(request.old_inputs), unmarshal(request.news)
            for path in request.ignoreChanges:
                if "." not in path and "[" not in path and path in old:
                    new[path] = old[path]
            return _diff_response(
                self.provider.diff(
                    self._resource(request.urn), request.id, unmarshal(request.olds), old, new
                )
            )
        except Exception as error:
            self._fail(context, error)

    def Create(self, request: Any, context: Any) -> Any:
        try:
            new_id, state = self.provider.create(
                self._resource(request.urn), unmarshal(request.properties), request.preview, request.timeout
            )
            return provider_pb2.CreateResponse(id=new_id, properties=marshal(state))
        except Exception as error:
            self._fail(context, error)

    def Read(self, request: Any, context: Any) -> Any:
        try:
            found = self.provider.read(
                self._resource(request.urn),
                request.id,
                unmarshal(request.properties),
                unmarshal(request.inputs),
            )
            if found is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=found[0], properties=marshal(found[1]), inputs=marshal(found[2])
            )
        except Exception as error:
            self._fail(context, error)

    def Update(self, request: Any, context: Any) -> Any:
        try:
            state = self.provider.update(
                self._resource(request.urn),
                request.id,
                unmarshal(request.olds),
                unmarshal(request.old_inputs),
                unmarshal(request.news),
                request.preview,
                request.timeout,
            )
            return provider_pb2.UpdateResponse(properties=marshal(state))
        except Exception as error:
            self._fail(context, error)

    def Delete(self, request: Any, context: Any) -> Any:
        try:
            self.provider.delete(
                self._resource(request.urn),
                request.id,
                unmarshal(request.properties),
                unmarshal(request.old_inputs),
                request.timeout,
            )
            return empty_pb2.Empty()
        except Exception as error:
            self._fail(context, error)

    def Invoke(self, request: Any, context: Any) -> Any:
        try:
            result = self.provider.invoke(request.tok, unmarshal(request.args))
            return provider_pb2.InvokeResponse(**{"return": marshal(result)})
        except Exception as error:
            self._fail(context, error)

    def Cancel(self, request: Any, context: Any) -> Any:
        self.provider.cancel()
        return empty_pb2.Empty()


def _failures(failures: list[tuple[str, str]]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures]


def _diff_response(diff: Diff) -> Any:
    changes = (
        provider_pb2.DiffResponse.DIFF_SOME if diff.properties else provider_pb2.DiffResponse.DIFF_NONE
    )
    return provider_pb2.DiffResponse(
        changes=changes,
        replaces=diff.replaces,
        diffs=diff.changes,
        detailedDiff={
            path: provider_pb2.PropertyDiff(kind=_KINDS[kind], inputDiff=True)
            for path, kind in diff.properties.items()
        },
        hasDetailedDiff=True,
        deleteBeforeReplace=diff.delete_before_replace,
    )


def _end_with_engine(engine_pid: int) -> None:
    """Ends this process, and what it started in its group, once the engine that started it has gone.

    An engine killed with -9 cannot tell its plugins; its children then belong to another parent.
    """
    while os.getppid() == engine_pid:
        time.sleep(0.5)
    os.killpg(os.getpgid(0), signal.SIGKILL) if os.getpgid(0) == os.getpid() else os._exit(1)


def serve(provider: Provider, argv: Sequence[str]) -> None:
    """Serves the provider on a free port of 127.0.0.1 until the engine ends; prints the port, as plugins do."""
    if argv:
        provider.attach(engine_pb2_grpc.EngineStub(grpc.insecure_channel(argv[0])))
    # The engine cancels by a call of its own; SIGINT is how it ends a plugin that it no longer needs. One that
    # stays is killed only after five seconds, twice in each `up`.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=64),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    threading.Thread(target=_end_with_engine, args=(os.getppid(),), daemon=True).start()
    server.wait_for_termination()
