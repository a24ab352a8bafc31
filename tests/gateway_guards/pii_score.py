"""What the service finds of the labelled set: recall and false positives for each kind, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.gateway_guards.pii_labelled import Sample
from tests.gateway_guards.pii_service import Running


@dataclass
class Score:
    """Counts by (language, kind), and the sentences behind each mistake."""

    wanted: Counter[tuple[str, str]] = field(default_factory=Counter)
    gone: Counter[tuple[str, str]] = field(default_factory=Counter)
    """No digit or letter of the value is left in the text: what counts for privacy."""
    named: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Gone under its own kind."""
    false: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Redacted although it is nothing personal."""
    mistakes: list[str] = field(default_factory=list)

    def recall(self, language: str = "") -> float:
        keys = [key for key in self.wanted if language in ("", key[0])]
        return sum(self.gone[key] for key in keys) / sum(self.wanted[key] for key in keys)

    def table(self) -> str:
        """As people read it."""
        lines = [f"{'language':<9}{'kind':<13}{'samples':>8}{'recall':>9}{'its kind':>10}{'false':>7}"]
        for key in sorted({*self.wanted, *self.false}):
            count = self.wanted[key]
            recall = f"{self.gone[key] / count:.3f}" if count else "-"
            kind = f"{self.named[key] / count:.3f}" if count else "-"
            lines.append(f"{key[0]:<9}{key[1]:<13}{count:>8}{recall:>9}{kind:>10}{self.false[key]:>7}")
        return "\n".join(lines)


def score(running: Running, samples: Sequence[Sample]) -> Score:
    """Every sample by itself, as requests come."""
    found = Score()
    for sample in samples:
        (text,), mapping = running.redact(sample.text)
        for kind, value in sample.personal:
            key = (sample.language, kind)
            found.wanted[key] += 1
            covering = [name for name, meant in mapping.items() if value in meant]
            if covering and value not in text:
                found.gone[key] += 1
                found.named[key] += covering[0].startswith(f"<{kind}_")
            if not covering or not covering[0].startswith(f"<{kind}_"):
                found.mistakes.append(f"{kind} {value!r}: {text!r} {mapping}")
        for name, meant in mapping.items():
            if not any(value in meant for _, value in sample.personal):
                found.false[sample.language, name[1:].rpartition("_")[0]] += 1
                found.mistakes.append(f"false {name} {meant!r} of {sample.text!r}")
    return found
