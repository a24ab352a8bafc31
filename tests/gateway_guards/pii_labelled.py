"""A labelled set for the redaction service: our own invented sentences, Vietnamese and English.

Every number and address is made up by a generator with a fixed seed; sentences are templates and a hand-written part
with the traps that people meet (orders, prices, dates, versions). Nothing is of a real person.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SEED = 20261121
"""Fixed, so that the counts in the docs can be repeated."""
ROUNDS = 4
"""Times that each template is filled."""


@dataclass(frozen=True)
class Sample:
    """A text; each (kind, value) in it that has to go; nothing else in it may."""

    language: str
    text: str
    personal: tuple[tuple[str, str], ...] = ()


class Values:
    """Invented values of each kind, in the forms in which people write them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - sentences, not keys

    def digits(self, count: int) -> str:
        return "".join(self.random.choice("0123456789") for _ in range(count))

    def vn_phone(self) -> str:
        prefix = self.random.choice(
            ["32", "35", "39", "56", "58", "70", "79", "83", "86", "90", "91", "97", "98"]
        )
        number = prefix + self.digits(7)
        at_home = ["0{}", "0{a} {b} {c}", "0{a}.{b}.{c}", "0{a}-{b}-{c}"]
        form = self.random.choice([*at_home, "+84{}", "+84 {a} {b} {c}", "84{}", "(+84) {}", "+84(0){}"])
        return form.format(number, a=number[:2], b=number[2:5], c=number[5:])

    def vn_landline(self) -> str:
        return self.random.choice(["024 3{} {}", "028 3{} {}"]).format(self.digits(3), self.digits(4))

    def us_phone(self) -> str:
        area, middle, end = self.random.choice(["415", "212", "617"]), "2" + self.digits(2), self.digits(4)
        return self.random.choice(["({}) {}-{}", "{}-{}-{}", "+1 {} {} {}", "+1{}{}{}"]).format(
            area, middle, end
        )

    def uk_phone(self) -> str:
        return self.random.choice(["+44 20 7946 {}", "020 7946 {}"]).format(self.digits(4))

    def citizen_id(self) -> str:
        province = self.random.choice(["001", "031", "038", "048", "079", "092", "096"])
        sex, year = self.random.choice([("0", 60), ("1", 75), ("0", 88), ("1", 99), ("2", 4), ("3", 10)])
        number = f"{province}{sex}{year:02}{self.digits(6)}"
        spaced = f"{number[:3]} {number[3:6]} {number[6:]}"
        return self.random.choice(
            [number, number, spaced, ".".join(number[at : at + 3] for at in range(0, 12, 3))]
        )

    def old_id(self) -> str:
        return self.random.choice(["0", "1", "2", "3"]) + self.digits(8)

    def card(self) -> str:
        stem = self.random.choice(["4", "51", "55", "2221", "9704", "3530", "37"])
        length = 15 if stem == "37" else 16
        number = stem + self.digits(length - len(stem) - 1)
        total = sum(
            (value * 2 - 9 if value > 4 else value * 2) if index % 2 == 0 else value
            for index, value in enumerate(int(one) for one in reversed(number))
        )
        number += str(-total % 10)
        spaced = f"{number[:4]} {number[4:10]} {number[10:]}"
        if length == 16:
            spaced = " ".join(number[at : at + 4] for at in range(0, 16, 4))
        return self.random.choice([number, spaced, spaced.replace(" ", "-")])

    def account(self) -> str:
        return self.random.choice(["1903{}", "0071{}", "1017{}", "{}"]).format(self.digits(9))

    def tax_code(self) -> str:
        return "0" + self.digits(9) + self.random.choice(["", "-001"])

    def passport(self) -> str:
        return self.random.choice("BCNP") + self.digits(7)

    def plate(self) -> str:
        return self.random.choice(["51F-{}.{}", "30A-{}.{}", "29B1-{}.{}"]).format(
            self.digits(3), self.digits(2)
        )

    def health_id(self) -> str:
        return (
            self.random.choice(["DN", "GD", "HS"])
            + "4"
            + self.random.choice(["79", "01", "31"])
            + self.digits(10)
        )

    def email(self) -> str:
        user = self.random.choice(["an.nguyen", "tran_thi_binh", "le+news", "j.smith", "phuong-99"])
        return f"{user}@{self.random.choice(['example.com', 'example.vn', 'mail.example.co.uk', 'intra.corp.local'])}"

    def ip(self) -> str:
        if self.random.random() < 0.7:
            return f"203.0.113.{self.random.randint(1, 254)}"
        return f"2001:db8::{self.random.randint(1, 9999):x}"

    def iban(self) -> str:
        body = f"{self.random.randint(10**17, 10**18 - 1)}"
        check = 98 - int(body + "1314" + "00") % 97
        number = f"DE{check:02}{body}"
        return self.random.choice([number, " ".join(number[at : at + 4] for at in range(0, len(number), 4))])

    def ssn(self) -> str:
        return (
            f"{self.random.randint(100, 665)}-{self.random.randint(10, 99)}-{self.random.randint(1000, 9999)}"
        )

    def secret(self) -> str:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        made = "".join(self.random.choice(alphabet) for _ in range(16))
        return self.random.choice([f"AKIA{made}", f"sk-{made.lower()}{made}", f"ghp_{made}{made}abcd"])


def values(seed: int = SEED) -> dict[str, tuple[str, Callable[[], str]]]:
    """What stands for a value in a template: its kind, and what makes one."""
    made = Values(seed)
    return {
        "phone": ("PHONE", made.vn_phone), "landline": ("PHONE", made.vn_landline),
        "usphone": ("PHONE", made.us_phone), "ukphone": ("PHONE", made.uk_phone),
        "cccd": ("NATIONAL_ID", made.citizen_id), "cmnd": ("NATIONAL_ID", made.old_id),
        "card": ("CARD", made.card), "account": ("ACCOUNT", made.account), "iban": ("IBAN", made.iban),
        "tax": ("TAX_CODE", made.tax_code), "passport": ("PASSPORT", made.passport), "plate": ("PLATE", made.plate),
        "bhyt": ("HEALTH_ID", made.health_id), "ssn": ("SSN", made.ssn), "email": ("EMAIL", made.email),
        "ip": ("IP", made.ip), "secret": ("SECRET", made.secret),
    }  # fmt: skip


SENTENCES = json.loads((Path(__file__).parent / "pii_labelled.json").read_text())
"""Templates; sentences written by hand with forms that hide; and traps, of which nothing is personal."""


def samples() -> list[Sample]:
    """The whole set, the same at every call."""
    makers = values()
    written = [
        Sample(one["language"], one["text"], tuple((kind, value) for kind, value in one["personal"]))
        for one in SENTENCES["written"]
    ]
    traps = [Sample(language, text) for language, texts in SENTENCES["traps"].items() for text in texts]
    filled = [
        _filled(language, template, makers)
        for _ in range(ROUNDS)
        for language, templates in SENTENCES["templates"].items()
        for template in templates
    ]
    return written + traps + filled


def _filled(language: str, template: str, makers: dict[str, tuple[str, Callable[[], str]]]) -> Sample:
    parts, personal = [], []
    while "{" in template:
        before, _, rest = template.partition("{")
        name, _, template = rest.partition("}")
        kind, make = makers[name]
        value = make()
        personal.append((kind, value))
        parts += [before, value]
    return Sample(language, "".join([*parts, template]), tuple(personal))
