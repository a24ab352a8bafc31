"""What the program costs at preview: two ratios, from one run, interleaved.

1. Region against floor: a preview of the sandbox region from nothing, over a preview of an empty program that
   makes the very same registrations (recorded from the region) through the same engine, language host and
   provider plugins. What remains is settings, components and the SDK packages' import.
2. Growth: the preview of a region with 16 GPU pools over the one with 1, and 4 over 1.

Seconds are printed beside the ratios to show their size; only the ratios mean something elsewhere.
Usage: python benchmarks/preview.py [runs]   (default 3; starts a world of its own and ends it)
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BASTIDE = Path(sys.executable).parent / "bastide"

FLOOR_PROGRAM = """
import json
import pulumi

made = {}
for item in json.load(open("registrations.json")):
    options = pulumi.ResourceOptions(parent=made.get(item["parent"]), provider=made.get(item["provider"]))
    kind, name = item["type"], item["name"]
    if kind.startswith("pulumi:providers:"):
        made[item["urn"]] = pulumi.ProviderResource(kind.rsplit(":", 1)[1], name, item["inputs"],
            pulumi.ResourceOptions(parent=made.get(item["parent"]), version=item["version"]))
    elif item["custom"]:
        made[item["urn"]] = pulumi.CustomResource(kind, name, item["inputs"], options)
    else:
        parent = pulumi.ResourceOptions(parent=made.get(item["parent"]))
        made[item["urn"]] = pulumi.ComponentResource(kind, name, None, parent)
"""


def environment() -> dict[str, str]:
    """The process environment plus the world's own."""
    from sandbox.environment import full_environment
    from sandbox.state import World

    return full_environment(World.find())


def preview(folder: Path, config: Path | None, env: dict[str, str], *more: str) -> tuple[float, str]:
    """Seconds and output of one preview; an unsuccessful one ends the benchmark with its words."""
    command = ["pulumi", "preview", "--stack", "sandbox", "--non-interactive", *more]
    if config:
        command += ["--config-file", str(config)]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return seconds, done.stdout


def record(env: dict[str, str], config: Path) -> list[dict[str, Any]]:
    """Every registration of the region's preview, parents and providers first, as plain data."""
    _, text = preview(ROOT, config, env, "--json")
    items = []
    for step in json.loads(text)["steps"]:
        state = step["newState"]
        if state["type"] == "pulumi:pulumi:Stack":
            continue
        items.append(
            {
                "urn": state["urn"],
                "type": state["type"],
                "name": state["urn"].split("::", 3)[3],
                "custom": state["custom"],
                "inputs": {k: v for k, v in state.get("inputs", {}).items() if not k.startswith("__")},
                "version": state.get("inputs", {}).get("version"),
                "parent": state.get("parent"),
                "provider": (state.get("provider") or "").rsplit("::", 1)[0] or None,
            }
        )
    order: list[dict[str, Any]] = []
    known = {None} | {i["parent"] for i in items} - {i["urn"] for i in items}
    while items:
        ready = [i for i in items if i["parent"] in known and (i["provider"] in known)]
        if not ready:
            sys.exit("the recorded registrations refer to providers or parents that were not recorded")
        order += ready
        known |= {i["urn"] for i in ready}
        items = [i for i in items if i["urn"] not in known]
    return order


def with_pools(source: dict[str, Any], count: int) -> dict[str, Any]:
    """The stack's configuration with `count` GPU pools like its first."""
    result = copy.deepcopy(source)
    pools = result["config"]["bastide:pools"]
    first = pools[0]
    result["config"]["bastide:pools"] = pools + [
        {**first, "name": f"{first['name']}-{n}"} for n in range(1, count)
    ]
    return result


def measure(runs: int, folder: Path) -> None:
    """Runs everything interleaved and prints the ratios."""
    env = environment()
    subprocess.run(["pulumi", "stack", "init", "sandbox"], cwd=ROOT, env=env, check=True, capture_output=True)
    source = yaml.safe_load((ROOT / "stacks/Pulumi.sandbox.yaml").read_text())
    configs = {}
    for count in (1, 4, 16):
        configs[count] = folder / f"pools-{count}.yaml"
        configs[count].write_text(yaml.safe_dump(with_pools(source, count)))

    floor = folder / "floor"
    floor.mkdir()
    registrations = record(env, configs[1])
    (floor / "registrations.json").write_text(json.dumps(registrations))
    (floor / "__main__.py").write_text(FLOOR_PROGRAM)
    (floor / "charts").symlink_to(ROOT / "charts")
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    options = {"virtualenv": str(ROOT / ".venv")}
    (floor / "Pulumi.yaml").write_text(
        yaml.safe_dump(
            {
                "name": project["name"],
                "runtime": {"name": "python", "options": options},
                "stackConfigDir": "stacks",
            }
        )
    )
    (floor / "stacks").symlink_to(ROOT / "stacks")

    taken: dict[str, list[float]] = {"floor": [], "1": [], "4": [], "16": []}
    for run in range(runs + 1):  # the first round fills caches and is not counted
        for name in taken:
            seconds, _ = preview(
                floor if name == "floor" else ROOT, None if name == "floor" else configs[int(name)], env
            )
            if run:
                taken[name].append(seconds)
        print(f"round {run} of {runs}" + (" (not counted)" if not run else ""), flush=True)
    median = {name: statistics.median(values) for name, values in taken.items()}
    print(
        f"\n{'preview of':24}{'median s':>10}{'min':>8}{'max':>8}   registrations of 1 pool: {len(registrations)}"
    )
    for name, values in taken.items():
        label = "the floor" if name == "floor" else f"a region, {name} GPU pool(s)"
        print(f"{label:24}{median[name]:10.2f}{min(values):8.2f}{max(values):8.2f}")
    print(f"\nregion / floor: {median['1'] / median['floor']:.2f}")
    print(
        f"growth: 4 pools / 1: {median['4'] / median['1']:.2f}, 16 pools / 1: {median['16'] / median['1']:.2f}"
    )


def main() -> None:
    """Starts a world, measures, ends the world."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="bastide-bench-") as name:
        os.environ["BASTIDE_SANDBOX_HOME"] = str(Path(name) / "home")
        subprocess.run([BASTIDE, "sandbox", "up"], check=True)
        try:
            measure(runs, Path(name))
        finally:
            subprocess.run([BASTIDE, "sandbox", "down"], check=True)


if __name__ == "__main__":
    main()
