"""What AWS says that making, changing and deleting resources needs: the permissions of its resource schemas'
handlers (in cfn-lint's wheel), for the types that the kit's components register."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cfnlint

from sandbox.plugins.aws.types import REGISTRY

ROOT = Path(__file__).parents[2]
SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"


def registered() -> dict[str, str]:
    """AWS's type by the SDK's token, for each class that a component registers."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "components").glob("*.py")))
    used = {f"{module}.{name}" for module, name in re.findall(r"\baws\.(\w+)\.([A-Z]\w+)\(", text)}
    return {token: kind.cfn for token, kind in REGISTRY.items() if _class(token) in used}


def _class(token: str) -> str:
    module, name = token.split(":")[1:]
    return f"{module.split('/')[0]}.{name}"


@cache
def handlers() -> dict[str, dict[str, frozenset[str]]]:
    """Permissions by type and handler."""
    return dict(_handlers())


def _handlers() -> Iterator[tuple[str, dict[str, frozenset[str]]]]:
    for path in SCHEMAS.glob("*.json"):
        schema = json.loads(path.read_text())
        if isinstance(schema, dict) and "handlers" in schema:
            yield (
                schema["typeName"],
                {
                    name: frozenset(each.get("permissions", ()))
                    for name, each in schema["handlers"].items()
                    if name != "list"
                },
            )
