"""Files of the project that a setting names by their paths. The loader of stack files alone reads them, so that
settings themselves touch no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

MOST_BYTES: Final = 1_000_000
"""Largest file that is read. A choice: a config.json has a few kilobytes, a table of the quality of 20 tasks at 5
lengths about 20."""


class Unread:
    """Stands for a file that could not be read; the settings' check says why."""

    def __init__(self, given: object, reason: str) -> None:
        self.given, self.reason = given, reason

    def __repr__(self) -> str:
        return repr(self.given)


def with_models(raw: Mapping[str, Any], each: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Raw settings with each model as `each` makes it; what is no list of mappings is left for its own check."""
    models = raw.get("models")
    if not isinstance(models, list):
        return dict(raw)
    return {**raw, "models": [each(dict(one)) if isinstance(one, Mapping) else one for one in models]}


def text(given: str, project: Path, suffixes: tuple[str, ...], what: str, example: str) -> str | Unread:
    """The file's text, or what stands for it. `what` is the kind of file (`JSON`), `example` a path of one."""
    root = project.resolve()
    path = (root / given).resolve()
    if not path.is_relative_to(root) or path.suffix not in suffixes:
        return Unread(
            given,
            f"is no {what} file in the project; allowed: a path from the folder of Pulumi.yaml on, such as {example}; "
            "a stack must not depend on what lies elsewhere on a machine; move the file",
        )
    try:
        if path.stat().st_size > MOST_BYTES:
            return Unread(given, f"is larger than {MOST_BYTES:,} bytes; name the right file")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Unread(given, f"is not text in UTF-8; name a {what} file")
    except OSError as error:
        return Unread(
            given, f"cannot be read ({error.strerror}); correct the path, from the project's folder on"
        )
