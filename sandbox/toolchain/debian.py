"""Programs of Debian packages, unpacked into the cache: no root, and nothing is installed.

For what neither Go modules nor the Python registry have. A machine without apt has to bring the program itself."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import state
from sandbox.toolchain.build import BuildError, lock, say


@dataclass(frozen=True)
class Package:
    """A package, what has to be unpacked beside it, and its programs, by their paths in it."""

    name: str
    beside: tuple[str, ...]
    programs: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the unpacked files lie, or will. A release of the distribution has one version of each package,
        save for security fixes, for which nothing is fetched again."""
        told = repr((self.name, self.beside, self.programs, platform.machine(), _release()))
        return state.cache() / "debian" / f"{self.name}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    @property
    def whole(self) -> Path:
        """Written last, with the versions: a folder without it was interrupted."""
        return self.folder / "versions"

    def environment(self) -> dict[str, str]:
        """What its programs need to find libraries that the machine lacks."""
        libraries = sorted({str(each.parent) for each in self.folder.glob("usr/lib/**/*.so*")})
        libraries += sorted({str(each.parent) for each in self.folder.glob("lib/**/*.so*")})
        return {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}


def ensure(package: Package) -> Path:
    """Unpacks it if it is missing, and returns its folder. Raises `BuildError` where it cannot be had."""
    if not package.whole.exists():
        with lock():
            if not package.whole.exists():  # another run may have made it meanwhile
                _make(package)
    return package.folder


def known(names: Iterable[str]) -> str | None:
    """The first of the packages that the machine's lists have."""
    for name in names:
        if (
            shutil.which("apt-cache")
            and _apt(["apt-cache", "show", "--no-all-versions", name]).returncode == 0
        ):
            return name
    return None


def _release() -> str:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")


def _apt(command: Sequence[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    plain = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=plain, check=False)


def _make(package: Package) -> None:
    for needed in ("apt-get", "dpkg-deb"):
        if shutil.which(needed) is None:
            raise BuildError(
                f"{package.name} is not on this machine, and without {needed} it cannot be fetched"
            )
    started = time.monotonic()
    say(f"fetching {package.name} as a Debian package (first time only, seconds)")
    shutil.rmtree(package.folder, ignore_errors=True)
    package.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=package.folder.parent) as made:
        archives, partial = Path(made) / "archives", Path(made) / "files"
        archives.mkdir()
        _fetch(archives, (package.name, *package.beside))
        _unpack(archives, partial)
        if missing := [name for each in package.programs for name in _missing(partial / each, {})]:
            _fetch(archives, _libraries(package.name))
            _unpack(archives, partial)
            say(f"{package.name}: with its libraries, for the machine has no {', '.join(missing)}")
        (partial / "versions").write_text("".join(f"{each.name}\n" for each in sorted(archives.iterdir())))
        partial.replace(package.folder)
    say(f"fetched {package.name} in {time.monotonic() - started:.0f} s")


def _fetch(folder: Path, names: Sequence[str]) -> None:
    command = ["apt-get", "--quiet", "download", *names]
    done = _apt(command, folder)
    if done.returncode != 0:
        last = "\n".join(f"  {line}" for line in done.stderr.strip().splitlines()[-5:])
        raise BuildError(
            f"apt-get failed:\n{last}\nrepeat with: {shlex.join(command)}\n"
            "lists that are missing or old are fetched by `apt-get update`, as root"
        )


def _unpack(archives: Path, into: Path) -> None:
    for each in sorted(archives.glob("*.deb")):
        done = _apt(["dpkg-deb", "--extract", str(each), str(into)])
        if done.returncode != 0:
            raise BuildError(f"{each.name} could not be unpacked: {done.stderr.strip()[-500:]}")


def _missing(program: Path, environment: Mapping[str, str]) -> list[str]:
    """Names of libraries that a program does not find."""
    if not program.exists():
        raise BuildError(f"the package has no {program.name}: this release of the distribution is not known")
    said = subprocess.run(
        ["ldd", str(program)], capture_output=True, text=True, env=os.environ | dict(environment), check=False
    )
    return [line.split()[0] for line in said.stdout.splitlines() if line.rstrip().endswith("not found")]


def _libraries(name: str) -> list[str]:
    """Every library that a package needs in the end, but the C library, which has to be the machine's own."""
    no = [
        f"--no-{kind}" for kind in ("suggests", "recommends", "conflicts", "breaks", "replaces", "enhances")
    ]
    said = _apt(["apt-cache", "depends", "--recurse", *no, name])
    found = {line.strip() for line in said.stdout.splitlines() if line.startswith("lib")}
    return sorted(
        each for each in found if each not in ("libc6", "libc-bin") and not each.startswith("libperl")
    )
