"""What the program costs at preview: two ratios, from one run, interleaved.

1. Region against floor: a preview of the sandbox region from nothing, over a preview of a flat program that
   makes the very same registrations (recorded from the region) by the SDK packages' own classes, with literal
   inputs, through the same engine, language host and provider plugins. What remains is what the kit adds:
   settings, planning, components.
2. Growth: the preview of a region with 16 GPU pools over the one with 1, and 4 over 1.

Seconds are printed beside the ratios to show their size; only the ratios mean something elsewhere.
Usage: python benchmarks/preview.py [runs]   (default 3; starts a world of its own and ends it)
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import os
import re
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

SDK_PACKAGES = {"aws": "pulumi_aws", "kubernetes": "pulumi_kubernetes"}


def floor_program(registrations: list[dict[str, Any]]) -> str:
    """A flat Pulumi program that makes these registrations, each as a person would write it."""
    lines = ["import pulumi", *(f"import {package}" for package in SDK_PACKAGES.values())]
    variables = {item["urn"]: f"r{number}" for number, item in enumerate(registrations)}
    classes = {
        token: path for package in SDK_PACKAGES.values() for token, path in sdk_classes(package).items()
    }
    for item in registrations:
        kind, name, inputs = item["type"], item["name"], item["inputs"]
        options = [
            f"{option}={variables[item[option]]}"
            for option in ("parent", "provider")
            if item[option] in variables
        ]
        opts = f"pulumi.ResourceOptions({', '.join(options)})"
        if kind.startswith("pulumi:providers:"):
            made = f"{SDK_PACKAGES[kind.rsplit(':', 1)[1]]}.Provider"
            inputs = {key: decoded(value) for key, value in inputs.items()}
        elif item["custom"]:
            made = classes[kind]
        else:
            lines.append(
                f"{variables[item['urn']]} = pulumi.ComponentResource({kind!r}, {name!r}, None, {opts})"
            )
            continue
        named = arguments(made, inputs)
        lines.append(f"{variables[item['urn']]} = {made}({name!r}, **{named!r}, opts={opts})")
    return "\n".join(lines) + "\n"


def decoded(value: str) -> Any:
    """A provider's input as a program gives it; the SDK makes JSON of what is no string."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def sdk_classes(package: str) -> dict[str, str]:
    """Type token -> dotted path of the class, by what the package registers of itself."""
    source = Path(importlib.import_module(package).__file__ or "").read_text()
    listed = re.search(r'resource_modules="""(.*?)"""', source, re.DOTALL)
    if listed is None:
        sys.exit(f"{package} registers no resource modules: this benchmark does not know that SDK")
    return {
        token: f"{module['fqn']}.{name}"
        for module in json.loads(listed[1])
        for token, name in module["classes"].items()
    }


def arguments(path: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs under the names that the SDK's class gives them: vpcId -> vpc_id."""
    module, _, name = path.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)._internal_init).parameters
    spelled = {parameter.replace("_", "").lower(): parameter for parameter in parameters}
    return {spelled[key.lower()]: value for key, value in inputs.items()}


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
                "inputs": {
                    k: v
                    for k, v in state.get("inputs", {}).items()
                    if not k.startswith("__") and k not in ("version", "tagsAll")  # the provider's own
                },
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
    (floor / "__main__.py").write_text(floor_program(registrations))
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
