"""Pulumi's language host for Python, for an engine that was built and not installed.

The engine's own distribution brings one; the Go module that the engine is built from does not. It serves
Pulumi's `LanguageRuntime`: runs programs (by `sandbox/language_program.py`, in the program's own virtual
environment) and plugins that are Python programs, which policy packs are.

Blind spots: it installs no dependencies and generates no code, so `pulumi install`, `pulumi new` and
`pulumi package add` need the official host. It names no required plugins: the SDK packages ask for theirs by
version when they register a resource, and a missing one is reported then.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from sandbox.language_program import ERROR_WAS_SHOWN

RUNNER: Final = Path(__file__).with_name("language_program.py")

_LIST_PACKAGES: Final = (
    "import json; from importlib.metadata import distributions; "
    "print(json.dumps({d.name: d.version for d in distributions()}))"
)


def interpreter(info: Any) -> str:
    """The Python of a program: that of `runtime.options.virtualenv` in Pulumi.yaml, else this one."""
    virtualenv = json_format.MessageToDict(info.options).get("virtualenv")
    if not virtualenv:
        return sys.executable
    found = Path(info.root_directory, str(virtualenv), "bin", "python")
    if not found.exists():
        raise FileNotFoundError(
            f"Pulumi.yaml names the virtual environment {virtualenv!r}, but there is no {found}; create it "
            "with `make setup`, or correct runtime.options.virtualenv"
        )
    return str(found)


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves the protocol for one engine, whose address is `engine`."""

    def __init__(self, engine: str) -> None:
        self.engine = engine

    def Handshake(self, request: Any, context: Any) -> Any:
        """Accepts the engine; its address is already known from the command line."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The SDK's version, as the official host has the engine's."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """None; see the module's blind spots."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:
        """None; see the module's blind spots."""
        return language_pb2.GetRequiredPluginsResponse()

    def About(self, request: Any, context: Any) -> Any:
        """For `pulumi about`."""
        try:
            python = interpreter(request.info)
        except FileNotFoundError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout
        return language_pb2.AboutResponse(executable=python, version=version.split()[-1])

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """The packages installed beside the program, for `pulumi about`."""
        try:
            python = interpreter(request.info)
        except FileNotFoundError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        listed = subprocess.run([python, "-c", _LIST_PACKAGES], capture_output=True, text=True, check=True)
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version)
                for name, version in sorted(json.loads(listed.stdout).items())
            ]
        )

    def Run(self, request: Any, context: Any) -> Any:
        """Runs a program. Configuration goes by environment, never by argument: arguments are public."""
        info = request.info
        try:
            python = interpreter(info)
        except FileNotFoundError as error:
            return language_pb2.RunResponse(error=str(error))
        command = [
            *(python, "-u", str(RUNNER)),
            *("--project", request.project, "--stack", request.stack),
            *("--organization", request.organization or "organization"),
            *("--root_directory", info.root_directory, "--pwd", request.pwd or info.program_directory),
            *("--monitor", request.monitor_address, "--engine", self.engine),
            *("--parallel", str(request.parallel), "--dry_run", "true" if request.dryRun else "false"),
            str(Path(info.program_directory, info.entry_point)),
            *request.args,
        ]
        environment = os.environ | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        program = subprocess.Popen(command, env=environment)
        context.add_callback(program.kill)  # the engine went away or gave up; a no-op after a normal end
        status = program.wait()
        if status == ERROR_WAS_SHOWN:
            return language_pb2.RunResponse(bail=True)
        if status < 0:
            return language_pb2.RunResponse(error=f"the program was ended by signal {-status}")
        return language_pb2.RunResponse(error=f"the program ended with status {status}" if status else "")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Runs a plugin that is a Python program, and passes on what it prints."""
        try:
            python = interpreter(request.info)
        except FileNotFoundError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        plugin = subprocess.Popen(
            [
                *(python, "-u", str(Path(request.info.program_directory, request.info.entry_point))),
                *request.args,
            ],
            env=os.environ | dict(entry.split("=", 1) for entry in request.env),
            cwd=request.pwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(plugin.kill)
        printed: queue.Queue[tuple[str, bytes]] = queue.Queue()
        streams = {"stdout": plugin.stdout, "stderr": plugin.stderr}

        def pump(name: str, stream: Any) -> None:
            while chunk := stream.read1(65536):
                printed.put((name, chunk))
            printed.put((name, b""))

        for name, stream in streams.items():
            threading.Thread(target=pump, args=(name, stream), daemon=True).start()
        while streams:
            name, chunk = printed.get()
            if not chunk:
                del streams[name]
            elif name == "stdout":
                yield language_pb2.RunPluginResponse(stdout=chunk)
            else:
                yield language_pb2.RunPluginResponse(stderr=chunk)
        yield language_pb2.RunPluginResponse(exitcode=plugin.wait())


def _end_with(engine_pid: int) -> None:
    """Ends this process and its programs once the engine has gone; one killed with -9 tells nobody.

    The engine makes each plugin the leader of a process group, which holds the programs too.
    """
    while os.getppid() == engine_pid:
        time.sleep(0.5)
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main(argv: Sequence[str]) -> None:
    """Serves on a free port of 127.0.0.1, printed first, until the engine ends or interrupts."""
    if not argv:
        print("usage: pulumi-language-python ENGINE_ADDRESS (the engine starts it)", file=sys.stderr)
        sys.exit(2)
    engine_pid = os.getppid()
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))  # quietly: the engine sends it to end its plugins
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    threading.Thread(target=_end_with, args=(engine_pid,), daemon=True).start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1:])
