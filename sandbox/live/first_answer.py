"""One request through a live gateway, and what is known of it afterwards: its decision line, its row of spend."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3

from bastide import names
from sandbox.environment import full_environment
from sandbox.live.gateway import Access, GatewayError
from sandbox.live.world import OUTSIDE
from sandbox.state import World, aws_client, home
from sandbox.toolchain import databases

WITHIN: Final = 60.0
"""Seconds until a row of spend is written: LiteLLM writes several at once, every 10 to 20 s where nothing else runs."""


@dataclass(frozen=True)
class Answer:
    """Status, the gateway's id of the request, and the body."""

    status: int
    request_id: str
    body: dict[str, Any]


def curl(access: Access, path: str, body: dict[str, Any]) -> str:
    """The line to type. The key stays in its file."""
    there = f"--cacert {access.ca} --connect-to ::{access.connect} " if access.ca else ""
    url = access.url if access.ca else f"http://{access.connect}"
    bearer = f'-H "Authorization: Bearer $(cat {access.key_file})"'
    return f"curl -s {there}{url}{path} {bearer} -H 'Content-Type: application/json' -d '{json.dumps(body)}'"


def ask(access: Access, key: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    """A chat. Raises `GatewayError` where there is no answer at all."""
    host, _, port = access.connect.rpartition(":")
    name = access.url.split("://", 1)[1].rsplit(":", 1)[0]
    pool: urllib3.HTTPConnectionPool = (
        urllib3.HTTPSConnectionPool(
            host, int(port), ca_certs=access.ca, server_hostname=name, assert_hostname=name
        )
        if access.ca
        else urllib3.HTTPConnectionPool(host, int(port))
    )
    sent = {"authorization": f"Bearer {key}"} | (headers or {})
    try:
        reply = pool.request(
            "POST", "/v1/chat/completions", json=body, headers=sent, timeout=180, retries=False
        )
        return Answer(reply.status, reply.headers.get("x-request-id", ""), reply.json())
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise GatewayError(f"the gateway gave no answer: {error}") from None


def decision(request_id: str, cluster: str, seconds: float = WITHIN) -> dict[str, Any] | None:
    """The line of a request in the logs of a cluster's gateway; it comes after the answer."""
    command = [
        "kubectl",
        # The world's other regions may have been there before, and one of them be the current one.
        f"--context={cluster}",
        "logs",
        "--namespace",
        names.namespace("gateway"),
        "--container",
        "gateway",
        "--tail=400",
    ]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = subprocess.run(
            [*command, "--selector", f"{names.ROLE_LABEL}=gateway"],
            capture_output=True, text=True, env=full_environment(World.find()), check=False,
        )  # fmt: skip
        for line in done.stdout.splitlines():
            if request_id in line and line.startswith('{"log":"bastide.route"'):
                found: dict[str, Any] = json.loads(line)
                return found
        time.sleep(0.5)
    return None


def spend(body_id: str, region: str, seconds: float = WITHIN) -> dict[str, Any] | None:
    """The row of `LiteLLM_SpendLogs` of an answer, by the id in its body."""
    wanted = (
        "select row_to_json(row) from (select request_id, model_group, spend, prompt_tokens, completion_tokens, "
        "metadata from \"LiteLLM_SpendLogs\" where request_id = :'id') row;"
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if text := query(region, wanted, id=body_id):
            found: dict[str, Any] = json.loads(text)
            return found
        time.sleep(1)
    return None


def query(region: str, text: str, **values: str) -> str:
    """What the gateway's database says to a statement of its administrator's; `values` stand in it as :'name'. Raises
    `GatewayError`."""
    endpoint = World.find().aws_endpoint
    instance = aws_client("rds", region, endpoint).describe_db_instances()["DBInstances"][0]
    secret = aws_client("secretsmanager", region, endpoint).get_secret_value(
        SecretId=instance["MasterUserSecret"]["SecretArn"]
    )
    held = json.loads(secret["SecretString"])
    host, port = _target(instance["Endpoint"]["Address"]).split(":")
    programs = databases.postgres()
    given = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
    where = ["-h", host, "-p", port, "-U", held["username"], "-d", instance["DBName"]]
    done = subprocess.run(
        [programs["psql"], *where, "-XAtq", "-v", "ON_ERROR_STOP=1", *given, "-f", "-"],
        env=os.environ | dict(programs.env) | {"PGPASSWORD": held["password"], "PGSSLMODE": "require"},
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise GatewayError(f"the gateway's database: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def _target(name: str) -> str:
    for file in Path(home() / "live").glob(f"*/{OUTSIDE}"):
        for each in json.loads(file.read_text()):
            if each["name"] == name:
                return str(each["target"])
    raise GatewayError(f"nothing runs for {name}: `bastide sandbox status` may say why")
