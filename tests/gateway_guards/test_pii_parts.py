"""The parts of the service that only its own environment can import, in that environment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest

from sandbox.toolchain import environments
from tests.gateway_guards.pii_service import ROOT
from tests.waits import PATIENCE_S

pytestmark = pytest.mark.xdist_group("pii")


FORKS = """
import json, os, sys, traceback
from pii import judged, recognisers, redactor

for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        status = 1
        try:
            exec(json.loads(line), {"__name__": "part"})
            sys.stdout.flush()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as said:
        answer = said.read()
    status = os.waitpid(child, 0)[1]
    print(json.dumps([status, answer]), flush=True)
"""
"""Imports Presidio once (2 s of a core), and then runs each part in a process of its own."""

Run = Callable[[str], str]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    process = subprocess.Popen(
        [str(environments.ensure(environments.PII)), "-c", FORKS],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    given, said = process.stdin, process.stdout

    def one(code: str) -> str:
        given.write(json.dumps(code) + "\n")
        given.flush()
        status, answer = json.loads(said.readline())
        assert status == 0, "its traceback is above, in what the test wrote"
        return str(answer)

    yield one
    given.close()
    assert process.wait(PATIENCE_S) == 0
    said.close()


def test_a_pattern_that_presidio_would_skip_ends_the_request_without_a_word_of_the_text(run: Run) -> None:
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


def test_a_text_that_presidio_would_log_is_not_logged(run: Run) -> None:
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


def test_its_tables_are_whole(run: Run) -> None:
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
