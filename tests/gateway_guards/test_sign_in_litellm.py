"""The sign-in in front of the real LiteLLM: tokens are judged by us, keys by LiteLLM as before."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sandbox.toolchain import environments
from tests.waits import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.mark.xdist_group("litellm")
def test_tokens_are_judged_here_and_keys_by_litellm_as_before(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(environments.ensure(environments.LITELLM)), "-m", "tests.gateway_guards.sign_in_litellm", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gateway'}"}, cwd=ROOT,
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    seen = (
        {line[0]: line[1:] for line in map(json.loads, done.stdout.splitlines()[-9:])} if done.stdout else {}
    )
    assert {name: status for name, (status, _) in seen.items()} == {
        "good": 200,
        "other model": 404,
        "other key": 401,
        "none": 401,
        "no team": 403,
        "administration": 403,
        "no key": 401,
        "master": 200,
        "wrong key": 400,  # LiteLLM without a database: it cannot know
    }, done.stderr[-3000:]
    assert "hello" in seen["good"][1]
    # A token is not in LiteLLM's own log, which would have it of a refused key.
    assert "eyJ" not in done.stdout + done.stderr
