"""The programs of Postgres and Redis: the machine's own where they are good, else Debian's, unpacked."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from sandbox.toolchain import debian
from sandbox.toolchain.build import BuildError
from sandbox.toolchain.debian import Package

POSTGRES_MAJORS: Final = (17, 16, 15, 14)
"""Of Debian 11 to 13 and Ubuntu 22.04 to 24.04, the newest first. LiteLLM's migrations ran on 15."""

REDIS_OLDEST: Final = 6
"""The first major version with TLS and users (release notes of Redis 6.0)."""


@dataclass(frozen=True)
class Programs:
    """A folder of programs, and what they need in their environment."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """The path of one."""
        return str(self.folder / name)


def ensure_all() -> None:
    """Makes sure of both."""
    postgres()
    redis()


@cache
def postgres() -> Programs:
    """`initdb`, `postgres` and the rest. Raises `BuildError` where they cannot be had."""
    for folder in _installed():
        if (folder / "initdb").exists() and (folder / "postgres").exists() and _has_tls(folder / "postgres"):
            return Programs(folder)
    name = debian.known(f"postgresql-{major}" for major in POSTGRES_MAJORS)
    if name is None:
        wanted = ", ".join(map(str, POSTGRES_MAJORS))
        raise BuildError(f"no Postgres of {wanted} is on this machine, and apt-cache knows none: install one")
    inside = f"usr/lib/postgresql/{name.removeprefix('postgresql-')}/bin"
    client = name.replace("postgresql-", "postgresql-client-")
    package = Package(name, (client, "libpq5"), (f"{inside}/postgres", f"{inside}/initdb"))
    return Programs(debian.ensure(package) / inside, package.environment())


def _installed() -> Iterator[Path]:
    """Folders of Postgres's programs of a good version, the newest first: Debian's, then the one on PATH."""
    for major in POSTGRES_MAJORS:
        yield Path(f"/usr/lib/postgresql/{major}/bin")
    if (found := shutil.which("initdb")) and _major(found) in POSTGRES_MAJORS:
        yield Path(found).resolve().parent


def _has_tls(program: Path) -> bool:
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    return "libssl" in said.stdout


def _major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"\b(\d+)\.\d+", said.stdout)
    return int(number[1]) if number else 0


@cache
def redis() -> Programs:
    """`redis-server`, with TLS. Raises `BuildError` where it cannot be had."""
    found = shutil.which("redis-server")
    # One built without it answers `--tls-port` as a directive that it does not know.
    if found and _redis_major(found) >= REDIS_OLDEST and _has_tls(Path(found).resolve()):
        return Programs(Path(found).parent)
    # The server is a link to a program of the other package.
    package = Package("redis-server", ("redis-tools",), ("usr/bin/redis-check-rdb",))
    return Programs(debian.ensure(package) / "usr" / "bin", package.environment())


def _redis_major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"v=(\d+)\.", said.stdout)
    return int(number[1]) if number else 0
