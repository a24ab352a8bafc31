"""The migration's first step in LiteLLM's own Python, before a real Postgres: the gateway's user."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bastide.plans.database import user_statements
from bastide.settings import CreatedDatabase
from sandbox.data.postgres import Postgres
from sandbox.toolchain import environments
from tests.charts.conftest import ROOT
from tests.waits import PATIENCE_S

pytestmark = pytest.mark.xdist_group("litellm")

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds"
ADMINISTRATORS = "an administrator's password"
USERS = "it's a user's \\ password"


class Kept(BaseHTTPRequestHandler):
    """Secrets Manager's GetSecretValue: `server.kept` by its ARN."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = self.server.kept.get(asked["SecretId"])  # type: ignore[attr-defined]
        answer = {"SecretString": found} if found else {"__type": "ResourceNotFoundException"}
        body = json.dumps(answer).encode()
        self.send_response(200 if found else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@dataclass
class Place:
    database: Postgres
    kept: dict[str, str]
    address: str
    secrets: Path

    def run(self, **changed: str) -> subprocess.CompletedProcess[str]:
        """The program as the job runs it."""
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "gateway"),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.address,
            "BASTIDE_SECRETS": str(self.secrets),
            "DATABASE_HOST": self.database.host,
            "DATABASE_PORT": str(self.database.port),
            "DATABASE_NAME": "litellm",
            "DATABASE_USER": "gateway",
            "DATABASE_AUTH": "password",
            "DATABASE_ADMIN_SECRET_ARN": ARN,
            "DATABASE_ADMIN_STATEMENTS": json.dumps(user_statements(CreatedDatabase(auth="password"))),
        }
        python = environments.ensure(environments.LITELLM)
        return subprocess.run(
            [str(python), "-m", "bastide_gateway.administrator"],
            env={**given, **changed},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("administrator")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "database-password").write_text(USERS)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kept)
    kept = {ARN: json.dumps({"username": "bastide_admin", "password": ADMINISTRATORS})}
    server.kept = kept  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    database = Postgres.start(folder / "pg", user="bastide_admin", password=ADMINISTRATORS)
    try:
        with closing(database):
            yield Place(database, kept, f"http://127.0.0.1:{server.server_port}", folder / "secrets")
    finally:
        server.shutdown()


def as_user(place: Place, statement: str) -> subprocess.CompletedProcess[str]:
    """One statement by the gateway's user, with the mounted password."""
    code = (
        "import psycopg, sys; "
        "c = psycopg.connect(host=sys.argv[1], port=sys.argv[2], dbname='litellm', user='gateway', "
        "password=sys.argv[3], autocommit=True); c.execute(sys.argv[4])"
    )
    python = environments.ensure(environments.LITELLM)
    where = (place.database.host, str(place.database.port), USERS, statement)
    return subprocess.run(
        [str(python), "-c", code, *where], capture_output=True, text=True, timeout=PATIENCE_S
    )


def test_the_user_is_made_once_and_again_and_may_make_tables_and_nothing_more(place: Place) -> None:
    for _ in range(2):
        done = place.run()
        assert done.returncode == 0, done.stderr
        assert USERS not in done.stderr + done.stdout
        assert ADMINISTRATORS not in done.stderr + done.stdout
    assert as_user(place, "create table it (id int)").returncode == 0
    assert "permission denied" in as_user(place, "create role another").stderr
    assert "must be superuser" in as_user(place, "alter system set log_statement = 'all'").stderr or (
        "permission denied" in as_user(place, "alter system set log_statement = 'all'").stderr
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"DATABASE_ADMIN_SECRET_ARN": f"{ARN}-other"}, "cannot be read from"),
        ({"DATABASE_ADMIN_STATEMENTS": ""}, "is not a JSON list of SQL statements"),
        ({"DATABASE_ADMIN_STATEMENTS": '["GRANT nonsense TO gateway"]'}, "GRANT nonsense TO gateway: role"),
        ({"DATABASE_NAME": "missing"}, "cannot be used"),
    ],
)
def test_what_goes_wrong_is_one_sentence_without_a_secret(
    place: Place, changed: dict[str, str], words: str
) -> None:
    done = place.run(**changed)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert ADMINISTRATORS not in done.stderr


def test_a_secret_that_is_not_rdss_is_refused_without_a_word_of_it(place: Place) -> None:
    place.kept["arn:another"] = '{"username": "bastide_admin", "pass": "canary-of-it"}'
    done = place.run(DATABASE_ADMIN_SECRET_ARN="arn:another")
    assert done.returncode == 1
    assert "is not what RDS writes" in done.stderr
    assert "canary-of-it" not in done.stderr
