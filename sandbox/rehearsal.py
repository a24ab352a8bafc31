"""`bastide sandbox rehearse STACK`: the preview of a real stack, judged by the sandbox.

The program, its stack files and its charts are those of the working tree, in a copy: nothing in the tree, in a
Pulumi backend or in an account is changed. Values that are still `unresolved`, and secrets that are still to be given,
have a stand-in in the copy, and are listed, for a real run refuses them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml

from bastide.catalogues.secrets import Source
from bastide.plans.secrets import CONFIG, wanted
from bastide.settings import Settings, SettingsError, load_stack_file, read_stack_file, stack_file
from sandbox.environment import full_environment
from sandbox.plugins.rehearsal import VARIABLE
from sandbox.state import World

ROOT: Final = Path(__file__).resolve().parent.parent
PROGRAM: Final = ("Pulumi.yaml", "__main__.py", "bastide", "components", "charts", "gateway", "stacks")
"""What the program is made of."""

STAND_INS: Final = {"digest": "sha256:" + "0" * 64, "sha256": "0" * 64}
"""What stands for an unresolved value, by the last part of its path: no image and no model has it."""

SECRET_STAND_IN: Final = "of-a-rehearsal"  # noqa: S105 - it opens nothing
"""What stands for a given secret: what it is changes nothing that is judged."""

KEYS_OF_A_STACK: Final = ("encryptionsalt", "secretsprovider", "encryptedkey")
"""By what a stack's values are encrypted: the rehearsal has a stack, and a key, of its own."""

ADDON_STAND_IN: Final = "v0.0.0-unresolved.0"


class RehearsalError(Exception):
    """The stack cannot be rehearsed; the text says why."""


def rehearse(stack: str) -> int:
    """Previews the stack in a world that runs; returns the preview's exit status. Raises RehearsalError, and
    NoWorldError when no world runs."""
    environment = full_environment(World.find()) | {VARIABLE: "1"}
    try:
        path = stack_file(stack, ROOT / "stacks")
        settings = load_stack_file(path)
    except SettingsError as error:
        raise RehearsalError(str(error)) from None
    print(f"rehearsal of {stack}: account {settings.account_id}, {settings.region}; nothing can be applied")
    for each in settings.unresolved():
        print(f"  unresolved, and refused by a real run: bastide:{each}")
    with tempfile.TemporaryDirectory(prefix="bastide-rehearsal-") as name:
        folder = Path(name)
        given, missing = _copy(folder, path, settings)
        for key in missing:
            print(f"  not given, and refused by a real run: {key}; `pulumi config set --secret {key}`")
        (folder / "state").mkdir()
        environment["PULUMI_BACKEND_URL"] = f"file://{folder / 'state'}"
        made = subprocess.run(
            ["pulumi", "stack", "init", stack],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise RehearsalError(made.stderr.strip())
        for key in (*given, *missing):
            _give_stand_in(folder, stack, key, environment)
        command = ["pulumi", "preview", "--stack", stack, "--non-interactive"]
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def _give_stand_in(folder: Path, stack: str, key: str, environment: dict[str, str]) -> None:
    """A secret value of the stack's that only its own key opens: here something else stands for it."""
    command = [
        "pulumi",
        "config",
        "set",
        "--secret",
        key,
        SECRET_STAND_IN,
        "--stack",
        stack,
        "--non-interactive",
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RehearsalError(done.stderr.strip())


def _copy(folder: Path, stack_file: Path, settings: Settings) -> tuple[list[str], list[str]]:
    """The program with the stack's file; every value that was unresolved has a stand-in. Returns the keys of values
    that are encrypted by the stack's own key, which the copy has not, and of values that are still to be given."""
    for name in PROGRAM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    project["runtime"]["options"]["virtualenv"] = str(Path(sys.executable).parent.parent)
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    content = yaml.safe_load(stack_file.read_text())
    # A key without a prefix means the same as one with it, and stood beside it twice.
    content["config"] = {key: value for key, value in content["config"].items() if ":" in str(key)}
    for key, value in with_stand_ins(read_stack_file(stack_file), settings).items():
        content["config"][f"bastide:{key}"] = value
    given = [
        key
        for key, value in content["config"].items()
        if key.startswith(f"{CONFIG}:") and isinstance(value, dict) and set(value) == {"secure"}
    ]
    missing = keys_to_give(content["config"], settings)
    for key in given:
        del content["config"][key]
    for key in KEYS_OF_A_STACK:
        content.pop(key, None)
    (folder / "stacks" / stack_file.name).write_text(yaml.safe_dump(content))
    return given, missing


def keys_to_give(config: Mapping[str, Any], settings: Settings) -> list[str]:
    """Keys of the secret values that the stack needs and its file does not give."""
    return [
        each.config_key
        for each in wanted(settings)
        if each.source is Source.GIVEN and each.config_key not in config
    ]


def with_stand_ins(raw: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The raw settings with a stand-in for every value that is unresolved, given or by default."""
    result = deepcopy(raw)
    values = settings.model_dump(mode="json", by_alias=True)
    for path in settings.unresolved():
        node: Any = result
        whole: Any = values
        *parts, last = [part for part in re.split(r"[.\[\]]+", path) if part]
        for part in parts:
            if isinstance(node, list):
                node, whole = node[int(part)], whole[int(part)]
            else:
                node, whole = node.setdefault(part, {}), whole[part]
        if last == "digest":
            # An image is given as a whole, and its default may not be in the file.
            node.update({key: value for key, value in whole.items() if key not in node})
        node[last] = STAND_INS.get(last, ADDON_STAND_IN)
    return result
