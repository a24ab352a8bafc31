"""The `bastide` command: `bastide model ...`, `bastide stack ...`, `bastide sandbox ...`.

Each sub-command is a module with `add_arguments(parser)` and `run(arguments)`, which returns the exit status:
0 done, 1 failed, 2 wrongly used. A module is imported only when its command is asked for, so that `bastide
model` needs neither Pulumi nor the sandbox; and the sandbox, which production installs leave out, is found by
name alone.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

_COMMANDS: Final = {
    "model": ("bastide.cli.model", "make, check and publish models"),
    "schema": ("bastide.cli.schema", "every setting of a stack file, for editors and to read"),
    "stack": ("bastide.cli.stack", "repair a stack whose run was killed"),
    "bootstrap": ("bastide.cli.bootstrap", "what an account needs before the first `pulumi up`"),
    "cost": ("bastide.cli.cost", "hours and dollars of a stack, before an `up`"),
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
    """Runs the command line; returns the exit status."""
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
