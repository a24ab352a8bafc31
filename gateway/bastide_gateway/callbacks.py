"""The callback that LiteLLM loads: `callbacks: ["bastide_gateway.callbacks.gateway"]` in config.yaml.

One callback, so that the order of what it does is ours: LiteLLM runs several in the order of their loading, and goes on
without one that cannot be loaded. The launcher sees to it that it is this object which hangs there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn

from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

from bastide_gateway import allowance, data_class, faults, holders, limits, parameters, streams
from bastide_gateway import cache as answers_cache
from bastide_gateway.call import Attempt, Call, current
from bastide_gateway.errors import Refused
from bastide_gateway.gateway import Gateway

log = logging.getLogger("bastide.gateway")

BODY: Final = frozenset().union(*parameters.ALLOWED.values()) - {"model", "user", "metadata"}
"""The fields of a body that are the client's, among the many that LiteLLM puts beside them."""

LONG: Final = 16_384
"""Bytes of text above which counting tokens leaves the event loop: it takes some 4 ms then."""


class Callback(CustomLogger):  # type: ignore[misc]
    """Hooks into LiteLLM. It refuses every request until the launcher has given it its gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway: Gateway | None = None

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """After the key, before the router: class, route, limits, guards, reservation."""
        call = current.get()
        if call is None or self.gateway is None:
            _refuse(None, Refused(403, "not_served", "models are not called at this address"))
        try:
            await self._admit(self.gateway, call, user_api_key_dict, data, call_type)
        except Refused as refused:
            _refuse(call, refused)
        except Exception as error:
            fault(call, error)
            raise
        return data

    async def _admit(
        self, gateway: Gateway, call: Call, auth: Any, data: dict[str, Any], call_type: str
    ) -> None:
        gateway.gate()
        if call.group is not None:
            # LiteLLM's own limiter refused the first try and looks for another model.
            raise Refused(
                429, "rate_limit_exceeded", "the limit of this key is reached", {"retry-after": "10"}
            )
        if data_class.KINDS.get(call_type) != call.kind:
            raise Refused(400, "not_served", "this kind of call is not served here")
        call.caller = holders.caller_of(gateway.document, auth)
        holders.check_listeners(auth)
        route = data_class.choose(gateway.document, call, call.caller.data_class)
        body = {name: data[name] for name in data if name in BODY}
        if limits.bound(body) > LONG:
            await asyncio.to_thread(limits.check, gateway.document, route, call, body, counted)
        else:
            limits.check(gateway.document, route, call, body, counted)
        await gateway.frame.check_request(call, body)
        held = holders.holders(gateway.document, auth, await team_row(auth), call.caller)
        await gateway.reserve(call, allowance.limits(gateway.document, route, call, held), route.max_wait_s)
        for name in BODY:
            data.pop(name, None)
        data.update(body)
        data["model"] = call.group
        data["extra_headers"] = {"x-request-id": call.request_id}
        if call.kind != "embedding" and call.streaming:
            call.notes["usage_asked"] = bool((body.get("stream_options") or {}).get("include_usage"))
            data["stream_options"] = {"include_usage": True}
        call.cache_allowed = call.cache_allowed and call.kind != "embedding"
        if call.cache_allowed:
            answers_cache.allow(call, body, route.cache_ttl_s)
            data["cache"] = {"use-cache": True, "ttl": route.cache_ttl_s}

    async def async_pre_call_deployment_hook(
        self, kwargs: dict[str, Any], call_type: Any
    ) -> dict[str, Any] | None:
        """Before every single try, whoever chose it: the last look at whether it stays in the class."""
        call = current.get()
        if call is None or self.gateway is None:
            raise HTTPException(status_code=403, detail="models are not called at this address")
        identity = str((kwargs.get("model_info") or {}).get("id") or "")
        deployment, _, group = identity.partition("@")
        if not data_class.may_answer(self.gateway.document, call, deployment, group):
            refused = Refused(
                403, "left_data_class", f"a try would have left the class {call.data_class}; it was not made"
            )
            _refuse(call, refused)
        call.attempts.append(Attempt(deployment, group))
        return None

    async def async_post_call_success_hook(
        self, data: dict[str, Any], user_api_key_dict: Any, response: Any
    ) -> Any:
        """The whole answer is there; a client has seen nothing of it."""
        call = current.get()
        if call is None or self.gateway is None:
            return response
        streams.answered_by(call)
        streams.count(call, getattr(response, "usage", None))
        places = streams.answer_texts(response)
        try:
            texts = [place.text for place in places]
            for place, text in zip(places, await self.gateway.frame.check_answer(call, texts), strict=True):
                if text != place.text:
                    place.replace(text)
        except Refused as refused:
            _refuse(call, refused)
        if getattr(response, "model", None) is not None:
            response.model = call.route
        return response

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], response: Any, **_: Any
    ) -> None:
        """Before the first chunk of a stream is sent."""
        call = current.get()
        if call is not None:
            streams.hide_group(call, response)

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict[str, Any]
    ) -> AsyncIterator[Any]:
        """A stream: counted, filtered, and ended by a visible error where it breaks."""
        call = current.get()
        if call is None or self.gateway is None:
            raise HTTPException(status_code=403, detail="models are not called at this address")
        make = self.gateway.frame.stream(call)
        try:
            async for chunk in streams.filtered(call, response, make):
                if streams.has_text(chunk):
                    call.first_token()
                yield chunk
        except Refused as refused:
            _note(call, refused)
            raise streams.StreamEnd(refused) from None
        except (GeneratorExit, asyncio.CancelledError, HTTPException):
            raise
        except Exception as error:
            call.notes["failure"] = type(error).__name__
            call.outcome, call.reason = "stream_broke", type(error).__name__
            told = "the deployment broke off in the middle of its answer; what came is not whole"
            raise streams.StreamEnd(Refused(502, "stream_broke", told)) from None

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: Any = None,
    ) -> None:
        """LiteLLM gave the request up: what the edge will explain."""
        call = current.get()
        if call is not None:
            call.notes.setdefault("failure", type(original_exception).__name__)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """One try failed: how."""
        call = self._call(kwargs)
        identity = str(((kwargs.get("litellm_params") or {}).get("model_info") or {}).get("id") or "")
        if call is None or not identity:
            return
        for index, attempt in enumerate(call.attempts):
            if attempt.failure is None and identity == f"{attempt.deployment}@{attempt.group}":
                failure = type(kwargs.get("exception")).__name__
                call.attempts[index] = Attempt(attempt.deployment, attempt.group, failure)
                return

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """LiteLLM has counted; taken only where the answer itself did not say (a stream that its client
        left)."""
        call = self._call(kwargs)
        if call is not None and call.output_tokens is None:
            streams.count(call, getattr(response_obj, "usage", None))

    def _call(self, kwargs: dict[str, Any]) -> Call | None:
        if self.gateway is None:
            return None
        return self.gateway.calls.get(str(kwargs.get("litellm_call_id")))


def fault(call: Call, error: Exception) -> None:
    """A fault of ours: where it happened, without what it says, which could be text of the request."""
    log.error("request %s: %s", call.request_id, faults.told(error))


def counted(text: str) -> int:
    """Tokens of a text by LiteLLM's own tokenizer (OpenAI's cl100k): near enough for a bound, exact for
    no other."""
    import litellm

    return int(litellm.token_counter(model="gpt-4", text=text))


async def team_row(auth: Any) -> Any:
    """LiteLLM's row of the caller's team, as it keeps it for a minute; none where there is none."""
    if getattr(auth, "team_id", None) is None:
        return None
    from litellm.proxy import proxy_server
    from litellm.proxy.auth.auth_checks import get_team_object

    try:
        return await get_team_object(
            team_id=auth.team_id,
            prisma_client=proxy_server.prisma_client,
            user_api_key_cache=proxy_server.user_api_key_cache,
            proxy_logging_obj=proxy_server.proxy_logging_obj,
        )
    except Exception:
        return None


def _note(call: Call, refused: Refused) -> None:
    call.notes["refused"] = refused
    call.outcome, call.reason = refused.code, refused.reason


def _refuse(call: Call | None, refused: Refused) -> NoReturn:
    if call is not None:
        _note(call, refused)
    raise HTTPException(status_code=refused.status, detail=refused.message, headers=dict(refused.headers))


gateway = Callback()
"""The one that LiteLLM loads by this name."""
