"""A long text in pieces that overlap: several of Presidio's patterns take the square of a text's length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

SIZE: Final = 4000
"""Characters of a piece. Measured with Presidio 2.2.366: a piece of 4000 characters that is the worst for its e-mail
pattern takes well under a second, which bounds each pattern."""
OVERLAP: Final = 400
"""What two pieces share: longer than any number, address and the words that give it away."""


def chunks(text: str) -> Iterator[tuple[int, str]]:
    """Pieces with where they start. They end between words where there are such; what is cut all the same is found
    whole in the next piece, or redacted in both."""
    start = 0
    while True:
        end = start + SIZE
        if end >= len(text):
            yield start, text[start:]
            return
        space = text.rfind(" ", end - 200, end)
        end = space if space > 0 else end
        yield start, text[start:end]
        start = end - OVERLAP
