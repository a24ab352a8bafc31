"""What an earlier `make up` left: one that runs is waited for by the user, one that was killed is repaired here."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bastide.repair.run import Lock, half_written
from bastide.repair.stack import REPAIRED, Stack, repair


class LeftOverError(Exception):
    """`make up` cannot go on; the text says why and what to do."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds this world's `make up` for as long as the process lives. Raises LeftOverError while another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            raise LeftOverError(
                f"another `make up` of this world is running (pid {held.read().strip() or 'unknown'}): wait for it"
            ) from None
        held.truncate(0)
        held.write(f"{os.getpid()}\n")
        held.flush()
        yield


def settle(stack: Stack, say: Callable[[str], None] = print) -> None:
    """Repairs the stack if its run was killed; does nothing if not. Raises LeftOverError while a run lives, and when
    the repair needs a person."""
    backend, project = stack.file_backend, stack.project["name"]
    if backend is None:
        return
    locks = Lock.of_stack(backend, project, stack.name)
    for lock in locks:
        if lock.is_of_this_host and lock.is_held:
            raise LeftOverError(
                f"a run of stack {stack.name} is going on ({lock}): wait for it, or interrupt it (Ctrl-C), "
                "then `make up` again"
            )
    if not (locks or _pending(backend, project, stack.name) or half_written(backend, project, stack.name)):
        return
    say(f"a run of stack {stack.name} was killed; repairing, as `bastide stack repair {stack.name}` does:")
    if repair(stack, say=lambda line: say(f"  {line}")) != REPAIRED:
        raise LeftOverError(
            f"the stack needs you: do what is said above with `bastide stack repair {stack.name}`, then `make up` again"
        )


def _pending(backend: Path, project: str, stack: str) -> bool:
    """Whether the state holds operations that were under way."""
    try:
        kept = json.loads((backend / ".pulumi" / "stacks" / project / f"{stack}.json").read_text())
    except (FileNotFoundError, ValueError):
        return False  # a stack that is not there yet, or one of which Pulumi itself has to speak
    return bool((kept.get("checkpoint", {}).get("latest") or {}).get("pending_operations"))
