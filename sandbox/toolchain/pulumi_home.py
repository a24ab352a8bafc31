"""The private PULUMI_HOME of a world, and the folder of commands that goes on PATH.

The plugins here bear the official names and versions, because the engine looks a plugin up by what the SDK
package asks for. They live only in this folder, which nothing but the sandbox's environment names, so they
cannot stand in for the real providers in a run of anybody else's.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from sandbox import state

REPOSITORY: Final = Path(__file__).resolve().parents[2]
"""The folder that holds the `sandbox` package; the plugins import it from here."""

PLUGINS: Final = {"aws": "pulumi-aws", "kubernetes": "pulumi-kubernetes"}
"""Plugin name, and the SDK package whose version the engine will ask for."""


def plugin_versions() -> dict[str, str]:
    """The version that each installed SDK asks its plugin to have."""
    return {name: metadata.version(package) for name, package in PLUGINS.items()}


def write_executable(path: Path, text: str) -> None:
    """Writes a script at once and whole, and only if it differs: a running engine may be reading it."""
    if path.is_file() and not path.is_symlink() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.chmod(0o755)
    temporary.replace(path)


def python_shim(*arguments: str) -> str:
    """A shell script that becomes this project's Python with the given arguments and then the caller's.

    `-P` keeps the working directory, which is the user's, out of the import path. `exec` keeps the pid, by
    which the engine ends its plugins.
    """
    command = shlex.join([sys.executable, "-P", *arguments])
    return f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(REPOSITORY))} exec {command} "$@"\n'


def ensure() -> Path:
    """Creates or refreshes the world's PULUMI_HOME and returns it."""
    home = state.home() / "pulumi-home"
    for name, version in plugin_versions().items():
        write_executable(
            home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}",
            python_shim("-m", f"sandbox.plugins.{name}"),
        )
    return home
