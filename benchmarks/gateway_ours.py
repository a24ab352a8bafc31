"""The kit's gateway as a system of the benchmark."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import requests
import yaml

from bastide.plans.routing import document, litellm_config
from bastide.settings import Settings, load_stack_file
from benchmarks import gateway_hooks
from benchmarks.gateway_systems import PLENTY, ROOT, System, admin_call, await_answer, environment, run_once
from sandbox.daemon.child import Child, free_port
from sandbox.data import litellm_schema
from sandbox.data.postgres import Postgres
from sandbox.data.redis import Redis
from sandbox.toolchain import environments

NUMBERS: Final = {
    "name": "numbers", "module": "numbers_guard", "timeoutMs": 5000, "onFailure": "refuse", "settings": {}
}  # fmt: skip
"""A guard that looks for long numbers: what LiteLLM with the same features has as its guardrail."""


@contextmanager
def ours(
    folder: Path,
    upstream: System,
    name: str = "ours",
    guards: tuple[dict[str, Any], ...] = (NUMBERS,),
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[System]:
    """The kit's package, over what the settings of stacks/Pulumi.sandbox-live.yaml render for this engine."""
    place = folder / name
    (place / "config").mkdir(parents=True)
    (place / "secrets").mkdir()
    (place / "guards").mkdir()
    (place / "guards" / "numbers_guard.py").write_text(gateway_hooks.OF_OURS)
    settings = _settings(place, upstream)
    (place / "config" / "config.yaml").write_text(litellm_config.rendered(settings))
    routes = document.document(settings) | {"guards": list(guards)}
    for each in routes["classes"].values():
        each["guards"] = [guard["name"] for guard in guards]
    (place / "config" / "routes.json").write_text(json.dumps(routes))
    master = f"sk-{secrets.token_urlsafe(24)}"
    ports = (free_port(), free_port(), free_port())
    with ExitStack() as stack:
        database = stack.enter_context(closing(Postgres.start(place / "postgres")))
        litellm_schema.apply(database)
        cache = stack.enter_context(closing(Redis.start(place / "redis")))
        held = {
            "gateway-master-key": master,
            "gateway-salt-key": secrets.token_urlsafe(24),
            "database-password": database.password,
            "redis-password": cache.password,
        }
        for each, value in held.items():
            (place / "secrets" / each).write_text(value)
        env = environment(place) | {
            "PYTHONPATH": f"{ROOT / 'gateway'}:{place / 'guards'}",
            "BASTIDE_GATEWAY_CONFIG": str(place / "config"),
            "BASTIDE_SECRETS": str(place / "secrets"),
            "BASTIDE_GATEWAY_HOST": "127.0.0.1",
            "BASTIDE_GATEWAY_PORT": str(ports[0]),
            "BASTIDE_METRICS_PORT": str(ports[1]),
            "BASTIDE_ADMIN_PORT": str(ports[2]),
            "DATABASE_HOST": database.host,
            "DATABASE_PORT": str(database.port),
            "DATABASE_NAME": database.database,
            "DATABASE_USER": database.user,
            "REDIS_HOST": cache.host,
            "REDIS_PORT": str(cache.port),
            "REDIS_TLS": "false",
            **more,
        }
        program = [str(environments.LITELLM.python), "-m", "bastide_gateway.launch"]
        child = Child(name, program, place / "log", env)
        stack.callback(child.stop)
        await_answer(child, f"http://127.0.0.1:{ports[0]}/bastide/ready", (200,))
        run_once([str(environments.LITELLM.python), "-m", "bastide_gateway.teams"], env)
        admin = f"http://127.0.0.1:{ports[2]}"
        teams = requests.get(
            f"{admin}/team/list", headers={"authorization": f"Bearer {master}"}, timeout=30
        ).json()
        team = next(each["team_id"] for each in teams if each["team_alias"] == "website")
        made = admin_call(admin, master, "/key/generate", {"team_id": team} | PLENTY)
        metrics = f"http://127.0.0.1:{ports[1]}/metrics"
        yield System(name, f"http://127.0.0.1:{ports[0]}", "chat", made["key"], child.log, child.pid, metrics)


def _settings(place: Path, upstream: System) -> Settings:
    """The live stack's, with the measured engine as its only deployment."""
    stack = yaml.safe_load((ROOT / "stacks" / "Pulumi.sandbox-live.yaml").read_text())
    config = stack["config"]
    hosted = config["bastide:hosted"][0] | {
        "url": f"{upstream.url}/v1",
        "model": upstream.model,
        "needsKey": False,
    }
    config["bastide:hosted"] = [hosted]
    config["bastide:engines"] = []
    config["bastide:routes"] = [
        {
            "name": "chat",
            "deployments": [{"name": hosted["name"]}],
            "cache": {"enabled": True, "ttlSeconds": 60},
            "timeoutSeconds": 60,
        }
    ]
    config["bastide:dataClasses"] = {"public": {"cache": True}}
    config["bastide:teams"] = [
        {
            "name": "website",
            "dataClass": "public",
            "routes": ["chat"],
            "budget": {"usd": 1000},
            "rpm": 1_000_000,
        }
    ]
    (place / "stacks").mkdir()
    for shared in (ROOT / "stacks").glob("_shared*.yaml"):
        (place / "stacks" / shared.name).write_text(shared.read_text())
    file = place / "stacks" / "Pulumi.sandbox-live.yaml"
    file.write_text(yaml.safe_dump(stack))
    return load_stack_file(file)
