"""Puts back what placeholders stand for, in whole texts and in streams whose pieces cut them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bastide_gateway.guards import StreamFilter


def restorable(mapping: Mapping[str, str]) -> dict[str, str]:
    """What may be put back: nobody knows whether an answer's text is JSON, so a value that would break one stays
    hidden; and a secret that somebody pasted needs no second place."""
    return {
        name: value
        for name, value in mapping.items()
        if not name.startswith("<SECRET_") and not re.search(r'["\\\x00-\x1f]', value)
    }


def restored(text: str, mapping: Mapping[str, str]) -> str:
    """In one pass, so that a value that looks like a placeholder is not restored again."""
    if not mapping or "<" not in text:
        return text
    return re.sub("|".join(map(re.escape, mapping)), lambda found: mapping[found.group(0)], text)


class Restoring(StreamFilter):
    """Keeps back only what may be the beginning of a placeholder: never more than the longest of them."""

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self._mapping = dict(mapping)
        self._kept = ""

    async def feed(self, text: str) -> str:
        """What may go on."""
        text = self._kept + text
        begin = text.rfind("<")
        is_open = begin >= 0 and any(
            len(name) > len(text) - begin and name.startswith(text[begin:]) for name in self._mapping
        )
        self._kept = text[begin:] if is_open else ""
        return restored(text[:begin] if is_open else text, self._mapping)

    async def close(self) -> str:
        """What was kept back, which was no placeholder after all."""
        kept, self._kept = self._kept, ""
        return kept
