"""Keys and passwords that somebody pasted: not about a person, and not a model's to see either."""

from __future__ import annotations

import re
from typing import Final

from pii.judged import Judged, patterns

_LABEL: Final = r"(?:[Pp]assword|PASSWORD|[Pp]asswd|[Pp]asscode|pwd|[Mm]at khau|mk)"


def _looks_made_up(text: str) -> bool | None:
    """A password has a digit or a sign in it; a word of a sentence has not."""
    value = text.strip("'\"`.,;")
    return None if len(value) >= 6 and re.search(r"[0-9!@#$%^&*]", value) else False


def recognisers() -> list[Judged]:
    """All of this subject, by the shapes that issuers publish for scanners."""
    shaped = patterns(
        "SECRET",
        (r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])", 0.9),
        (r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-]{16,200}", 0.9),
        (r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{30,255}", 0.9),
        (r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_\-]{20,64}", 0.9),
        (r"(?<![A-Za-z0-9])xox[abprs]-[A-Za-z0-9\-]{10,200}", 0.9),
        (r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_\-]{35}", 0.9),
        (r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,64}", 0.9),
        (
            r"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{0,2000}",
            0.9,
        ),
        (
            r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s:,\-]{0,8000}?-----END [A-Z ]{0,20}KEY-----",
            1.0,
        ),
    )
    password = patterns(
        "SECRET",
        (rf"(?<=(?<![A-Za-z]){_LABEL}\s{{0,3}}(?:[:=]|is\b|la\b)\s{{0,3}})[^\s<]\S{{5,127}}", 0.6),
        check=_looks_made_up,
    )
    return [Judged("SECRET", shaped), Judged("SECRET", password)]
