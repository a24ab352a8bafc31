"""`python -m bastide_gateway.launch`: LiteLLM's proxy with everything that must hold, or no proxy at all.

Order: environment, secrets, routes.json and config.yaml judged, guards loaded; LiteLLM imported and started; the hooks
seen to hang in it; then the listeners. Every failure before that ends the process with one line: what to do."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bastide_gateway import (
    config_check,
    document,
    ending,
    environment,
    faults,
    first_token,
    frame,
    quiet,
    secret_files,
    servers,
    sign_in,
    speed,
)
from bastide_gateway.connections import Bounds
from bastide_gateway.decision_log import DecisionLog
from bastide_gateway.edge import Edge
from bastide_gateway.errors import StartError
from bastide_gateway.gateway import Gateway
from bastide_gateway.inner_face import Admin
from bastide_gateway.redis_link import Address, RedisLink
from bastide_gateway.reservations import Reservations
from bastide_gateway.watch import Watch

log = logging.getLogger("bastide.gateway")

SET: Final[Mapping[str, str]] = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or the start waits for a download
    "LITELLM_MODE": "PRODUCTION",
    "NO_DOCS": "True",
    "NO_REDOC": "True",
    "NO_OPENAPI": "True",
    "DISABLE_ADMIN_UI": "True",
    "DISABLE_SCHEMA_UPDATE": "true",  # migrations are a step of their own (migrate.py)
    "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
    # Between tries at a group of one deployment; by itself LiteLLM waits 0.5 s, doubled, and up to 0.75 s more.
    "INITIAL_RETRY_DELAY": "0.1",
    "MAX_RETRY_DELAY": "1",
    "JITTER": "0.1",
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
}
"""LiteLLM's switches, by the names that its source has."""


def prepare(given: environment.Environment) -> tuple[document.Document, dict[str, Any], dict[str, str]]:
    """Judges the files and sets the process's environment. Raises `StartError`."""
    table = document.read(given.config / "routes.json")
    config = config_check.read(given.config / "config.yaml")
    config_check.check(config, table)
    secrets = secret_files.read(given.secrets)
    os.environ.update(SET)
    os.environ.update(secret_files.variables(secrets))
    # By these names LiteLLM would take Redis for itself: unbounded, and several times a request.
    for name in [name for name in os.environ if name.startswith("REDIS_")]:
        del os.environ[name]
    os.environ["CONFIG_FILE_PATH"] = str(given.config / "config.yaml")
    if given.ca is not None:
        os.environ["SSL_CERT_FILE"] = str(bundle(given.ca))
    if given.database is not None:
        set_database(given.database, secrets.get("database-password"))
    lacking = secret_files.missing(config, os.environ)
    if lacking:
        raise StartError(
            f"config.yaml refers to {', '.join(lacking)}, and no mounted secret has such a name; a secret's "
            "variable is its "
            "name in capitals with '_' for '-'"
        )
    if given.redis is None and (table.teams or table.on_redis_failure == "refuse"):
        raise StartError(
            "REDIS_HOST is not set: limits cannot be counted; set it, or onFailure.redis to 'pass'"
        )
    return table, config, secrets


def set_database(database: environment.Database, password: str | None) -> None:
    """DATABASE_URL, of a password or of AWS's token, which LiteLLM renews by itself."""
    from litellm.proxy.db.db_url_settings import (
        DatabaseURLSettings,
        add_missing_query_params,
        pin_bundle_root,
    )

    if database.ca is not None:
        # Prisma knows a server by one authority; a region's bundle has several.
        pinned = pin_bundle_root(str(database.ca), database.host, database.port)
        database = replace(database, ca=Path(pinned))
    if not database.iam:
        os.environ["DATABASE_URL"] = secret_files.database_url(database, password)
        return
    os.environ.update({"IAM_TOKEN_DB_AUTH": "True"})
    url = DatabaseURLSettings().build_writer_url()
    if url is None:
        raise StartError(
            "DATABASE_AUTH is 'iam', and no token can be made; see DATABASE_HOST, _USER and _NAME"
        )
    # Without these Prisma would take any certificate, or none. They outlive the token.
    os.environ["DATABASE_URL"] = add_missing_query_params(url, secret_files.database_settings(database))


def bundle(ours: Path) -> Path:
    """One file of the public authorities and ours: engines have our certificates, hosted providers public
    ones."""
    import certifi

    path = Path(tempfile.mkdtemp(prefix="bastide-ca-")) / "ca.crt"
    path.write_text(Path(certifi.where()).read_text() + "\n" + ours.read_text())
    return path


def redis_link(given: environment.Environment, secrets: Mapping[str, str]) -> RedisLink | None:
    """The connection to Redis."""
    if given.redis is None:
        return None
    at = given.redis
    return RedisLink(
        Address(
            at.host,
            at.port,
            at.tls,
            None if at.ca is None else str(at.ca),
            at.user,
            secrets.get("redis-password"),
            None if at.cache_name is None else (at.cache_name, at.region or ""),
        ),
        at.bound_ms / 1000,
    )


