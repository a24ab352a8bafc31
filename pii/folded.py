"""A copy of a text in which digits, spaces, dashes and letters have one form each, and the way back.

Full-width digits, invisible characters between digits, hard spaces and Vietnamese written with combining marks are
the same to a reader and must be the same to a pattern. Each character of the copy knows where it came from.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_INVISIBLE: Final = {"Cf", "Mn", "Me"}
"""Unicode categories of what is not seen by itself: format characters and combining marks."""


@dataclass(frozen=True)
class Folded:
    """The copy, and for each of its characters the index in the original."""

    text: str
    origin: tuple[int, ...]
    length: int
    """Characters of the original."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the copy lies in the original, with the invisible characters in it and behind it."""
        after = self.origin[end] if end < len(self.origin) else self.length
        return self.origin[start], after


def fold(text: str) -> Folded:
    """The copy of a text. Case stays as it is: some patterns need capitals."""
    out: list[str] = []
    origin: list[int] = []
    for index, character in enumerate(text):
        for one in character if character.isascii() else _plain(character):
            out.append(one)
            origin.append(index)
    return Folded("".join(out), tuple(origin), len(text))


def plain(text: str) -> str:
    """A word as contexts are compared: folded, in small letters."""
    return fold(text).text.lower()


def _plain(character: str) -> str:
    if character in _DASHES:
        return "-"
    category = unicodedata.category(character)
    if category in _INVISIBLE:
        return ""
    if category == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.digit(character))
    if character in "đĐ":
        return "d" if character == "đ" else "D"
    simple = [
        one for one in unicodedata.normalize("NFKD", character) if unicodedata.category(one) not in _INVISIBLE
    ]
    # A ligature or fraction would move what stands behind it; only a letter with its marks is replaced.
    return simple[0] if len(simple) == 1 else character
