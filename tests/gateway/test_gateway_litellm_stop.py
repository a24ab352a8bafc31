"""A start that is refused, and the end: by its name the last file on the world of `conftest.py`, whose gateway ends."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.gateway_answers import events
from tests.gateway.gateway_world import World
from tests.waits import until

pytestmark = pytest.mark.xdist_group("litellm")


def test_a_guard_that_cannot_be_loaded_stops_the_start(live: World) -> None:
    path = live.folder / "config-0" / "routes.json"
    good = path.read_text()
    path.write_text(good.replace('"hiding_guard"', '"hiding_gard"'))
    try:
        log = live.program("bastide_gateway.launch").log.read_text()
    finally:
        path.write_text(good)
    assert "bastide.start" in log
    assert "hiding_gard" in log


def test_at_the_end_requests_under_way_are_finished(live: World) -> None:
    live.upstream.modes["engine"] = "slow"
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(live.ask, "open", "some words that take a while", stream=True)
        until(lambda: live.upstream.seen)
        live.gateway._process.terminate()
        answer = under_way.result()
    assert answer.text.rstrip().endswith("[DONE]")
    ended = time.monotonic()
    until(lambda: not live.gateway.running())
    # `GRACE_S` and `END_S` of ending.py, 2 s for a loaded machine.
    assert time.monotonic() - ended < 5 + 10 + 2
    assert live.line(answer)["outcome"] == "ok"
    # What LiteLLM would have lost: the spend of the last request is in Postgres, its audit line in the spool.
    rows = live.postgres.query('select request_id from "LiteLLM_SpendLogs"')
    assert (events(answer)[0]["id"],) in [tuple(row) for row in rows]
    kept = "".join(each.read_text() for each in live.spool.iterdir())
    assert answer.headers["x-request-id"] in kept
    assert '"end":"stopped"' in kept
