"""One real LiteLLM for the files of the group `litellm`: a start costs about 20 s of CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.gateway_world import World, world


@pytest.fixture(scope="package")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("gateway")) as held:
        yield held


@pytest.fixture
def live(started: World) -> World:
    started.upstream.forget()
    return started
