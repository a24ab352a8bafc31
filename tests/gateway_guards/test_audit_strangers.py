"""Requests of nobody known: counted in one line a minute, and in nobody's way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from bastide_gateway.audit_objects import Objects
from bastide_gateway.audit_settings import AuditSettings, read
from bastide_gateway.audit_summary import EVERY_S, MOST_KINDS, REST, Summary
from bastide_gateway.call import Call, Caller
from bastide_gateway.guards.audit import Audit

DAYS = ["public=30", "internal=90", "confidential=365", "regulated=2555"]


def settings(tmp_path: Path, **changes: Any) -> AuditSettings:
    given = {"bucket": "bastide-audit", "region": "us-east-1", "days": DAYS, "spool": str(tmp_path / "spool")}
    return read(given | changes)


class Kept(Objects):
    """A bucket in memory."""

    def __init__(self, held: AuditSettings) -> None:
        super().__init__(held)
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def put(self, sealed: Any) -> None:
        head, *lines = [json.loads(one) for one in sealed.file.read_bytes().splitlines()]
        self.lines += [(head["class"], one) for one in lines]


def stranger(status: int | None = 401, outcome: str = "invalid_key") -> Call:
    made = Call("r-stranger", path="/v1/chat/completions")
    made.status, made.outcome = status, outcome
    return made


def caller(status: int = 200, outcome: str = "ok") -> Call:
    made = stranger(status, outcome)
    made.caller, made.data_class = Caller("a" * 64, "research"), "public"
    return made


def test_strangers_are_one_line_however_many_they_are(tmp_path: Path) -> None:
    held = settings(tmp_path)
    objects = Kept(held)
    guard = Audit(held, objects)

    async def asked() -> None:
        await guard.start()
        for _ in range(3000):
            await guard.finished(stranger())
        await guard.finished(stranger(413, "body_too_large"))
        await guard.finished(stranger(None, "client_gone"))
        assert sum(one.stat().st_size for one in held.spool.iterdir()) == 0
        await guard.finished(caller())
        # Who is known has a line of his own, also when he is refused.
        await guard.finished(caller(429, "rate_limited"))
        await guard.stop()

    asyncio.run(asked())
    (told,) = [one for name, one in objects.lines if name == "regulated"]
    assert told["strangers"] == {"0 client_gone": 1, "401 invalid_key": 3000, "413 body_too_large": 1}
    assert told["linesLost"] == 0
    assert told["since"] <= told["time"]
    assert [one["outcome"] for name, one in objects.lines if name == "public"] == ["ok", "rate_limited"]


def test_a_list_of_models_that_was_given_has_a_line(tmp_path: Path) -> None:
    """It says nobody's name, but somebody with a key got it."""
    guard = Audit(held := settings(tmp_path), objects := Kept(held))

    async def asked() -> None:
        await guard.start()
        await guard.finished(stranger(200, "ok"))
        await guard.stop()

    asyncio.run(asked())
    assert [one.get("status") for _, one in objects.lines] == [200]


def test_the_lines_are_bounded_by_the_minute_and_each_by_its_kinds() -> None:
    now = 1000.0
    summary = Summary(lambda: now)
    assert not summary.due()
    assert summary.line() is None
    lines = 0
    for second in range(600):
        now = 1000.0 + second
        for kind in range(100):
            summary.refused(stranger(400, f"code-{kind}"))
        if summary.due():
            told = summary.line()
            assert told is not None
            assert len(told["strangers"]) == MOST_KINDS + 1
            assert sum(told["strangers"].values()) in (100 * EVERY_S, 100 * (EVERY_S + 1))
            assert told["strangers"][REST] > told["strangers"]["400 code-0"]
            assert len(json.dumps(told)) < 2048
            summary.written()
            lines += 1
    assert lines == 600 // EVERY_S - 1


def test_strangers_neither_fill_the_spool_nor_hide_that_it_is_full(tmp_path: Path) -> None:
    """Fail-closed: a caller whose line is lost keeps the next one out until the disk takes lines again."""
    held = settings(tmp_path, spoolMib=1, batchSeconds=1)
    objects = Kept(held)
    guard = Audit(held, objects)

    async def asked() -> None:
        await guard.start()
        for _ in range(20_000):
            await guard.finished(stranger())
        await guard.check_request(caller(), {})
        room, guard._spool._most = guard._spool._most, 0
        await guard.finished(caller())
        guard._spool._most = room
        await guard.finished(stranger())
        with pytest.raises(OSError, match="cannot be written"):
            await guard.check_request(caller(), {})
        async with asyncio.timeout(10):
            while await guard.ready() is not None:
                await asyncio.sleep(0.05)
        await guard.check_request(caller(), {})
        await guard.stop()

    asyncio.run(asked())
    told = [one for _, one in objects.lines if "strangers" in one]
    assert [one["linesLost"] for one in told] == [1]
    assert told[0]["strangers"] == {"401 invalid_key": 20_001}
