"""Which files a model may hold: told by their names, their first bytes, and the header of weights.

Blind spot: a pickle disguised as neither is still inert, because engines load safetensors only.
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any, Final

REFUSED_SUFFIXES: Final = (
    *(".bin", ".ckpt", ".dill", ".h5", ".joblib", ".keras", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"),
    *(".dll", ".dylib", ".py", ".pyc", ".pyd", ".sh", ".so"),
    *(".gz", ".tar", ".tgz", ".zip"),
)
"""Formats that run code when loaded (pickles, and what may hold one), are code, or hide other files."""

OWN_SUFFIXES: Final = (".partial", ".journal")
"""What the agent puts behind the name of a file that is on its way."""

_MAGIC: Final = (
    (b"PK\x03\x04", "a zip archive, the form of PyTorch's pickled checkpoints"),
    *((b"\x80" + bytes([protocol]), f"a pickle of protocol {protocol}") for protocol in (2, 3, 4, 5)),
    (b"\x1f\x8b", "a gzip archive, which can hide anything"),
    (b"\x7fELF", "a program"),
    (b"#!", "a script"),
)

_SAFE_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@=-]*")
"""Parts of a file name that need no quoting in a shell, an S3 key or a checksum file; no dot first, so neither
`..` nor a hidden file."""

HEADER_LIMIT: Final = 20_000_000
"""Longest header of weights that is read, in bytes. The safetensors library takes 100 MB; read as JSON, a hostile
header takes up to 25 times its length (tests/artifact_agent/test_agent_memory.py), and this keeps it within half of
the init container's 1 GiB. 90,000 tensors take some 11 MB, and published models are cut into files of far fewer."""

CONFIG_LIMIT: Final = 10_000_000
"""Longest config.json that is read, in bytes. A choice: real ones have some kilobytes."""


def safe_name(name: str) -> bool:
    """Whether a file's name inside the model is one that may be published, and that stays inside a folder."""
    return all(_SAFE_PART.fullmatch(part) for part in name.split("/"))


def refused_name(name: str) -> str | None:
    """Why a file of this name is refused, or None."""
    if not safe_name(name):
        return (
            "is not a safe file name: letters, digits and . _ + @ = - are allowed, no dot or hyphen at the start, and "
            "no path that leaves the model's folder"
        )
    if name.lower().endswith(REFUSED_SUFFIXES):
        return f"is refused: {Path(name).suffix} files can run code when they are loaded, or hide what can"
    if name.endswith(OWN_SUFFIXES):
        return f"is refused: names that end with {Path(name).suffix} are the artifact agent's own"
    return None


def refused_content(name: str, path: Path) -> str | None:
    """Why a file of this name and content is refused, or None. Of weights only the header is read."""
    with path.open("rb") as opened:
        start = opened.read(8)
    if name.endswith(".safetensors"):
        why = _broken_safetensors(path, start)
        return why and f"is not a whole safetensors file ({why})"
    for magic, meaning in _MAGIC:
        if start.startswith(magic):
            return f"is refused: its first bytes are those of {meaning}"
    return None


def _broken_safetensors(path: Path, start: bytes) -> str | None:
    """The header's length, its JSON, and that its tensors fill the file exactly, in their own order."""
    size = path.stat().st_size
    if len(start) < 8:
        return f"it has {size} bytes"
    (length,) = struct.unpack("<Q", start)
    if length > size - 8:
        return f"its header claims {length} bytes of {size}"
    if length > HEADER_LIMIT:
        return (
            f"its header has {length:,} bytes, allowed are {HEADER_LIMIT:,}: over 150,000 tensors in one file; "
            "cut the weights into several files"
        )
    with path.open("rb") as opened:
        opened.seek(8)
        header = opened.read(length)
    try:
        tensors: dict[str, Any] = json.loads(header)
        spans = sorted(each["data_offsets"] for key, each in tensors.items() if key != "__metadata__")
        end = 0
        for first, last in spans:
            if first != end or last < first:
                return f"its tensors leave a gap or overlap at byte {end}"
            end = last
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"its header cannot be read: {error!r}"
    if end != size - 8 - length:
        return f"its tensors take {end} bytes and it has {size - 8 - length}"
    return None


def refused_config(path: Path) -> str | None:
    """Why a model's config.json is refused, or None: an engine must know the architecture by itself."""
    size = path.stat().st_size
    if size > CONFIG_LIMIT:
        return f"has {size:,} bytes, allowed are {CONFIG_LIMIT:,}: it is no description of a model"
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        return f"is not JSON ({error})"
    if not isinstance(config, dict) or not config.get("architectures"):
        return "names no architectures: an engine cannot tell what model this is"
    if "auto_map" in config:
        return (
            "has auto_map: it makes an engine run Python code of the model's author; publish a model whose "
            "architecture the engine knows, without auto_map"
        )
    return None
