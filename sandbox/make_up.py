"""`make up`: the main job on the sandbox, as the literal commands a person would type, each timed.

toolchain, world, Pulumi stack, model store, tiny model, region. Every step is idempotent, so a second run shows
that nothing changes. The steps after the world are plain `pulumi` and `bastide` calls, printed before they run.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bastide.repair.stack import Stack
from bastide.settings import Settings, SettingsError, load_stack_file
from sandbox.environment import full_environment
from sandbox.left_over import LeftOverError, alone, settle
from sandbox.state import OLD_SHELL, World, aws_client, home
from sandbox.summary import print_summary
from sandbox.toolchain import paths

STACK: Final = os.environ.get("STACK", "sandbox")
# Everything but the engines, which need their weights, and the gateway before them: nothing depends on them, so they
# can be left out.
WITHOUT_ENGINES: Final = tuple(
    word
    for pattern in ("**:VllmRelease**", "**bastide:gateway:Gateway::**", "**bastide:gateway:Gateway$**")
    for word in ("--exclude", pattern)
)
ROOT: Final = Path(__file__).resolve().parent.parent


class StepFailedError(Exception):
    """A step ended with an error that it has already shown."""


def _run(*command: str, quiet: bool = False) -> int:
    """Runs a command with the sandbox's environment; prints it first, as a person would type it."""
    if not quiet:
        print(f"$ {shlex.join(command)}", flush=True)
    return subprocess.run(
        command,
        cwd=ROOT,
        env=full_environment(World.find()),
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
        check=False,
    ).returncode


def _must(*command: str) -> None:
    if _run(*command) != 0:
        raise StepFailedError(f"`{shlex.join(command)}` failed; its own words are above")


def _world() -> None:
    bastide = str(Path(sys.executable).parent / "bastide")
    if subprocess.run([bastide, "sandbox", "up"], cwd=ROOT, check=False).returncode != 0:
        raise StepFailedError("the sandbox did not start; its own words are above")


def _stack() -> None:
    """Selects or makes the stack. First what a killed run left of it: even `stack select` may stumble over that."""
    settle(Stack(STACK, ROOT, full_environment(World.find())))
    (home() / "pulumi-state").mkdir(parents=True, exist_ok=True)
    if _run("pulumi", "stack", "select", STACK, quiet=True) != 0:
        _must("pulumi", "stack", "init", STACK)


def _model() -> None:
    """Makes and publishes the tiny model; the region without engines comes first if it has no store yet (ADR 8)."""
    folder = home() / "tiny-qwen2"
    _must("bastide", "model", "make-tiny", str(folder))
    if not _store_exists():
        _must("pulumi", "up", "--yes", "--skip-preview", "--stack", STACK, *WITHOUT_ENGINES)
    _must(
        "bastide", "model", "publish", str(folder),
        "--name", "tiny-qwen2", "--version", "1.0.0", "--stack", STACK,
        "--licence", "Apache-2.0", "--source", "bastide model make-tiny",
    )  # fmt: skip


def settings() -> Settings:
    """The stack's settings. Raises SettingsError."""
    return load_stack_file(ROOT / "stacks" / f"Pulumi.{STACK}.yaml")


def _store_exists() -> bool:
    """Whether the stack's model bucket is there."""
    wanted = settings()
    buckets = aws_client("s3", wanted.region, World.find().aws_endpoint).list_buckets()["Buckets"]
    return wanted.model_bucket in {bucket["Name"] for bucket in buckets}


def _region() -> None:
    _must("pulumi", "up", "--yes", "--stack", STACK)
    # As `aws eks update-kubeconfig` does of a cluster that it is told of: the commands that come are about this one,
    # whatever regions there were before.
    _must("kubectl", "config", "use-context", settings().cluster_name)


def main() -> int:
    """Runs the steps; prints the minutes of each; returns the exit status."""
    try:
        settings()
    except SettingsError as error:
        print(f"make up: stacks/Pulumi.{STACK}.yaml: {error}", file=sys.stderr)
        return 1
    try:
        with alone(home() / "make-up.lock"):
            return _steps()
    except LeftOverError as error:
        print(f"make up: {error}", file=sys.stderr)
        return 1


def _steps() -> int:
    """The steps, each timed."""
    steps: list[tuple[str, Callable[[], object]]] = [
        ("toolchain", lambda: paths(build=True)),
        ("world", _world),
        ("stack", _stack),
        ("model", _model),
        ("region", _region),
    ]
    taken: list[tuple[str, float]] = []
    for name, step in steps:
        print(f"==> {name}", flush=True)
        start = time.monotonic()
        try:
            step()
        except (StepFailedError, LeftOverError) as error:
            print(f"make up: {name}: {error}", file=sys.stderr)
            return 1
        taken.append((name, time.monotonic() - start))
    _run("helm", "list", "--all-namespaces")
    print_summary(ROOT, STACK)
    print("\nTook: " + ", ".join(f"{name} {_minutes(seconds)}" for name, seconds in taken), end="")
    print(f"; all {_minutes(sum(seconds for _, seconds in taken))}")
    if not World.find().in_this_shell:
        print(f"Note: {OLD_SHELL}.")
    print('Next: eval "$(make -s env)", then kubectl, helm, aws and pulumi act on the sandbox.')
    return 0


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s" if seconds >= 60 else f"{seconds:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
