"""Says how an engine is: loading, dead, hung, stalled, short of a GPU, or well. Run by kubelet inside the container.

    engine_probe.py startup|live|prestop CONFIG

Only the standard library, because it runs in an image that is not ours. CONFIG is a JSON file that the chart writes.
What a call has to remember for the next one lies in CONFIG's `state`; times are of the monotonic clock, in seconds.
The verdict is printed (kubelet's event) and, when the container has to end, left as its termination message.

Stalled means: the engine owes an answer and nothing moves. It owes one while it counts running or waiting requests;
when it counts none for as long, that count itself may be stale, and one token is asked for to find out.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

WELL, LOADING, DEAD, HUNG, STALLED, GPU = range(6)
"""Exit status of each verdict."""

HTTP_SECONDS = 4.0
"""Longest wait for /health and for /metrics. Both together stay below the probe's own timeout."""

CANARY_SECONDS = 10.0
"""Longest wait for one token of an engine that says that it does nothing."""

GPU_EVERY_SECONDS = 60.0
GPU_SECONDS = 10.0
"""nvidia-smi takes up to a few seconds without persistence mode, and holds a lock of the driver."""

GPU_MISSES = 3
"""So many times in a row nvidia-smi may be late: a driver that is busy with eight GPUs can be slow once."""

TERMINATION_LOG = "/dev/termination-log"

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)")
ENGINE_LABEL = re.compile(r'(?:^|,)engine="([^"]*)"')


class VerdictError(Exception):
    """The engine is not well: `status` is the exit status, the text says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Answer:
    """What the engine answered."""

    status: int
    body: str


def ask(port: int, method: str, path: str, seconds: float, body: dict | None = None) -> Answer:
    """One request to a port of this pod. Raises OSError or http.client.HTTPException where nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read().decode("utf-8", "replace"))
    finally:
        connection.close()


def remembered(config: dict) -> dict:
    try:
        with open(config["state"]) as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def remember(config: dict, state: dict) -> None:
    # Renamed into place: a probe that kubelet cuts off leaves no half file.
    path = config["state"]
    with open(path + ".new", "w") as file:
        json.dump(state, file)
    os.replace(path + ".new", path)


def samples(text: str, names: list) -> dict:
    """Sum of each wanted metric for each engine core: {engine: {name: value}}."""
    found: dict = {}
    for line in text.splitlines():
        match = SAMPLE.match(line)
        if match is None or match[1] not in names:
            continue
        label = ENGINE_LABEL.search(match[2] or "")
        core = found.setdefault(label[1] if label else "", {})
        core[match[1]] = core.get(match[1], 0.0) + float(match[3])
    return found


def health(config: dict) -> None:
    """Dead, or answering. Raises OSError where nothing answers in time."""
    try:
        answer = ask(config["port"], "GET", config["healthPath"], HTTP_SECONDS)
    except ConnectionRefusedError:
        raise VerdictError(DEAD, f"dead: nothing listens on port {config['port']}") from None
    if answer.status != 200:
        raise VerdictError(
            DEAD, f"dead: {config['healthPath']} answers {answer.status}: the engine's core has ended"
        )


