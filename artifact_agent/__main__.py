"""`python3 -m artifact_agent fetch | hold`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

from artifact_agent import report, store, wanted
from artifact_agent.cache import Cache
from artifact_agent.errors import RefusedError
from artifact_agent.fetch import CONNECTIONS, fetch_model
from artifact_agent.wanted import Wanted

HELD: Final = "held"
"""Written to the work folder by `hold` once the models cannot be evicted any more."""

HOLD_SECONDS: Final = 120
"""Longest wait of `fetch` for `hold`, which starts before it in the same pod. A choice."""


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Runs one of the two; the exit status."""
    actions: dict[str, Callable[[Wanted, Mapping[str, str]], None]] = {"fetch": fetch, "hold": hold}
    if len(arguments) != 1 or arguments[0] not in actions:
        print("usage: python3 -m artifact_agent fetch | hold", file=sys.stderr)
        return 2
    # Process 1 of a container ignores what it has no handler for.
    signal.signal(signal.SIGTERM, _end)
    log = Path(environment.get("TERMINATION_LOG", "/dev/termination-log"))
    try:
        actions[arguments[0]](wanted.read(environment), environment)
    except RefusedError as error:
        report.refuse(str(error), log)
        return 1
    except OSError as error:
        report.refuse(f"the disk, at {error.filename or 'a model'}: {error.strerror or error}", log)
        return 1
    return 0


def fetch(given: Wanted, environment: Mapping[str, str]) -> None:
    """Every model, one after another: each alone fills the network."""
    if given.cache_bytes:
        _wait_for(_work(environment) / HELD)
    client = store.client(environment.get("AWS_REGION", ""), CONNECTIONS)
    cache = Cache(given.root, given.cache_bytes)
    for model in given.models:
        if given.cache_bytes:
            with cache.used(model.digest), cache.alone(model.digest):
                done = fetch_model(
                    client,
                    given,
                    model,
                    cache.folder(model.digest),
                    room=lambda needed, digest=model.digest: cache.make_room(digest, needed),  # type: ignore[misc]
                )
        else:
            done = fetch_model(client, given, model, model.path)
        report.say(done.line())


def hold(given: Wanted, environment: Mapping[str, str]) -> None:
    """Keeps the pod's models from being evicted for as long as it runs."""
    cache, work = Cache(given.root, given.cache_bytes), _work(environment)
    with ExitStack() as held:
        for model in given.models:
            held.enter_context(cache.used(model.digest))
        (work / HELD).touch()
        report.say({"message": "models held", "digests": [model.digest for model in given.models]})
        while True:
            signal.pause()


def _work(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("WORK_DIR", "/work"))


def _wait_for(path: Path) -> None:
    end = time.monotonic() + HOLD_SECONDS
    while not path.exists():
        if time.monotonic() > end:
            raise RefusedError(f"{path} is not there after {HOLD_SECONDS} s: `hold` does not run beside this")
        time.sleep(0.2)


def _end(number: int, _: FrameType | None) -> None:
    # At once, threads and all: what has come is kept, and the next run goes on with it.
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
