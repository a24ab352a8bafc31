"""Exact answers that are kept, each for one team and one data class, in Redis, behind LiteLLM's own cache.

LiteLLM's key leaves out whatever only the provider knows (`top_k` among it) and knows no tenant; so ours is made from
the whole body, after the guards have changed it, and LiteLLM's is not looked at. Without a call of ours nothing is
read or written: no key, no cache."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any, Final

from litellm.caching.base_cache import BaseCache

from bastide_gateway import metrics
from bastide_gateway.call import Call, current
from bastide_gateway.redis_link import RedisDown, RedisLink

log = logging.getLogger("bastide.gateway")

PREFIX: Final = "bastide:cache:"
LARGEST: Final = 1 << 20
"""Bytes of an answer that is kept."""


def key(call: Call, body: dict[str, Any]) -> str:
    """Where the answer to this body is kept for this tenant. A key without a team is a tenant of its own."""
    caller = call.caller
    tenant = "" if caller is None else caller.team_id or caller.team or f"key:{caller.key_hash}"
    held = {
        name: value
        for name, value in sorted(body.items())
        if name not in ("model", "stream", "stream_options")
    }
    parts = [tenant, call.data_class, call.route, call.kind, held]
    return PREFIX + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class TenantCache(BaseCache):  # type: ignore[misc]
    """What LiteLLM's `Cache` reads and writes through."""

    def __init__(self, link: RedisLink) -> None:
        super().__init__()
        self._link = link

    async def async_get_cache(self, key: str, **kwargs: Any) -> Any:
        """What was kept for the request that this task serves."""
        place, _ = _place()
        if place is None:
            return None
        try:
            kept = await self._link.run("cache-get", lambda: self._link.redis.get(place))
        except RedisDown:
            metrics.CACHE.labels("failed").inc()
            return None
        metrics.CACHE.labels("miss" if kept is None else "hit").inc()
        if kept is None:
            return None
        call = current.get()
        if call is not None:
            call.cache_hit = True
            # LiteLLM had chosen a deployment already; nothing was asked of it.
            del call.attempts[-1:]
        return json.loads(kept)

    async def async_set_cache(self, key: str, value: Any, **kwargs: Any) -> None:
        """Keeps it for as long as the route says."""
        place, seconds = _place()
        if place is None:
            return
        text = json.dumps(value)
        if len(text) > LARGEST:
            return
        try:
            await self._link.run("cache-set", lambda: self._link.redis.set(place, text, ex=seconds))
        except RedisDown:
            metrics.CACHE.labels("failed").inc()

    async def async_set_cache_pipeline(self, cache_list: list[tuple[str, Any]], **kwargs: Any) -> None:
        """Of embeddings, whose parts LiteLLM keeps one by one: not kept."""

    def get_cache(self, key: str, **kwargs: Any) -> Any:
        """Without a task of a request there is no tenant."""
        return None

    def set_cache(self, key: str, value: Any, **kwargs: Any) -> None:
        """Without a task of a request there is no tenant."""

    async def disconnect(self) -> None:
        """The connection belongs to the limits too, and is closed with them."""


def allow(call: Call, body: dict[str, Any], ttl_s: int) -> None:
    """The request may use the cache: notes its place."""
    call.notes["cache"] = (key(call, body), ttl_s)


def _place() -> tuple[str | None, int]:
    call = current.get()
    if call is None or not call.cache_allowed:
        return None, 0
    place: tuple[str, int] | None = call.notes.get("cache")
    return place if place is not None else (None, 0)


def install(link: RedisLink) -> None:
    """Puts it into LiteLLM, where only requests that opt in use it, which is ours to say."""
    import litellm
    from litellm.caching.caching import Cache, CacheMode

    held = Cache(type="local", mode=CacheMode.default_off)
    held.cache = TenantCache(link)
    litellm.cache = held
