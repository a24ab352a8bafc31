"""Judges inputs against a type's table: what is wrong, what a change does, what has drifted."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sandbox.plugins.aws import model, schema
from sandbox.plugins.aws.framework import Context, Inputs, ResourceType
from sandbox.plugins.aws.table import Prop
from sandbox.plugins.protocol import Diff, DiffKind, Plain, PluginError, Unknown, has_unknown

TAGS_ALL: Final = Prop(
    "update", source="the tags that the resource bears; follows from tags and default tags"
)
"""The input that the official provider's check adds to every type that has `tags`."""


@dataclass(frozen=True)
class Ruling:
    """What a change of one input does, and who says so."""

    token: str
    path: str
    effect: Literal["update", "replace", "refused"]
    source: str
    by_aws_schema: bool


def schema_path(
    kind: ResourceType, prop: Prop, parent: tuple[str, tuple[str, ...]]
) -> tuple[str, tuple[str, ...]]:
    """CloudFormation type and path of an input whose parent object is at `parent`."""
    if "#" in prop.cfn:
        type_name, _, path = prop.cfn.partition("#")
        return type_name, tuple(path.split("/"))
    return parent[0], parent[1] + tuple(part for part in prop.cfn.split("/") if part)


def load_schema(type_name: str, region: str) -> schema.Schema:
    """The schema of a type in a region; `PluginError` where the region lacks the type."""
    found = schema.load(type_name, region)
    if found is not None:
        return found
    if region not in schema.known_regions():
        nearest = difflib.get_close_matches(region, schema.known_regions(), 1, 0.5)
        raise PluginError(
            f"{region!r} is no region of AWS's resource schemas"
            + (f"; did you mean {nearest[0]!r}?" if nearest else "")
        )
    raise PluginError(
        f"{type_name} does not exist in {region} ({schema.SOURCE}): choose another region or go without it"
    )


def effect(kind: ResourceType, prop: Prop, path: tuple[str, tuple[str, ...]], region: str) -> Ruling:
    """What a change of the input does; a table that contradicts the schema's facts is a defect and raises."""
    name = f"{path[0]} {'/'.join(path[1])}"
    if prop.verdict != "judged":
        word: Literal["update", "replace", "refused"] = prop.verdict
        return Ruling(kind.token, "", word, prop.source, False)
    document = load_schema(path[0], region)
    if not document.has(path[1]):
        raise LookupError(f"{kind.token}: {name} is not in AWS's schema")
    if document.read_only(path[1]):
        raise LookupError(f"{kind.token}: {name} is read-only in AWS's schema")
    if document.create_only(path[1]):
        return Ruling(kind.token, "", "replace", f"{schema.SOURCE}: {name} is create-only", True)
    if document.conditionally_create_only(path[1]):
        if not prop.conditional or not prop.source:
            raise LookupError(
                f"{kind.token}: {name} is conditionally create-only; the table must say what holds"
            )
        return Ruling(
            kind.token,
            "",
            prop.conditional,
            f"{schema.SOURCE}: {name} is create-only under conditions; {prop.source}",
            True,
        )
    return Ruling(kind.token, "", "update", f"{schema.SOURCE}: {name} is not create-only", True)


def rulings(kind: ResourceType, region: str) -> list[Ruling]:
    """The ruling on every input of a type, nested ones too."""

    def walk(table: Mapping[str, Prop], parent: tuple[str, tuple[str, ...]], prefix: str) -> Iterator[Ruling]:
        for name, prop in table.items():
            path = schema_path(kind, prop, parent)
            found = effect(kind, prop, path, region)
            yield Ruling(found.token, prefix + name, found.effect, found.source, found.by_aws_schema)
            if prop.fields is not None:
                yield from walk(prop.fields, path, f"{prefix}{name}.")

    return list(walk(kind.inputs, (kind.cfn, ()), ""))


def with_defaults(table: Mapping[str, Prop], value: Plain) -> Plain:
    """The inputs with what the official provider fills in, in nested objects too where those are set."""
    if isinstance(value, list):
        return [with_defaults(table, item) for item in value]
    if not isinstance(value, Mapping):
        return value
    result = dict(value)
    for name, prop in table.items():
        if prop.verdict == "refused":
            continue
        if result.get(name) is None and prop.default is not None:
            result[name] = prop.default
        elif prop.fields is not None and result.get(name) is not None:
            result[name] = with_defaults(prop.fields, result[name])
    return result


