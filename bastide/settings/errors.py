"""What is wrong with a stack file, said all at once.

Each problem has the path as it stands in the stack file, so that it can be found by searching for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from bastide.settings.variants import variants

PROJECT = "bastide"


@dataclass(frozen=True)
class Problem:
    """One mistake: where (`pools[0].instanceType`) and what, why and what to do."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{PROJECT}:{self.path}: {self.message}" if self.path else self.message


class SettingsError(Exception):
    """The stack file cannot be used; `problems` lists every mistake and the text prints them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        noun = "mistake" if count == 1 else "mistakes"
        lines = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1))
        super().__init__(f"the stack's settings have {count} {noun}; nothing was registered:\n{lines}")


class NoStackError(SettingsError):
    """There is no stack of that name, or no stacks here at all; the text is the one line that says it."""

    def __init__(self, reason: str) -> None:
        super().__init__([Problem("", reason)])
        self.args = (reason,)


LONGEST = 80
"""Characters of a given value that a message shows: enough to find it by."""


def shown(value: object) -> str:
    """A given value as a stack file has it, cut when it is long."""
    if value is None:
        return "an empty value"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


def path_of(location: Sequence[str | int]) -> str:
    """`("pools", 0, "instanceType")` as `pools[0].instanceType`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def choices(given: object, allowed: Iterable[str]) -> str:
    """`; allowed: a, b` with the nearest one suggested first when there is one."""
    names = list(allowed)
    near = get_close_matches(str(given), names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{hint}; allowed: {', '.join(names) or 'none yet'}"


def _meaning(model: type[BaseModel], location: Sequence[str | int]) -> tuple[Any, str, list[str | int]]:
    """Follows pydantic's location through the models: the annotation in which it ends, the last field's
    description ('' when there is none), and the location as it stands in the file, without the kinds that
    pydantic writes into it."""
    current: Any = model
    description = ""
    written: list[str | int] = []
    for part in location:
        if part in (kinds := variants(current)):
            current = kinds[str(part)]
            continue
        written.append(part)
        if isinstance(part, int):
            current = _item(current)
            continue
        description = ""
        owner = nested(current)
        for name, info in owner.model_fields.items() if owner else ():
            if part in (info.alias, name):
                current, description = info.annotation, info.description or ""
                break
        else:
            current = None
    return current, description, written


def _item(annotation: Any) -> Any:
    """The annotation of a tuple's items."""
    arguments = get_args(annotation)
    return arguments[0] if arguments else None


def nested(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `Model`, `Model | None` or `tuple[Model, ...]`; None where there is
    none, or several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if variants(annotation):
        return None
    for argument in get_args(annotation):
        found = nested(argument)
        if found is not None:
            return found
    return None


def from_pydantic(model: type[BaseModel], error: ErrorDetails, at: Sequence[str | int]) -> Problem:
    """One of pydantic's errors in our words: what was given, what is allowed, what the setting is."""
    location = error["loc"]
    end, description, written = _meaning(model, location)
    summary = " ".join(description.split()).rstrip(".")
    meaning = f" (this setting: {summary})" if summary else ""
    path = path_of([*at, *written])
    given = error["input"]
    match error["type"]:
        case "missing":
            return Problem(path, f"is required and was not given{meaning}; add it")
        case "extra_forbidden":
            owner = nested(_meaning(model, location[:-1])[0])
            known = [info.alias or name for name, info in owner.model_fields.items()] if owner else []
            return Problem(
                path,
                f"there is no setting of this name{choices(location[-1], known)}; remove or rename it",
            )
        case "union_tag_not_found":
            return Problem(
                f"{path}.kind", f"is required and was not given{choices('', variants(end))}; add it"
            )
        case "union_tag_invalid":
            kinds = variants(end)
            return Problem(
                f"{path}.kind",
                f"{shown(error['ctx']['tag'])} is no kind of it{choices(error['ctx']['tag'], kinds)}{meaning}",
            )
        case "value_error":
            reason = error["ctx"]["error"]
            return Problem(path, f"{shown(given)} {reason}")
        case "model_type" | "dict_type" | "model_attributes_type":
            owner = nested(end)
            known = [info.alias or name for name, info in owner.model_fields.items()] if owner else []
            known = known or (
                ["kind: ..., with kind one of " + ", ".join(kinds)] if (kinds := variants(end)) else []
            )
            wanted = f"; allowed: {', '.join(known)}, each as `name: value` below it" if known else ""
            return Problem(path, f"{shown(given)} is not a mapping of settings{wanted}{meaning}")
        case "tuple_type" | "list_type":
            return Problem(
                path, f"{shown(given)} is not a list{meaning}; write a list, in [ ] or one `- ` a line"
            )
        case "string_type" if isinstance(given, bool | int | float | date):
            return Problem(
                path,
                f"{shown(given) if isinstance(given, bool | int | float) else given} is what YAML makes of it without "
                f"quotes, and no text; put it in quotes, as it is meant{meaning}",
            )
        case _:
            expected = error["msg"][0].lower() + error["msg"][1:]
            return Problem(path, f"{shown(given)} is refused: {expected}{meaning}")
