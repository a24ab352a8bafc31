"""A server that is waited for answers, ends, or hangs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.daemon.child import Child, ChildError
from sandbox.data.awaiting import until_answers


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    found = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log")
    yield found
    found.stop(0)


def test_it_asks_again_until_there_is_an_answer(child: Child) -> None:
    answers = iter([False, False, True])
    until_answers("Postgres", child, lambda: next(answers), 10)
    assert next(answers, None) is None
    assert child.running()


def test_one_that_hangs_is_killed_and_named_with_its_log(child: Child) -> None:
    with pytest.raises(ChildError, match=r"Redis did not answer within 0 s; see .*/log"):
        until_answers("Redis", child, lambda: False, 0)
    assert not child.running()


def test_one_that_ended_is_not_asked(child: Child) -> None:
    """Another server may have its port by then."""
    child.stop()
    with pytest.raises(ChildError, match="sleeper ended with status"):
        until_answers("Redis", child, lambda: True, 10)
