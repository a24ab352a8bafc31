"""E-mail addresses, telephone numbers, network addresses."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

import tldextract
from presidio_analyzer.predefined_recognizers import (
    EmailRecognizer,
    IpRecognizer,
    MacAddressRecognizer,
    PhoneRecognizer,
)

from pii.judged import LANGUAGE, WEAK, Judged, patterns

_SUFFIXES: Final = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
"""The list of top-level domains that comes with the package; by default it would be fetched at the first address."""

_SEP: Final = r"[ .\-]{0,2}"
MOBILE: Final = rf"(?:3{_SEP}[2-9]|5{_SEP}[25689]|7{_SEP}[06-9]|8{_SEP}[1-9]|9{_SEP}[0-46-9])"
"""First two digits of Vietnamese mobile numbers behind the 0: the plan of Circular 22/2014/TT-BTTTT with the change
from 11 to 10 digits of 2018, and the ranges given out since (055, 087, 089)."""

_HEAD: Final = (
    r"(?<![0-9])(?<![0-9]\.)(?:(?<![A-Za-z_])|(?<=(?<![A-Za-z])(?:sdt|dt|lh|so|tel|zalo|goi|alo|phone|call|mobile))"
    r"|(?<=(?<![A-Za-z])(?:SDT|Sdt|DT|LH|So|SO|Tel|TEL|Zalo|Goi|Alo|Phone|Call|Mobile))|(?<=%2B))"
)
"""Not within a longer number or word; people write some words right before a number."""
_TAIL: Final = r"(?![A-Za-z_]*[0-9])(?!\.[0-9])"
"""A word may stick to a number's end in chats, but not more digits: that is a code."""
_ABROAD: Final = r"(?:\(?\+84\)?|\(?0084\)?)[ .\-]?(?:\(0\)[ .\-]?|0(?=[35789]))?"
_SEVEN: Final = rf"(?:{_SEP}[0-9]){{7}}"

VIETNAMESE: Final = (
    *("sdt", "so dien thoai", "dien thoai", "dt", "so dt", "di dong", "goi", "lien he", "zalo", "so may"),
    *("hotline", "alo", "nhan tin", "goi so", "viber", "so lien lac", "lien lac", "fax", "may ban", "sms"),
)
ENGLISH: Final = (
    "tel",
    "contact",
    "sms",
    "text me",
    "whatsapp",
    "reach me",
    "reach her",
    "reach him",
    "ring",
    "fax",
)


class _Email(EmailRecognizer):  # type: ignore[misc]
    def validate_result(self, pattern_text: str) -> bool | None:
        """Presidio drops addresses in domains that are not public, such as those inside a company, and asks the
        network for the list. `package@1.2.3` is no address, and `git@` nobody's."""
        if not pattern_text.rpartition(".")[2].isalpha() or pattern_text.startswith("git@"):
            return False
        return True if _SUFFIXES(pattern_text.rpartition("@")[2]).fqdn else None


class _Phone(PhoneRecognizer):  # type: ignore[misc]
    """Numbers of all countries with their +, and of some without; what is only digits is weak."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[Any]:
        found = super().analyze(text, entities, nlp_artifacts)
        for one in found:
            number = text[one.start : one.end]
            if number.startswith(("+", "(+")):
                one.score = 0.75
            elif re.fullmatch(r"\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4}|0\d{2,4} \d{3,4} \d{3,4}", number):
                one.score = 0.6
            else:
                one.score = WEAK
        return found  # type: ignore[no-any-return]


_NOBODY: Final = tuple(
    ipaddress.ip_network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
    )
)
"""Networks whose addresses say nothing of a person: loopback, private, link-local, multicast (RFC 6890)."""

_VERSION: Final = re.compile(
    r"(?:version|ver\.?|release|phien ban|ban|firmware|build|v)\s*:?\s*$", re.IGNORECASE
)


def _no_address(before: str, found: str, after: str) -> bool:
    if _VERSION.search(before[-16:]):
        return True
    try:
        address = ipaddress.ip_address(found.partition("/")[0].partition("%")[0])
    except ValueError:
        return True
    return any(address in network for network in _NOBODY)


ORDER: Final = re.compile(
    r"(?:ma|so) (?:don(?: hang)?|van don|hoa don|phieu|hop dong|tham chieu|giao dich|san pham|ve)"
    r"|order|invoice|ticket|tracking|reference|ref|sku|transaction|case|po|serial|build|part"
)
"""What a number is when such a word stands right before it."""
_LABELLED: Final = re.compile(
    rf"(?<![a-z])(?:{ORDER.pattern})(?: (?:number|no\.?|num|id|code|la|so))?\s*(?:is|la|:|#|=)?\s*[#:]?\s*$"
)
_MONEY: Final = re.compile(
    r"^[ .,]{0,2}(?:dong|vnd|d(?![a-z])|usd|eur|trieu|ty|nghin|ngan(?! hang)(?![a-z])|dollars?|k(?![a-z])|%|\$)"
)
_PRICED: Final = re.compile(r"(?:[$€£₫]|usd|vnd|eur)\s*$")


def numbered(before: str, found: str, after: str) -> bool:
    """It is the number of an order, or an amount of money."""
    front = before[-40:].lower()
    return bool(_LABELLED.search(front) or _MONEY.search(after[:10].lower()) or _PRICED.search(front[-5:]))


def recognisers() -> list[Judged]:
    """All of this subject."""
    vietnamese = patterns(
        "PHONE",
        (rf"{_HEAD}{_ABROAD}[ .\-]?{MOBILE}{_SEVEN}{_TAIL}", 0.9),
        (rf"{_HEAD}\(?0{_SEP}{MOBILE}\)?{_SEVEN}{_TAIL}", 0.7),
        # Without its 0, as a spreadsheet or a JSON number leaves it: only beside a word.
        (rf"{_HEAD}{MOBILE}{_SEVEN}{_TAIL}", 0.1),
        (rf"{_HEAD}84{_SEP}{MOBILE}{_SEVEN}{_TAIL}", 0.6),
        # Land lines: Hanoi and Ho Chi Minh City have area codes of two digits behind the 0, the others of three.
        (rf"{_HEAD}{_ABROAD}2(?:{_SEP}[0-9]){{9}}{_TAIL}", 0.8),
        (rf"{_HEAD}\(?02[48]\)?[ .\-](?:[0-9]{_SEP}){{7}}[0-9]{_TAIL}", 0.6),
        (rf"{_HEAD}\(?02[0-9]{{2}}\)?[ .\-](?:[0-9]{_SEP}){{6}}[0-9]{_TAIL}", 0.6),
        (rf"{_HEAD}02[0-9]{{9}}{_TAIL}", 0.3),
    )
    return [
        Judged("EMAIL", _Email(supported_language=LANGUAGE)),
        Judged(
            "PHONE", vietnamese, before=(*VIETNAMESE, *ENGLISH, "phone", "call", "mobile"), spared=numbered
        ),
        Judged(
            "PHONE",
            _Phone(
                supported_language=LANGUAGE,
                supported_regions=("US", "GB"),
                leniency=1,
                context=["phone", "telephone", "cell", "cellphone", "mobile", "call", "phone number"],
            ),
            before=(*ENGLISH, *VIETNAMESE),
            spared=numbered,
        ),
        Judged("IP", IpRecognizer(supported_language=LANGUAGE), spared=_no_address),
        Judged("MAC", MacAddressRecognizer(supported_language=LANGUAGE)),
    ]
