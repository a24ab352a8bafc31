"""`bastide cost report`: what each team spent, by route, data class and deployment.

  bastide cost report --stack NAME --url https://gateway --key-file FILE --since 2026-11-01
  bastide cost report --stack NAME --rows spend.json        rows of LiteLLM_SpendLogs, as JSON or CSV

The key is the gateway's master key, from a file or from BASTIDE_GATEWAY_KEY, never from the command line. With --stack
spend of the stack's own engines is held against tokens x plan price.

Exit status 0: done; 1: it failed, or spend is not what the plan says; 2: wrongly used."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bastide.plans.routing import chargeback
from bastide.plans.routing import table as routing
from bastide.plans.routing.document import amount
from bastide.settings import Settings, SettingsError, load_stack_file, stack_file

KEY: Final = "BASTIDE_GATEWAY_KEY"
PAGE: Final = 1000
"""Rows in one answer, the most that LiteLLM gives."""

DAYS: Final = 30
"""Days before today, where no `--since` is given."""


class ReportError(Exception):
    """The report cannot be made; the text says why and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide cost report`, besides --stack and --json."""
    add = parser.add_argument
    add("--url", help="with report: the gateway, such as https://gateway.example.com")
    add("--key-file", type=Path, help=f"with report: file of the gateway's master key (or {KEY})")
    add("--ca-file", type=Path, help="with report: authorities of the gateway's certificate")
    add(
        "--rows",
        type=Path,
        help="with report: rows of LiteLLM_SpendLogs in a .json or .csv file, instead of --url",
    )
    add("--since", help=f"with report: first day, such as 2026-11-01 ({DAYS} days ago)")
    add("--until", help="with report: last day (today)")


def given(arguments: argparse.Namespace) -> str | None:
    """The first of these arguments that was given."""
    own = argparse.ArgumentParser()
    add_arguments(own)
    names = (name for name in vars(own.parse_args([])) if getattr(arguments, name) is not None)
    return next((f"--{name.replace('_', '-')}" for name in names), None)


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide cost report`; returns the exit status."""
    if (arguments.url is None) == (arguments.rows is None):
        print("error: give one of --url and --rows; `bastide cost report --help` says more", file=sys.stderr)
        return 2
    try:
        settings = load_stack_file(stack_file(arguments.stack))
        names: Mapping[str, str] = {}
        if arguments.rows is not None:
            raw = list(from_file(arguments.rows))
        else:
            gateway = _Gateway(arguments.url, _key(arguments.key_file), arguments.ca_file)
            since, until = _span(arguments)
            names, raw = gateway.teams(), list(gateway.rows(since, until))
        rows = [found for each in raw if (found := chargeback.row(each, names)) is not None]
    except (SettingsError, ReportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except chargeback.RowError as error:
        print(
            f"error: {error}; is it LiteLLM_SpendLogs? its API and its table give such rows", file=sys.stderr
        )
        return 1
    lines = chargeback.lines(rows, routing.table(settings).deployments)
    if arguments.json:
        print(json.dumps(chargeback.document(lines), indent=2))
    else:
        print(chargeback.table(lines, _budgets(settings)))
    return 1 if any(each.differs for each in lines) else 0


def _budgets(settings: Settings) -> dict[str, str]:
    return {
        each.name: f"{amount(each.budget.usd)} in {each.budget.duration}"
        for each in settings.teams
        if each.budget
    }


def _span(arguments: argparse.Namespace) -> tuple[date, date]:
    today = datetime.now(UTC).date()
    until = _day("--until", arguments.until) or today
    since = _day("--since", arguments.since) or until - timedelta(days=DAYS)
    if since > until:
        raise ReportError(f"--since {since} is after --until {until}")
    return since, until


def _day(option: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ReportError(f"{option} {text!r} is no day; allowed: one such as 2026-11-01") from None


def _key(file: Path | None) -> str:
    if file is None:
        key = os.environ.get(KEY, "")
        if not key:
            raise ReportError(f"there is no key; give --key-file, or {KEY} in the environment")
        return key
    try:
        key = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ReportError(f"--key-file {file} cannot be read ({error.strerror})") from None
    if not key:
        raise ReportError(f"--key-file {file} is empty")
    return key


def from_file(path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows of a file. Raises ReportError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"--rows {path} cannot be read ({error})") from None
    if path.suffix == ".csv":
        yield from csv.DictReader(text.splitlines())
        return
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ReportError(f"--rows {path} is not JSON ({error}); for CSV let its name end in .csv") from None
    rows = found.get("data") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise ReportError(
            f"--rows {path} is no list of rows; LiteLLM's /spend/logs/v2 gives one under `data`"
        )
    yield from rows


class _Gateway:
    """The gateway's administration."""

    def __init__(self, url: str, key: str, ca: Path | None) -> None:
        import requests

        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        if ca is not None:
            self._session.verify = str(ca)

    def _get(self, path: str, **query: str | int) -> Any:
        import requests

        try:
            answer = self._session.get(f"{self._url}{path}", params=query, timeout=60)
        except (requests.RequestException, OSError) as error:
            raise ReportError(f"{self._url} was not reached: {error}") from None
        if answer.status_code != 200:
            raise ReportError(
                f"{self._url}{path} answered {answer.status_code}; allowed: 200 with the master key, at an address "
                "where the administration is on (docs/gateway.md)"
            )
        try:
            return answer.json()
        except ValueError:
            raise ReportError(f"{self._url}{path} did not answer in JSON; is it the gateway?") from None

    def teams(self) -> dict[str, str]:
        """Names of teams by LiteLLM's ids."""
        found = self._get("/team/list")
        return {str(each["team_id"]): str(each["team_alias"]) for each in found if each.get("team_alias")}

    def rows(self, since: date, until: date) -> Iterator[Mapping[str, Any]]:
        """Every row of these days, the oldest first, so that new ones do not move the pages."""
        page = 1
        while True:
            found = self._get(
                "/spend/logs/v2",
                start_date=f"{since} 00:00:00",
                end_date=f"{until} 23:59:59",
                page=page,
                page_size=PAGE,
                sort_by="startTime",
                sort_order="asc",
            )
            rows = found.get("data") or []
            yield from rows
            if len(rows) < PAGE:
                return
            page += 1
