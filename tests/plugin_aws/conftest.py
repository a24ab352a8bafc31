"""A world's AWS alone, and a driver that does to the plugin what the engine does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.daemon.child import free_port
from sandbox.plugins.aws.provider import AwsProvider
from sandbox.plugins.protocol import Diff, Resource
from sandbox.state import World
from tests.waits import PATIENCE_S, listens, until

REGION = "us-east-1"


class Driver:
    """Takes resources through the plugin as the engine would, one at a time."""

    def __init__(self, **config: Any) -> None:
        self.provider = AwsProvider()
        self.provider.configure({"region": REGION, **config})

    @staticmethod
    def resource(token: str, name: str = "thing") -> Resource:
        return Resource(f"urn:pulumi:sandbox::bastide::{token}::{name}")

    def check(self, token: str, name: str = "thing", /, **inputs: Any) -> dict[str, Any]:
        checked, failures = self.provider.check(self.resource(token, name), {}, inputs, b"seed")
        assert failures == []
        return checked

    def failures(self, token: str, /, **inputs: Any) -> list[tuple[str, str]]:
        return self.provider.check(self.resource(token), {}, inputs, b"seed")[1]

    def preview(self, token: str, /, **inputs: Any) -> dict[str, Any]:
        return self.provider.create(self.resource(token), self.check(token, **inputs), True, 0)[1]

    def create(self, token: str, name: str = "thing", /, **inputs: Any) -> Made:
        checked = self.check(token, name, **inputs)
        new_id, state = self.provider.create(self.resource(token, name), checked, False, 30)
        return Made(self, self.resource(token, name), new_id, checked, state)

    def find(self, token: str, resource_id: str) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """An import: nothing but the id is known."""
        return self.provider.read(self.resource(token), resource_id, {}, {})


class Made:
    """A resource that was made, with what the engine would remember of it."""

    def __init__(self, driver: Driver, resource: Resource, new_id: str, inputs: Any, state: Any) -> None:
        self.driver, self.resource, self.id, self.inputs, self.state = driver, resource, new_id, inputs, state

    def checked(self, **inputs: Any) -> dict[str, Any]:
        checked, failures = self.driver.provider.check(self.resource, self.inputs, inputs, b"seed")
        assert failures == []
        return checked

    def diff(self, **inputs: Any) -> Diff:
        return self.driver.provider.diff(
            self.resource, self.id, self.state, self.inputs, self.checked(**inputs)
        )

    def update(self, *, preview: bool = False, **inputs: Any) -> dict[str, Any]:
        checked = self.checked(**inputs)
        state = self.driver.provider.update(
            self.resource, self.id, self.state, self.inputs, checked, preview, 30
        )
        if not preview:
            self.inputs, self.state = checked, state
        return state

    def refresh(self) -> Diff | None:
        """Reads; returns what the next `up` would then do, or None when the resource is gone."""
        found = self.driver.provider.read(self.resource, self.id, self.state, self.inputs)
        if found is None:
            return None
        return self.driver.provider.diff(self.resource, self.id, found[1], found[2], self.inputs)

    def delete(self) -> None:
        self.driver.provider.delete(self.resource, self.id, self.state, self.inputs, 30)


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    home = tmp_path_factory.mktemp("home")
    before = os.environ.get("BASTIDE_SANDBOX_HOME")
    os.environ["BASTIDE_SANDBOX_HOME"] = str(home)
    with (Path(home) / "aws.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.aws", "--port", str(port), "--self-sufficient"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(port, process, Path(home) / "aws.log")
        endpoint = f"http://127.0.0.1:{port}"
        World(aws_endpoint=endpoint, daemon_url="", pid=process.pid).save()
        yield endpoint
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
        if before is None:
            del os.environ["BASTIDE_SANDBOX_HOME"]
        else:
            os.environ["BASTIDE_SANDBOX_HOME"] = before


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    def accepts() -> bool:
        assert process.poll() is None, f"the sandbox's AWS did not start: {log.read_text()[-2000:]}"
        return listens(port)

    until(accepts, "the sandbox's AWS")


@pytest.fixture
def driver(aws_endpoint: str) -> Driver:
    return Driver()


@pytest.fixture
def ec2(aws_endpoint: str) -> Any:
    from sandbox.state import aws_client

    return aws_client("ec2", REGION, aws_endpoint)
