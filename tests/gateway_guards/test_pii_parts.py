"""The parts of the service that only its own environment can import, in that environment."""

from __future__ import annotations

import subprocess

import pytest

from sandbox.toolchain import environments
from tests.gateway_guards.pii_service import ROOT

pytestmark = pytest.mark.xdist_group("pii")


def run(code: str) -> str:
    done = subprocess.run(
        [str(environments.ensure(environments.PII)), "-c", code],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_pattern_that_presidio_would_skip_ends_the_request_without_a_word_of_the_text() -> None:
    # Presidio warns and goes on; here nobody may say that the text is clean.
    seen = run(
        """
import logging
from pii import redactor, judged
from presidio_analyzer import Pattern, PatternRecognizer
from pii.errors import UnjudgedError
slow = PatternRecognizer("SLOW", patterns=[Pattern("slow", r"(a|aa)+$", 0.9)], supported_language="xx")
whole = redactor.every
redactor.every = lambda: [*whole(), judged.Judged("SLOW", slow)]
made = redactor.Redactor()
logging.basicConfig(level=logging.DEBUG)
try:
    made.redact([redactor.Text("a" * 60 + "!")], 20)
except UnjudgedError as error:
    print("refused:", error)
print(made.redact([redactor.Text("0912345678")], 20).texts)
"""
    )
    assert seen.splitlines() == ["refused: a recogniser did not come to its end", "('<PHONE_1>',)"]


def test_a_text_that_presidio_would_log_is_not_logged() -> None:
    # Its IBAN recogniser logs the text when its checksum stumbles.
    seen = run(
        """
import logging
from pii import redactor
from pii.errors import UnjudgedError
made = redactor.Redactor()
try:
    logging.getLogger("presidio-analyzer").error("Failed to validate text %s", "canary")
except UnjudgedError:
    print("refused")
"""
    )
    assert seen == "refused\n"


def test_its_tables_are_whole() -> None:
    seen = run(
        """
from pii.recognisers import every, vietnam, cards
print(len(vietnam.PROVINCES), len({kind for one in every() for kind in one.supported_entities}))
print(*(vietnam.is_citizen_id(one) for one in ("001090012345", "000090012345", "001299000000")))
print(cards.is_card("4111 1111 1111 1111"), cards.is_card("4111 1111 1111 1112"), cards.is_card("9999999999999995"))
"""
    )
    # 63 provinces until 2025.
    assert seen.splitlines() == ["63 16", "True None None", "True False False"]
