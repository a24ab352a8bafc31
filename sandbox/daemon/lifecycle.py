"""Starting and ending a world from outside of it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import requests

from sandbox import toolchain
from sandbox.daemon import processes
from sandbox.state import NoWorldError, World, cache, home

_START_WITHIN: Final = 90.0
"""Seconds until a daemon counts as failed; it is ready after 2 to 4 on 2 idle cores."""

_END_WITHIN: Final = 20.0
"""Seconds that a daemon gets for an orderly end; with one cluster it takes 2 to 3."""

NOT_RENDERED: Final = "not-rendered.jsonl"
"""File in the world's folder: one JSON object for each chart that could not be had, written by the Kubernetes
plugin."""


class WorldError(Exception):
    """The world did not start or end as it should; the text says what to look at."""


def status(world: World) -> dict[str, Any]:
    """The daemon's own account of what runs."""
    with requests.Session() as session:
        session.trust_env = (
            False  # the world is on this machine: a proxy of the environment has no part in it
        )
        reply = session.get(f"{world.daemon_url}/status", timeout=10)
        answer: dict[str, Any] = reply.json()
    if reply.status_code != 200:
        raise WorldError(f"the daemon cannot tell ({answer.get('error')}); see `bastide sandbox logs daemon`")
    return answer


def running() -> World | None:
    """The world whose daemon runs, if any: it holds a lock that the kernel lifts when it ends, however it
    ends."""
    if not _daemon():
        return None
    try:
        return World.find()
    except NoWorldError:
        return None


def _daemon() -> int:
    """The pid of the daemon that holds this world's lock, ready or still starting; 0 for none."""
    try:
        with (home() / "lock").open("r") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    if pid := lock.read():
                        return int(pid)
                    time.sleep(0.01)  # it takes the lock and writes its number at once
                else:
                    return 0
    except FileNotFoundError:
        return 0


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home() / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up() -> None:
    """Starts the world and says the seconds of each part; one that runs is left as it is."""
    with _one_at_a_time():
        world = running()
        if world is not None:
            print(f"the sandbox already runs: AWS at {world.aws_endpoint}, daemon {world.pid}")
            return
        _clear_remains()
        shutil.rmtree(home() / "logs", ignore_errors=True)  # of the last world, kept until now
        began = time.monotonic()
        toolchain.paths(build=True, tell=False)
        _say("tools", began)
        began = time.monotonic()
        world = _start()
        for part, seconds in status(world)["seconds"].items():
            print(f"{part:12} {seconds:6.1f} s")
        _say("world", began)
        print(f"AWS answers at {world.aws_endpoint}; each EKS cluster that is created gets a control plane")
        print('eval "$(bastide sandbox env)" points pulumi, kubectl, helm and aws at it.')


def _say(part: str, began: float) -> None:
    print(f"{part:12} {time.monotonic() - began:6.1f} s", flush=True)


def _start() -> World:
    log = home() / "logs" / "daemon.out"
    log.parent.mkdir(parents=True, exist_ok=True)
    # AWS settings of the caller's must not reach a process that speaks to an AWS of its own.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    with log.open("wb") as out:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "sandbox.daemon"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment | {"BASTIDE_SANDBOX_HOME": str(home().resolve())},
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_WITHIN
    try:
        while time.monotonic() < deadline:
            if daemon.poll() is not None:
                raise WorldError(f"the sandbox did not start:\n{log.read_text(errors='replace')[-2000:]}")
            world = running()
            if world is not None:
                return world
            time.sleep(0.05)
        raise WorldError(
            f"the sandbox was not ready after {_START_WITHIN:.0f} s; see {home() / 'logs' / 'daemon.log'}"
        )
    except BaseException:  # an interrupt too: a world that nobody waits for must not come up later
        daemon.terminate()
        raise


def down() -> None:
    """Ends every process of the world, makes sure of it, and says what is gone and what stays."""
    began = time.monotonic()
    recorded = processes.read(home())
    daemon = _daemon()
    if daemon:
        # One that is still starting has written nothing else down.
        recorded = [p for p in recorded if p.pid != daemon]
        recorded.append(processes.Process("daemon", daemon, processes.started_at(daemon)))
        with suppress(ProcessLookupError):
            os.kill(daemon, signal.SIGTERM)
        while recorded[-1].alive() and time.monotonic() - began < _END_WITHIN:
            time.sleep(0.05)
    elif not any(process.alive() for process in recorded):
        removed = _clear_remains()
        print("no sandbox runs" + (f"; {removed}" if removed else ""))
        return
    late = [process for process in recorded if process.alive()]
    for process in late:
        process.kill()
    deadline = time.monotonic() + 5
    while any(process.alive() for process in recorded) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [f"{process.part} ({process.pid})" for process in recorded if process.alive()]
    if left:
        raise WorldError(f"these processes could not be ended: {', '.join(left)}")
    _clear_remains()
    killed = f" ({len(late)} had to be killed)" if late else ""
    took = time.monotonic() - began
    count = f"{len(recorded)} process{'' if len(recorded) == 1 else 'es'}"
    print(f"the sandbox has ended: {count}, none left{killed}, {took:.1f} s")
    print("gone: the AWS account with its clusters, the kubeconfig, and the Pulumi state of its stacks,")
    print("      for that describes a world that is no more")
    print(f"kept: built tools and charts in {cache()}, logs in {home() / 'logs'}")


def forget_stacks() -> str:
    """Removes the Pulumi state, which describes a world that is no more; says so, or "" when there was
    none."""
    state = home() / "pulumi-state"
    if not (state / ".pulumi").exists():
        return ""
    shutil.rmtree(state)
    state.mkdir()
    return "the Pulumi state of the stacks applied to the old world was removed with it"


def _clear_remains() -> str:
    """Removes what describes a world whose daemon has ended."""
    World.path().unlink(missing_ok=True)
    (home() / "kubeconfig").unlink(missing_ok=True)
    (home() / NOT_RENDERED).unlink(missing_ok=True)
    shutil.rmtree(home() / "clusters", ignore_errors=True)
    for folder in ("live", "data", "gateway"):
        shutil.rmtree(home() / folder, ignore_errors=True)
    processes.forget(home())
    return forget_stacks()


def fault_lines(faults: dict[str, Any]) -> list[str]:
    """The fault table for people."""
    lines = []
    for name, count in faults["capacity"].items():
        machine, _, market = name.partition(":")
        what = "instance" if count == 1 else "instances"
        lines.append(f"AWS has {count} {what} of {machine}{f' ({market})' if market else ''} in a region")
    for operation, entry in faults["error"].items():
        times = f"the next {entry['times']} calls" if "times" in entry else "every call"
        lines.append(
            f"{operation}: {times} answered with {entry['status']} {entry['code']}: {entry['message']}"
        )
    return lines
