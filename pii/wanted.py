"""The body of a request, judged before any of it is worked on. No message repeats what was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from pii.errors import RefusedError
from pii.limits import Limits
from pii.redactor import Text

_CONTEXT_WORDS: Final = 8
_CONTEXT_LENGTH: Final = 64


@dataclass(frozen=True)
class Wanted:
    """Texts to redact, and whether the caller wants to be able to restore them."""

    texts: tuple[Text, ...]
    restore: bool


def wanted(body: bytes, limits: Limits) -> Wanted:
    """Raises RefusedError: 400 for what is no such request, 413 for what is too much."""
    if len(body) > limits.body_bytes:
        raise RefusedError(413, f"the body has more than {limits.body_bytes} bytes (PII_BODY_BYTES)")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not JSON in UTF-8") from None
    if not isinstance(given, dict) or set(given) - {"texts", "restore"} or "texts" not in given:
        raise RefusedError(400, 'the body is to be {"texts": [...], "restore": false} and nothing else')
    texts, restore = given["texts"], given.get("restore", False)
    if not isinstance(texts, list) or not isinstance(restore, bool):
        raise RefusedError(400, "texts is to be a list, and restore true or false")
    if len(texts) > limits.texts:
        raise RefusedError(413, f"there are more than {limits.texts} texts (PII_TEXTS)")
    read = tuple(_text(index, one) for index, one in enumerate(texts))
    if sum(len(one.text) for one in read) > limits.characters:
        raise RefusedError(413, f"the texts have more than {limits.characters} characters (PII_CHARACTERS)")
    return Wanted(read, restore)


def _text(index: int, given: Any) -> Text:
    if isinstance(given, str):
        given = {"text": given}
    if (
        not isinstance(given, dict)
        or set(given) - {"text", "context"}
        or not isinstance(given.get("text"), str)
    ):
        raise RefusedError(400, f'texts[{index}] is to be a string or {{"text": ..., "context": [...]}}')
    context = given.get("context", [])
    if not isinstance(context, list) or not all(isinstance(one, str) for one in context):
        raise RefusedError(400, f"texts[{index}].context is to be a list of strings")
    if any("\ud800" <= one <= "\udfff" for one in given["text"]):
        raise RefusedError(400, f"texts[{index}] holds half of a surrogate pair, which is no text")
    # Only hints, so what is too long is cut and not refused: keys of a caller's document may be anything.
    return Text(given["text"], tuple(one[:_CONTEXT_LENGTH] for one in context[-_CONTEXT_WORDS:]))
