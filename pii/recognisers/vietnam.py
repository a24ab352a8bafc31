"""Vietnamese papers: citizen ids old and new, passports, tax codes, health insurance, licences, number plates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pii.judged import Judged, digits, patterns
from pii.recognisers.contact import numbered

_CODES: Final = (
    "001 002 004 006 008 010 011 012 014 015 017 019 020 022 024 025 026 027 030 031 033 034 035 036 037 038 040 "
    "042 044 045 046 048 049 051 052 054 056 058 060 062 064 066 067 068 070 072 074 075 077 079 080 082 083 084 "
    "086 087 089 091 092 093 094 095 096"
)
PROVINCES: Final = frozenset(_CODES.split())
"""Codes of the provinces in citizen ids: annex of Circular 59/2021/TT-BCA. Numbers keep the code of the province of
birth after the mergers of 2025."""

_TAX_WEIGHTS: Final = (31, 29, 23, 19, 17, 13, 7, 5, 3)
"""Of the first nine digits of a tax code; the tenth makes the sum right modulo 11."""

_HEAD: Final = r"(?<![0-9A-Za-z_])(?<![0-9][.\-])"
_TAIL: Final = r"(?![0-9A-Za-z_])(?![.\-][0-9])"

_ID: Final = (
    *(
        "cccd",
        "can cuoc",
        "can cuoc cong dan",
        "so dinh danh",
        "dinh danh",
        "cmnd",
        "cmt",
        "chung minh",
        "giay to",
    ),
    *(
        "chung minh thu",
        "chung minh nhan dan",
        "citizen id",
        "national id",
        "identity card",
        "id card",
        "id number",
    ),
    *("identity number", "personal id", "so can cuoc", "ma dinh danh", "giay cmnd"),
)


def is_citizen_id(text: str) -> bool | None:
    """A province, a sex and century (0 to 3 until 2099), a year of birth that has been; otherwise nobody knows."""
    number = digits(text)
    if number[:3] not in PROVINCES or number[3] not in "0123":
        return None
    year = (1900 if number[3] in "01" else 2000) + int(number[4:6])
    return True if year <= datetime.now(UTC).year else None


def is_tax_code(text: str) -> bool | None:
    """The tenth digit is right; without that nobody knows."""
    number = digits(text)[:10]
    total = sum(int(one) * weight for one, weight in zip(number, _TAX_WEIGHTS, strict=False))
    return True if 10 - total % 11 == int(number[9]) else None


def recognisers() -> list[Judged]:
    """All of this subject."""
    citizen = patterns(
        "NATIONAL_ID", (rf"{_HEAD}0[0-9]{{2}}(?:[ .\-]?[0-9]){{9}}{_TAIL}", 0.1), check=is_citizen_id
    )
    old = patterns("NATIONAL_ID", (rf"{_HEAD}[0-9](?:[ .\-]?[0-9]){{8}}{_TAIL}", 0.1))
    passport = patterns("PASSPORT", (rf"{_HEAD}[A-Z][ ]?[0-9]{{7,8}}{_TAIL}", 0.1))
    tax = patterns(
        "TAX_CODE", (rf"{_HEAD}[0-9](?:[ .]?[0-9]){{9}}(?:-[0-9]{{3}})?{_TAIL}", 0.1), check=is_tax_code
    )
    health = patterns(
        "HEALTH_ID", (rf"{_HEAD}[A-Z]{{2}}[ ]?[1-5][ ]?[0-9]{{2}}(?:[ ]?[0-9]){{10}}{_TAIL}", 0.6)
    )
    licence = patterns("LICENCE", (rf"{_HEAD}[0-9]{{12}}{_TAIL}", 0.1))
    plate = patterns(
        "PLATE",
        (rf"{_HEAD}[1-9][0-9][ \-]?[A-Z][A-Z0-9]?[ \-]?[0-9]{{3}}\.[0-9]{{2}}{_TAIL}", 0.6),
        (rf"{_HEAD}[1-9][0-9][ \-]?[A-Z][A-Z0-9]?[ \-]?[0-9]{{4,5}}{_TAIL}", 0.1),
    )
    return [
        Judged("NATIONAL_ID", citizen, before=_ID, spared=numbered),
        Judged("NATIONAL_ID", old, before=_ID, spared=numbered),
        Judged("PASSPORT", passport, before=("ho chieu", "passport", "so ho chieu")),
        # One number in eleven has the right digit: also a right one needs its word.
        Judged(
            "TAX_CODE",
            tax,
            before=("mst", "ma so thue", "tax code", "tax id", "ma thue", "tax identification number"),
            weak=True,
        ),
        Judged("HEALTH_ID", health, before=("bhyt", "bao hiem y te", "bao hiem", "health insurance")),
        Judged("LICENCE", licence, before=("gplx", "giay phep lai xe", "bang lai", "driving licence")),
        Judged("PLATE", plate, before=("bien so", "bks", "bien kiem soat", "plate", "bien so xe", "xe")),
    ]
