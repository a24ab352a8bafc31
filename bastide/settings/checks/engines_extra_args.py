"""Checks of engines' extra arguments: only what is known, tunes and is nobody else's.

The engine's parser takes a flag in many disguises: cut short, with underscores, as `--no-`, with a dot into its value,
by a short form. Only one way of writing is let through, the full name with `=` and a value or none, so that what was
judged is what the engine reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from bastide.catalogues.vllm_flags import ALL, ALLOWED, VERSION
from bastide.catalogues.vllm_flags_owned import OWNED
from bastide.catalogues.vllm_flags_refused import GONE, REFUSED
from bastide.settings.base import UnusableError
from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem, shown

if TYPE_CHECKING:
    from bastide.settings.root import Settings

_WRITTEN: Final = re.compile(r"(--[a-z0-9]+(?:-[a-z0-9]+)*)(?:=(.+))?", re.DOTALL)


def _canonical(given: str) -> str:
    """The flag that is meant, for the message: without its value, underscores, a dotted part and `no-`."""
    words = given.strip().lstrip("-").partition("=")[0].partition(".")[0].split(maxsplit=1)
    name = f"--{words[0] if words else ''}".lower().replace("_", "-").rstrip("+")
    if name not in ALL and name.startswith("--no-"):
        name = f"--{name.removeprefix('--no-')}"
    return name


def _about(name: str) -> str | None:
    """Why a flag of this name is refused; None for one that may be passed or is not known."""
    if name in REFUSED:
        return f"is refused: {REFUSED[name]}; remove it"
    if name in OWNED:
        return f"is what the setting {OWNED[name]} of the engine becomes; remove it and use that"
    if name in GONE:
        return f"is gone from vLLM {VERSION}, which does not start with it: {GONE[name]}; remove it"
    return None


def refusal(given: str) -> str | None:
    """Why vLLM may not get this extra argument, to follow what was given; None when it may."""
    name = _canonical(given)
    if name.strip("-") == "":
        return f"is not an argument; allowed: --name or --name=value, of a flag of vLLM {VERSION}; remove it"
    why = _about(name)
    if why is not None:
        return why
    starts = [flag for flag in sorted(ALL) if flag.startswith(name)] if name not in ALL else []
    if len(starts) == 1 and (why := _about(starts[0])) is not None:
        return f"would be taken for {starts[0]}, which {why}"
    written = _WRITTEN.fullmatch(given)
    if written is None:
        return (
            "is not written as an extra argument has to be; allowed: --name or --name=value, each an entry of its "
            "own, the name in full, with hyphens and without dots (a mapping is JSON); anything else could be read "
            "as another flag; rewrite it"
        )
    if name not in ALL:
        near = get_close_matches(name, ALLOWED, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        return (
            f"is not a flag of vLLM {VERSION}{meant}; allowed: the flags in bastide/catalogues/vllm_flags.py, in "
            "full; the engine does not start with one that it does not know; correct the name or remove it"
        )
    return _value(written[1], written[2])


def _value(name: str, value: str | None) -> str | None:
    """What is wrong with a known flag's value."""
    plain = name if name in ALLOWED else f"--{name.removeprefix('--no-')}"
    takes = ALLOWED[plain]
    if takes != "switch" and plain != name:
        return f"does not exist: {plain} has no opposite; remove it"
    if takes in ("switch", "on"):
        return f"takes no value; allowed: {name}; remove the value" if value is not None else None
    if value is None:
        return f"needs a value; allowed: {name}=VALUE in one entry; add it"
    if "$(" in value:
        return "holds '$(', which Kubernetes replaces by a variable of the pod; write the value itself"
    if takes == "list" and any(not each or each.startswith("-") for each in value.split(",")):
        return (
            "has an empty value or one that begins with a hyphen, which the engine would read as a flag; allowed: "
            f"{name}=A,B; correct it"
        )
    return None


def _each_argument(settings: Settings) -> Iterator[Problem]:
    with suppress(UnusableError):
        for index, engine in enumerate(settings.engines):
            with suppress(UnusableError):
                if engine.kind != "vllm":
                    continue
                yield from _of_engine(engine.extra_args, f"engines[{index}].extraArgs")


def _is_value(given: tuple[str, ...], number: int) -> bool:
    """Whether an entry looks like the value of the flag before it, as a shell's arguments would have it."""
    if not 0 < number < len(given) or given[number].startswith("-"):
        return False
    return given[number - 1].startswith("--") and "=" not in given[number - 1]


def _of_engine(given: tuple[str, ...], path: str) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, each in enumerate(given):
        if _is_value(given, number):
            continue
        why = refusal(each)
        if _is_value(given, number + 1) and (why is None or "needs a value" in why):
            why = (
                f"has its value in the next entry, {shown(given[number + 1])}; allowed: {each}=VALUE in one entry, or "
                "no value where the flag takes none; join the two, or remove the value"
            )
        if why is not None:
            yield Problem(f"{path}[{number}]", f"{shown(each)} {why}")
            continue
        name = _canonical(each)
        if name in seen:
            yield Problem(
                f"{path}[{number}]",
                f"{shown(each)} is given in entry {seen[name]} too; the engine would take only the last; remove one",
            )
        seen.setdefault(name, number)


CHECKS: Final[tuple[Check, ...]] = (_each_argument,)
