"""A stack's raw settings from files: its own, over what all stacks share.

    stacks/_shared.yaml            all stacks
    stacks/_shared.prod.yaml       all stacks of an environment
    stacks/Pulumi.NAME.yaml        the stack

Later files win. Mappings are merged key by key; anything else, lists included, is replaced as a whole, so that
a stack file shows every pool and engine that it has. All files have the same form, a stack file's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bastide.settings.errors import PROJECT, Problem, SettingsError

SHARED: Final = "_shared"


@dataclass(frozen=True)
class Layer:
    """The `bastide:` values of one file, without that prefix."""

    name: str
    values: Mapping[str, Any]


def read_stack_file(path: Path) -> dict[str, Any]:
    """Raw values of a stack, without Pulumi: its file over the shared ones beside it. Raises SettingsError when
    one cannot be read or is no mapping."""
    return merged(stack_layers(path))


def stack_layers(path: Path) -> list[Layer]:
    """The shared layers beside a stack file, and its own at the end. Raises SettingsError."""
    own = read_layer(path)
    return [*shared_layers(path.parent, own.values.get("environment")), own]


def siblings(folder: Path, stack: str) -> dict[str, dict[str, Any]]:
    """Raw settings of the folder's other stacks, by name. A file that cannot be read is left out: it is reported
    when that stack is run."""
    found = {}
    for path in sorted(folder.glob("Pulumi.*.yaml")):
        name = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        if name != stack:
            with suppress(SettingsError):
                found[name] = read_stack_file(path)
    return found


def shared_layers(folder: Path, environment: object) -> list[Layer]:
    """What the folder's stacks of an environment share, the most general first; missing files are left out.
    Raises SettingsError."""
    names = [f"{SHARED}.yaml"]
    # A mistaken environment is reported as such, and must not become part of a path.
    if isinstance(environment, str) and environment.isalnum():
        names.append(f"{SHARED}.{environment}.yaml")
    return [read_layer(folder / name, allow_secrets=False) for name in names if (folder / name).is_file()]


def read_layer(path: Path, *, allow_secrets: bool = True) -> Layer:
    """One file's values. Raises SettingsError."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError([Problem("", f"cannot read {path.name}: {error}")]) from None
    config = content.get("config") if isinstance(content, dict) else None
    if not isinstance(config, dict):
        raise SettingsError(
            [Problem("", f"{path.name} has no `config:` mapping; a stack file has its settings there")]
        )
    lead = f"{PROJECT}:"
    values = {key[len(lead) :]: value for key, value in config.items() if str(key).startswith(lead)}
    if not allow_secrets:
        _refuse_unusable(path, config, values)
    return Layer(path.name, values)


def _refuse_unusable(path: Path, config: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """What a shared file must not have: keys that only the engine would read, and secrets."""
    problems = [
        Problem(
            str(key),
            f"stands in {path.name}, where only bastide: keys have an effect: Pulumi itself reads stack files "
            "alone; move it to each stack's file",
        )
        for key in config
        if not str(key).startswith(f"{PROJECT}:")
    ]
    problems += [
        Problem(
            where,
            f"is a secret in {path.name}; each stack encrypts with a key of its own, so no other could read it; "
            "set it per stack (`pulumi config set --secret`)",
        )
        for where in _secrets(values, "")
    ]
    if problems:
        raise SettingsError(problems)


def _secrets(value: Any, at: str) -> list[str]:
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:
            return [at]
        return [
            found
            for key, each in value.items()
            for found in _secrets(each, f"{at}.{key}" if at else str(key))
        ]
    if isinstance(value, list):
        return [found for index, each in enumerate(value) for found in _secrets(each, f"{at}[{index}]")]
    return []


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """The values of all layers, later ones over earlier ones."""
    result: dict[str, Any] = {}
    for layer in layers:
        result = _over(result, layer.values)
    return result


def _over(base: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in above.items():
        below = result.get(key)
        # Another kind of a setting has other keys: the shared ones would all be mistakes.
        if (
            isinstance(below, Mapping)
            and isinstance(value, Mapping)
            and below.get("kind") == value.get("kind", below.get("kind"))
        ):
            result[key] = _over(below, value)
        else:
            result[key] = value
    return result


def origin(layers: Iterable[Layer], path: str) -> str:
    """Name of the file that set what a problem's path names: the last one that has its longest part. '' when
    none has it."""
    parts = [part for part in path.replace("[", ".").replace("]", "").split(".") if part]
    best, name = 0, ""
    for layer in layers:
        value: Any = layer.values
        depth = 0
        for part in parts:
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                break
            depth += 1
        if depth and depth >= best:
            best, name = depth, layer.name
    return name
