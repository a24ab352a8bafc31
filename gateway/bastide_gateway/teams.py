"""`python -m bastide_gateway.teams`: the teams of routes.json, in LiteLLM, through its own interface.

Keys are made by people or programs (`POST /key/generate`), for one of these teams. A team that is not there any more
is blocked, not deleted: its spend stays for the report. Running it again changes nothing."""

from __future__ import annotations

import json
import logging
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bastide_gateway import document, environment, secret_files
from bastide_gateway.document import Document, Team
from bastide_gateway.errors import StartError

log = logging.getLogger("bastide.teams")

BY: Final = "bastide"
"""Stands in a team's metadata: others' teams are left alone."""

ANSWERS_S: Final = 120.0
"""How long the gateway's administration may take to answer at first: its pods start in 15 to 34 s."""

WHY: Final[Mapping[int, str]] = {
    401: "is the master key the gateway's?",
    503: "it takes no change that it cannot tell of in its log and audit trail; /bastide/ready says which part fails",
}
"""What an answer of the administration means, by its status."""


@dataclass(frozen=True)
class Api:
    """LiteLLM's administration."""

    url: str
    key: str
    tls: ssl.SSLContext | None

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call. Raises `StartError` for an answer that is not a success."""
        request = urllib.request.Request(  # noqa: S310 - the address comes from the pod's specification
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self.key}", "content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.tls) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            why = WHY.get(error.code, "see the gateway's log")
            raise StartError(f"{method} {path} was answered {error.code}; {why}") from error


def wanted(team: Team) -> dict[str, Any]:
    """A team as LiteLLM holds it. Limits are counted by our callback from routes.json; the budget stands here too, so
    that LiteLLM keeps its period, and stops the team itself if ours were gone."""
    return {
        "team_alias": team.name,
        # LiteLLM takes an empty list for every model.
        "models": list(team.routes) or ["no-default-models"],
        "max_budget": None if team.max_budget_usd is None else float(team.max_budget_usd),
        "budget_duration": team.budget_duration,
        "metadata": {"data_class": team.data_class, "by": BY},
    }


def apply(api: Api, table: Document) -> list[str]:
    """Makes, changes and blocks teams; gives what was done, one line each."""
    rows = api.call("GET", "/team/list")
    held = {str(row.get("team_alias")): row for row in rows}
    done = []
    for team in table.teams.values():
        want, row = wanted(team), held.get(team.name)
        if row is None:
            # Its id is its name, so that a token's bearer, who has the name alone, is held by LiteLLM's row too.
            api.call("POST", "/team/new", {"team_id": team.name, **want})
            done.append(f"made {team.name}")
            continue
        if row.get("blocked"):
            api.call("POST", "/team/unblock", {"team_id": row["team_id"]})
            done.append(f"unblocked {team.name}")
        if any(row.get(name) != value for name, value in want.items()):
            api.call("POST", "/team/update", {"team_id": row["team_id"], **want})
            done.append(f"changed {team.name}")
    for name, row in held.items():
        ours = (row.get("metadata") or {}).get("by") == BY
        if ours and name not in table.teams and not row.get("blocked"):
            api.call("POST", "/team/block", {"team_id": row["team_id"]})
            done.append(f"blocked {name}")
    return done


def awaited(api: Api, seconds: float) -> None:
    """Waits until the administration answers. Raises `StartError` when it does not."""
    until = time.monotonic() + seconds
    while True:
        try:
            api.call("GET", "/health/liveliness")
            return
        except (OSError, StartError) as error:
            if time.monotonic() > until:
                raise StartError(f"{api.url} did not answer within {seconds:.0f} s: {error}") from error
            time.sleep(2)


def trusted(ca: Path | None, url: str) -> ssl.SSLContext | None:
    """The authorities of the gateway's own certificate; none for plain HTTP."""
    if not url.startswith("https://"):
        return None
    return ssl.create_default_context(cafile=None if ca is None else str(ca))


def main() -> int:
    """The program."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        given = environment.read(os.environ)
        table = document.read(given.config / "routes.json")
        secrets = secret_files.read(given.secrets)
        if "gateway-master-key" not in secrets:
            raise StartError(
                "the secret gateway-master-key is missing; it is mounted from the Secret gateway-secrets"
            )
        url = os.environ.get("BASTIDE_GATEWAY_URL", f"http://127.0.0.1:{given.admin_port}").rstrip("/")
        api = Api(url, secrets["gateway-master-key"], trusted(given.ca, url))
        awaited(api, ANSWERS_S)
        done = apply(api, table)
    except StartError as error:
        log.error("%s", error)
        return 1
    log.info("%s", "; ".join(done) or "nothing to change")
    return 0


if __name__ == "__main__":
    sys.exit(main())
