"""How a command ends whose reader has gone, or that is interrupted: without a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bastide import cli

ROOT = Path(__file__).parents[2]
BASTIDE = (sys.executable, "-c", "import sys; from bastide.cli import main; sys.exit(main())")


@pytest.mark.parametrize(
    "arguments",
    [["schema"], ["schema", "--help"], [], ["cost", "--stack", "sandbox"], ["bootstrap", "role", "--print"]],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_ends_the_command_as_a_shell_says_it(
    arguments: list[str], unbuffered: str
) -> None:
    # argparse itself passes over an error of its own write.
    return_code = 0 if unbuffered and "--help" in arguments else 128 + signal.SIGPIPE
    read, write = os.pipe()
    os.close(read)
    if arguments[:1] == ["bootstrap"]:
        arguments = [*arguments, "--stack", "sandbox"]
    done = subprocess.run(
        [*BASTIDE, *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (return_code, "")


def test_an_error_that_nobody_reads_ends_it_too() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*BASTIDE, "cost", "--stack", "none"], stdout=subprocess.PIPE, stderr=write, cwd=ROOT, check=False
    )
    os.close(write)
    assert (done.returncode, done.stdout) == (128 + signal.SIGPIPE, b"")


def test_a_connection_that_breaks_is_not_taken_for_the_reader(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def breaks(_: object) -> int:
        near, far = socket.socketpair()
        far.close()
        try:
            near.sendall(b"x")
        finally:
            near.close()
        return 0

    _stand_in(monkeypatch, breaks)
    assert cli.main(["cost"]) == 1
    assert capfd.readouterr().err.startswith("error: the other side closed a connection")


def test_an_interrupt_is_one_line_and_130(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return 0

    _stand_in(monkeypatch, interrupted)
    # A run that was started in the background has the signal ignored, as a shell does it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert cli.main(["cost"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == "\ninterrupted\n"


def _stand_in(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    module = SimpleNamespace(__doc__="", add_arguments=lambda parser: None, run=run)
    monkeypatch.setitem(sys.modules, "cli_stand_in", module)  # type: ignore[arg-type]
    monkeypatch.setattr(cli, "_COMMANDS", {"cost": ("cli_stand_in", "")})
