"""Every text of a request that a model will see, in places that can be replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """One text, and how it is replaced. `path` says where it stands, without the text."""

    path: str
    text: str
    replace: Callable[[str], None]


def request_texts(body: dict[str, Any]) -> Iterator[Place]:
    """The texts of a chat, a completion or an embedding: messages, prompts, inputs, tools and their arguments.

    Keys of JSON are texts too where the client chose them, but they are not given: a tool's schema would no longer
    fit its call. A tool's arguments are JSON in a string; they are given as the string that they are."""
    messages = body.get("messages")
    if isinstance(messages, list):
        for index, message in enumerate(messages):
            if isinstance(message, dict):
                yield from _message(message, f"messages[{index}]")
    for name in ("prompt", "suffix", "input", "instructions"):
        if name in body:
            yield from _value(body, name, name)
    for name in ("tools", "functions", "response_format", "prediction", "stop"):
        if name in body:
            yield from _value(body, name, name, skip=_STRUCTURE)


_STRUCTURE = frozenset({"type", "name", "strict", "required", "$ref"})
"""Words of a schema: replacing them would break it. Enumerated values and descriptions are given, and what lies below
a property that somebody called `name` or `type`."""

_VALUES = frozenset({"default", "const", "enum", "examples", "example"})
"""Words of a schema below which stands a value, and no schema any more."""


def _message(message: dict[str, Any], path: str) -> Iterator[Place]:
    for name in ("content", "refusal", "reasoning_content", "reasoning", "name"):
        if name in message:
            yield from _value(message, name, f"{path}.{name}", skip=frozenset({"type"}))
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and "arguments" in function:
            yield from _value(function, "arguments", f"{path}.tool_calls[{index}].arguments")
    function = message.get("function_call")
    if isinstance(function, dict) and "arguments" in function:
        yield from _value(function, "arguments", f"{path}.function_call.arguments")


def _value(holder: Any, key: Any, path: str, skip: frozenset[str] = frozenset()) -> Iterator[Place]:
    value = holder[key]
    if isinstance(value, str):

        def replace(text: str) -> None:
            holder[key] = text

        yield Place(path, value, replace)
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from _value(value, index, f"{path}[{index}]", skip)
    elif isinstance(value, dict):
        for name in list(value):
            if name not in skip or isinstance(value[name], dict):
                inner = frozenset[str]() if name in _VALUES else skip
                yield from _value(value, name, f"{path}.{name}", inner)


def size(body: dict[str, Any]) -> int:
    """How many bytes of text a model would be given, with the names that tools and schemas bring."""
    total = sum(len(place.text.encode()) for place in request_texts(body))
    for name in ("tools", "functions", "response_format"):
        if name in body:
            total += len(json.dumps(body[name], ensure_ascii=False).encode())
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        for name in ("tool_calls", "function_call", "tool_call_id"):
            if isinstance(message, dict) and message.get(name):
                total += len(json.dumps(message[name], ensure_ascii=False).encode())
    return total
