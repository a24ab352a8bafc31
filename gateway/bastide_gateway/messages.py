"""One message of a chat: which fields it may have, so that nothing reaches a model that no guard has read."""

from __future__ import annotations

import re
from typing import Any, Final

from bastide_gateway.errors import Refused

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

FIELDS: Final = frozenset(
    {"role", "content", "name", "refusal", "reasoning", "reasoning_content"}
    | {"tool_calls", "tool_call_id", "function_call"}
)
"""What `texts.request_texts` reads, and ids."""

LEFT_OUT: Final = frozenset({"annotations", "audio", "images", "provider_specific_fields", "thinking_blocks"})
"""What an answer's message can bring, and its client puts into the next request. No guard reads it: it is left out."""


NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""Of a function: OpenAI's form, twice as long, with the signs that MCP's clients use."""

LONGEST_ID: Final = 256
"""Of a tool's call: engines' and providers' have 9 to 64 characters."""


def check(message: dict[str, Any], path: str) -> None:
    """All of it but the content. Raises `Refused`."""
    if not isinstance(message.get("role"), str) or message["role"] not in ROLES:
        told = f"`{path}.role` must be one of {', '.join(sorted(ROLES))}"
        raise Refused(400, "invalid_parameter", told, param=path)
    if any(value and name not in FIELDS | LEFT_OUT for name, value in message.items()):
        told = f"`{path}` has a field that no guard reads; allowed: {', '.join(sorted(FIELDS))}"
        raise Refused(400, "unsupported_content", told, param=path)
    old = message.get("function_call")
    if not _is_id(message.get("tool_call_id")) or (old is not None and not is_function(old)):
        told = f"`{path}` has a tool_call_id of more than {LONGEST_ID} characters, or a function_call without a name"
        raise Refused(400, "unsupported_tool", told, param=path)
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(_is_plain(each) for each in calls)):
        told = f"`{path}.tool_calls` must be a list of plain calls: id, type 'function' and function"
        raise Refused(400, "unsupported_tool", told, param=path)


def known(message: dict[str, Any]) -> dict[str, Any]:
    """The message as it goes on."""
    return {
        name: value
        for name, value in message.items()
        if name == "content" or (name in FIELDS and value is not None)
    }


def is_function(given: object) -> bool:
    """Whether a function, or the call of one, has a plain name: no guard reads it."""
    return (
        isinstance(given, dict)
        and isinstance(given.get("name"), str)
        and NAME.fullmatch(given["name"]) is not None
    )


def _is_plain(call: object) -> bool:
    return (
        isinstance(call, dict)
        and call.get("type", "function") == "function"
        and is_function(call.get("function"))
        and _is_id(call.get("id"))
        and not {name for name, value in call.items() if value} - {"id", "index", "type", "function"}
    )


def _is_id(given: object) -> bool:
    return given is None or (isinstance(given, str) and len(given) <= LONGEST_ID)
