"""From texts to texts in which nothing personal stands, by Presidio's analyzer and anonymizer."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig
from presidio_anonymizer.entities import RecognizerResult as Replaced
from spacy.tokens import Doc

from pii.chunks import chunks
from pii.folded import fold
from pii.judged import LANGUAGE, THRESHOLD, Unfinished, check_deadline, deadline
from pii.placeholders import Named, Placeholders
from pii.recognisers import every

LOGGERS: Final = ("presidio-analyzer", "presidio-anonymizer", "decision_process")


@dataclass(frozen=True)
class Text:
    """A text, and words that say what it is (the keys under which it stands in a JSON document)."""

    text: str
    context: tuple[str, ...] = ()


@dataclass(frozen=True)
class Redacted:
    """The texts as they may go on, what their placeholders stand for, and how many of each kind were found."""

    texts: tuple[str, ...]
    mapping: dict[str, str]
    found: dict[str, int]


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    kind: str
    score: float


class _Blank(SpacyNlpEngine):  # type: ignore[misc]
    """spaCy without a model: nothing to download, no licence of weights. Nor does it split words, which nothing here
    reads and which takes the square of the length of some texts (thousands of brackets: 5 s)."""

    def load(self) -> None:
        nlp = spacy.blank(LANGUAGE)
        nlp.tokenizer = lambda text: Doc(nlp.vocab, words=[text])
        self.nlp = {LANGUAGE: nlp}


class _NoMore(ContextAwareEnhancer):  # type: ignore[misc]
    """Each recogniser has looked at its context itself (`Judged`); Presidio's own would copy every finding first, which
    is half of the time of a text with many."""

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: Any,
        recognizers: list[Any],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        return raw_results


class Redactor:
    """Made once; used by one thread at a time."""

    def __init__(self) -> None:
        for name in LOGGERS:  # while it is made, warnings are about its making
            logging.getLogger(name).setLevel(logging.ERROR)
        engine = _Blank(models=[{"lang_code": LANGUAGE, "model_name": "blank"}])
        engine.load()
        registry = RecognizerRegistry(recognizers=every(), supported_languages=[LANGUAGE])
        self._analyzer = AnalyzerEngine(
            registry=registry,
            nlp_engine=engine,
            supported_languages=[LANGUAGE],
            context_aware_enhancer=_NoMore(0, 0, 0, 0),
            default_score_threshold=THRESHOLD,
        )
        self._anonymizer = AnonymizerEngine()
        self._anonymizer.add_anonymizer(Named)
        self.kinds: tuple[str, ...] = tuple(sorted(self._analyzer.get_supported_entities(LANGUAGE)))
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.setLevel(logging.WARNING)
            logger.addFilter(Unfinished())

    def redact(self, texts: Sequence[Text], seconds: float) -> Redacted:
        """Raises UnjudgedError when it cannot say that a text was judged whole within `seconds`."""
        token = deadline.set(time.monotonic() + seconds)
        try:
            return self._redact(texts)
        finally:
            deadline.reset(token)

    def _redact(self, texts: Sequence[Text]) -> Redacted:
        names = Placeholders(one.text for one in texts)
        found: Counter[str] = Counter()
        redacted = []
        for one in texts:
            check_deadline()
            spans = self.spans(one)
            found.update(span.kind for span in spans)
            for span in spans:  # in reading order; the anonymizer goes from the end
                names.of(span.kind, one.text[span.start : span.end])
            redacted.append(self._named(one.text, spans, names) if spans else one.text)
        return Redacted(tuple(redacted), names.mapping, dict(sorted(found.items())))

    def spans(self, given: Text) -> list[_Span]:
        """What is to go, in the original's own places, in order, none over another."""
        folded = fold(given.text)
        found = []
        for offset, piece in chunks(folded.text):
            if not piece.strip():
                continue
            for one in self._analyzer.analyze(piece, language=LANGUAGE, context=list(given.context)):
                start, end = folded.span(offset + one.start, offset + one.end)
                found.append(_Span(start, end, one.entity_type, one.score))
        return _apart(found)

    def _named(self, text: str, spans: Sequence[_Span], names: Placeholders) -> str:
        done = self._anonymizer.anonymize(
            text,
            [Replaced(one.kind, one.start, one.end, one.score) for one in spans],
            {"DEFAULT": OperatorConfig("named", {"placeholders": names})},
            # Two numbers with a space between them are two.
            merge_entities_with_spaces=False,
        )
        return str(done.text)


def _apart(spans: list[_Span]) -> list[_Span]:
    """Findings that overlap become one of the surest one's kind, over all that any of them covers."""
    apart: list[_Span] = []
    for one in sorted(spans, key=lambda span: (span.start, -span.end)):
        if apart and one.start < apart[-1].end:
            last = apart.pop()
            surest = max(last, one, key=lambda span: (span.score, span.end - span.start))
            one = _Span(last.start, max(last.end, one.end), surest.kind, surest.score)
        apart.append(one)
    return apart
