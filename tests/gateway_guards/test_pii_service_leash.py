"""The service that tests start does not outlive them, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waits import alive, until

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
    until(lambda: not alive(service), "the service's end")
