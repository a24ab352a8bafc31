"""Prisma's query engine from npm, as LiteLLM's database client drives it, over a real Postgres with TLS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.certificates import Authority
from sandbox.data import litellm_schema
from sandbox.data.postgres import Postgres
from sandbox.data.tls import server_pair
from sandbox.toolchain import environments, prisma_client
from sandbox.toolchain.build import BuildError
from tests.waits import PATIENCE_S, alive, until

pytestmark = pytest.mark.xdist_group("litellm")

PRELUDE = """
import asyncio, json, datetime
from prisma import Prisma, Json, Base64
from prisma.errors import PrismaError, UniqueViolationError
out = {}
async def main():
    db = Prisma()
    await db.connect()
    try:
        await work(db)
    finally:
        await db.disconnect()
        print(json.dumps(out, default=str))
"""

VALUES = """
await db.litellm_budgettable.create(data={
    'budget_id': 'b1', 'max_budget': 0.01, 'tpm_limit': 9007199254740993, 'rpm_limit': 60,
    'allowed_models': ['chat', 'a "b" \\\\ c'], 'model_max_budget': Json({'chat': {'n': 1, 'text': 'đồng'}}),
    'budget_reset_at': datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    'created_by': 'x', 'updated_by': 'x'})
row = await db.litellm_budgettable.find_unique(where={'budget_id': 'b1'})
out.update(row.model_dump(include={'max_budget', 'tpm_limit', 'rpm_limit', 'allowed_models', 'model_max_budget',
                                   'budget_reset_at', 'soft_budget'}))
found = await db.litellm_budgettable.find_many(where={'model_max_budget': {'path': ['chat', 'n'], 'equals': Json(1)}})
out['by_json'] = [each.budget_id for each in found]
"""

RELATIONS = """
await db.litellm_budgettable.create(data={'budget_id': 'b2', 'created_by': 'x', 'updated_by': 'x'})
for _ in range(2):
    await db.litellm_verificationtoken.upsert(where={'token': 't1'}, data={
        'create': {'token': 't1', 'spend': 1.5, 'team_id': 'g',
                   'litellm_budget_table': {'connect': {'budget_id': 'b2'}}},
        'update': {'spend': {'increment': 0.25}}})
row = await db.litellm_verificationtoken.find_unique(where={'token': 't1'}, include={'litellm_budget_table': True})
out['spend'], out['budget'] = row.spend, row.litellm_budget_table.budget_id
async with db.batch_() as batch:
    batch.litellm_verificationtoken.update(where={'token': 't1'}, data={'spend': {'increment': 1}})
    batch.litellm_verificationtoken.create(data={'token': 't2', 'spend': 4, 'team_id': 'g'})
grouped = await db.litellm_verificationtoken.group_by(by=['team_id'], sum={'spend': True}, count=True,
                                                       where={'team_id': {'in': ['g']}})
out['grouped'] = grouped
out['count'] = await db.litellm_verificationtoken.count(where={'team_id': 'g'})
many = await db.litellm_verificationtoken.create_many(data=[{'token': f'm{n}'} for n in range(3)], skip_duplicates=True)
out['many'] = many
raw = await db.query_raw(
    'SELECT token, spend, pg_typeof(spend)::text AS kind FROM "LiteLLM_VerificationToken" WHERE token = $1', 't2')
out['raw'] = raw
out['changed'] = await db.execute_raw('UPDATE "LiteLLM_VerificationToken" SET spend = 0 WHERE token LIKE $1', 'm%')
"""

TRANSACTIONS = """
try:
    async with db.tx() as tx:
        await tx.litellm_usertable.create(data={'user_id': 'u1'})
        out['inside'] = await tx.litellm_usertable.count(where={'user_id': 'u1'})
        await tx.litellm_usertable.create(data={'user_id': 'u1'})
except UniqueViolationError as error:
    out['error'] = str(error)
out['after'] = await db.litellm_usertable.count(where={'user_id': 'u1'})
async with db.tx() as tx:
    await tx.litellm_usertable.create(data={'user_id': 'u2'})
out['kept'] = await db.litellm_usertable.count(where={'user_id': 'u2'})
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    prisma_client.ensure()
    folder = tmp_path_factory.mktemp("database")
    tls = server_pair(Authority(folder, "amazon"), "db.example")
    with closing(Postgres.start(folder / "postgres", tls=tls)) as running:
        litellm_schema.apply(running)
        yield running


def environment(url: str) -> dict[str, str]:
    path = f"{prisma_client.programs()}:/usr/bin:/bin"
    return {"PATH": path, "DATABASE_URL": url} | prisma_client.environment()


