"""The real LiteLLM with the package as it is mounted, a real Postgres and Redis, and recording upstreams."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
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

MASTER = "sk-master-of-the-gateways-tests"
CANARY = "canary-9f3a-text-of-a-request"

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
class World:
    """What a test has."""

    upstream: Upstream
    postgres: Postgres
    redis: Redis
    folder: Path
    env: dict[str, str]
    gateway: Child
    ports: tuple[int, int, int]
    """Public, metrics, administration."""

    keys: dict[str, str]

    def ask(self, key: str, text: str = "hello", model: str = "chat", **more: Any) -> requests.Response:
        """A chat; `headers` and `stream` beside the body's fields."""
        headers = {"authorization": f"Bearer {self.keys.get(key, key)}"} | more.pop("headers", {})
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | more
        return requests.post(
            f"http://127.0.0.1:{self.ports[0]}/v1/chat/completions", json=body, headers=headers, timeout=40
        )

    def get(self, path: str, key: str | None = None, port: int = 0) -> requests.Response:
        """A GET of the public port, or of another by its place in `ports`."""
        headers = {} if key is None else {"authorization": f"Bearer {self.keys.get(key, key)}"}
        return requests.get(f"http://127.0.0.1:{self.ports[port]}{path}", headers=headers, timeout=20)

    def admin(self, path: str, body: dict[str, Any]) -> Any:
        """LiteLLM's administration."""
        answer = requests.post(
            f"http://127.0.0.1:{self.ports[2]}{path}",
            json=body,
            headers={"authorization": f"Bearer {MASTER}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
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
        found: dict[str, Any] = self.until(
            lambda: next((one for one in self.lines() if one["request_id"] == wanted), None)
        )
        return found

    def until(self, look: Any, seconds: float = 20) -> Any:
        """What `look` gives, once it gives something."""
        end = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.1)
        return found

    def ready(self, wanted: bool = True) -> Any:
        """Waits until the gateway says that it is ready, or not; gives what it says."""

        def look() -> Any:
            try:
                answer = self.get("/bastide/ready")
            except requests.ConnectionError:
                self.gateway.require_running()
                return None
            return answer.json() if (answer.status_code == 200) is wanted else None

        return self.until(look, 150)

    def program(self, module: str) -> Child:
        """One of the package's other programs, run to its end."""
        command = [str(environments.LITELLM.python), "-m", module]
        child = Child(module, command, self.folder / f"{module}-{time.monotonic_ns()}.log", self.env)
        self.until(lambda: not child.running(), 60)
        return child


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Starts it all (30 s of a core, most of it LiteLLM's imports), and ends it."""
    environments.ensure(environments.LITELLM)
    prisma_client.ensure()
    upstream = Upstream()
    postgres = Postgres.start(folder / "postgres")
    redis = Redis.start(folder / "redis")
    ports = (free_port(), free_port(), free_port())
    env = _files(folder, upstream, postgres, redis, ports)
    held = World(upstream, postgres, redis, folder, env, None, ports, {})  # type: ignore[arg-type]
    try:
        migrated = held.program("bastide_gateway.migrate")
        assert "migrations applied" in migrated.log.read_text()
        command = [str(environments.LITELLM.python), "-m", "bastide_gateway.launch"]
        held.gateway = Child("gateway", command, folder / "gateway.log", env)
        held.ready()
        teams = held.program("bastide_gateway.teams")
        assert "made open" in teams.log.read_text(), teams.log.read_text()
        held.keys |= {team: held.key(team) for team in ("open", "other", "closed")}
        yield held
    finally:
        for part in (held.gateway, redis, postgres):
            if part is not None:
                part.stop()
        upstream.close()


def _files(
    folder: Path, upstream: Upstream, postgres: Postgres, redis: Redis, ports: tuple[int, ...]
) -> dict[str, str]:
    (folder / "config").mkdir()
    (folder / "secrets").mkdir()
    (folder / "guards").mkdir()
    (folder / "guards" / "hiding_guard.py").write_text(GUARD)
    guard = {"name": "hiding", "module": "hiding_guard", "timeoutMs": 1000, "settings": {}}
    document = raw(guards=[guard])
    for held in document["classes"].values():
        held["guards"] = ["hiding"]
    (folder / "config" / "routes.json").write_text(json.dumps(document))
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config(upstream.url)))
    secrets = {
        "gateway-master-key": MASTER,
        "gateway-salt-key": "salt-of-the-gateways-tests",
        "database-password": postgres.password,
        "redis-password": redis.password,
    }
    for name, text in secrets.items():
        (folder / "secrets" / name).write_text(text)
    package = Path(__file__).parents[2] / "gateway"
    prisma = prisma_client.environment()
    return prisma | {
        "PATH": f"{environments.LITELLM.python.parent}:{prisma_client.programs()}:{os.environ['PATH']}",
        "PYTHONPATH": f"{package}:{folder / 'guards'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "BASTIDE_GATEWAY_CONFIG": str(folder / "config"),
        "BASTIDE_SECRETS": str(folder / "secrets"),
        "BASTIDE_GATEWAY_HOST": "127.0.0.1",
        "BASTIDE_GATEWAY_PORT": str(ports[0]),
        "BASTIDE_METRICS_PORT": str(ports[1]),
        "BASTIDE_ADMIN_PORT": str(ports[2]),
        "BASTIDE_DRAIN_SECONDS": "20",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(postgres.port),
        "DATABASE_NAME": postgres.database,
        "DATABASE_USER": postgres.user,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(redis.port),
        "REDIS_TLS": "false",
    }
