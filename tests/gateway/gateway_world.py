"""The real LiteLLM with the package as it is mounted, a real Postgres and Redis, and recording upstreams."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from sandbox.daemon.child import Child, free_port
from sandbox.data.postgres import Postgres
from sandbox.data.redis import Redis
from sandbox.toolchain import environments, prisma_client
from tests.gateway.gateway_samples import config, raw
from tests.gateway.gateway_upstream import Upstream
from tests.gateway_guards.pii_service import Running, serving
from tests.waits import PATIENCE_S, until

MASTER = "sk-master-of-the-gateways-tests"
CANARY = "canary-9f3a-text-of-a-request"
DRAIN_S = 20

Change = Callable[[dict[str, Any]], None]
"""What is different in a replica's routes.json."""

GUARD = '''
import asyncio
from bastide_gateway import texts
from bastide_gateway.guards import Guard, StreamFilter

class Hiding(Guard):
    """Hides a word from the model and restores it in the answer; fails when it is told to."""
    async def check_request(self, call, body):
        for place in list(texts.request_texts(body)):
            if "guard:raise" in place.text: raise ValueError(place.text)
            if "guard:slow" in place.text: await asyncio.sleep(5)
            place.replace(place.text.replace("hidden", "<1>"))
    async def check_answer(self, call, texts):
        return [text.replace("<1>", "hidden") for text in texts]
    def stream(self, call):
        return Restoring()

class Restoring(StreamFilter):
    def __init__(self): self.kept = ""
    async def feed(self, text):
        text = self.kept + text
        cut = text.rfind("<") if ">" not in text[text.rfind("<"):] else -1
        out, self.kept = (text, "") if cut < 0 else (text[:cut], text[cut:])
        return out.replace("<1>", "hidden")
    async def close(self): return self.kept.replace("<1>", "hidden")

def make(settings): return Hiding()
'''


@dataclass
class Replica:
    """One process of the gateway."""

    process: Child
    ports: tuple[int, int, int]
    """Public, metrics, administration."""

    env: dict[str, str]


@dataclass
class World:
    """What a test has."""

    upstream: Upstream
    postgres: Postgres
    redis: Redis
    pii: Running
    folder: Path
    replicas: list[Replica]
    keys: dict[str, str]

    @property
    def gateway(self) -> Child:
        """The process of the first replica, which most tests have alone."""
        return self.replicas[0].process

    @property
    def ports(self) -> tuple[int, int, int]:
        """Of the first replica."""
        return self.replicas[0].ports

    @property
    def spool(self) -> Path:
        """Where the audit trail waits."""
        return self.folder / "audit-0"

    def ask(
        self, key: str, text: str = "hello", model: str = "chat", at: int = 0, **more: Any
    ) -> requests.Response:
        """A chat with the replica `at`; `headers` and `stream` beside the body's fields."""
        headers = {"authorization": f"Bearer {self.keys.get(key, key)}"} | more.pop("headers", {})
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | more
        url = f"http://127.0.0.1:{self.replicas[at].ports[0]}/v1/chat/completions"
        return requests.post(url, json=body, headers=headers, timeout=PATIENCE_S)

    def get(self, path: str, key: str | None = None, port: int = 0, at: int = 0) -> requests.Response:
        """A GET of the public port, or of another by its place in `ports`."""
        headers = {} if key is None else {"authorization": f"Bearer {self.keys.get(key, key)}"}
        url = f"http://127.0.0.1:{self.replicas[at].ports[port]}{path}"
        return requests.get(url, headers=headers, timeout=PATIENCE_S)

    def admin(self, path: str, body: dict[str, Any]) -> Any:
        """LiteLLM's administration."""
        answer = requests.post(
            f"http://127.0.0.1:{self.ports[2]}{path}",
            json=body,
            headers={"authorization": f"Bearer {MASTER}"},
            timeout=PATIENCE_S,
        )
        assert answer.status_code == 200, answer.text
        # Its line comes after its answer.
        wanted = answer.headers["x-request-id"]
        until(lambda: wanted in self.gateway.log.read_text())
        return answer.json()

    def key(self, team: str, **limits: Any) -> str:
        """A new key of a team."""
        rows = self.get("/team/list", MASTER, 2).json()
        identity = next(row["team_id"] for row in rows if row["team_alias"] == team)
        return str(self.admin("/key/generate", {"team_id": identity} | limits)["key"])

    def lines(self) -> list[dict[str, Any]]:
        """Every decision line so far."""
        found = []
        for line in self.gateway.log.read_text().splitlines():
            if line.startswith('{"log":"bastide.route"'):
                found.append(json.loads(line))
        return found

    def line(self, answer: requests.Response) -> dict[str, Any]:
        """The decision line of an answer, which comes after it."""
        wanted = answer.headers["x-request-id"]
        found: dict[str, Any] = until(
            lambda: next((one for one in self.lines() if one["request_id"] == wanted), None)
        )
        return found

    def ready(self, wanted: bool = True, at: int = 0) -> Any:
        """Waits until a gateway says that it is ready, or not; gives what it says."""

        def look() -> Any:
            try:
                answer = self.get("/bastide/ready", at=at)
            except requests.ConnectionError:
                self.replicas[at].process.require_running()
                return None
            return answer.json() if (answer.status_code == 200) is wanted else None

        return until(look)

    def program(self, module: str, at: int = 0) -> Child:
        """One of the package's other programs, run to its end."""
        log = self.folder / f"{module}-{time.monotonic_ns()}.log"
        child = Child(module, [str(environments.LITELLM.python), "-m", module], log, self.replicas[at].env)
        until(lambda: not child.running())
        return child


