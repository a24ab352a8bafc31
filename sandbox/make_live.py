"""`make live`: a region whose engines are real vLLM on this machine's processor, and a request that it answers.

`make up` of the stack sandbox-live, with live nodes (docs/sandbox.md, "Live pods") and the engine's environment."""

from __future__ import annotations

import json
import sys
import time
from typing import Final

from bastide import names
from sandbox import make_up
from sandbox.live import programs, switch
from sandbox.live.forward import ForwardError, forward
from sandbox.toolchain import environments
from sandbox.toolchain.build import BuildError

FIRST_PORT: Final = 8000
"""Of the first engine; the next ones follow."""


def main() -> int:
    """Returns the exit status."""
    began = time.monotonic()
    try:
        programs.ensure()
        environments.ensure(environments.VLLM)
    except BuildError as error:
        print(f"make live: {error}", file=sys.stderr)
        return 1
    switch.turn(True)
    try:
        status = make_up.main()
    finally:
        switch.turn(False)  # a cluster that `make up` makes beside it has emulated nodes, as ever
    if status != 0:
        return status
    try:
        _requests()
    except ForwardError as error:
        print(f"make live: {error}", file=sys.stderr)
        return 1
    print(f"\nAll of it took {(time.monotonic() - began) / 60:.1f} m. The engines answer until `make down`.")
    return 0


def _requests() -> None:
    """Opens a port for each engine, and prints a request that it answers."""
    settings = make_up.settings()
    print()
    for number, engine in enumerate(settings.engines):
        service = f"{names.namespace('serving')}/{names.engine_release(engine.name)}"
        address = forward(service, FIRST_PORT + number, settings.cluster_name)
        model = settings.model(engine.model).name
        body: dict[str, object]
        if engine.runner == "embed":
            path, body = "/v1/embeddings", {"model": model, "input": "Where does the river end?"}
        else:
            message = {"role": "user", "content": "Where does the river end?"}
            path, body = "/v1/chat/completions", {"model": model, "messages": [message], "max_tokens": 16}
        print(f"curl -s http://{address}{path} -H 'Content-Type: application/json' -d '{json.dumps(body)}'")
        print(f"bastide sandbox logs {service}")


if __name__ == "__main__":
    sys.exit(main())