def startup(config: dict, now: float) -> str:
    """Once the engine answers, what a former life of the container left behind is forgotten."""
    try:
        health(config)
    except VerdictError as error:
        if "nothing listens" in str(error):
            if remembered(config):
                remember(config, {})
            raise VerdictError(LOADING, f"loading: nothing listens on port {config['port']} yet") from None
        raise
    except (OSError, http.client.HTTPException) as error:
        raise VerdictError(LOADING, f"loading: {config['healthPath']} does not answer yet: {error}") from None
    remember(config, {"answered": now, "cores": {}})
    try:
        # A container that kubelet restarted had told its proxy to let clients go.
        ask(config["doorPort"], "POST", "/undrain", HTTP_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise VerdictError(LOADING, f"loading: the proxy does not answer yet: {error}") from None
    return "well: loaded"


def live(config: dict, now: float) -> str:
    state = remembered(config)
    if "answered" not in state:
        state = {"answered": now, "cores": {}}
    try:
        try:
            health(config)
            answer = ask(config["port"], "GET", config["metricsPath"], HTTP_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            return slow(config, state, now, error)
        state["answered"] = now
        note = progress(config, state, answer.body, now)
        if config["gpus"]:
            gpus(config, state, now)
        return note
    finally:
        remember(config, state)


def slow(config: dict, state: dict, now: float, error: Exception) -> str:
    """The HTTP server itself does not answer: stopped, or blocked."""
    silent = now - state["answered"]
    if silent >= config["hungSeconds"]:
        raise VerdictError(
            HUNG, f"hung: no answer for {silent:.0f} s, allowed are {config['hungSeconds']} s ({error})"
        )
    return f"slow: no answer for {silent:.0f} s of {config['hungSeconds']} s"


def progress(config: dict, state: dict, metrics: str, now: float) -> str:
    """Each core of the engine has its own clock: one may stand while others work."""
    owed, moving = config["owed"], config["moving"]
    before, cores = state.get("cores", {}), {}
    for core, values in samples(metrics, owed + moving).items():
        mark = [values.get(name, 0.0) for name in moving]
        due = int(sum(values.get(name, 0.0) for name in owed))
        last = before.get(core, {})
        since = last["since"] if last.get("mark") == mark else now
        cores[core] = {"mark": mark, "since": since, "due": due}
    state["cores"] = cores
    late = {core: now - each["since"] for core, each in cores.items()}
    for core, seconds in late.items():
        if cores[core]["due"] and seconds >= config["stallSeconds"]:
            raise VerdictError(
                STALLED,
                f"stalled: engine core {core or '0'} owes {cores[core]['due']} request(s) and nothing moved for "
                f"{seconds:.0f} s, allowed are {config['stallSeconds']} s",
            )
    if cores and all(seconds >= config["stallSeconds"] for seconds in late.values()):
        canary(config)
        for each in cores.values():
            each["since"] = now
        return "well: idle, and it answers"
    return f"well: {sum(each['due'] for each in cores.values())} request(s)"


def canary(config: dict) -> None:
    """One token, asked of an engine that counts no request. Its count is the core's own word, and a core that is
    stopped says nothing new."""
    try:
        answer = ask(
            config["port"], "POST", config["canary"]["path"], CANARY_SECONDS, config["canary"]["body"]
        )
    except (OSError, http.client.HTTPException) as error:
        raise VerdictError(
            STALLED,
            f"stalled: it counts no request, and one token took over {CANARY_SECONDS:.0f} s ({error})",
        ) from None
    # 4xx and 503 are answers of the server alone; they say nothing of the core, but a full queue is no stall.
    if answer.status >= 500 and answer.status != 503:
        raise VerdictError(STALLED, f"stalled: it counts no request, and one token got {answer.status}")


def gpus(config: dict, state: dict, now: float) -> None:
    """All GPUs are still there. A GPU that fell off its bus leaves the list, or the list itself fails."""
    if now - state.get("gpusAt", -GPU_EVERY_SECONDS) < GPU_EVERY_SECONDS and not state.get("gpuMisses"):
        return
    state["gpusAt"] = now
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=GPU_SECONDS, check=False
        )
    except FileNotFoundError:
        raise VerdictError(
            GPU,
            "gpu: there is no nvidia-smi in this container: the image or the node lacks NVIDIA's runtime; "
            "health.checkGpus: false leaves this check out",
        ) from None
    except subprocess.TimeoutExpired:
        state["gpuMisses"] = state.get("gpuMisses", 0) + 1
        if state["gpuMisses"] >= GPU_MISSES:
            raise VerdictError(
                GPU, f"gpu: nvidia-smi took over {GPU_SECONDS:.0f} s, {state['gpuMisses']} times in a row"
            ) from None
        return
    state["gpuMisses"] = 0
    said = (done.stdout + done.stderr).strip()
    lines = said.splitlines()
    parts = [line for line in lines if line.lstrip().startswith("MIG ")]
    found = len(parts or [line for line in lines if re.match(r"GPU \d+: .*UUID: ", line)])
    if done.returncode != 0 or re.search(r"is lost|Unknown Error|Unable to determine", said):
        raise VerdictError(GPU, f"gpu: nvidia-smi reports a fault: {' '.join(said.split())[:300]}")
    if found < config["gpus"]:
        raise VerdictError(GPU, f"gpu: {found} of {config['gpus']} GPUs are there")


def prestop(config: dict) -> str:
    """The pod is to end: from now on the proxy is not ready and lets its clients' connections go; what runs goes on
    until every client had time to see it. An engine that never answered has no clients, and is not waited for."""
    if not serves(config):
        return abandon()
    said = "drained"
    try:
        ask(config["doorPort"], "POST", "/drain", HTTP_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        said = f"the proxy could not be told: {error}"
    time.sleep(config["preStopSeconds"])
    return said


def serves(config: dict) -> bool:
    """Whether this life of the container ever answered, or does now."""
    if "answered" in remembered(config):
        return True
    try:
        return ask(config["port"], "GET", config["healthPath"], HTTP_SECONDS).status == 200
    except (OSError, http.client.HTTPException):
        return False


def abandon() -> str:
    """Ends everything but the container's first process, which then ends by itself. A loading engine would not: vLLM's
    core notes a SIGTERM and acts on it when it has loaded, and its server waits for it as long as for a drain
    (v1/engine/core.py, v1/engine/utils.py)."""
    # A process that was put into a container has its parent outside, and sees 0. Elsewhere -1 would be the machine.
    if os.getppid() != 0:
        return "it never answered: nobody is waited for"
    print("it never answered: its processes are ended", flush=True)
    with contextlib.suppress(ProcessLookupError):  # the first process is alone
        os.kill(-1, signal.SIGKILL)
    return "done"


def main(mode: str, path: str) -> int:
    with open(path) as file:
        config = json.load(file)
    try:
        if mode == "prestop":
            print(prestop(config))
        else:
            print({"startup": startup, "live": live}[mode](config, time.monotonic()))
        return WELL
    except VerdictError as error:
        print(error)
        if mode == "live":
            try:
                with open(os.environ.get("TERMINATION_LOG", TERMINATION_LOG), "w") as log:
                    log.write(f"{error}\n")
            except OSError:
                pass  # kubelet's event has it too
        return error.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
