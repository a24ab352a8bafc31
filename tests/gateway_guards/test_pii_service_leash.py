"""The service that tests start does not outlive them, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARENT = """
import sys, time
from pathlib import Path
from tests.gateway_guards.pii_service import serving

with serving(Path(sys.argv[1])) as running:
    print(running.process.pid, flush=True)
    time.sleep(600)
"""


def test_a_killed_pytest_leaves_no_service_behind(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        service = int(parent.stdout.readline())
        os.kill(service, 0)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until = time.monotonic() + 10
    while alive(service):
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.05)


def alive(process: int) -> bool:
    """A zombie that nobody has reaped yet is dead."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