def check(kind: ResourceType, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
    """What is wrong with the inputs, as (path, reason): names, values, what is missing, the request."""
    load_schema(kind.cfn, ctx.region)
    failures = list(_check_object(kind, ctx.region, kind.inputs, (kind.cfn, ()), inputs, ""))
    if failures:
        return failures
    failures = kind.problems(ctx, inputs)
    if failures:
        return failures
    return [
        ("", sentence)
        for service, operation, params in kind.request(ctx, inputs)
        for sentence in model.request_problems(service, operation, params)
    ]


def _check_object(
    kind: ResourceType,
    region: str,
    table: Mapping[str, Prop],
    at: tuple[str, tuple[str, ...]],
    value: Plain,
    prefix: str,
) -> Iterator[tuple[str, str]]:
    if isinstance(value, Unknown):
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_object(kind, region, table, at, item, f"{prefix.rstrip('.')}[{index}].")
        return
    if not isinstance(value, Mapping):
        yield prefix.rstrip("."), f"{value!r} is no object; it may have: {', '.join(_usable(table))}"
        return
    for name, item in value.items():
        if not prefix and name == "tagsAll" and "tags" in table:
            continue
        if name not in table:
            yield prefix + name, _unknown_name(kind, name, table)
        elif item is not None:
            yield from _check_value(kind, region, table[name], at, item, prefix + name)
    yield from _missing(kind, region, table, at, value, prefix)


def _check_value(
    kind: ResourceType, region: str, prop: Prop, parent: tuple[str, tuple[str, ...]], value: Plain, path: str
) -> Iterator[tuple[str, str]]:
    if prop.verdict == "refused":
        yield path, f"{path} is refused in the sandbox: {prop.source}"
        return
    at = schema_path(kind, prop, parent)
    if prop.fields is not None:
        yield from _check_object(kind, region, prop.fields, at, value, f"{path}.")
        return
    if not prop.cfn:
        return
    try:
        wanted = prop.to_cfn(value)
    except (ValueError, AttributeError, TypeError) as error:
        yield path, f"{value!r} cannot be read: {error}"
        return
    for problem in load_schema(at[0], region).problems(at[1], wanted):
        yield path, f"{problem} ({at[0]} {'/'.join(at[1])} in {schema.SOURCE})"


def _missing(
    kind: ResourceType,
    region: str,
    table: Mapping[str, Prop],
    at: tuple[str, tuple[str, ...]],
    value: Mapping[str, Plain],
    prefix: str,
) -> Iterator[tuple[str, str]]:
    demanded = set(load_schema(at[0], region).required(at[1]))
    given = {prop.cfn for name, prop in table.items() if value.get(name) is not None}
    for name, prop in table.items():
        if value.get(name) is not None or prop.verdict == "refused":
            continue
        if prop.required:
            yield prefix + name, f"{prefix}{name} is missing; the SDK's class demands it"
        elif prop.cfn in demanded - given:
            given.add(prop.cfn)  # where the SDK has several inputs for it, one report is enough
            yield prefix + name, f"{prefix}{name} is missing; {at[0]} demands {prop.cfn} ({schema.SOURCE})"


def _usable(table: Mapping[str, Prop]) -> list[str]:
    return [name for name, prop in table.items() if prop.verdict != "refused"]


def _unknown_name(kind: ResourceType, name: str, table: Mapping[str, Prop]) -> str:
    nearest = difflib.get_close_matches(name, table, 1, 0.6)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else f"; it has: {', '.join(_usable(table))}"
    return f"{kind.sdk} has no input {name!r} (pulumi_aws's class lists every input){hint}"


def diff(kind: ResourceType, region: str, old: Inputs, new: Inputs) -> Diff:
    """What going from the old inputs to the new does, by path."""
    result = Diff()
    table = {**kind.inputs, **({"tagsAll": TAGS_ALL} if "tags" in kind.inputs else {})}
    for path, kind_of_change in _diff_object(kind, region, table, (kind.cfn, ()), old, new, ""):
        result.properties[path] = kind_of_change
    if result.replaces and kind.identity:
        result.delete_before_replace = all(
            table[name].same(old.get(name), new.get(name)) for name in kind.identity
        )
    return result


def changed_inputs(kind: ResourceType, old: Inputs, new: Inputs) -> set[str]:
    """The top-level inputs that differ."""
    table = {**kind.inputs, "tagsAll": TAGS_ALL}
    return {
        name
        for name in old.keys() | new.keys()
        if name in table and _differs(table[name], old.get(name), new.get(name))
    }


def _differs(prop: Prop, old: Plain, new: Plain) -> bool:
    if prop.computed and prop.plain(new) is None:
        return False
    return not prop.same(old, new)


def _diff_object(
    kind: ResourceType,
    region: str,
    table: Mapping[str, Prop],
    at: tuple[str, tuple[str, ...]],
    old: Mapping[str, Plain],
    new: Mapping[str, Plain],
    prefix: str,
) -> Iterator[tuple[str, DiffKind]]:
    for name, prop in table.items():
        before, after = old.get(name), new.get(name)
        if prop.verdict == "refused" or not _differs(prop, before, after):
            continue
        path = schema_path(kind, prop, at)
        inside = _pairs(before, after, prefix + name) if prop.fields is not None else None
        if inside is not None:
            for where, one, other in inside:
                yield from _diff_object(kind, region, prop.fields or {}, path, one, other, f"{where}.")
            continue
        yield prefix + name, _change(before, after, effect(kind, prop, path, region).effect == "replace")


def _pairs(before: Plain, after: Plain, path: str) -> list[tuple[str, Plain, Plain]] | None:
    """The objects to compare with one another, or None where the whole value is the change."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [(path, before, after)]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = list(zip(before, after, strict=True))
        if all(isinstance(one, Mapping) and isinstance(other, Mapping) for one, other in pairs):
            return [(f"{path}[{index}]", one, other) for index, (one, other) in enumerate(pairs)]
    return None


def _change(before: Plain, after: Plain, replaces: bool) -> DiffKind:
    if before is None or before in ([], {}):
        return "add-replace" if replaces else "add"
    if after is None or after in ([], {}):
        return "delete-replace" if replaces else "delete"
    return "update-replace" if replaces else "update"


def seen_inputs(
    kind: ResourceType, inputs: Inputs, state: dict[str, Plain], default_tags: Mapping[str, str]
) -> Inputs:
    """The inputs as AWS has them: for a refresh those that were set, for an import (no inputs) all.

    A value that means the same as the one that was set keeps the user's spelling, so that nothing differs
    by it.
    """
    if "tags" in kind.inputs:
        inputs, state = _split_tags(inputs, state, default_tags)
    names = set(inputs) if inputs else set(kind.inputs) | {"tagsAll"}
    result: Inputs = {}
    for name in names:
        prop = kind.inputs.get(name, TAGS_ALL)
        if prop.verdict == "refused" or (name not in state and name not in inputs):
            continue
        seen = _project(prop, inputs.get(name), state[name]) if name in state else inputs[name]
        if prop.plain(seen) is None and name not in inputs:
            continue
        result[name] = inputs[name] if name in inputs and prop.same(inputs[name], seen) else seen
    return result


def _project(prop: Prop, wanted: Plain, seen: Plain) -> Plain:
    """The seen value, less the fields of nested objects that were not set (AWS fills in many)."""
    if prop.fields is None:
        return seen
    if wanted is None:
        return _settable(prop.fields, seen)
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        return {
            name: _project(prop.fields[name], wanted[name], seen[name]) if name in prop.fields else seen[name]
            for name in seen
            if name in wanted and wanted[name] is not None
        }
    if isinstance(wanted, list) and isinstance(seen, list) and len(wanted) == len(seen):
        return [_project(prop, one, other) for one, other in zip(wanted, seen, strict=True)]
    return seen


def _settable(table: Mapping[str, Prop], seen: Plain) -> Plain:
    """The seen value, less what its table refuses: an import takes over no field that could not be set."""
    if isinstance(seen, list):
        return [_settable(table, item) for item in seen]
    if not isinstance(seen, Mapping):
        return seen
    usable = {name: prop for name, prop in table.items() if prop.verdict != "refused"}
    return {
        name: _settable(usable[name].fields or {}, item) if usable[name].fields else item
        for name, item in seen.items()
        if name in usable
    }


def overlay(
    table: Mapping[str, Prop], seen: Mapping[str, Plain], inputs: Mapping[str, Plain]
) -> dict[str, Plain]:
    """A resource's state: what AWS has under what was set. Nested objects keep the fields that AWS adds."""
    result = dict(seen)
    for name, value in inputs.items():
        fields = table[name].fields if name in table else None
        below = seen.get(name)
        if fields is not None and isinstance(value, Mapping) and isinstance(below, Mapping):
            result[name] = overlay(fields, below, value)
        else:
            result[name] = value
    return result


def _split_tags(
    inputs: Inputs, state: dict[str, Plain], default_tags: Mapping[str, str]
) -> tuple[Inputs, dict[str, Plain]]:
    """Gives the state its `tags`: those it bears, less the default ones that it did not set itself."""
    bears = state.get("tagsAll") or {}
    own = inputs.get("tags") or {}
    kept = {key: value for key, value in bears.items() if key in own or default_tags.get(key) != value}
    state = {**state, "tags": kept, "tagsAll": bears}
    return ({**inputs, "tags": own} if inputs and kept else inputs), state


def all_tags(tags: Plain, default_tags: Plain) -> Plain:
    """`tagsAll`: the provider's default tags under the resource's own; unknown where either is."""
    if has_unknown(tags) or has_unknown(default_tags):
        from sandbox.plugins.protocol import UNKNOWN

        return UNKNOWN
    return {**(default_tags or {}), **(tags or {})}
