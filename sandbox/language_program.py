"""Runs one Pulumi program in Python: the child process of `sandbox.language_host`.

It is started by path with the interpreter of the program's own virtual environment, so it imports nothing but
the standard library and the program's `pulumi`. An error that the user has been shown ends it with
`ERROR_WAS_SHOWN`, so that the engine does not add a second, less useful one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import runpy
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ERROR_WAS_SHOWN: Final = 32
"""Exit status by which Pulumi's Python runner says that it has reported the failure itself."""

THREADS_PER_OPERATION: Final = 4
"""Each resource operation blocks a thread; more than the engine's parallelism keeps registrations flowing.
The official runner uses the same factor."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs a Pulumi program")
    for name in ("project", "stack", "organization", "root_directory", "pwd", "monitor", "engine"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--dry_run", choices=("true", "false"), required=True)
    parser.add_argument("program")
    parser.add_argument("arguments", nargs="*")
    return parser.parse_args()


def _end_with(parent: int) -> None:
    """Ends this process when the language host has gone, which nobody else would tell it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def _users_part(error: BaseException, program: Path) -> str:
    """The traceback from the first frame of the user's program on; what is before it is ours."""
    frames = traceback.extract_tb(error.__traceback__)
    folder = program if program.is_dir() else program.parent
    for index, frame in enumerate(frames):
        if Path(frame.filename).is_relative_to(folder):
            kept = "".join(traceback.format_list(frames[index:]))
            reason = "".join(traceback.format_exception_only(error))
            return f"Traceback (most recent call last):\n{kept}{reason}"
    return "".join(traceback.format_exception(error))


def main() -> int:
    """Runs the program named by the arguments; returns the exit status."""
    arguments = _arguments()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupted run ends without a traceback
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != here]
    try:
        import pulumi
        import pulumi.runtime
    except ImportError as error:
        print(
            f"the Python at {sys.executable} has no `pulumi` package ({error}); install the project's "
            "requirements there, or name another environment by runtime.options.virtualenv in Pulumi.yaml",
            file=sys.stderr,
        )
        return 1
    program = Path(arguments.program).resolve()
    main_file = program / "__main__.py" if program.is_dir() else program
    runtime = pulumi.runtime
    runtime.set_all_config(runtime.get_config_env(), runtime.get_config_secret_keys_env())
    runtime.configure(
        runtime.Settings(
            project=arguments.project,
            stack=arguments.stack,
            organization=arguments.organization,
            root_directory=arguments.root_directory,
            monitor=arguments.monitor,
            engine=arguments.engine,
            parallel=arguments.parallel,
            dry_run=arguments.dry_run == "true",
        )
    )
    if not main_file.is_file():
        pulumi.log.error(f"there is no program at {main_file}; see `main` in Pulumi.yaml")
        return ERROR_WAS_SHOWN
    os.chdir(arguments.pwd)
    sys.argv = [arguments.program, *arguments.arguments]
    if not program.is_dir():
        sys.path.insert(0, str(program.parent))

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max(arguments.parallel, 1) * THREADS_PER_OPERATION)
    loop.set_default_executor(executor)
    # A failed resource leaves the values that hang on it unread; asyncio would report each as a defect.
    loop.set_exception_handler(lambda _loop, _context: None)

    def body() -> None:
        runpy.run_path(str(program), run_name="__main__")

    try:
        loop.run_until_complete(runtime.run_in_stack(body))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return ERROR_WAS_SHOWN
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_users_part(error, program)}")
        return ERROR_WAS_SHOWN
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
