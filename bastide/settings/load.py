"""From a stack file's raw values to settings, or to the list of all its mistakes.

Pydantic reports what is wrong inside each value. The checks across values (`checks`) must run even then, so
what is usable is salvaged first: mistaken fields are left out, and a check that needs one of them is
skipped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bastide.settings.base import Strict
from bastide.settings.checks import problems_across
from bastide.settings.errors import Problem, SettingsError, from_pydantic
from bastide.settings.model_config import with_files
from bastide.settings.model_quality import with_tables
from bastide.settings.root import Settings
from bastide.settings.stack_files import (
    Layer,
    clashes,
    merged,
    origin,
    setting_name,
    siblings,
    stack_layers,
    stack_name,
)
from bastide.settings.variants import variant_of, variants


def load(raw: Mapping[str, Any]) -> Settings:
    """See `Settings.load`."""
    try:
        settings = Settings.model_validate(dict(raw), by_alias=True, by_name=False)
    except ValidationError as error:
        problems = [from_pydantic(Settings, each, ()) for each in error.errors() if not _echo(each)]
        problems += problems_across(_salvage(Settings, raw))
        raise SettingsError(problems) from None
    problems = problems_across(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def load_layers(
    layers: Sequence[Layer],
    others: Mapping[str, Mapping[str, Any]] | None = None,
    project: Path = Path(),
) -> Settings:
    """Settings from a stack's layers, the most general first. A mistake that stands in a shared file is told
    with that file's name. `others` has the raw settings of the stacks beside it, by name, whose networks it
    must not overlap and whose names it must not have. `project` is the folder of Pulumi.yaml, in which the
    files lie that models are described by. Raises SettingsError."""
    from bastide.settings.network_overlaps import overlaps
    from bastide.settings.same_names import same_names

    try:
        settings = _load_merged(layers, project)
        problems = [*overlaps(settings, others or {}), *same_names(settings, others or {})]
        if problems:
            raise SettingsError(problems)
    except SettingsError as error:
        raise SettingsError(
            Problem(each.path, f"{each.message} (it stands in {file})")
            if (file := origin(layers, each.path)) not in ("", layers[-1].name)
            else each
            for each in error.problems
        ) from None
    return settings


def _load_merged(layers: Sequence[Layer], project: Path) -> Settings:
    hidden = clashes(layers)
    try:
        settings = load(with_tables(with_files(merged(layers), project), project))
    except SettingsError as error:
        told = {each.path for each in error.problems}
        raise SettingsError([*error.problems, *(each for each in hidden if each.path not in told)]) from None
    if hidden:
        raise SettingsError(hidden)
    return settings


def load_stack_file(path: Path) -> Settings:
    """Settings of a stack, without Pulumi: its file over the shared ones beside it, held against the other
    stacks there. Raises SettingsError."""
    return load_layers(stack_layers(path), siblings(path.parent, stack_name(path)), path.parent.parent)


def _echo(error: ErrorDetails) -> bool:
    """Whether the list is too short only because pydantic left out items whose own mistakes are reported."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def refuse_unresolved(settings: Settings) -> None:
    """Raises SettingsError when a stack of a real account still has an `unresolved` digest or version."""
    if settings.sandbox:
        return
    problems = [
        Problem(
            path,
            f"'unresolved' is refused outside a sandbox: what runs must be pinned; {_how(path, settings)}",
        )
        for path in settings.unresolved()
    ]
    if problems:
        raise SettingsError(problems)


def _how(path: str, settings: Settings) -> str:
    if "image" in path:
        return (
            "give the digest that the registry has for this tag (`docker buildx imagetools inspect "
            "REPOSITORY:TAG` prints it)"
        )
    if path.startswith("models["):
        return "give the digest of the model's files (`bastide model verify DIR` prints it)"
    if path.endswith(".amiRelease"):
        return (
            'give the release (docs/gpu-pools.md, "AMI releases", has the command that prints the newest for each '
            "operating system), or remove the line to take the newest"
        )
    return (
        "give the version (`aws eks describe-addon-versions --addon-name NAME "
        f"--kubernetes-version {settings.cluster.kubernetes_version}` lists them)"
    )


def decode(config: Mapping[str, str]) -> dict[str, Any]:
    """Raw values from Pulumi's flat configuration, in which everything structured is JSON in a string. Keys
    of other namespaces are left out."""
    found = {}
    fields = {info.alias or name: info for name, info in Settings.model_fields.items()}
    for full_key, value in config.items():
        key = setting_name(full_key)
        if key is None:
            continue
        field = fields.get(key)
        found[key] = value if field is None or _is_text(field) else _json_or_text(value)
    return found


def _is_text(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, str)


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _salvage(model: type[BaseModel], raw: object) -> Any:
    """An instance that has only the fields that are right; raises ValidationError when `raw` is no
    mapping."""
    if not isinstance(raw, Mapping):
        raise _Mistaken
    if issubclass(model, Strict):
        raw = model.completed(raw)
    values: dict[str, Any] = {}
    mistaken = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in raw:
            if field.is_required():
                mistaken.append(name)
            continue
        try:
            values[name] = _salvage_value(field, raw[key])
        except (_Mistaken, ValidationError):
            mistaken.append(name)
    instance = model.model_construct(**values)
    for name in mistaken:
        # model_construct fills in defaults, which would make a check judge what was not written.
        instance.__dict__.pop(name, None)
    return instance


class _Mistaken(Exception):  # noqa: N818 - a signal inside this module, not an error that anybody sees
    """This value cannot be used at all."""


def _salvage_value(field: FieldInfo, raw: object) -> Any:
    annotation: Any = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _salvage(annotation, raw)
    if variants(annotation):
        return _salvage_variant(annotation, raw)
    item = _model_in_tuple(annotation)
    if item is not None:
        if not isinstance(raw, list):
            raise _Mistaken
        return tuple(_salvage_item(item, each) for each in raw)
    kinds = _variants_in_tuple(annotation)
    if kinds is not None:
        if not isinstance(raw, list):
            raise _Mistaken
        return tuple(_salvage_variant_item(kinds, each) for each in raw)
    typed: Any = Annotated[(annotation, *field.metadata)] if field.metadata else annotation
    adapter: TypeAdapter[Any] = TypeAdapter(typed)
    return adapter.validate_python(raw)


def _salvage_variant(annotation: Any, raw: object) -> Any:
    model = variant_of(annotation, raw)
    if model is None:
        raise _Mistaken
    return _salvage(model, raw)


def _salvage_item(model: type[BaseModel], raw: object) -> Any:
    """An item that is no mapping keeps its place, so that the others keep their numbers; all of it is
    unusable."""
    return _salvage(model, raw if isinstance(raw, Mapping) else {})


def _salvage_variant_item(annotation: Any, raw: object) -> Any:
    """As `_salvage_item`; of what is no known kind nothing can be said, and it keeps its place by the first."""
    model = variant_of(annotation, raw)
    return (
        _salvage_item(next(iter(variants(annotation).values())), {})
        if model is None
        else _salvage(model, raw)
    )


def _variants_in_tuple(annotation: Any) -> Any:
    """The annotation of a tuple's items, where they are of several kinds."""
    if get_origin(annotation) is not tuple:
        return None
    first = get_args(annotation)[0]
    return first if variants(first) else None


def _model_in_tuple(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in (Union, UnionType) or get_origin(annotation) is not tuple:
        return None
    first = get_args(annotation)[0]
    return first if isinstance(first, type) and issubclass(first, BaseModel) else None
