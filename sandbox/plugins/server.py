"""The provider side of Pulumi's plugin protocol on the wire: gRPC and protobuf Structs for a `Provider`.

Blind spots: no Construct, no Call, no parameterisation and no schema; the kit needs none of them, and the engine
is told so by `UNIMPLEMENTED`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent import futures
from typing import Any, Final

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_SIGNATURE

from sandbox.plugins.protocol import (
    UNKNOWN,
    Diff,
    DiffKind,
    PartialError,
    Plain,
    PluginError,
    Provider,
    Resource,
    Unknown,
)
from sandbox.plugins.rehearsal import refuse_in_rehearsal


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
            self._resource(request.urn)
            failures = self.provider.check_config(unmarshal(request.news))
        except Exception as error:
            self._fail(context, error)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    def DiffConfig(self, request: Any, context: Any) -> Any:
        try:
            self._resource(request.urn)
            return _diff_response(
                self.provider.diff_config(unmarshal(request.old_inputs), unmarshal(request.news))
            )
        except Exception as error:
            self._fail(context, error)

    def Configure(self, request: Any, context: Any) -> Any:
        try:
            if request.urn:  # an older engine sends none; what follows for a resource is refused by its own
                self._resource(request.urn)
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
                self.provider.diff(self._resource(request.urn), request.id, unmarshal(request.olds), old, new)
            )
        except Exception as error:
            self._fail(context, error)

    def Create(self, request: Any, context: Any) -> Any:
        try:
            if not request.preview:
                refuse_in_rehearsal(f"making {request.urn}")
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
            if not request.preview:
                refuse_in_rehearsal(f"changing {request.urn}")
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
            refuse_in_rehearsal(f"deleting {request.urn}")
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
    changes = provider_pb2.DiffResponse.DIFF_SOME if diff.properties else provider_pb2.DiffResponse.DIFF_NONE
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
