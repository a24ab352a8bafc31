"""A fault of the gateway's is logged by its kind and place; what it says may be a caller's text or a secret."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess

import pytest
from bastide_gateway import decision_log, faults, frame
from bastide_gateway.call import Call
from bastide_gateway.gateway import Gateway

from sandbox.toolchain import environments
from tests.gateway.gateway_samples import table
from tests.waits import PATIENCE_S

SECRET = "words-of-a-prompt"


def test_a_fault_has_kind_and_place_and_no_message() -> None:
    try:
        try:
            json.loads(f"{{{SECRET}")
        except ValueError as error:
            raise KeyError(SECRET) from error
    except KeyError as error:
        said = faults.told(error)
    assert SECRET not in said
    assert re.fullmatch(
        r"KeyError at test_gateway_faults\.py:\d+ in \w+, "
        r"from JSONDecodeError at decoder\.py:\d+ in raw_decode",
        said,
    )


def test_a_chain_that_bites_its_own_tail_ends() -> None:
    one, two = ValueError(SECRET), ValueError(SECRET)
    one.__cause__, two.__cause__ = two, one
    assert faults.told(one) == "ValueError at an unknown place, from ValueError at an unknown place"


class Broken(frame.Frame):
    """Its end of a request fails with text of the request."""

    async def finished(self, call: Call) -> None:
        raise ValueError(SECRET)


class Silent(decision_log.DecisionLog):
    def write(self, record: object) -> None:
        pass


def test_the_end_of_a_request_that_fails_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    document = table()
    held = Gateway(document, Broken(document, ()), Silent(), None, None)

    async def ended() -> None:
        held.end(Call("r-7"))
        await held.drained()

    with caplog.at_level(logging.ERROR, "bastide.gateway"):
        asyncio.run(ended())
    assert SECRET not in caplog.text
    assert re.search(r"end of request r-7 failed: ValueError at .*gateway\.py:\d+ in _end", caplog.text)


START = f"""
import sys
from bastide_gateway import launch

def fail(*_):
    raise RuntimeError({SECRET!r})

launch.environment.read = fail
sys.exit(launch.main())
"""


def test_a_start_that_fails_is_logged_without_its_text() -> None:
    # In LiteLLM's environment, which has the server that the launcher imports.
    done = subprocess.run(
        [str(environments.ensure(environments.LITELLM)), "-c", START],
        env={"PYTHONPATH": str(faults.PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.search(r"the gateway failed: RuntimeError at .*launch\.py:\d+ in main", done.stderr)
    assert SECRET not in done.stderr + done.stdout
