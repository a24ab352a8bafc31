"""The `bastide` command: `bastide model ...`, `bastide stack ...`, `bastide sandbox ...`.

Each sub-command is a module with `add_arguments(parser)` and `run(arguments)`, which returns the exit status:
0 done, 1 failed, 2 wrongly used. A module is imported only when its command is asked for, so that `bastide
model` needs neither Pulumi nor the sandbox; and the sandbox, which production installs leave out, is found by
name alone.
"""

from __future__ import annotations

import argparse
import importlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from typing import Final

_COMMANDS: Final = {
    "model": ("bastide.cli.model", "make, check and publish models"),
    "schema": ("bastide.cli.schema", "every setting of a stack file, for editors and to read"),
    "stack": ("bastide.cli.stack", "repair a stack whose run was killed"),
    "bootstrap": ("bastide.cli.bootstrap", "what an account needs before the first `pulumi up`"),
    "eval": ("bastide.cli.eval", "what a quantization costs in quality, as a table"),
    "plan": ("bastide.cli.plan", "whether a model fits its GPUs, how fast, for how many, at what cost"),
    "cost": ("bastide.cli.cost", "hours and dollars of a stack, before an `up`"),
    "chat": ("bastide.cli.chat", "one question to a gateway, and its answer as it comes"),
    "identity": ("bastide.cli.identity", "who can do what on which resource"),
    "preflight": ("bastide.cli.preflight", "what a run needs, looked at before it"),
    "sandbox": ("sandbox.cli", "the local world: up, down, status, faults"),
}
"""Command, module, and what it is for."""


def _usage() -> str:
    lines = [f"  {name:9} {purpose}" for name, (_, purpose) in _COMMANDS.items()]
    return (
        "usage: bastide COMMAND ...\n\ncommands:\n"
        + "\n".join(lines)
        + "\n\n`bastide COMMAND --help` says more."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status. One that is interrupted, or whose reader has gone (`| head`),
    ends as a shell would say it: 128 and the signal's number."""
    try:
        try:
            return _run(argv)
        finally:
            # Here, and not when the interpreter ends, whose complaint nobody could catch.
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError as error:
        if _drop_unread():
            return 128 + signal.SIGPIPE
        print(f"error: the other side closed a connection ({error}); run it again", file=sys.stderr)
        return 1


def _drop_unread() -> bool:
    """Whether nobody reads what is printed; what is left of it then goes nowhere."""
    found = False
    for stream in (sys.stdout, sys.stderr):
        # Not by a flush: after one that failed, nothing may be left to fail again.
        waiting = select.poll()
        waiting.register(stream.fileno(), 0)
        if waiting.poll(0):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            found = True
    return found


def _run(argv: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in _COMMANDS:
        print(f"error: no command {name!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    module_name = _COMMANDS[name][0]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name.split(".")[0]):
            missing = f"`bastide {name}` needs the Python package {error.name}, which is not installed here"
        else:
            missing = f"`bastide {name}` is not part of this installation (no module {error.name})"
        print(
            f"error: {missing}: install with `make` in the repository, or `uv sync --group sandbox`",
            file=sys.stderr,
        )
        return 2
    parser = argparse.ArgumentParser(prog=f"bastide {name}", description=module.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module.add_arguments(parser)
    status: int = module.run(parser.parse_args(rest))
    return status


if __name__ == "__main__":
    sys.exit(main())
