"""Bank cards: numbers of the schemes' own ranges with a right check digit."""

from __future__ import annotations

import re
from typing import Final

from presidio_analyzer.predefined_recognizers import CreditCardRecognizer

from pii.judged import LANGUAGE, Judged, digits, patterns
from pii.recognisers.contact import numbered

_RANGES: Final = re.compile(
    r"(?:4\d{12}(?:\d{3}(?:\d{3})?)?"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"  # Diners Club
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12,15}"  # Discover
    r"|62\d{14,17}"  # UnionPay
    r"|9704\d{12}(?:\d{3})?)"  # NAPAS, Vietnam's own cards
)
"""Issuer ranges as ISO/IEC 7812 registers them and the schemes publish."""

_SHAPE: Final = (
    r"(?<![0-9A-Za-z_])(?<![0-9][.\-])[0-9](?:[ .\-]{0,2}[0-9]){12,18}(?![0-9A-Za-z_])(?![.\-][0-9])"
)

VIETNAMESE: Final = (
    *(
        "so the",
        "the so",
        "ma the",
        "the tin dung",
        "the ghi no",
        "the ngan hang",
        "the atm",
        "the visa",
        "napas",
    ),
)
"""Not `thẻ` alone: without its mark it is the English article."""


def luhn(number: str) -> bool:
    """The check digit of ISO/IEC 7812 is right."""
    total = 0
    for index, one in enumerate(reversed(number)):
        value = int(one) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_card(text: str) -> bool:
    """A number of a known range, with its check digit."""
    number = digits(text)
    return bool(_RANGES.fullmatch(number)) and luhn(number)


def _mistyped(text: str) -> bool | None:
    """A known range with a wrong check digit, which only a word beside it makes a card."""
    return None if _RANGES.fullmatch(digits(text)) else False


def recognisers() -> list[Judged]:
    """Ours, which knows the ranges; and Presidio's, which takes ranges that no scheme has, with a context word."""
    words = (*VIETNAMESE, "card", "card number", "credit card", "debit card")
    return [
        Judged("CARD", patterns("CARD", (_SHAPE, 0.1), check=_mistyped), before=words, spared=numbered),
        Judged("CARD", patterns("CARD", (_SHAPE, 0.9), check=is_card)),
        Judged(
            "CARD",
            CreditCardRecognizer(supported_language=LANGUAGE),
            before=VIETNAMESE,
            weak=True,
            spared=numbered,
        ),
    ]
