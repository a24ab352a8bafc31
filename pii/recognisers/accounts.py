"""Bank accounts, and what else money lies in."""

from __future__ import annotations

import re
from typing import Final

from presidio_analyzer.predefined_recognizers import (
    AbaRoutingRecognizer,
    CryptoRecognizer,
    IbanRecognizer,
    UsBankRecognizer,
)

from pii.judged import LANGUAGE, Judged, patterns
from pii.recognisers.contact import numbered

_BANKS: Final = (
    *(
        "vietcombank",
        "vcb",
        "techcombank",
        "tcb",
        "bidv",
        "vietinbank",
        "agribank",
        "acb",
        "vpbank",
        "tpbank",
    ),
    *("sacombank", "mb bank", "mbbank", "hdbank", "vib", "shb", "ocb", "msb", "seabank", "eximbank", "momo"),
)
_VIETNAMESE: Final = (
    "stk",
    "so tai khoan",
    "tai khoan ngan hang",
    "tai khoan so",
    "so tk",
    "tk",
    "tai khoan",
)
_ENGLISH: Final = (
    "account number",
    "account no",
    "account",
    "acct",
    "bank account",
    "a/c",
    "beneficiary account",
)

_SHAPE: Final = r"(?<![0-9A-Za-z_])(?<![0-9][.\-/])[0-9](?:[ .\-]?[0-9]){5,18}(?![0-9A-Za-z_])(?![.\-/][0-9])"
_DATE: Final = re.compile(
    r"(?:19|20)\d\d[ .\-]?[01]\d[ .\-]?[0-3]\d|[0-3]?\d[ .\-][01]?\d[ .\-](?:19|20)\d\d"
)
_THOUSANDS: Final = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")


def _no_account(before: str, found: str, after: str) -> bool:
    if _DATE.fullmatch(found) or _THOUSANDS.fullmatch(found):
        return True
    return numbered(before, found, after)


def recognisers() -> list[Judged]:
    """All of this subject. An account is only digits: without a word beside it nobody knows."""
    return [
        Judged(
            "ACCOUNT",
            patterns("ACCOUNT", (_SHAPE, 0.1)),
            before=(*_VIETNAMESE, *_ENGLISH, *_BANKS),
            after=_BANKS,
            spared=_no_account,
        ),
        Judged("ACCOUNT", UsBankRecognizer(supported_language=LANGUAGE), after=_BANKS, spared=_no_account),
        Judged("ACCOUNT", AbaRoutingRecognizer(supported_language=LANGUAGE), weak=True, spared=numbered),
        Judged("IBAN", IbanRecognizer(supported_language=LANGUAGE)),
        Judged("CRYPTO", CryptoRecognizer(supported_language=LANGUAGE)),
    ]
