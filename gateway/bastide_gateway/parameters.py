"""Which fields a request may have.

LiteLLM obeys dozens that are no part of OpenAI's interface: `api_base`, `fallbacks`, `mock_response`, `user_config`,
`guardrails`, `cache`, `num_retries`, `metadata` with tags and keys of its own. A list of forbidden names would age
with each of its versions, so this is a list of allowed ones."""

from __future__ import annotations

from typing import Any, Final

from bastide_gateway import messages
from bastide_gateway.errors import Refused

_SAMPLING: Final = frozenset(
    {"temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias", "n"}
)
_ENGINE: Final = frozenset({"top_k", "min_p", "repetition_penalty", "min_tokens"})
"""vLLM's own sampling parameters (its OpenAI-compatible server, "Extra parameters"): numbers, which widen nothing.
`prompt_logprobs`, `chat_template` and `priority` are of the same list, and are not here: they cost, run code or jump
the queue."""

_COMMON: Final = frozenset({"model", "user", "metadata", "stream", "stream_options", "max_tokens"})

CHAT: Final = (
    _COMMON
    | _SAMPLING
    | _ENGINE
    | {
        "messages",
        "max_completion_tokens",
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
    }
)
COMPLETION: Final = _COMMON | _SAMPLING | _ENGINE | {"prompt", "suffix", "echo", "logprobs", "best_of"}
EMBEDDING: Final = frozenset({"model", "user", "metadata", "input", "dimensions", "encoding_format"})

ALLOWED: Final = {"chat": CHAT, "completion": COMPLETION, "embedding": EMBEDDING}

_NOT_FORWARDED: Final = frozenset({"user", "metadata"})
"""Taken, so that clients need no change, and dropped: LiteLLM writes both to its spend log and obeys the second, and
they would reach the provider. `metadata.data_class` has been read before."""

_PARTS: Final = frozenset({"text", "refusal"})
"""Of a message's content. Pictures, sound and files would pass every guard unread, and an engine would fetch their
addresses from inside the cluster."""

_PART: Final = frozenset({"type", "text", "refusal", "cache_control"})

_WHOLE: Final = {
    "n": 1,
    "best_of": 1,
    "max_tokens": 1,
    "max_completion_tokens": 1,
    "min_tokens": 0,
    "top_logprobs": 0,
}
"""Whole numbers, and the least of each. Of 0 some engines make "as much as there is room for": nobody reserved that."""

_MOST: Final = 2**31 - 1

_TOOLS: Final = frozenset({"function"})
"""Tools that only tell the client to call something. Hosted ones (search, code, MCP servers) run
elsewhere."""


def clean(kind: str, body: object) -> dict[str, Any]:
    """The body as it goes on to LiteLLM. Raises `Refused` for what is not an object or holds an unknown
    field."""
    if not isinstance(body, dict):
        raise Refused(
            400, "not_an_object", "the body is not a JSON object; see OpenAI's interface for its fields"
        )
    unknown = sorted(set(body) - ALLOWED[kind])
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in unknown[:5])
        raise Refused(
            400,
            "unknown_parameter",
            f"not allowed in the body: {shown}; allowed: {', '.join(sorted(ALLOWED[kind]))}; routing, "
            "retries, caching and "
            "guards are the gateway's to decide",
            param=unknown[0][:40],
            told=f"fields that are not allowed in the body: {len(unknown)}",
        )
    if not isinstance(body.get("model"), str):
        raise Refused(
            400, "model_missing", "`model` must be a string: a name from GET /v1/models", param="model"
        )
    for name, least in _WHOLE.items():
        _whole(body, name, least)
    if not isinstance(body.get("stream", False), bool | None):
        raise Refused(400, "invalid_parameter", "`stream` must be true or false", param="stream")
    if kind == "chat":
        _messages(body)
        body = body | {"messages": [messages.known(message) for message in body["messages"]]}
        _tools(body)
    elif kind == "completion":
        _strings(body, "prompt")
        if body.get("echo"):
            raise Refused(400, "invalid_parameter", "`echo` is not served here; leave it out", param="echo")
    else:
        _strings(body, "input")
    return {name: value for name, value in body.items() if name not in _NOT_FORWARDED and value is not None}


def _whole(body: dict[str, Any], name: str, least: int) -> None:
    value = body.get(name)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST
    ):
        told = f"`{name}` must be a whole number, {least} to {_MOST}; leave it out for the model's own"
        raise Refused(400, "invalid_parameter", told, param=name)


def _strings(body: dict[str, Any], name: str) -> None:
    value = body.get(name)
    if isinstance(value, str) or (
        isinstance(value, list) and value and all(isinstance(item, str) for item in value)
    ):
        return
    # Token ids are text that no guard can read.
    raise Refused(
        400,
        "invalid_parameter",
        f"`{name}` must be a string or a list of strings (token ids are not taken)",
        param=name,
    )


def _messages(body: dict[str, Any]) -> None:
    given = body.get("messages")
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        raise Refused(
            400, "invalid_parameter", "`messages` must be a list of at least one object", param="messages"
        )
    for index, message in enumerate(given):
        messages.check(message, f"messages[{index}]")
        content = message.get("content")
        path = f"messages[{index}].content"
        if content is None or isinstance(content, str):
            continue
        if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
            raise Refused(
                400, "invalid_parameter", f"`{path}` must be a string or a list of parts", param=path
            )
        for part in content:
            text = part.get("text", part.get("refusal"))
            if part.get("type") not in _PARTS or not isinstance(text, str) or set(part) - _PART:
                raise Refused(
                    400,
                    "unsupported_content",
                    f"`{path}` has a part that is not text; allowed types: {', '.join(sorted(_PARTS))}; "
                    "pictures, sound "
                    "and files cannot be looked at by the guards, so that they are not let through",
                    param=path,
                )


def _tools(body: dict[str, Any]) -> None:
    tools = body.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Refused(400, "invalid_parameter", "`tools` must be a list of objects", param="tools")
    for index, tool in enumerate(tools):
        is_plain = messages.is_function(tool.get("function")) and not set(tool) - {"type", "function"}
        if tool.get("type") not in _TOOLS or not is_plain:
            raise Refused(
                400,
                "unsupported_tool",
                f"`tools[{index}]` is not a plain function; allowed: type 'function' with `function`, whose name has "
                "letters, digits, _, ., : and -, at most 128; tools "
                "that run at the "
                "provider would let text out of its data class",
                param=f"tools[{index}]",
            )
