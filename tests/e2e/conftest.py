"""A world of its own for each file of end-to-end tests, and the commands that a person would type in it."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.waits import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
REGION = "us-east-1"


@dataclass
class Run:
    """What a command returned and printed (both streams together, in order)."""

    code: int
    text: str


@dataclass
class Sandbox:
    """A running world; every command runs with its environment."""

    home: Path
    env: dict[str, str]

    def run(self, *command: str, cwd: Path = ROOT, timeout: float = 600) -> Run:
        """Runs to the end."""
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def json(self, *command: str, cwd: Path = ROOT) -> Any:
        """The JSON that a command prints; what it says beside it on standard error is no part of that."""
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return json.loads(done.stdout)

    def kubectl(self, *args: str) -> Any:
        """The JSON that kubectl answers."""
        return self.json("kubectl", *args, "-o", "json")

    def aws(self, service: str, region: str = REGION) -> Any:
        """A boto3 client of this world."""
        from sandbox.state import aws_client

        return aws_client(service, region, self.env["AWS_ENDPOINT_URL"])


@dataclass
class Stack:
    """The sandbox stack, with a stack file that a test may change."""

    sandbox: Sandbox
    file: Path
    name: str = "sandbox"

    @property
    def base(self) -> dict[str, Any]:
        """The committed stack file."""
        loaded: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{self.name}.yaml").read_text())
        return loaded

    def configure(self, change: Callable[[dict[str, Any]], None] = lambda config: None) -> None:
        """Writes the stack file: the committed one with `change` made to its `config`."""
        content = copy.deepcopy(self.base)
        change(content["config"])
        self.file.write_text(yaml.safe_dump(content))

    def command(self, *args: str) -> list[str]:
        """A pulumi command line on this stack and file."""
        return ["pulumi", *args, "--stack", self.name, "--config-file", str(self.file), "--non-interactive"]

    def pulumi(self, *args: str, timeout: float = 600) -> Run:
        """Runs one."""
        return self.sandbox.run(*self.command(*args), timeout=timeout)

    def up(self) -> Run:
        """A literal `pulumi up`."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def steps(self, *args: str) -> list[dict[str, Any]]:
        """The steps of a preview, without those that leave a resource as it is."""
        found = self.sandbox.json(*self.command("preview", "--json", *args))
        return [step for step in found["steps"] if step["op"] != "same"]

    def state(self) -> list[dict[str, Any]]:
        """The resources in the stack's state."""
        found = self.sandbox.json("pulumi", "stack", "export", "--stack", self.name)
        resources: list[dict[str, Any]] = found["deployment"].get("resources", [])
        return resources


def write_project(sandbox: Sandbox, folder: Path, stack: str, environment: str, program: str) -> Path:
    """A project of its own with one program and one stack, for what the kit's program would never do."""
    (folder / "__main__.py").write_text(program)
    options = {"virtualenv": str(ROOT / ".venv")}
    project = {"name": folder.name.replace("_", "-"), "runtime": {"name": "python", "options": options}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (folder / f"Pulumi.{stack}.yaml").write_text(
        yaml.safe_dump({"config": {"bastide:environment": environment}})
    )
    made = sandbox.run("pulumi", "stack", "init", stack, cwd=folder)
    assert made.code == 0, made.text
    return folder


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("world")
    os.environ["BASTIDE_SANDBOX_HOME"] = str(home)
    started = subprocess.run([BIN / "bastide", "sandbox", "up"], capture_output=True, text=True, check=False)
    assert started.returncode == 0, started.stdout + started.stderr
    from sandbox.environment import full_environment
    from sandbox.state import World

    try:
        yield Sandbox(home, full_environment(World.find()))
    finally:
        ended = subprocess.run(
            [BIN / "bastide", "sandbox", "down"], capture_output=True, text=True, check=False
        )
        del os.environ["BASTIDE_SANDBOX_HOME"]
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def stack(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    made = Stack(sandbox, tmp_path_factory.mktemp("stack") / "Pulumi.sandbox.yaml")
    made.configure()
    initialised = sandbox.run("pulumi", "stack", "init", "sandbox")
    assert initialised.code == 0, initialised.text
    return made
