"""The first token of a stream belongs to the try: late or broken before it means the next try or fallback.

LiteLLM 1.106.2 takes a try as done once a deployment has sent the head of its answer, and vLLM sends that before it has
computed anything. What fails between the two it gives to a fallback, and never to another deployment of the same group.
So each try of a stream waits here for its first token, at most the route's `firstTokenSeconds`; then LiteLLM's own
retries, cooldowns and fallbacks hold for it as for any other failure, and a client gets a status instead of a stream
that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from bastide_gateway.document import Document, Route
from bastide_gateway.streams import has_text

CHAT: Final = "_acompletion"
TRIES: Final = (CHAT, "_atext_completion")
"""LiteLLM's router: one try of a chat and of a completion. The second has no fallback inside."""


class Try:
    """One of the router's tries, with its first token."""

    def __init__(self, name: str, inner: Callable[..., Awaitable[Any]], document: Document) -> None:
        self._name, self._inner, self._document = name, inner, document

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As LiteLLM's."""
        group = str(kwargs["model"] if "model" in kwargs else args[0])
        route = self._document.routes.get(group.partition("@")[0])
        if not kwargs.get("stream") or route is None:
            return await self._inner(*args, **kwargs)
        if self._name == CHAT:
            _no_fallback_inside(kwargs)
        began = asyncio.get_running_loop().time()
        response = await self._inner(*args, **kwargs)
        await _first(response, route, group, began)
        return response


def install(router: Any, document: Document) -> None:
    """Puts them around the router's own."""
    for name in TRIES:
        setattr(router, name, Try(name, getattr(router, name), document))


def installed(router: Any) -> bool:
    """Whether they are there."""
    return all(isinstance(getattr(router, name, None), Try) for name in TRIES)


async def _first(response: Any, route: Route, group: str, began: float) -> None:
    """Reads until the first token, and puts what was read back. Raises LiteLLM's `Timeout` where it is late."""
    name = next((each for each in ("_async_generator", "completion_stream") if hasattr(response, each)), None)
    if name is None:
        raise TypeError(f"LiteLLM's stream is of a kind that is not known: {type(response).__name__}")
    chunks = getattr(response, name).__aiter__()
    read: list[Any] = []
    try:
        async with asyncio.timeout_at(began + route.first_token_s):
            async for chunk in chunks:
                read.append(chunk)
                if has_text(chunk) or _ends(chunk):
                    break
    except TimeoutError:
        await _close(chunks)
        raise await _late(response, route, group) from None
    setattr(response, name, _again(read, chunks))


async def _late(response: Any, route: Route, group: str) -> Exception:
    """The failure, told to LiteLLM as every failure of a deployment is: its cooldown counts it."""
    import litellm

    late: Exception = litellm.Timeout(
        message=f"no token within {route.first_token_s:g} s", model=group, llm_provider=""
    )
    logging = getattr(response, "logging_obj", None)
    if logging is not None:
        await logging.async_failure_handler(late, "")
    return late


def _ends(chunk: Any) -> bool:
    return any(getattr(choice, "finish_reason", None) for choice in getattr(chunk, "choices", None) or ())


async def _again(read: list[Any], rest: Any) -> AsyncIterator[Any]:
    try:
        for chunk in read:
            yield chunk
        async for chunk in rest:
            yield chunk
    finally:
        await _close(rest)


async def _close(chunks: Any) -> None:
    if hasattr(chunks, "aclose"):
        await chunks.aclose()


def _no_fallback_inside(kwargs: dict[str, Any]) -> None:
    """LiteLLM's fallback in the middle of a try would pass over the other deployments of the group."""
    from litellm.router_utils.fallback_event_handlers import (
        MID_STREAM_FALLBACK_CONTROLS_KEY,
        MidStreamFallbackControls,
    )

    given = kwargs.get(MID_STREAM_FALLBACK_CONTROLS_KEY)
    overrides = dict(given.overrides) if isinstance(given, MidStreamFallbackControls) else {}
    kwargs[MID_STREAM_FALLBACK_CONTROLS_KEY] = MidStreamFallbackControls(
        overrides | {"disable_fallbacks": True}
    )
