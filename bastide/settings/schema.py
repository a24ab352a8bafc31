"""Every setting, its default and its meaning, made from the models: a JSON Schema for editors and a reference for
people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bastide.settings.errors import PROJECT
from bastide.settings.root import Settings

Schema = dict[str, Any]

_WIDE: Final = 62
"""Characters of a default that fit into a table's cell, where the model's own table has it too."""

_LIMITS: Final = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "minItems": "{} or more",
    "maxItems": "{} or fewer",
}
"""How a schema's limits are said; the settings' own checks say more."""


def stack_file_schema() -> Schema:
    """JSON Schema (2020-12) of a stack file, and of the shared files: what either may hold. What must be there in
    the end is not part of it, because each file is only a layer."""
    found = Settings.json_schema()
    whole = _reached_through_lists(found)
    for name, model in found.get("$defs", {}).items():
        if name not in whole:
            model.pop("required", None)
    # Without what is required, a layer may fit more than one kind.
    _any_of(found)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bastide stack file",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                # A key without a prefix is the project's too.
                "properties": {
                    f"{lead}{key}": value
                    for lead in (f"{PROJECT}:", "")
                    for key, value in found["properties"].items()
                },
                # Other namespaces are Pulumi's and the providers'.
                "patternProperties": {f"^(?!{PROJECT}:)[^:]*:": {}},
                "additionalProperties": False,
            }
        },
        "required": ["config"],
        "$defs": found.get("$defs", {}),
    }


def _any_of(node: Any) -> None:
    """Makes every `oneOf` an `anyOf`, in place."""
    if isinstance(node, dict):
        if "oneOf" in node:
            node["anyOf"] = node.pop("oneOf")
        for each in node.values():
            _any_of(each)
    elif isinstance(node, list):
        for each in node:
            _any_of(each)


def _reached_through_lists(schema: Schema) -> set[str]:
    """Names of the models that stand in lists: a layer replaces lists as a whole, so they are complete."""
    definitions = schema.get("$defs", {})
    merged: set[str] = set()

    def visit(node: Any) -> None:
        """Marks what is reached without passing a list."""
        for name in _references(node, into_lists=False):
            if name not in merged:
                merged.add(name)
                visit(definitions[name])

    visit({key: value for key, value in schema.items() if key != "$defs"})
    return set(definitions) - merged


def _references(node: Any, *, into_lists: bool = True) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "$ref":
                yield str(value).rsplit("/", 1)[1]
            elif into_lists or key not in ("items", "prefixItems"):
                yield from _references(value, into_lists=into_lists)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each, into_lists=into_lists)


def reference() -> str:
    """A Markdown page: one table for each model, the whole stack first."""
    schema = Settings.json_schema()
    definitions = schema.get("$defs", {})
    lines = [
        "# Settings",
        "",
        f"Keys of a stack file under `config:`, each with the prefix `{PROJECT}:`. A setting without a default is",
        "required, in the stack's own file or in a shared one.",
    ]
    lines += _table(schema, definitions)
    for name in _in_order(schema, definitions):
        model = definitions[name]
        if model.get("type") == "object" and "properties" in model:
            lines += ["", f"## {_title(name)}", "", _text(model.get("description", ""))]
            lines += _table(model, definitions)
    return "\n".join(lines) + "\n"


def _in_order(schema: Schema, definitions: Mapping[str, Schema]) -> list[str]:
    """Names of the models in the order in which a reader meets them."""
    order: list[str] = []

    def visit(node: Any) -> None:
        for name in _references(node):
            if name not in order:
                order.append(name)
                visit(definitions[name])

    visit({key: value for key, value in schema.items() if key != "$defs"})
    return order


def _table(model: Schema, definitions: Mapping[str, Schema]) -> list[str]:
    required = model.get("required", [])
    lines = ["", "| setting | type | default | meaning |", "|---|---|---|---|"]
    for key, setting in model["properties"].items():
        default = "required" if key in required else _default(setting, definitions)
        lines.append(
            f"| `{key}` | {_type(setting, definitions)} | {default} | {_text(setting.get('description', ''))} |"
        )
    return lines


def _default(setting: Schema, definitions: Mapping[str, Schema]) -> str:
    if "default" not in setting:
        return "see where it is used"
    value = setting["default"]
    text = f"`{json.dumps(value)}`"
    if not isinstance(value, dict) or len(text) <= _WIDE:
        return text
    parts = definitions.get(str(setting.get("$ref", "")).rpartition("/")[2], {}).get("properties", {})
    told = parts and all("default" in part for part in parts.values())
    return "see its own table" if told else text


def _type(setting: Mapping[str, Any], definitions: Mapping[str, Schema]) -> str:
    """The type in words, with the limits that the schema knows."""
    limits = ", ".join(said.format(setting[key]) for key, said in _LIMITS.items() if key in setting)
    named = _plain_type(setting, definitions)
    return f"{named}, {limits}" if limits else named


def _plain_type(setting: Mapping[str, Any], definitions: Mapping[str, Schema]) -> str:
    if "$ref" in setting:
        name = str(setting["$ref"]).rsplit("/", 1)[1]
        if "properties" not in definitions[name]:
            return _type(definitions[name], definitions)
        return f"[{_title(name)}](#{_title(name).lower().replace(' ', '-')})"
    if "const" in setting:
        return f"`{setting['const']}`"
    if "enum" in setting:
        return ", ".join(f"`{each}`" for each in setting["enum"])
    for several in ("anyOf", "oneOf"):
        if several in setting:
            return " or ".join(
                _type(each, definitions) for each in setting[several] if each.get("type") != "null"
            )
    kind = setting.get("type", "anything")
    if isinstance(kind, list):
        kind = kind[0]  # the string beside it is how Pulumi writes the value back
    if kind == "array":
        return f"list of {_type(setting.get('items', {}), definitions)}"
    if kind == "object" and isinstance(setting.get("additionalProperties"), Mapping):
        return f"mapping to {_type(setting['additionalProperties'], definitions)}"
    return str(kind)


def _title(name: str) -> str:
    """`GpuPoolSettings` as `Gpu pool`."""
    base = name.removesuffix("Settings")
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in base).split()
    return " ".join([words[0], *(word.lower() for word in words[1:])])


def _text(description: str) -> str:
    return " ".join(description.split()).replace("|", "\\|")
