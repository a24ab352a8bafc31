"""What a caller sees when a part of the gateway fails, by `onFailure`: status, how long it took, readiness.

One world with two gateways: one that refuses (the default) and one whose settings let requests pass."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.gateway.gateway_world import World, world
from tests.waits import until

pytestmark = [pytest.mark.proof, pytest.mark.xdist_group("litellm")]

REFUSES, PASSES = 0, 1
BOUND_S = {"redis": 3.0, "database": 3.0, "pii": 5.0, "guard": 3.0}
"""Longest that a caller waits: an operation's or a guard's bound (Redis 1 s, the redaction 4 s in this world, a guard 1
s), and 2 s for a machine that is busy."""


def passing(document: dict[str, Any]) -> None:
    """Every `onFailure` the other way."""
    document["onFailure"] = dict.fromkeys(document["onFailure"], "pass")
    for guard in document["guards"]:
        guard["onFailure"] = "pass"


def refusing(_: dict[str, Any]) -> None:
    """The default."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("failures"), refusing, passing) as held:
        yield held


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    head = "what fails            onFailure  status code                  seconds  ready"
    print("\n".join(["", head, *rows]))  # noqa: T201


@contextmanager
def failing(fail: Callable[[], object], mend: Callable[[], object]) -> Iterator[None]:
    fail()
    try:
        yield
    finally:
        mend()


def seen(
    live: World, table: list[str], what: str, at: int, key: str, text: str, model: str
) -> tuple[int, str]:
    """One request while it fails: a row of the table; status and code."""
    live.upstream.seen.clear()
    began = time.monotonic()
    answer = live.ask(key, text, model, at=at)
    took = time.monotonic() - began
    code = "" if answer.status_code == 200 else answer.json()["error"]["code"]
    ready = live.get("/bastide/ready", at=at)
    reasons = ", ".join(ready.json().get("reasons", {})) or "yes"
    row = (what, "pass" if at == PASSES else "refuse", answer.status_code, code, took, reasons)
    table.append("{:<21} {:<10} {:<6} {:<21} {:7.2f}  {}".format(*row))
    assert (answer.status_code == 200) is bool(live.upstream.seen), "a refused request reached a model"
    return answer.status_code, code


@pytest.mark.parametrize("part", ["redis", "database"])
def test_a_store_that_does_not_answer(live: World, table: list[str], part: str) -> None:
    key = live.key("open", rpm_limit=1000)
    fail, mend = {
        "redis": (live.redis.freeze, lambda: live.redis.freeze(False)),
        "database": (live.postgres.stop, live.postgres.start_again),
    }[part]
    for at in (REFUSES, PASSES):
        # The key is known, as it is of a caller who has been here in the last minute.
        assert live.ask(key, at=at).status_code == 200
    name = {"redis": "Redis frozen", "database": "Postgres stopped"}[part]
    with failing(fail, mend):
        began = time.monotonic()
        status, code = seen(live, table, name, REFUSES, key, "hello", "chat")
        if part == "redis":
            assert time.monotonic() - began < BOUND_S[part]
            assert (status, code) == (503, "limits_unavailable")
        until(lambda: part in live.ready(False, REFUSES)["reasons"])
        began = time.monotonic()
        status, code = seen(live, table, f"{name}, told", REFUSES, key, "hello", "chat")
        assert time.monotonic() - began < BOUND_S[part]
        assert (status, code) in ((503, "limits_unavailable"), (503, "database_unavailable"))
        began = time.monotonic()
        assert seen(live, table, f"{name}, told", PASSES, key, "hello", "chat")[0] == 200
        assert time.monotonic() - began < BOUND_S[part]
        live.ready(True, PASSES)
    live.ready(True, REFUSES)
    until(lambda: live.ask(key).status_code == 200)


@pytest.mark.parametrize(("how", "text"), [("raises", "guard:raise"), ("is late", "guard:slow")])
def test_a_guard_that_fails(live: World, table: list[str], how: str, text: str) -> None:
    for at, wanted in ((REFUSES, (503, "guard_unavailable")), (PASSES, (200, ""))):
        began = time.monotonic()
        assert seen(live, table, f"guard {how}", at, "open", text, "chat") == wanted
        assert time.monotonic() - began < BOUND_S["guard"]


def test_a_dead_redaction_service(live: World, table: list[str]) -> None:
    live.pii.process.kill()
    live.pii.process.wait()
    until(lambda: "guard pii" in live.ready(False, REFUSES)["reasons"])
    for at, wanted in ((REFUSES, (503, "guard_unavailable")), (PASSES, (200, ""))):
        began = time.monotonic()
        assert seen(live, table, "PII service dead", at, "open", "gọi 0912345678", "private") == wanted
        assert time.monotonic() - began < BOUND_S["pii"]
    live.ready(True, PASSES)


@pytest.mark.parametrize(
    ("what", "name", "good", "bad"),
    [
        ("guard misspelt", "routes.json", '"hiding_guard"', '"hiding_gard"'),
        ("guard not named", "routes.json", '["hiding"]', '["hidin"]'),
        ("callback misspelt", "config.yaml", "callbacks.gateway", "callbacks.gatway"),
    ],
)
def test_what_is_misspelt_does_not_start(
    live: World, table: list[str], what: str, name: str, good: str, bad: str
) -> None:
    for at in (REFUSES, PASSES):
        path = live.folder / f"config-{at}" / name
        text = path.read_text()
        assert good in text
        path.write_text(text.replace(good, bad))
        began = time.monotonic()
        try:
            log = live.program("bastide_gateway.launch", at).log.read_text()
        finally:
            path.write_text(text)
        refusal = json.loads(log.splitlines()[-1])
        assert refusal["log"] == "bastide.start"
        assert bad.strip('[]"') in refusal["refused"]
        policy = "pass" if at == PASSES else "refuse"
        took = time.monotonic() - began
        table.append(f"{what:<21} {policy:<10} no start: {refusal['refused'][:100]} {took:.1f} s")
