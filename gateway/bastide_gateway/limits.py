"""Bounds of one request: tokens in, tokens out, number of answers. The size of the body is the edge's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bastide_gateway import texts
from bastide_gateway.call import Call
from bastide_gateway.document import Document, Route
from bastide_gateway.errors import Refused

PER_MESSAGE: Final = 16
"""Tokens that a chat template puts around a message. Qwen's and Llama 3's take 5 to 10 (read from their
templates)."""

CERTAIN: Final = 16
"""So many bytes for each allowed token, and the text is too long whatever the tokenizer: English has about 4 bytes a
token, and only runs of one character have more than this."""

DEFAULT_OUTPUT: Final = 4096
"""Tokens out where neither the route nor the deployment says how many: what a budget's reservation
assumes then."""


def bound(body: dict[str, Any]) -> int:
    """At most so many tokens go in: no byte-level tokenizer makes more than one token of a byte."""
    messages = body.get("messages")
    count = len(messages) if isinstance(messages, list) else 1
    return texts.size(body) + PER_MESSAGE * (count + 1)


def check(
    document: Document, route: Route, call: Call, body: dict[str, Any], counted: Callable[[str], int]
) -> None:
    """Refuses what is over the route's limits, caps the output at its limit, and notes both bounds in the call.

    `counted` counts tokens, and is slow: it is only asked where the bound cannot tell. Raises `Refused`."""
    limits = route.limits
    answers = int(body.get("n") or 1)
    best = max(answers, int(body.get("best_of") or 1))
    if not 1 <= best <= limits.max_n:
        raise Refused(
            400,
            "too_many_answers",
            f"{best} answers were asked for; allowed for {route.name!r}: 1 to {limits.max_n}",
            param="n",
        )
    call.input_bound = _input(document, route, call, body, counted)
    prompts = body.get("prompt")
    several = len(prompts) if isinstance(prompts, list) else 1
    if several * best > max(limits.max_n, 1):
        raise Refused(
            400,
            "too_many_answers",
            f"{several} prompts with {best} answers each; allowed for {route.name!r}: {limits.max_n} "
            "answers a request",
            param="prompt",
        )
    call.output_bound = (
        0 if call.kind == "embedding" else _output(document, route, call, body) * best * several
    )


def _input(
    document: Document, route: Route, call: Call, body: dict[str, Any], counted: Callable[[str], int]
) -> int:
    at_most = bound(body)
    allowed = route.limits.max_input_tokens
    if allowed is None or at_most <= allowed:
        return _within(document, route, call, body, at_most)
    if at_most <= allowed * CERTAIN:
        tokens = sum(counted(place.text) for place in texts.request_texts(body))
        if tokens <= allowed:
            return _within(document, route, call, body, at_most)
        told = f"about {tokens} tokens"
    else:
        told = f"{at_most} bytes of text, which is more by any tokenizer"
    raise Refused(
        400,
        "context_length_exceeded",
        f"the request has {told}; the model {route.name!r} takes at most {allowed}; send less",
        param="messages" if "messages" in body else None,
    )


def _within(document: Document, route: Route, call: Call, body: dict[str, Any], at_most: int) -> int:
    # What is longer than a context is refused by the engine, and costs nothing.
    contexts = [
        document.deployments[name].context_tokens for name in document.reachable(route, call.data_class or "")
    ]
    known = [tokens for tokens in contexts if tokens is not None]
    if isinstance(body.get("input"), list) or isinstance(body.get("prompt"), list):
        return at_most  # each of them has a context of its own
    return min(at_most, max(known)) if known and len(known) == len(contexts) else at_most


def _output(document: Document, route: Route, call: Call, body: dict[str, Any]) -> int:
    """Tokens of one answer. A wish above the limit is refused; without a wish the limit is written into
    the body."""
    allowed = route.limits.max_output_tokens
    wishes = [body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    if wishes:
        wish = int(max(wishes))
        if allowed is not None and wish > allowed:
            raise Refused(
                400,
                "max_tokens_too_large",
                f"{wish} tokens of output were asked for; the model {route.name!r} gives at most {allowed}",
                param="max_tokens",
            )
        return wish
    if allowed is not None:
        body["max_tokens"] = allowed
        return allowed
    contexts = [
        document.deployments[name].context_tokens for name in document.reachable(route, call.data_class or "")
    ]
    return max((tokens or DEFAULT_OUTPUT for tokens in contexts), default=DEFAULT_OUTPUT)
