from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bastide.bootstrap.account import Account, connect
from bastide.settings import Settings, read_stack_file
from sandbox.aws.client import Aws
from sandbox.state import World, aws_env
from tests.sandbox_aws.conftest import _serve

STACKS = Path(__file__).parents[2] / "stacks"


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    yield from _serve("--self-sufficient")


@pytest.fixture
def world(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """An empty account, and an environment that leads to it."""
    for name, value in aws_env(World(endpoint, "", 0)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    aws = Aws(endpoint)
    aws.reset()
    return aws


@pytest.fixture
def varied() -> Callable[..., Settings]:
    """The sandbox stack's settings with keys changed."""

    def make(**changed: Any) -> Settings:
        raw = read_stack_file(STACKS / "Pulumi.sandbox.yaml")
        for key, value in changed.items():
            raw[key] = {**raw.get(key, {}), **value} if isinstance(value, dict) else value
        return Settings.load(raw)

    return make


@pytest.fixture
def settings(varied: Callable[..., Settings]) -> Settings:
    return varied()


@pytest.fixture
def account(world: Aws, settings: Settings) -> Account:
    return connect(settings)


def writes(aws: Aws) -> dict[str, int]:
    """Calls that change something."""
    reads = ("Get", "List", "Describe", "Head", "Assume")
    counted: dict[str, int] = aws.requests()["byOperation"]
    return {each: count for each, count in counted.items() if not each.split(".")[1].startswith(reads)}
