"""What is compared: the engine itself, LiteLLM set up minimally, LiteLLM with the gateway's features by its own
documentation, and the kit's gateway with what its settings render. All with one worker, on one machine."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from benchmarks import gateway_hooks
from sandbox.daemon.child import Child, free_port
from sandbox.data import litellm_schema
from sandbox.data.postgres import Postgres
from sandbox.data.redis import Redis
from sandbox.toolchain import databases, environments, prisma_client

ROOT: Final = Path(__file__).resolve().parent.parent
READY_WITHIN: Final = 600.0
"""Seconds: LiteLLM starts in 15 to 34 on an idle machine; on one where ten others work it took 250."""
PLENTY: Final = {"max_budget": 1000, "rpm_limit": 1_000_000}
"""Limits that are counted and never reached."""


@dataclass(frozen=True)
class System:
    """Something that answers: its address without a path, the model's name there, a key, and its log."""

    name: str
    url: str
    model: str
    key: str
    log: Path = Path(os.devnull)
    pid: int | None = None
    metrics: str = ""
    """Address of its metrics."""


def require(guards: bool) -> None:
    """Ends the program where something is missing that this machine needs; making it would take minutes."""
    try:
        environments.python(environments.LITELLM)
        if guards:
            environments.python(environments.PII)
        prisma_client.ensure()
        databases.ensure_all()
    except Exception as error:
        raise SystemExit(f"benchmarks/gateway.py cannot run: {error}") from None


@contextmanager
def engine(folder: Path, delay_ms: float, tokens: int) -> Iterator[System]:
    """The fake one."""
    port = free_port()
    program = [str(environments.python(environments.LITELLM)), str(ROOT / "benchmarks" / "gateway_engine.py")]
    child = Child(
        "engine", [*program, str(port), str(delay_ms), str(tokens)], folder / "engine.log", _plain()
    )
    try:
        url = f"http://127.0.0.1:{port}"
        await_answer(child, f"{url}/v1/chat/completions", (405,))
        yield System("direct", url, "fake", "none", child.log)
    finally:
        child.stop()


@contextmanager
def minimal(folder: Path, upstream: System) -> Iterator[System]:
    """A model list and a master key."""
    with _litellm("minimal", folder, _config(upstream), {}) as found:
        yield found


@contextmanager
def alike(folder: Path, upstream: System) -> Iterator[System]:
    """Database, Redis, keys with budget and limits, a hook, a guardrail, metrics: what the kit's gateway has."""
    with ExitStack() as stack:
        database = stack.enter_context(closing(Postgres.start(folder / "alike-postgres")))
        litellm_schema.apply(database)
        cache = stack.enter_context(closing(Redis.start(folder / "alike-redis")))
        config = _config(upstream)
        # What the hook rewrites a public name to, as ours does.
        config["model_list"] += [each | {"model_name": "chat-public"} for each in config["model_list"]]
        redis = {"redis_host": cache.host, "redis_port": cache.port, "redis_password": cache.password}
        config["router_settings"] |= redis
        config["litellm_settings"] |= {
            "callbacks": ["prometheus", "hooks.policy"],
            "cache": True,
            "cache_params": {
                "type": "redis", "host": cache.host, "port": cache.port, "password": cache.password, "ttl": 60
            },
            "request_timeout": 600,
            "set_verbose": False,
            "json_logs": True,
        }  # fmt: skip
        # As docs.litellm.ai/docs/proxy/prod has it.
        config["general_settings"] |= {
            "database_url": "os.environ/DATABASE_URL",
            "database_connection_pool_limit": 10,
            "proxy_batch_write_at": 60,
            "disable_error_logs": True,
        }
        parameters = {"guardrail": "hooks.Guard", "mode": "pre_call", "default_on": True}
        config["guardrails"] = [{"guardrail_name": "numbers", "litellm_params": parameters}]
        (folder / "alike").mkdir()
        (folder / "alike" / "hooks.py").write_text(gateway_hooks.OF_LITELLM)
        more = {"DATABASE_URL": database.url, "LITELLM_LOG": "ERROR"}
        found = stack.enter_context(_litellm("alike", folder, config, more))
        team = {"team_alias": "bench", "metadata": {"data_class": "public"}} | PLENTY
        identity = admin_call(found.url, found.key, "/team/new", team)["team_id"]
        made = admin_call(found.url, found.key, "/key/generate", {"team_id": identity} | PLENTY)
        yield System("alike", found.url, found.model, made["key"], found.log, found.pid)


def _config(upstream: System) -> dict[str, Any]:
    parameters = {
        "model": f"hosted_vllm/{upstream.model}",
        "api_base": f"{upstream.url}/v1",
        "api_key": "none",
        "input_cost_per_token": 0.000001,
        "output_cost_per_token": 0.000002,
    }
    return {
        "model_list": [{"model_name": "chat", "litellm_params": parameters}],
        "router_settings": {"num_retries": 2, "timeout": 60},
        "litellm_settings": {"drop_params": True},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }


@contextmanager
def _litellm(name: str, folder: Path, config: dict[str, Any], env: dict[str, str]) -> Iterator[System]:
    """LiteLLM by its own command, production mode, one worker."""
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    port, master = free_port(), f"sk-{secrets.token_urlsafe(24)}"
    program = environments.python(environments.LITELLM).parent / "litellm"
    command = [
        str(program),
        "--config",
        str(place / "config.yaml"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    more = {"LITELLM_MASTER_KEY": master, "LITELLM_MODE": "PRODUCTION", "PYTHONPATH": str(place)}
    child = Child(name, [*command, "--telemetry", "False"], place / "log", environment(place) | more | env)
    try:
        url = f"http://127.0.0.1:{port}"
        await_answer(child, f"{url}/health/liveliness", (200,))
        yield System(name, url, "chat", master, child.log, child.pid)
    finally:
        child.stop()


def environment(home: Path) -> dict[str, str]:
    """A process of LiteLLM's."""
    first = f"{environments.LITELLM.python.parent}:{prisma_client.programs()}"
    fixed = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DO_NOT_TRACK": "1", "HOME": str(home)}
    return {"PATH": f"{first}:{os.environ['PATH']}"} | prisma_client.environment() | fixed


def _plain() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


def admin_call(url: str, key: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What LiteLLM's administration answers."""
    reply = requests.post(f"{url}{path}", json=body, headers={"authorization": f"Bearer {key}"}, timeout=60)
    reply.raise_for_status()
    found: dict[str, Any] = reply.json()
    return found


def run_once(command: list[str], env: dict[str, str]) -> None:
    """A program to its end. Ends this one where it fails."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=READY_WITHIN, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[1:])} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def await_answer(child: Child, url: str, statuses: tuple[int, ...]) -> None:
    """Waits for one of the statuses. Ends the program where none comes."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        child.require_running()
        try:
            if requests.get(url, timeout=5).status_code in statuses:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise SystemExit(
        f"{child.part} did not answer within {READY_WITHIN:.0f} s; see {child.log}:\n{child.tail()}"
    )
