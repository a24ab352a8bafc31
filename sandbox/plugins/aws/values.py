"""Values that the AWS plugin's types give or take alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.plugins.protocol import Plain, PluginError


def stamp(moment: datetime | None) -> str | None:
    """A time as the official provider writes it (RFC 3339, UTC, whole seconds), or None."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def json_text(document: Plain) -> str:
    """A policy as text; botocore hands over some policies parsed and others not."""
    return document if isinstance(document, str) else json.dumps(document)


Shape = Mapping[str, "str | tuple[str, Shape]"]
"""How an object's fields are called in Pulumi and in AWS; a pair where the field holds objects of its own."""


def outward(value: Plain, shape: Shape) -> Plain:
    """The value with AWS's names; `UNKNOWN` and what is not set stay as they are."""
    if isinstance(value, list):
        return [outward(item, shape) for item in value]
    if not isinstance(value, Mapping):
        return value
    result: dict[str, Plain] = {}
    for name, entry in shape.items():
        if value.get(name) is not None:
            wire, inner = entry if isinstance(entry, tuple) else (entry, None)
            result[wire] = value[name] if inner is None else outward(value[name], inner)
    return result


def inward(value: Plain, shape: Shape) -> Plain:
    """The value with Pulumi's names; what the shape does not name is left out."""
    if isinstance(value, list):
        return [inward(item, shape) for item in value]
    if not isinstance(value, Mapping):
        return value
    result: dict[str, Plain] = {}
    for name, entry in shape.items():
        wire, inner = entry if isinstance(entry, tuple) else (entry, None)
        if value.get(wire) is not None:
            result[name] = value[wire] if inner is None else inward(value[wire], inner)
    return result


def parts(resource_id: str, separator: str, form: str) -> list[str]:
    """The parts of an id; raises where it has not the form that imports take."""
    found = resource_id.split(separator, form.count(separator))
    if len(found) != form.count(separator) + 1 or not all(found):
        raise PluginError(f"the id {resource_id!r} is not of the form {form}, which imports take")
    return found