@contextmanager
def world(folder: Path, *changes: Change) -> Iterator[World]:
    """Starts it all (30 s of a core, most of it LiteLLM's imports), and ends it: one gateway, or one for each change
    of the document."""
    environments.ensure(environments.LITELLM)
    prisma_client.ensure()
    upstream = Upstream()
    with ExitStack() as stack:
        stack.callback(upstream.close)
        postgres = Postgres.start(folder / "postgres")
        stack.callback(postgres.stop)
        redis = Redis.start(folder / "redis")
        stack.callback(redis.stop)
        (folder / "pii").mkdir()
        pii = stack.enter_context(serving(folder / "pii"))
        held = World(upstream, postgres, redis, pii, folder, [], {})
        _shared_files(held)
        for number, change in enumerate(changes or (_unchanged,)):
            # The process comes when the database has its tables.
            held.replicas.append(Replica(None, *_files(held, number, change)))  # type: ignore[arg-type]
        assert "migrations applied" in held.program("bastide_gateway.migrate").log.read_text()
        for number, replica in enumerate(held.replicas):
            start(held, number)
            stack.callback(replica.process.stop)
        for number in range(len(held.replicas)):
            held.ready(at=number)
        teams = held.program("bastide_gateway.teams")
        assert "made open" in teams.log.read_text(), teams.log.read_text()
        held.keys |= {team: held.key(team) for team in ("open", "other", "closed")}
        yield held


def start(held: World, number: int) -> None:
    """Starts a replica's process."""
    replica = held.replicas[number]
    command = [str(environments.LITELLM.python), "-m", "bastide_gateway.launch"]
    replica.process = Child(f"gateway-{number}", command, held.folder / f"gateway-{number}.log", replica.env)


def _unchanged(document: dict[str, Any]) -> None:
    """The document as it is."""


def _document(held: World, number: int) -> dict[str, Any]:
    """All classes through the hiding guard, the route `private` through the redaction, everything into the audit
    trail (whose storage does not answer here: what it keeps waits in its spool)."""
    audit = {
        "bucket": "audit-of-tests",
        "region": "us-east-1",
        "days": ["public=1", "internal=1", "confidential=1", "regulated=1"],
        "spool": str(held.folder / f"audit-{number}"),
        "batchSeconds": 300,
    }
    document = raw(
        guards=[
            {"name": "audit", "module": "bastide_gateway.guards.audit", "timeoutMs": 2000, "settings": audit},
            {"name": "hiding", "module": "hiding_guard", "timeoutMs": 1000, "settings": {}},
            {
                "name": "pii",
                "module": "bastide_gateway.guards.pii",
                "timeoutMs": 4000,
                "settings": {"url": held.pii.url, "restore": True},
            },
        ]
    )
    for each in document["classes"].values():
        each["guards"] = ["hiding"]
    document["routes"]["private"] |= {"guards": ["pii"], "cache": {"enabled": True, "ttlSeconds": 60}}
    return document


def _shared_files(held: World) -> None:
    for name in ("secrets", "guards"):
        (held.folder / name).mkdir()
    (held.folder / "guards" / "hiding_guard.py").write_text(GUARD)
    secrets = {
        "gateway-master-key": MASTER,
        "gateway-salt-key": "salt-of-the-gateways-tests",
        "database-password": held.postgres.password,
        "redis-password": held.redis.password,
    }
    for name, text in secrets.items():
        (held.folder / "secrets" / name).write_text(text)


def _files(held: World, number: int, change: Change) -> tuple[tuple[int, int, int], dict[str, str]]:
    """Ports and environment of a replica, with its configuration and its spool made."""
    ports = (free_port(), free_port(), free_port())
    config_folder = held.folder / f"config-{number}"
    config_folder.mkdir()
    (held.folder / f"audit-{number}").mkdir()
    document = _document(held, number)
    change(document)
    (config_folder / "routes.json").write_text(json.dumps(document))
    litellm = config(held.upstream.url)
    for entry in litellm["model_list"]:
        deployment = document["deployments"][entry["model_info"]["id"].partition("@")[0]]
        entry["litellm_params"] |= {
            "input_cost_per_token": float(deployment["inputPrice"]),
            "output_cost_per_token": float(deployment["outputPrice"]),
        }
    (config_folder / "config.yaml").write_text(yaml.safe_dump(litellm))
    package = Path(__file__).parents[2] / "gateway"
    return ports, prisma_client.environment() | {
        "PATH": f"{environments.LITELLM.python.parent}:{prisma_client.programs()}:{os.environ['PATH']}",
        "PYTHONPATH": f"{package}:{held.folder / 'guards'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(held.folder),
        "BASTIDE_GATEWAY_CONFIG": str(config_folder),
        "BASTIDE_SECRETS": str(held.folder / "secrets"),
        "BASTIDE_GATEWAY_HOST": "127.0.0.1",
        "BASTIDE_GATEWAY_PORT": str(ports[0]),
        "BASTIDE_METRICS_PORT": str(ports[1]),
        "BASTIDE_ADMIN_PORT": str(ports[2]),
        "BASTIDE_DRAIN_SECONDS": str(DRAIN_S),
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(held.postgres.port),
        "DATABASE_NAME": held.postgres.database,
        "DATABASE_USER": held.postgres.user,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(held.redis.port),
        "REDIS_TLS": "false",
    }
