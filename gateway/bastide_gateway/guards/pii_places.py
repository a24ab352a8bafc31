"""Which texts of a request are searched, and what of it has no text to search."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from bastide_gateway.texts import request_texts

_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text", "refusal", "thinking", "reasoning"})
"""Kinds of content parts that are text and nothing else."""
_DEEPEST: Final = 64
"""Levels of a JSON document that are followed; what lies deeper makes the document a plain text."""


@dataclass(frozen=True)
class Judged:
    """One text, the words that say what it is, and how it is replaced."""

    text: str
    replace: Callable[[str], None]
    context: tuple[str, ...] = ()


def judged_texts(body: dict[str, Any]) -> list[Judged]:
    """All of them. A tool's arguments and results are JSON in a string: their values are searched one by one, with
    the keys above them as context, so that a number stays a value and `\\u0030` is read as the model would."""
    found: list[Judged] = []
    results = _results(body)
    for place in request_texts(body):
        if not place.text.strip():
            continue
        is_document = place.path.endswith(".arguments") or place.path.startswith(results)
        inside = _document(place.text, place.replace) if is_document else None
        found.extend([Judged(place.text, place.replace)] if inside is None else inside)
    if isinstance(body.get("user"), str) and body["user"].strip():

        def replace(text: str) -> None:
            body["user"] = text

        found.append(Judged(body["user"], replace))
    return found


def unjudged(body: dict[str, Any]) -> str | None:
    """Where something stands that is no text: an image, sound, a file, tokens."""
    for index, message in enumerate(body.get("messages") or []):
        for at, part in enumerate(_parts(message)):
            if isinstance(part, str) or (isinstance(part, dict) and part.get("type") in _TEXT_PARTS):
                continue
            return f"messages[{index}].content[{at}]"
    for name in ("prompt", "input"):
        if name in body and (path := _not_text(body[name], name)):
            return path
    return None


def _parts(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, dict) else None
    if content is None or isinstance(content, str):
        return []
    return content if isinstance(content, list) else [content]


def _not_text(value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return None
    if isinstance(value, list):
        return next(
            (bad for index, one in enumerate(value) if (bad := _not_text(one, f"{path}[{index}]"))), None
        )
    return path


def _results(body: dict[str, Any]) -> tuple[str, ...]:
    messages = body.get("messages")
    return tuple(
        f"messages[{index}].content"
        for index, message in enumerate(messages if isinstance(messages, list) else [])
        if isinstance(message, dict) and message.get("role") in ("tool", "function")
    )


class _SameKeyError(ValueError):
    """A key stands twice in an object: its first value would be lost from sight."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _SameKeyError
    return made


def _document(text: str, replace: Callable[[str], None]) -> list[Judged] | None:
    """The values of a JSON document, or none where it is not one that can be written again as it was."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        root = [json.loads(text, object_pairs_hook=_object)]
        leaves = list(_leaves(root, 0, (), 0))
    except (ValueError, RecursionError):
        return None

    def changed(holder: Any, key: Any) -> Callable[[str], None]:
        def put(text: str) -> None:
            holder[key] = text
            replace(json.dumps(root[0], ensure_ascii=False))

        return put

    def renamed(holder: dict[str, Any], key: str) -> Callable[[str], None]:
        def put(text: str) -> None:
            # In its place, so that the order stays.
            renewed = {text if name == key else name: value for name, value in holder.items()}
            holder.clear()
            holder.update(renewed)
            replace(json.dumps(root[0], ensure_ascii=False))

        return put

    values = [Judged(_shown(holder[key]), changed(holder, key), context) for holder, key, context in leaves]
    # Keys last: a value is put under the name that it had.
    keys = [Judged(key, renamed(holder, key)) for holder in _objects(root) for key in holder]
    return values + keys


def _leaves(
    holder: Any, key: Any, context: tuple[str, ...], depth: int
) -> Iterator[tuple[Any, Any, tuple[str, ...]]]:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    value = holder[key]
    if isinstance(value, dict):
        for name in value:
            yield from _leaves(value, name, (*context, name), depth + 1)
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from _leaves(value, index, context, depth + 1)
    elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield holder, key, context


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(one)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
