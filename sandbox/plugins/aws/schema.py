"""AWS's own resource schemas, as CloudFormation publishes them and cfn-lint's wheel carries them.

They say which properties can only be set at creation (so a change replaces the resource), which are
read-only, which are required, and what a value may be. One file per type and region is read, when first
asked for.

Blind spots: rules that need two resources at once (a route to a gateway of another VPC) are not in a schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sandbox.plugins.protocol import Unknown, has_unknown

SOURCE = f"AWS's resource schemas in cfn-lint {version('cfn-lint')}"
"""How a verdict that comes from here names its source."""


@lru_cache(maxsize=1)
def _folder() -> Path:
    spec = find_spec("cfnlint")  # found, not imported: the import takes seconds
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("cfn-lint is not installed: install the project's sandbox dependencies")
    return Path(spec.origin).parent / "data" / "schemas"


@lru_cache(maxsize=4)
def _region_types(region: str) -> dict[str, str] | None:
    path = _folder() / "providers" / f"{region}.json"
    if not path.is_file():
        return None
    types: dict[str, str] = json.loads(path.read_text())
    return types


def known_regions() -> list[str]:
    """The regions for which AWS's schemas are here."""
    return sorted(path.stem for path in (_folder() / "providers").glob("*.json"))


class Schema:
    """One resource type's schema in one region."""

    def __init__(self, type_name: str, document: dict[str, Any]) -> None:
        self.type_name = type_name
        self.document = document
        self._create_only = _paths(document, "createOnlyProperties")
        self._conditional = _paths(document, "conditionalCreateOnlyProperties")
        self._read_only = _paths(document, "readOnlyProperties")

    def create_only(self, path: Sequence[str]) -> bool:
        """Whether AWS replaces the resource when the property, or one it lies in, changes."""
        return _covers(self._create_only, path)

    def conditionally_create_only(self, path: Sequence[str]) -> bool:
        """Whether AWS replaces the resource for some changes of the property and not for others."""
        return _covers(self._conditional, path)

    def read_only(self, path: Sequence[str]) -> bool:
        """Whether only AWS sets the property."""
        return _covers(self._read_only, path)

    def has(self, path: Sequence[str]) -> bool:
        """Whether the schema has such a property."""
        return self.part(path) is not None

    def part(self, path: Sequence[str]) -> dict[str, Any] | None:
        """The schema of the property at the path; arrays are stepped into without a segment of their own."""
        nodes: list[dict[str, Any]] = [self.document]
        for segment in path:
            nodes = [
                candidate.get("properties", {})[segment]
                for node in nodes
                for candidate in self._shapes(node)
                if segment in candidate.get("properties", {})
            ]
            if not nodes:
                return None
        return self._resolve(nodes[0])

    def required(self, path: Sequence[str]) -> list[str]:
        """Names that must be set in the object at the path."""
        part = self.part(path)
        shapes = list(self._shapes(part)) if part else []
        return list(shapes[0].get("required", [])) if shapes else []

    def problems(self, path: Sequence[str], value: Any) -> list[str]:
        """What AWS's schema has against the value of the property at the path; unknown parts are skipped."""
        part = self.part(path)
        if part is None:
            return []
        validator = _validator_class()({**part, "definitions": self.document.get("definitions", {})})
        return [_sentence(error) for error in validator.iter_errors(value)]

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self.document
            for segment in node["$ref"].removeprefix("#/").split("/"):
                target = target[segment]
            node = target
        return node

    def _shapes(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The object schemas that a node may stand for: through references, items and alternatives."""
        node = self._resolve(node)
        if "items" in node and isinstance(node["items"], dict):
            yield from self._shapes(node["items"])
            return
        yield node
        for key in ("oneOf", "anyOf", "allOf"):
            for alternative in node.get(key, []):
                yield from self._shapes(alternative)


@lru_cache(maxsize=256)
def load(type_name: str, region: str) -> Schema | None:
    """The schema of a CloudFormation type in a region, or None where the region lacks the type."""
    names = _region_types(region)
    if names is None or type_name not in names:
        return None
    path = _folder() / "resources" / f"{names[type_name]}.json"
    return Schema(type_name, json.loads(path.read_text()))


def _paths(document: dict[str, Any], key: str) -> list[list[str]]:
    return [
        [segment for segment in path.removeprefix("/properties/").split("/") if segment != "*"]
        for path in document.get(key) or []
    ]


def _covers(listed: list[list[str]], path: Sequence[str]) -> bool:
    return any(list(path[: len(entry)]) == entry for entry in listed)


@lru_cache(maxsize=1)
def _validator_class() -> Any:
    """JSON Schema's draft 7, in which a value that is not known yet satisfies everything."""
    import jsonschema
    import regex  # type: ignore[import-untyped]  # AWS writes patterns with \p{L}, which Python's own module does not read

    def pattern(validator: Any, wanted: str, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and not regex.search(wanted, instance):
            yield jsonschema.ValidationError(f"{instance!r} does not match the pattern {wanted}")

    def lenient(keyword: str, check: Any) -> Any:
        whole = keyword in {"enum", "const", "uniqueItems", "oneOf", "anyOf", "not", "if"}

        def judge(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
            if isinstance(instance, Unknown) or (whole and has_unknown(instance)):
                return
            yield from check(validator, wanted, instance, schema) or ()

        return judge

    checks = {**jsonschema.Draft7Validator.VALIDATORS, "pattern": pattern}
    return jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        jsonschema.Draft7Validator, {keyword: lenient(keyword, check) for keyword, check in checks.items()}
    )


def _sentence(error: Any) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    if error.validator == "enum":
        allowed = ", ".join(map(str, error.validator_value))
        text = f"{error.instance!r} is none of the values that AWS allows: {allowed}"
    elif error.validator == "type":
        text = f"{error.instance!r} is no {error.validator_value}"
    elif error.validator in {"oneOf", "anyOf"}:
        reasons = "; or ".join(dict.fromkeys(_sentence(inner) for inner in error.context))
        text = f"{error.instance!r} fits none of AWS's alternatives: {reasons}"
    else:
        text = str(error.message)
    return f"{where.lstrip('.')}: {text}" if where else text
