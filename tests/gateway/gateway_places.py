"""Everything that a gateway keeps or says, as text: what a search for what people wrote must look through."""

from __future__ import annotations

import redis

from tests.gateway.gateway_world import World

CACHED = b"cache"
"""In the names of the cache's entries."""


def kept(world: World) -> dict[str, str]:
    """By place: logs of all processes, metrics, audit spools, every table and view of Postgres, Redis and in it the
    cache."""
    found = {path.name: path.read_text() for path in world.folder.glob("*.log")}
    found["pii"] = world.pii.log.read_text()
    found["log"] = "".join(replica.process.log.read_text() for replica in world.replicas)
    found["metrics"] = "".join(
        world.get("/metrics", port=1, at=number).text for number in range(len(world.replicas))
    )
    found["spool"] = "".join(path.read_text() for path in world.folder.glob("audit-*/*"))
    tables = world.postgres.query(
        "select table_name from information_schema.tables where table_schema = 'public'"
    )
    for (table,) in tables:
        found[f"postgres {table}"] = str(world.postgres.query(f'select t::text from "{table}" t'))  # noqa: S608
    return found | _redis(world)


def _redis(world: World) -> dict[str, str]:
    client = redis.Redis(port=world.redis.port, password=world.redis.password)
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    texts = {"redis": "", "cache": ""}
    for key in client.scan_iter("*"):
        held = f"{key!r} {read[client.type(key)](key)!r}"  # type: ignore[index]
        texts["cache" if CACHED in key else "redis"] += held.encode().decode("unicode_escape") + "\n"
    return texts