def client(url: str, *works: str) -> dict[str, Any]:
    """What a client had in `out` after `works`, each the body of a coroutine with `db` and `out`."""
    bodies = ["\n".join(f"    {line}" for line in work.strip().splitlines()) for work in works]
    steps = "\n".join(f"async def work{number}(db):\n{body}" for number, body in enumerate(bodies))
    calls = "\n".join(f"    await work{number}(db)" for number in range(len(works)))
    program = f"{PRELUDE}\n{steps}\nasync def work(db):\n{calls}\nasyncio.run(main())\n"
    done = subprocess.run(
        [environments.LITELLM.python, "-c", program],
        capture_output=True, text=True, env=environment(url), timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.stdout.strip(), done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1]) | {"stderr": done.stderr}
    return found


@pytest.fixture(scope="module")
def said(database: Postgres) -> dict[str, Any]:
    """One client for all: ten megabytes of generated code take 5 s of a core to load."""
    return client(database.url, VALUES, RELATIONS, TRANSACTIONS)


def test_every_kind_of_value_comes_back_as_it_went(said: dict[str, Any]) -> None:
    expected = {
        "max_budget": 0.01,
        "tpm_limit": 9007199254740993,
        "rpm_limit": 60,
        "allowed_models": ["chat", 'a "b" \\ c'],
        "model_max_budget": {"chat": {"n": 1, "text": "đồng"}},
        "budget_reset_at": "2026-01-02 03:04:05+00:00",
        "soft_budget": None,
        "by_json": ["b1"],
    }
    assert {name: said[name] for name in expected} == expected


def test_relations_upserts_increments_batches_and_groups(said: dict[str, Any]) -> None:
    assert said["spend"] == 1.75
    assert said["budget"] == "b2"
    assert said["grouped"] == [{"team_id": "g", "_sum": {"spend": 6.75}, "_count": {"_all": 2}}]
    assert (said["count"], said["many"], said["changed"]) == (2, 3, 3)
    assert said["raw"] == [{"token": "t2", "spend": 4.0, "kind": "double precision"}]


def test_what_fails_in_a_transaction_leaves_nothing(said: dict[str, Any]) -> None:
    assert said["inside"] == 1
    assert "Unique constraint failed" in said["error"]
    assert (said["after"], said["kept"]) == (0, 1)


def test_a_database_that_goes_and_comes_is_told_in_prismas_words(database: Postgres) -> None:
    """`prisma.errors` says `Can't reach database server`, by which LiteLLM knows what happened."""
    program = (
        PRELUDE
        + """
async def work(db):
    await db.query_raw('SELECT 1')
    print('first', flush=True); input()
    try:
        await db.litellm_usertable.find_first()
    except PrismaError as error:
        out['lost'] = str(error)
    print('second', flush=True); input()
    out['again'] = await db.query_raw('SELECT 7 AS n')
asyncio.run(main())
"""
    )
    process = subprocess.Popen(
        [environments.LITELLM.python, "-c", program], env=environment(database.url), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "first\n"
    database.stop()
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "second\n"
    database.start_again()
    rest, errors = process.communicate("\n", timeout=PATIENCE_S)
    said = json.loads(rest)
    assert "Can't reach database server at" in said["lost"], errors
    assert said["again"] == [{"n": 7}]


def test_the_servers_certificate_is_verified_where_the_url_says_so(database: Postgres) -> None:
    ca = database.folder.parent / "amazon.crt"
    strict = database.url + f"&sslaccept=strict&sslcert={ca}"
    assert client(
        strict, "out['n'] = await db.query_raw('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')"
    )["n"] == [{"ssl": True}]
    own = Authority(database.folder, "another").pair.certificate
    refused = run(database.url + f"&sslaccept=strict&sslcert={own}")
    assert "certificate" in refused.stderr
    assert refused.returncode == 1
    assert "encryption" in run(database.url.replace("sslmode=require", "sslmode=disable")).stderr


def run(url: str) -> subprocess.CompletedProcess[str]:
    """The engine alone, where it has to end by itself."""
    schema = prisma_client.folder() / "client" / "prisma" / "schema.prisma"
    env = environment(url) | {"PRISMA_DML_PATH": str(schema)}
    command = [str(prisma_client.folder() / "query-engine"), "-p", "1"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_the_engine_ends_with_a_client_that_is_killed(database: Postgres) -> None:
    program = (
        PRELUDE
        + "\nasync def work(db):\n    print(db._engine.process.pid, flush=True); input()\nasyncio.run(main())\n"
    )
    process = subprocess.Popen(
        [environments.LITELLM.python, "-c", program], env=environment(database.url), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    engine = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not alive(engine), "the engine's end")


def test_a_client_that_was_not_generated_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prisma_client, "SOURCES", tmp_path / "sources")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "package.json").write_text("{}")
    monkeypatch.setattr(prisma_client.state, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(prisma_client.environments, "ensure", lambda _: Path())
    with pytest.raises(BuildError, match=r"npm-cli\.js failed"):
        prisma_client.ensure()
    assert list((tmp_path / "cache" / "prisma").iterdir()) == []
