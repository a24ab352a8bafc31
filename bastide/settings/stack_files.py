"""A stack's raw settings from files: its own, over what all stacks share.

    stacks/_shared.yaml            all stacks
    stacks/_shared.prod.yaml       all stacks of an environment
    stacks/Pulumi.NAME.yaml        the stack

Later files win. Mappings are merged key by key; anything else, lists included, is replaced as a whole, so that
a stack file shows every pool and engine that it has. All files have the same form, a stack file's; a key is the
same setting with the prefix `bastide:` and without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bastide.settings.errors import PROJECT, NoStackError, Problem, SettingsError, shown
from bastide.settings.stack_yaml import read_yaml

SHARED: Final = "_shared"


@dataclass(frozen=True)
class Layer:
    """The settings in one file, their keys without the prefix `bastide:`."""

    name: str
    values: Mapping[str, Any]


def read_stack_file(path: Path) -> dict[str, Any]:
    """Raw values of a stack, without Pulumi: its file over the shared ones beside it. Raises SettingsError when
    one cannot be read or is no mapping."""
    return merged(stack_layers(path))


def stack_file(stack: str, folder: Path = Path("stacks")) -> Path:
    """The file of a stack by its name. Raises NoStackError, which says what stacks there are."""
    if not folder.is_dir():
        raise NoStackError(
            f"there is no folder {folder} in {Path.cwd()}; run this in the repository, beside Pulumi.yaml"
        )
    known = {stack_name(path): path for path in folder.glob("Pulumi.*.yaml")}
    if stack not in known:
        raise NoStackError(f"no stack {shown(stack)}; there are: {', '.join(sorted(known)) or 'none yet'}")
    return known[stack]


def stack_name(path: Path) -> str:
    """The name of a stack by its file."""
    return path.name.removeprefix("Pulumi.").removesuffix(".yaml")


def stack_layers(path: Path) -> list[Layer]:
    """The shared layers beside a stack file, and its own at the end. Raises SettingsError."""
    own = read_layer(path)
    return [*shared_layers(path.parent, own.values.get("environment")), own]


def siblings(folder: Path, stack: str) -> dict[str, dict[str, Any]]:
    """Raw settings of the folder's other stacks, by name. A file that cannot be read is left out: it is reported
    when that stack is run."""
    found = {}
    for path in sorted(folder.glob("Pulumi.*.yaml")):
        name = stack_name(path)
        if name != stack:
            with suppress(SettingsError):
                found[name] = read_stack_file(path)
    return found


def refuse_ambiguous(path: Path) -> None:
    """Raises SettingsError when the stack file that Pulumi itself read has something that Pulumi takes in silence: of
    the two forms of one key it takes either, by chance."""
    if path.is_file():
        read_layer(path)


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
    content = read_yaml(path)
    config = content.get("config") if isinstance(content, dict) else None
    if not isinstance(config, dict):
        raise SettingsError(
            [Problem("", f"{path.name} has no `config:` mapping; a stack file has its settings there")]
        )
    values: dict[str, Any] = {}
    problems = []
    for key, value in config.items():
        name = setting_name(str(key))
        if name in values:
            problems.append(
                Problem(
                    name,
                    f"is there twice in {path.name}, as {name!r} and as '{PROJECT}:{name}', which mean the same; "
                    "remove one",
                )
            )
        elif name is not None:
            values[name] = value
    if not allow_secrets:
        problems += _unusable(path, config, values)
    if problems:
        raise SettingsError(problems)
    return Layer(path.name, values)


def given_keys(path: Path, namespace: str) -> dict[str, bool]:
    """Names of the keys of a namespace in a stack's own file, without the prefix, each with whether its value is
    encrypted. For what stands beside the settings; a file that is no stack file has none."""
    content = read_yaml(path)
    config = content.get("config") if isinstance(content, dict) else None
    return {
        str(key).removeprefix(f"{namespace}:"): isinstance(value, dict) and set(value) == {"secure"}
        for key, value in (config.items() if isinstance(config, dict) else ())
        if str(key).startswith(f"{namespace}:")
    }


def setting_name(key: str) -> str | None:
    """The setting that a key of a stack file means, without the prefix; None for a key of another namespace. To
    Pulumi a key without a prefix is the project's."""
    namespace, colon, name = key.partition(":")
    if not colon:
        return key
    return name if namespace == PROJECT else None


def _unusable(path: Path, config: Mapping[str, Any], values: Mapping[str, Any]) -> list[Problem]:
    """What a shared file must not have: keys that only the engine would read, and secrets."""
    problems = [
        Problem(
            "",
            f"{shown(key)} stands in {path.name}, where only {PROJECT}: keys have an effect: Pulumi itself reads stack "
            "files alone; move it to each stack's file",
        )
        for key in config
        if setting_name(str(key)) is None
    ]
    problems += [
        Problem(
            where,
            f"is a secret in {path.name}; each stack encrypts with a key of its own, so no other could read it; "
            "set it per stack (`pulumi config set --secret`)",
        )
        for where in _secrets(values, "")
    ]
    return problems


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


def clashes(layers: Iterable[Layer]) -> list[Problem]:
    """Values that a later layer does not merge with but hides, because one is a mapping and the other a list, for
    example. One of the two must be a mistake, and the hidden one would never be told."""
    below: dict[str, tuple[Any, str]] = {}
    problems: list[Problem] = []
    for layer in layers:
        problems += _clashes("", below, layer.values, layer.name)
    return problems


def _clashes(
    at: str, below: dict[str, tuple[Any, str]], values: Mapping[str, Any], name: str
) -> Iterator[Problem]:
    """Puts `values` over `below`, which has each value with its file, mappings as such dictionaries again."""
    kind = below["kind"][0] if "kind" in below else None
    if values.get("kind", kind) != kind:
        below.clear()
    for key, value in values.items():
        path = f"{at}.{key}" if at else str(key)
        old, file = below.get(key, (None, ""))
        if None not in (old, value) and _shape(old) != _shape(value) and set(_keys(value)) != {"secure"}:
            yield Problem(
                path,
                f"is {_shape(value)} in {name} and {_shape(old)} in {file}, so they cannot be merged; correct the one "
                "that is wrong",
            )
        if isinstance(value, Mapping):
            inner = old if isinstance(old, dict) else {}
            yield from _clashes(path, inner, value, name)
            below[key] = (inner, name)
        else:
            below[key] = (value, name)


def _keys(value: Any) -> Iterable[Any]:
    return value if isinstance(value, Mapping) else ()


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else "a single value"


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
