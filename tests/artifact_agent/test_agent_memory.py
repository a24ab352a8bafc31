"""What a hostile file costs the agent: never more memory than its container has, and never a traceback."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from artifact_agent.content import CONFIG_LIMIT, HEADER_LIMIT, refused_config, refused_content

HALF_MIB = 512
"""Half of the init container's 1 GiB (charts/vllm/templates/_fetch.tpl), in MiB."""

# VmHWM is of the program alone; getrusage's peak begins with that of the process that started it.
MEASURED = """
import re, sys
from pathlib import Path
from artifact_agent.content import refused_content
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak()
print(refused_content("model.safetensors", Path(sys.argv[1])))
print((peak() - before) // 1024)
"""


def weights(folder: Path, header: bytes, claimed: int | None = None) -> Path:
    path = folder / "model.safetensors"
    length = len(header) if claimed is None else claimed
    with path.open("wb") as opened:
        opened.write(struct.pack("<Q", length) + header)
        opened.truncate(8 + length)  # the rest is a hole
    return path


def judged(path: Path) -> tuple[str, int]:
    """Why a file is refused, and the MiB that reading it took."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True
    )
    why, taken = done.stdout.splitlines()
    return why, int(taken)


def test_the_costliest_header_that_is_read_leaves_half_of_the_memory(tmp_path: Path) -> None:
    inner = b"[]," * 1000 + b"[]"
    tensors = [b'"%x":{"data_offsets":[0,0],"x":[%s]}' % (number, inner) for number in range(6580)]
    header = b"{" + b",".join(tensors) + b"}"
    assert 0.99 * HEADER_LIMIT < len(header) <= HEADER_LIMIT
    why, taken = judged(weights(tmp_path, header))
    assert why == "None"
    assert 100 < taken <= HALF_MIB


def test_a_longer_header_is_refused_unread(tmp_path: Path) -> None:
    why, taken = judged(weights(tmp_path, b"{", claimed=HEADER_LIMIT + 1))
    assert why == (
        "is not a whole safetensors file (its header has 20,000,001 bytes, allowed are 20,000,000: over "
        "150,000 tensors in one file; cut the weights into several files)"
    )
    assert taken < 10


@pytest.mark.parametrize("deep", [b"[", b'{"a":'])
def test_json_of_great_depth_is_refused(tmp_path: Path, deep: bytes) -> None:
    why = refused_content("model.safetensors", weights(tmp_path, deep * 100_000))
    assert why is not None
    assert "its header cannot be read" in why
    (tmp_path / "config.json").write_bytes(deep * 100_000)
    told = refused_config(tmp_path / "config.json")
    assert told is not None
    assert told.startswith("is not JSON")


def test_a_config_of_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as opened:
        opened.truncate(3 * 2**30)
    assert refused_config(path) == (
        f"has 3,221,225,472 bytes, allowed are {CONFIG_LIMIT:,}: it is no description of a model"
    )
