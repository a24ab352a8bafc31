"""What was verified, kept beside the model in a place that the engine cannot write: both the marker by which a model is
whole, and what a later start trusts.

A later start looks at each file's size, time of change and inode, and hashes only what differs: hashing 140 GB again
would take minutes of a GPU node's time. That is sound because only the agent can write to the volume (engines mount it
read-only), and while the node has not been started anew (`bootId`): a disk that lost power is hashed again.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from artifact_agent.statement import Listed

SUFFIX: Final = ".verified.json"
_FORMAT: Final = 1
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class SeenFile:
    """A file that had the right SHA-256, and how it looked on the disk then."""

    name: str
    size: int
    sha256: str
    mtimeNs: int  # noqa: N815 - as the document spells it
    inode: int


@dataclass(frozen=True)
class Record:
    """A model that was verified. `keyId` is the key that signed it, '' where it was unsigned."""

    name: str
    version: str
    source: str
    digest: str
    keyId: str  # noqa: N815
    bootId: str  # noqa: N815
    files: tuple[SeenFile, ...]

    def document(self) -> str:
        """As JSON, with equal bytes for equal contents."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=2, sort_keys=True) + "\n"


def boot_id() -> str:
    """What the kernel calls this run of the machine, or '' where it does not say."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def same_boot(record: Record) -> bool:
    """Whether the machine was not started anew since. A kernel that does not say is not believed."""
    return record.bootId != "" and record.bootId == boot_id()


def place(folder: Path) -> Path:
    """Where the record of the model in `folder` lies: beside it, so that the folder holds the model alone."""
    return folder.with_name(folder.name + SUFFIX)


def read(folder: Path) -> Record | None:
    """The record of a folder; None where there is none, or it is not one."""
    try:
        raw: Mapping[str, Any] = json.loads(place(folder).read_bytes())
        if raw["format"] != _FORMAT:
            return None
        files = tuple(
            SeenFile(each["name"], each["size"], each["sha256"], each["mtimeNs"], each["inode"])
            for each in raw["files"]
        )
        return Record(
            raw["name"], raw["version"], raw["source"], raw["digest"], raw["keyId"], raw["bootId"], files
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: Path, record: Record) -> None:
    """Puts the record in place at once and for good."""
    final = place(folder)
    draft = final.with_name(final.name + ".draft")
    with draft.open("w") as opened:
        opened.write(record.document())
        opened.flush()
        os.fsync(opened.fileno())
    draft.rename(final)
    sync(final.parent)


def sync(folder: Path) -> None:
    """Makes renames in a folder outlive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seen(folder: Path, listed: Listed) -> SeenFile:
    """How a verified file looks now."""
    status = (folder / listed.name).lstat()
    return SeenFile(listed.name, status.st_size, listed.sha256, status.st_mtime_ns, status.st_ino)


def untouched(folder: Path, known: SeenFile) -> bool:
    """Whether the file looks as it did when it was verified."""
    try:
        status = (folder / known.name).lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns, status.st_ino) == (
        known.size,
        known.mtimeNs,
        known.inode,
    )


def names_in(folder: Path) -> set[str] | None:
    """Names of all plain files below a folder; None where something else lies there (a link, a device)."""
    found: set[str] = set()
    for current, folders, files in os.walk(folder):
        for each in [*folders, *files]:
            path = Path(current, each)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                return None
        found.update(Path(current, each).relative_to(folder).as_posix() for each in files)
    return found


def intact(folder: Path, record: Record) -> bool:
    """Whether the folder holds exactly the verified files, untouched, since the machine was last started."""
    return (
        same_boot(record)
        and names_in(folder) == {each.name for each in record.files}
        and all(untouched(folder, each) for each in record.files)
    )
