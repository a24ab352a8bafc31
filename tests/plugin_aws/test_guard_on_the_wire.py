"""No call of the protocol that names a resource gets past the guard, the provider's own included."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from sandbox.plugins import guard
from sandbox.plugins.aws.provider import AwsProvider
from sandbox.plugins.server import Servicer

URN = "urn:pulumi:prod::bastide::aws:ec2/vpc:Vpc::main"
PROVIDER_URN = "urn:pulumi:prod::bastide::pulumi:providers:aws::aws"


class AbortedError(Exception):
    pass


class Context:
    def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise AbortedError(details)


CALLS = {
    "CheckConfig": provider_pb2.CheckRequest(urn=PROVIDER_URN),
    "DiffConfig": provider_pb2.DiffRequest(urn=PROVIDER_URN),
    "Configure": provider_pb2.ConfigureRequest(urn=PROVIDER_URN),
    "Check": provider_pb2.CheckRequest(urn=URN),
    "Diff": provider_pb2.DiffRequest(urn=URN),
    "Create": provider_pb2.CreateRequest(urn=URN),
    "Read": provider_pb2.ReadRequest(urn=URN),
    "Update": provider_pb2.UpdateRequest(urn=URN),
    "Delete": provider_pb2.DeleteRequest(urn=URN),
}
REACHED = ("check_config", "diff_config", "configure", "check", "diff", "create", "read", "update", "delete")
"""What of a provider those calls reach."""


@pytest.mark.parametrize("call", CALLS)
def test_a_stack_without_the_mark_is_refused(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: bastide\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    guard.guard_stack.cache_clear()
    servicer = Servicer(AwsProvider())
    for name in REACHED:
        monkeypatch.setattr(servicer.provider, name, lambda *_: pytest.fail("the guard was passed"))
    with pytest.raises(AbortedError, match="'prod' is not marked as a sandbox"):
        getattr(servicer, call)(CALLS[call], Context())


def test_a_provider_without_a_urn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: bastide\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AbortedError, match="is not marked as a sandbox"):
        Servicer(AwsProvider()).CheckConfig(provider_pb2.CheckRequest(), Context())


def test_functions_are_refused_by_name() -> None:
    with pytest.raises(AbortedError, match="does not have the function aws:index/getRegion"):
        Servicer(AwsProvider()).Invoke(
            provider_pb2.InvokeRequest(tok="aws:index/getRegion:getRegion"), Context()
        )
