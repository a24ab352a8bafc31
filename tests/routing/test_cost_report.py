"""`bastide cost report`: what each team spent, from rows as LiteLLM keeps them, held against the plan's prices."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from bastide.cli import main
from tests.routing.routing_samples import raw

ROWS = Path(__file__).with_name("spend_rows.json")
RECORDED: list[dict[str, Any]] = json.loads(ROWS.read_text())["data"]
KEY = "sk-test"


@pytest.fixture(autouse=True)
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stacks").mkdir()
    found = {"config": {f"bastide:{key}": value for key, value in raw().items()}}
    (tmp_path / "stacks/Pulumi.mine.yaml").write_text(yaml.safe_dump(found))
    monkeypatch.chdir(tmp_path)


def report(*arguments: str) -> list[str]:
    return ["cost", "report", "--stack", "mine", *arguments]


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(report(*arguments, "--json"))
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, found


def line(found: dict[str, Any], team: str, route: str) -> dict[str, Any]:
    (only,) = [each for each in found["lines"] if (each["team"], each["route"]) == (team, route)]
    return dict(only)


def test_rows_are_summed_by_team_route_class_and_deployment(capsys: pytest.CaptureFixture[str]) -> None:
    status, found = as_json(capsys, "--rows", str(ROWS))
    assert status == 0
    assert line(found, "research", "chat") == {
        "team": "research",
        "route": "chat",
        "class": "internal",
        "deployment": "chat",
        "hosting": "self",
        "requests": 3,
        "inputTokens": 1700,
        "outputTokens": 150,
        "usd": "0.0130",
        "planUsd": "0.01300",
        "differs": False,
    }
    assert line(found, "research", "small")["hosting"] == "hosted"
    assert line(found, "t-2", "chat")["class"] == "regulated"
    assert found["teams"] == {"research": "0.7630", "t-2": "0.0004"}


def test_spend_that_is_not_tokens_times_plan_price_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    changed = [{**each, "spend": 0.0001} if each["request_id"] == "1" else each for each in RECORDED]
    (tmp_path / "rows.json").write_text(json.dumps(changed))
    assert main(report("--rows", "rows.json")) == 1
    shown = capsys.readouterr().out
    (told,) = [each for each in shown.splitlines() if each.endswith("differs")]
    assert told.startswith("research             chat             internal      chat")
    assert "1 sums of the stack's own engines are not tokens x plan price" in shown


def test_a_table_of_postgres_reads_as_the_api_does(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with (tmp_path / "rows.csv").open("w") as file:
        writer = csv.DictWriter(file, list(RECORDED[0]))
        writer.writeheader()
        for each in RECORDED:
            metadata = each["metadata"]
            writer.writerow(
                {**each, "metadata": metadata if isinstance(metadata, str) else json.dumps(metadata)}
            )
    assert as_json(capsys, "--rows", "rows.csv") == as_json(capsys, "--rows", str(ROWS))


def test_people_see_teams_and_their_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(report("--rows", str(ROWS))) == 0
    shown = capsys.readouterr().out
    assert "research                     0.7630 USD of 100 in 30d" in shown
    assert "all                          0.7634 USD" in shown


class Proxy(BaseHTTPRequestHandler):
    """Answers as LiteLLM 1.106.2 does: rows a page at a time, and 401 for another key."""

    asked: list[str] = []
    rows: list[dict[str, Any]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.headers["Authorization"] != f"Bearer {KEY}":
            return self._answer(401, {"error": "no"})
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/team/list":
            return self._answer(200, [{"team_id": "t-2", "team_alias": "clinic"}, {"team_id": "t-1"}])
        page, size = int(query["page"][0]), int(query["page_size"][0])
        return self._answer(200, {"data": self.rows[(page - 1) * size : page * size]})

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[str]:
    Proxy.asked, Proxy.rows = [], RECORDED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_gateway_is_asked_for_all_pages_with_the_key_of_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, proxy: str
) -> None:
    Proxy.rows = RECORDED[:1] * 1000 + RECORDED
    (tmp_path / "key").write_text(f"{KEY}\n")
    days = ("--since", "2026-11-01", "--until", "2026-11-30")
    status, found = as_json(capsys, "--url", proxy, "--key-file", "key", *days)
    assert status == 0
    assert line(found, "research", "chat")["requests"] == 1003
    assert line(found, "clinic", "chat")["requests"] == 1
    pages = [each for each in Proxy.asked if each.startswith("/spend/logs/v2")]
    assert ["page=1" in pages[0], "page=2" in pages[1], len(pages)] == [True, True, 2]
    assert "start_date=2026-11-01+00%3A00%3A00" in pages[0]


def test_the_key_may_stand_in_the_environment(
    capsys: pytest.CaptureFixture[str], proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASTIDE_GATEWAY_KEY", KEY)
    assert as_json(capsys, "--url", proxy)[0] == 0
    monkeypatch.setenv("BASTIDE_GATEWAY_KEY", "sk-other")
    assert main(report("--url", proxy)) == 1
    said = capsys.readouterr().err
    assert "answered 401" in said
    assert "sk-other" not in said


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "give one of --url and --rows"),
        (("--rows", "nothing.json"), 1, "cannot be read"),
        (("--rows", "bad.json"), 1, "is not JSON"),
        (("--rows", "number.json"), 1, "is no list of rows"),
        (("--rows", "spend.json"), 1, "spend 'much' is no amount of USD"),
        (("--rows", "tokens.json"), 1, "prompt_tokens -1 is no number of tokens"),
        (("--url", "http://127.0.0.1:9"), 1, "there is no key"),
        (("--url", "http://127.0.0.1:9", "--key-file", "empty"), 1, "is empty"),
        (("--url", "http://127.0.0.1:9", "--key-file", "key"), 1, "was not reached"),
        (
            ("--url", "http://127.0.0.1:9", "--key-file", "key", "--since", "monday"),
            1,
            "allowed: one such as",
        ),
        (
            ("--url", "http://127.0.0.1:9", "--key-file", "key", "--since", "2999-01-01"),
            1,
            "is after --until",
        ),
    ],
)
def test_a_mistake_is_told_in_a_line(
    arguments: tuple[str, ...],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BASTIDE_GATEWAY_KEY", raising=False)
    for name, text in {
        "bad.json": "{",
        "number.json": "7",
        "spend.json": json.dumps([{**RECORDED[0], "spend": "much"}]),
        "tokens.json": json.dumps([{**RECORDED[0], "prompt_tokens": -1}]),
        "empty": "\n",
        "key": KEY,
    }.items():
        (tmp_path / name).write_text(text)
    assert main(report(*arguments)) == status
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_arguments_of_the_report_mean_nothing_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--stack", "mine", "--url", "http://127.0.0.1:9"]) == 2
    assert "--url goes with `bastide cost report`" in capsys.readouterr().err
