"""What a stack holds, by type, and what the world takes to hold it."""

from __future__ import annotations

import json
import resource
import subprocess
from collections import Counter
from pathlib import Path

from sandbox.daemon import lifecycle
from sandbox.environment import full_environment
from sandbox.state import World

_WIDTH = 110


def print_summary(folder: Path, stack: str) -> None:
    """Prints the stack's resources by type, as its state has them, and memory. `folder` is the project's."""
    world = World.find()
    exported = subprocess.run(
        ["pulumi", "stack", "export", "--stack", stack],
        cwd=folder,
        env=full_environment(world),
        capture_output=True,
        text=True,
        check=True,
    )
    resources = json.loads(exported.stdout)["deployment"].get("resources", [])
    counted = Counter(each["type"] for each in resources if each["custom"])
    components = sum(not each["custom"] for each in resources)
    print(f"\n{counted.total()} resources of {len(counted)} types, in {components} components:")
    for line in _wrapped([f"{_short(kind)} {count}" for kind, count in sorted(counted.items())]):
        print(f"  {line}")
    mib = sum(process["mib"] for process in lifecycle.status(world)["processes"])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"Memory: the world {mib:,} MiB; the largest process of these commands {peak:,} MiB")


def _short(kind: str) -> str:
    """`aws:ec2/vpc:Vpc` as `aws:ec2:Vpc`."""
    package, module, name = kind.split(":")
    return f"{package}:{module.split('/')[0]}:{name}"


def _wrapped(words: list[str]) -> list[str]:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 2 > _WIDTH:
            lines.append("")
        lines[-1] += f", {word}" if lines[-1] else word
    return lines
