"""`make live`: a region whose engines are real vLLM on this machine's processor, and a request that it answers.

`make up` of the stack sandbox-live, with live nodes (docs/sandbox.md, "Live pods") and the engine's environment."""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from typing import Final

from bastide import names
from sandbox import make_up
from sandbox.live import first_answer, gateway, parts, switch
from sandbox.live.forward import ForwardError, forward
from sandbox.live.gateway import GatewayError
from sandbox.toolchain.build import BuildError

FIRST_PORT: Final = 8000
"""Of the first engine; the next ones follow."""


def main() -> int:
    """Returns the exit status."""
    began = time.monotonic()
    try:
        parts.ensure()
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
        if make_up.settings().gateway.enabled:
            _gateway()
    except (ForwardError, GatewayError) as error:
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
        release = names.engine_release(engine.name)
        address = forward(service, FIRST_PORT + number, settings.cluster_name)
        there = f"http://{address}"
        if settings.certificates.internal:
            ca = gateway.authority(names.namespace("serving"), release, settings.cluster_name)
            host = f"{release}.{names.namespace('serving')}.svc:{FIRST_PORT + number}"
            there = f"--cacert {ca} --connect-to ::{address} https://{host}"
        model = settings.model(engine.model).name
        body: dict[str, object]
        if engine.runner == "embed":
            path, body = "/v1/embeddings", {"model": model, "input": "Where does the river end?"}
        else:
            message = {"role": "user", "content": "Where does the river end?"}
            path, body = "/v1/chat/completions", {"model": model, "messages": [message], "max_tokens": 16}
        print(f"curl -s {there}{path} -H 'Content-Type: application/json' -d '{json.dumps(body)}'")
        print(f"bastide sandbox logs {service}")


def _gateway() -> None:
    """Makes a key, asks the gateway once with it, and shows the answer, its decision and what it cost."""
    settings = make_up.settings()
    team = settings.teams[0].name
    access = gateway.open_ports(settings.cluster_name)
    key, access = gateway.make_key(team, access, settings.cluster_name)
    route = next(each.name for each in settings.routes if each.kind == "chat")
    message = {"role": "user", "content": "Where does the river end?"}
    body = {"model": route, "messages": [message], "max_tokens": 16}
    print(f"\nThe gateway, with a key of team {team}:")
    print(first_answer.curl(access, "/v1/chat/completions", body))
    answer = first_answer.ask(access, key, body)
    print(json.dumps(answer.body))
    if answer.status != 200:
        raise GatewayError(f"it answered with {answer.status}")
    line = first_answer.decision(answer.request_id, settings.cluster_name)
    row = first_answer.spend(str(answer.body["id"]), settings.region)
    if line is None or row is None:
        raise GatewayError("its decision line or its row of spend did not come; see `bastide sandbox logs`")
    print(
        f"\nwhat was decided (bastide sandbox logs {names.namespace('gateway')}/{names.GATEWAY}):\n{json.dumps(line)}"
    )
    cost = Decimal(str(row["spend"]))
    print(f"\nin Postgres: {row['prompt_tokens']} + {row['completion_tokens']} tokens, {cost:f} USD")
    print('\neval "$(make -s env)"; bastide chat "Where does the river end?"')


if __name__ == "__main__":
    sys.exit(main())
