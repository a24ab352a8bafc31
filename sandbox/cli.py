"""The local world: real judges on an emulated AWS (docs/sandbox.md says which is which)."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import requests

from sandbox.aws.client import Aws, AwsError
from sandbox.cli_status import print_status
from sandbox.daemon import lifecycle
from sandbox.daemon.child import ChildError
from sandbox.state import OLD_SHELL, NoWorldError, World, home
from sandbox.toolchain import ToolsMissingError
from sandbox.toolchain.build import BuildError

_RESET_WITHIN: Final = 30.0
"""Seconds until the control planes of a reset world must have ended; they take 2 to 3."""


class UsageError(Exception):
    """The command was wrongly used; the text says what is allowed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide sandbox`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("up", help="start the world; one that runs is left as it is")
    actions.add_parser("down", help="end every process of it; the world and its stacks' state are gone then")
    actions.add_parser("status", help="what runs, what is real, what is emulated, faults")
    actions.add_parser("reset", help="empty the world: no cluster, no bucket, no fault; the processes stay")
    logs = actions.add_parser("logs", help="list the logs, or print one")
    logs.add_argument(
        "part",
        nargs="?",
        help="a part's name, or the end of it, as `logs` lists them; NAMESPACE/POD or NAMESPACE/RELEASE of live pods",
    )
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing what comes")
    actions.add_parser("env", help='exports for a shell: eval "$(bastide sandbox env)"')
    execute = actions.add_parser("exec", help="run a command with that environment: exec -- CMD ...")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    preview = actions.add_parser(
        "rehearse", help="preview a real stack by the sandbox's judges; applies nothing"
    )
    preview.add_argument("stack", help="the stack's name, as in stacks/Pulumi.STACK.yaml")
    live = actions.add_parser("live", help="whether nodes of clusters to come run their pods as processes")
    live.add_argument("switch", choices=("on", "off"))
    forward = actions.add_parser(
        "forward", help="a port of this machine that leads to a Service of live pods"
    )
    forward.add_argument("service", metavar="NAMESPACE/SERVICE", help="for example bastide-serving/vllm-chat")
    forward.add_argument("--port", type=int, default=8000, help="of 127.0.0.1 (default: 8000)")
    forward.add_argument("--cluster", help="its name, where the world has several")
    key = actions.add_parser(
        "key", help="a key of the live gateway for one of the stack's teams, for `bastide chat`"
    )
    key.add_argument("team", metavar="TEAM", help="as the stack's `teams` names it")
    key.add_argument("--port", type=int, default=8443, help="of 127.0.0.1, and the next one (default: 8443)")
    key.add_argument("--cluster", help="its name, where the world has several")
    _add_faults(actions.add_parser("fault", help="make AWS short of instances, or answer with errors"))
    reach = actions.add_parser("reach", help="who reaches a namespace's pods, and whom they reach")
    reach.add_argument("namespace", help="for example bastide-serving")
    reach.add_argument("--from", dest="source", metavar="NAME", help="only who gets in and is called so")
    reach.add_argument(
        "--to", dest="target", metavar="NAME", help="only what they get out to and is called so"
    )
    reach.add_argument("--cluster", help="a context of the kubeconfig (default: the current one)")
    reach.add_argument("--every", action="store_true", help="a line of its own for whoever is shut out too")
    reach.add_argument("--json", action="store_true", help="as JSON")


def _add_faults(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    capacity = kinds.add_parser(
        "capacity", help="how many instances of a family or type AWS has: capacity p5=2 p5:spot=0"
    )
    capacity.add_argument("limits", nargs="+", metavar="FAMILY[:spot|:on-demand]=COUNT")
    api = kinds.add_parser(
        "api", help="answer an operation with an error: api eks.CreateNodegroup --code ..."
    )
    api.add_argument("operation", metavar="SERVICE.OPERATION")
    api.add_argument("--code", required=True, help="AWS's error code, for example ThrottlingException")
    api.add_argument("--message", help="the error's text")
    api.add_argument("--status", type=int, help="HTTP status, 400 to 599 (default: 500)")
    api.add_argument("--times", type=int, help="how many calls (default: until `fault clear`)")
    kinds.add_parser("clear", help="lift all faults")
    kinds.add_parser("show", help="the faults in force")


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide sandbox`; returns the exit status."""
    if not sys.platform.startswith("linux"):
        print(
            "error: the sandbox needs Linux: prctl and /proc tie its processes together",
            file=sys.stderr,
        )
        return 2
    try:
        status = _run(arguments)
        _warn_of_old_shell(arguments.action)
        return status
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (
        NoWorldError,
        ChildError,
        AwsError,
        lifecycle.WorldError,
        ToolsMissingError,
        BuildError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `logs PART | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except requests.RequestException as error:
        print(
            f"error: the world does not answer ({type(error).__name__}); `bastide sandbox down` clears it",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _warn_of_old_shell(action: str) -> None:
    if action not in ("up", "status", "reset", "fault"):
        return  # they need no environment, or set it
    if not World.find().in_this_shell:
        print(f"warning: {OLD_SHELL}", file=sys.stderr)


def _run(arguments: argparse.Namespace) -> int:
    match arguments.action:
        case "up":
            lifecycle.up()
        case "down":
            lifecycle.down()
        case "status":
            print_status(World.find())
        case "reset":
            _reset()
        case "logs":
            if "/" in (arguments.part or ""):
                return _pod_logs(arguments.part, arguments.follow)
            _logs(arguments.part, arguments.follow)
        case "env":
            from sandbox.environment import exports

            print(exports(World.find()))
        case "exec":
            return _execute(arguments.command)
        case "rehearse":
            from sandbox.rehearsal import RehearsalError, rehearse

            try:
                return rehearse(arguments.stack)
            except RehearsalError as error:
                raise UsageError(str(error)) from None
        case "fault":
            _fault(arguments)
        case "forward":
            from sandbox.live.forward import ForwardError, forward

            try:
                print(forward(arguments.service, arguments.port, arguments.cluster))
            except ForwardError as error:
                raise UsageError(str(error)) from None
        case "key":
            from sandbox.live import gateway

            try:
                access = gateway.open_ports(arguments.cluster, arguments.port)
                print(gateway.make_key(arguments.team, access, arguments.cluster)[0])
            except gateway.GatewayError as error:
                raise UsageError(str(error)) from None
        case "live":
            from sandbox.live import programs, switch

            if arguments.switch == "on":
                programs.ensure()
            switch.turn(arguments.switch == "on")
            print(f"live nodes are {arguments.switch} for clusters that are made from now on")
        case "reach":
            return _reach(arguments)
    return 0


def _reach(arguments: argparse.Namespace) -> int:
    from sandbox.reachability import reading, report

    try:
        view = reading.view(World.find(), arguments.cluster)
        found = report.chosen(view, arguments.namespace, arguments.source, arguments.target)
    except (reading.ReadingError, report.QuestionError) as error:
        raise UsageError(str(error)) from None
    print(report.as_json(found) if arguments.json else report.text(found, arguments.every))
    return 0


def _execute(command: list[str]) -> int:
    from sandbox.environment import full_environment

    words = command[1:] if command[:1] == ["--"] else command
    if not words:
        raise UsageError("give a command: bastide sandbox exec -- kubectl get nodes")
    try:
        code = subprocess.run(words, env=full_environment(World.find()), check=False).returncode
    except FileNotFoundError:
        raise UsageError(f"no program {words[0]!r} on the PATH of `bastide sandbox env`") from None
    except PermissionError:
        raise UsageError(f"{words[0]!r} is no program that may be run") from None
    return code if code >= 0 else 128 - code  # as a shell tells of a signal


def _reset() -> None:
    world = World.find()
    began = time.monotonic()
    Aws(world.aws_endpoint).reset()
    while lifecycle.status(world)["clusters"]:
        if time.monotonic() - began > _RESET_WITHIN:
            raise lifecycle.WorldError("clusters are still there; `bastide sandbox logs daemon` says why")
        time.sleep(0.1)
    kept = lifecycle.forget_stacks()
    print(f"the world is empty ({time.monotonic() - began:.1f} s)" + (f"; {kept}" if kept else ""))


def _logs(part: str | None, follow: bool) -> None:
    folder = home() / "logs"
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if not found:
        raise UsageError(f"there are no logs in {folder}: no world was started here")
    if part is None:
        for name, path in found.items():
            print(f"{name:40} {path.stat().st_size / 1024:8.0f} KiB  {path}")
        return
    chosen = [name for name in found if name == part] or [n for n in found if n.endswith(part)]
    if len(chosen) != 1:
        what = "is no part" if not chosen else f"could be {' or '.join(chosen)}"
        raise UsageError(f"{part!r} {what}; there are: {', '.join(found)}")
    _print_log(found[chosen[0]], follow)


def _pod_logs(name: str, follow: bool) -> int:
    """Logs of a live pod, or of all pods of a Helm release, each line with its container."""
    namespace, _, short = name.partition("/")
    command = ["kubectl", "logs", "--namespace", namespace, "--all-containers", "--prefix", "--tail=-1"]
    command += ["--follow", "--max-log-requests=32"] if follow else []
    pod = ["kubectl", "get", "pod", "--namespace", namespace, short, "--ignore-not-found", "--output=name"]
    from sandbox.environment import full_environment

    environment = full_environment(World.find())
    found = subprocess.run(pod, env=environment, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise UsageError(found.stderr.strip())
    chosen = [short] if found.stdout.strip() else [f"--selector=app.kubernetes.io/instance={short}"]
    return subprocess.run([*command, *chosen], env=environment, check=False).returncode


def _print_log(path: Path, follow: bool) -> None:
    with path.open(errors="replace") as log:
        while True:
            text = log.read()
            if text:
                print(text, end="", flush=True)
            elif not follow:
                return
            else:
                time.sleep(0.3)


def _fault(arguments: argparse.Namespace) -> None:
    limits = _limits(arguments.limits) if arguments.kind == "capacity" else {}
    aws = Aws(World.find().aws_endpoint)
    faults = aws.faults()
    if arguments.kind == "clear":
        faults = {}
    elif arguments.kind == "capacity":
        faults = {**faults, "capacity": {**faults["capacity"], **limits}}
    elif arguments.kind == "api":
        given = {"code": arguments.code, "message": arguments.message, "status": arguments.status}
        entry = {
            key: value for key, value in {**given, "times": arguments.times}.items() if value is not None
        }
        faults = {**faults, "error": {**faults["error"], arguments.operation: entry}}
    if arguments.kind != "show":
        try:
            aws.set_faults(faults)
        except AwsError as error:
            raise UsageError(str(error)) from None
    for line in lifecycle.fault_lines(aws.faults()) or ["no faults"]:
        print(line)


def _limits(pairs: list[str]) -> dict[str, int]:
    limits = {}
    for pair in pairs:
        name, _, count = pair.partition("=")
        if not name or not count.isdecimal():
            raise UsageError(
                f"{pair!r}: give an instance family or type and a whole number, for example p5=2 or p5:spot=0"
            )
        limits[name] = int(count)
    return limits
