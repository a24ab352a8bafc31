"""Keeps the sandbox's plugins away from stacks that are not sandboxes.

The plugins bear the official providers' names. Should one ever be picked up for a real stack, it must not
answer as if it had changed an account: it refuses every resource, and the provider itself, unless the
stack's own configuration file marks it with `bastide:environment: sandbox`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from sandbox.plugins import rehearsal
from sandbox.plugins.protocol import PluginError

MARK_KEY = "bastide:environment"
MARK_VALUE = "sandbox"


@lru_cache(maxsize=64)
def guard_stack(stack_name: str) -> None:
    """Returns if the stack is marked as a sandbox; else raises `PluginError`, so that nothing is registered.

    The file is found as the engine finds it: Pulumi.yaml in the working directory or above it, its
    `stackConfigDir` if it has one, and in there Pulumi.<stack>.yaml. A rehearsal, which can change nothing, may
    preview any stack.
    """
    if rehearsal.active():
        return
    never = (
        "The sandbox's plugins never act for a real stack: they would record resources that no account has. "
        "Nothing was registered. For a real stack leave the sandbox's PULUMI_HOME (unset it, or open a new "
        "shell); "
    )
    project = _project_file(Path.cwd())
    if project is None:
        raise PluginError(
            f"stack {stack_name!r} cannot be shown to be a sandbox: no Pulumi.yaml in {Path.cwd()} or above. "
            f"{never}"
            "for the sandbox run pulumi in the project's folder."
        )
    path = project.parent / str(_yaml(project).get("stackConfigDir") or ".") / f"Pulumi.{stack_name}.yaml"
    found = _yaml(path).get("config") or {} if path.is_file() else {}
    mark = found.get(MARK_KEY) if isinstance(found, dict) else None
    if mark != MARK_VALUE:
        has = f"{path.name} has {mark!r} there" if path.is_file() else f"{path.name} does not exist"
        raise PluginError(
            f"stack {stack_name!r} is not marked as a sandbox: a sandbox has `{MARK_KEY}: {MARK_VALUE}` "
            f"under `config:` in its stack file, and {has}. {never}"
            "a stack that is meant as a sandbox needs the mark."
        )


def _project_file(folder: Path) -> Path | None:
    for candidate in (folder, *folder.parents):
        for name in ("Pulumi.yaml", "Pulumi.yml"):
            if (candidate / name).is_file():
                return candidate / name
    return None


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise PluginError(f"{path.name} is no valid YAML: {error}") from None
    return loaded if isinstance(loaded, dict) else {}
