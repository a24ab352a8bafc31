"""What is told of the administration, with the real LiteLLM behind it: a key from its making to its end."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.gateway.gateway_answers import code
from tests.gateway.gateway_world import MASTER, World
from tests.waits import PATIENCE_S, until

pytestmark = pytest.mark.xdist_group("litellm")


def told(live: World) -> list[dict[str, Any]]:
    """Lines of the administration on standard output."""
    lines = live.gateway.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"log":"bastide.administration"')]


def spooled(live: World) -> list[dict[str, Any]]:
    """The same in the audit trail, whose batches do not come while a test runs."""
    (file,) = live.spool.glob("*.regulated.open")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line for line in lines if line.get("log") == "bastide.administration"]


def test_a_key_is_told_from_its_making_to_its_end(live: World) -> None:
    before = len(told(live))
    identity = next(
        row["team_id"] for row in live.get("/team/list", MASTER, 2).json() if row["team_alias"] == "open"
    )
    key = live.key("open", key_alias="of a test", rpm_limit=9, metadata={"note": "text of a person"})
    assert live.ask(key).status_code == 200
    live.admin("/key/update", {"key": key, "max_budget": 3.5})
    live.admin("/key/block", {"key": key})
    assert live.ask(key).status_code in (401, 403)
    live.admin("/key/delete", {"keys": [key]})
    assert code(live.ask(key)) == (401, "invalid_api_key")
    lines = until(lambda: found if len(found := told(live)[before:]) >= 4 else None)
    # LiteLLM's own hash of the key, as it stands in its tables and in the decision lines.
    (rows,) = live.postgres.query(
        "select token from \"LiteLLM_DeletedVerificationToken\" where key_alias = 'of a test'"
    )
    used = until(lambda: next((one for one in live.lines() if one["key"] == rows[0]), None))
    assert used["outcome"] == "ok"
    assert [(line["path"], line["status"], line["outcome"], line["peer"]) for line in lines] == [
        (f"/key/{what}", 200, "ok", "127.0.0.1") for what in ("generate", "update", "block", "delete")
    ]
    made, changed, blocked, deleted = lines
    assert made["asked"] == {
        "team_id": identity,
        "key_alias": "of a test",
        "rpm_limit": 9,
        "other_fields": ["metadata"],
    }
    assert (made["answered"]["key"], made["answered"]["team_id"]) == (rows[0], identity)
    assert changed["asked"] == {"key": rows[0], "max_budget": 3.5}
    assert changed["answered"]["key"] == blocked["answered"]["key"] == rows[0]
    assert (blocked["asked"], deleted["asked"]) == ({"key": rows[0]}, {"keys": [rows[0]]})
    kept = [line for line in spooled(live) if line["request_id"] in {one["request_id"] for one in lines}]
    assert kept == lines
    for text in (live.gateway.log.read_text(), *(one.read_text() for one in live.spool.iterdir())):
        assert key not in text
        assert MASTER not in text
        assert "text of a person" not in text


def test_what_litellm_refuses_and_who_has_no_master_key(live: World) -> None:
    before = len(told(live))
    url = f"http://127.0.0.1:{live.ports[2]}/key/block"
    unknown = {"key": "sk-that-nobody-has"}
    assert requests.post(url, json=unknown, timeout=PATIENCE_S).status_code == 401
    stranger = {"authorization": f"Bearer {live.keys['open']}"}
    assert requests.post(url, json=unknown, headers=stranger, timeout=PATIENCE_S).status_code == 401
    answer = requests.post(
        url, json=unknown, headers={"authorization": f"Bearer {MASTER}"}, timeout=PATIENCE_S
    )
    assert answer.status_code >= 400
    (line,) = until(lambda: told(live)[before:])
    assert (line["request_id"], line["status"]) == (answer.headers["x-request-id"], answer.status_code)
    assert line["outcome"] == "litellm_refused"
    assert 'strangers_total{outcome="master_key_needed"}' in live.get("/metrics", port=1).text


def test_the_teams_of_the_stack_were_told_when_they_were_made(live: World) -> None:
    made = [line["asked"]["team_id"] for line in told(live) if line["path"] == "/team/new"]
    assert made == ["open", "other", "closed"]