async def run(given: environment.Environment) -> None:
    """Starts everything and serves until a signal."""
    table, config, secrets = prepare(given)
    hung = frame.load(table)
    link = redis_link(given, secrets)
    reservations = None if link is None else Reservations(link)
    held = Gateway(table, hung, DecisionLog(), link, reservations)

    import litellm
    from litellm.proxy import proxy_server

    from bastide_gateway import cache
    from bastide_gateway.callbacks import gateway as callback

    quiet.install()
    quiet.listens_alone()
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    await hung.start()
    if link is not None:
        # Before the router is made, which looks whether there is one.
        cache.install(link)
    lifespan = proxy_server.app.router.lifespan_context(proxy_server.app)
    state = await lifespan.__aenter__()
    try:
        quiet.install()
        callback.gateway = held
        first_token.install(proxy_server.llm_router, table)
        sign_in.install(proxy_server.app, given.config / "routes.json", table)
        looks = {"callback": lambda: hangs(config)}
        if link is not None:
            looks["redis"] = link.ready
        if given.database is not None:
            looks["database"] = database_answers
        why = await hangs(config)
        if why is not None:
            raise StartError(why)
        watch = Watch(held, looks)
        app = stated(proxy_server.app, state)
        speed.spare_collector()
        await serve(given, held, watch, app)
        await ending.written(held, hung)
    finally:
        await ending.left(lifespan)


async def serve(given: environment.Environment, held: Gateway, watch: Watch, app: Any) -> None:
    """The listeners and what runs beside them."""
    from prometheus_client import make_asgi_app

    listeners = [
        servers.listener(
            Edge(app, held, watch.reasons, given.body_s),
            given.host,
            given.port,
            given.tls,
            given.drain_s,
            given.keep_alive_s,
            Bounds(given.most_connections, given.header_s),
        ),
        servers.listener(
            Admin(app, held, os.environ["LITELLM_MASTER_KEY"], given.body_s),
            given.host,
            given.admin_port,
            given.tls,
            given.drain_s,
        ),
        servers.listener(make_asgi_app(), given.host, given.metrics_port, None, 1),
    ]
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    beside = [asyncio.create_task(watch.run())]
    if given.tls is not None:
        beside.append(asyncio.create_task(servers.renew(listeners, given.tls)))

    def ends() -> None:
        watch.ending = True
        ending.watch(given.drain_s)

    try:
        await servers.serve(listeners, ended, ends, ending.GRACE_S)
    finally:
        for task in beside:
            task.cancel()


def stated(app: Any, state: Any) -> Any:
    """LiteLLM's application with what its start gave it, which a server with a lifespan would hand on."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = dict(state or {})
        await app(scope, receive, send)

    return call


async def hangs(config: Mapping[str, Any]) -> str | None:
    """Why our callback, or one that the configuration names, does not hang in LiteLLM; nothing when they
    do."""
    import litellm
    from litellm.proxy import proxy_server

    from bastide_gateway.callbacks import gateway as callback

    if not first_token.installed(proxy_server.llm_router):
        return (
            "LiteLLM's router is not the one that was started; the first token of a stream is not waited for"
        )
    if callback not in litellm.callbacks:
        return "our callback does not hang in LiteLLM; config.yaml's litellm_settings.callbacks must load it"
    before = litellm.callbacks[: litellm.callbacks.index(callback)]
    others = [type(one).__name__ for one in before if _hooks(one)]
    if others:
        return f"{', '.join(others)} runs before our callback; config.yaml must name ours first"
    named = (config.get("litellm_settings") or {}).get("callbacks") or []
    if "prometheus" in named and not any("Prometheus" in type(one).__name__ for one in litellm.callbacks):
        return "the callback prometheus is configured and not active"
    return None


def _hooks(one: object) -> bool:
    from litellm.integrations.custom_logger import CustomLogger

    return getattr(type(one), "async_pre_call_hook", None) not in (None, CustomLogger.async_pre_call_hook)


async def database_answers() -> str | None:
    """Why Postgres cannot be asked, or nothing."""
    from litellm.proxy import proxy_server

    if proxy_server.prisma_client is None:
        return "LiteLLM has no connection to it"
    await proxy_server.prisma_client.db.query_raw("SELECT 1")
    return None


def main() -> int:
    """The program."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        # Not asyncio.run, which waits for every thread and task that LiteLLM leaves behind.
        asyncio.Runner(loop_factory=speed.event_loop()).run(run(environment.read(os.environ)))
    except StartError as error:
        sys.stderr.write(json.dumps({"log": "bastide.start", "refused": str(error)}) + "\n")
        return 1
    except Exception as error:
        log.error("the gateway failed: %s", faults.told(error))
        return 1
    return 0


if __name__ == "__main__":
    ending.leave(main())
