"""A Presidio recogniser under our terms: its kind, its context, a bound on its time, and no doubt about its end."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult

from pii.errors import UnjudgedError
from pii.folded import plain

LANGUAGE: Final = "xx"
"""spaCy's name for 'any language'. Presidio keeps recognisers by language; ours are for all texts."""

THRESHOLD: Final = 0.5
"""The score from which something is redacted. Presidio's patterns that stand alone start there."""
WEAK: Final = 0.1
"""The score of what could be anything, such as nine digits."""
BOOST: Final = 0.45
"""What a context word adds: it lifts what is weak over the threshold (0.1 + 0.45), and Presidio's 'very weak' 0.05
just to it."""

BEFORE: Final = 48
"""Characters in front of a finding in which its context words count: about eight words. By the labelled set
(tests/gateway_guards): 12 lost 2.5 points of recall in Vietnamese and 5.6 in English, 24 to 200 none."""
AFTER: Final = 24
"""The same behind it."""

deadline: ContextVar[float] = ContextVar("deadline")
"""When the request at hand has to be over (`time.monotonic`)."""

Context = tuple[str, ...]


def check_deadline() -> None:
    """Raises UnjudgedError when the request's time is over."""
    if time.monotonic() > deadline.get(float("inf")):
        raise UnjudgedError("the time for this request is over")


class Judged(EntityRecognizer):  # type: ignore[misc]
    """One recogniser of a kind.

    `before` and `after` are words whose presence near a finding makes it more likely; `weak` findings count only with
    such a word; `spared` says of a finding, by what stands before it, itself and what stands behind it, that it is no
    such thing whatever it looks like.
    """

    def __init__(
        self,
        kind: str,
        inner: EntityRecognizer,
        *,
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        weak: bool = False,
        spared: Callable[[str, str, str], bool] | None = None,
    ) -> None:
        self._inner, self._weak, self._spared = inner, weak, spared
        own = tuple(inner.context or ())
        self._before = _words((*own, *before))
        self._after = _words(after or (*own, *before))
        super().__init__(
            supported_entities=[kind], name=f"{kind}:{inner.name}", supported_language=LANGUAGE, context=[]
        )

    def load(self) -> None:
        """Nothing to load: the inner one loaded itself."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """Findings in a folded text, of our kind, before context counts."""
        check_deadline()
        found = self._inner.analyze(
            text=text, entities=self._inner.supported_entities, nlp_artifacts=nlp_artifacts
        )
        kept = []
        for one in found:
            if self._spared and self._spared(text[: one.start], text[one.start : one.end], text[one.end :]):
                continue
            one.entity_type = self.supported_entities[0]
            one.score = min(one.score, WEAK) if self._weak else one.score
            # The engine pairs findings with recognisers by this.
            one.recognition_metadata = {
                RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
            }
            kept.append(one)
        return kept

    def enhance_using_context(
        self,
        text: str,
        raw_recognizer_results: list[RecognizerResult],
        other_raw_recognizer_results: list[RecognizerResult],
        nlp_artifacts: Any,
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        """Presidio compares lemmas of single words; Vietnamese context is several syllables, so we look at the text
        itself. `context` is what the caller knows of the whole text, such as the key of a JSON field."""
        named = " ".join(plain(one).replace("_", " ") for one in context or ())
        for one in raw_recognizer_results:
            front = text[max(0, one.start - BEFORE) : one.start].lower()
            back = text[one.end : one.end + AFTER].lower()
            if _has(self._before, f"{named} | {front}") or _has(self._after, back):
                one.score = min(1.0, one.score + BOOST)
        return raw_recognizer_results


def patterns(kind: str, *shapes: tuple[str, float], check: Callable[[str], bool | None] | None = None) -> Any:
    """A recogniser of patterns, each with its score. `check` says of a finding: certainly (True), certainly not
    (False), or leave the score as it is (None)."""
    listed = [Pattern(f"{kind} {index}", shape, score) for index, (shape, score) in enumerate(shapes)]
    return _Checked(check, listed, kind)


class _Checked(PatternRecognizer):  # type: ignore[misc]
    def __init__(self, check: Callable[[str], bool | None] | None, shapes: list[Pattern], kind: str) -> None:
        self._check = check
        # Each finding is matched in its own case: letters of plates and keys are capitals.
        super().__init__(
            supported_entity=kind,
            patterns=shapes,
            supported_language=LANGUAGE,
            global_regex_flags=re.MULTILINE,
            name="ours",
        )

    def validate_result(self, pattern_text: str) -> bool | None:
        return self._check(pattern_text) if self._check else None


class Unfinished(logging.Filter):
    """Presidio warns, and goes on without the pattern, where one takes too long; and it logs the text of which a
    check failed. Here a warning of Presidio's ends the request, and is not written."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Raises UnjudgedError; a filter's exception reaches the caller, a handler's would not."""
        if record.levelno >= logging.WARNING:
            raise UnjudgedError("a recogniser did not come to its end")
        return False


def digits(text: str) -> str:
    """Only its digits."""
    return "".join(one for one in text if one.isdigit())


def _words(words: Sequence[str]) -> re.Pattern[str] | None:
    cleaned = sorted({plain(one).strip() for one in words} - {""})
    if not cleaned:
        return None
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, cleaned))})(?![a-z])")


def _has(words: re.Pattern[str] | None, text: str) -> bool:
    return bool(words and words.search(text))
