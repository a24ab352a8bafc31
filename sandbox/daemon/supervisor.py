"""Starts the parts of a world, keeps clusters in step with AWS, and ends everything."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

import requests

from sandbox.aws.client import Aws, AwsError
from sandbox.cluster.authenticator import review
from sandbox.daemon import api, kubeconfig, processes
from sandbox.daemon.child import Child, ChildError, free_port, stop_all
from sandbox.daemon.runner import Runner, wait_ended
from sandbox.daemon.view import View
from sandbox.state import World

_INTERVAL: Final = 0.3
"""Seconds between two looks at AWS's list: well under the time in which a person or a waiter notices."""

_AWS_WITHIN: Final = 60.0
"""Seconds until the AWS process counts as failed; it answers after 1 to 3 s on 2 idle cores."""

_AFTER_DEFECT: Final = 5.0
"""Seconds of pause after an exception that nobody foresaw, so that its traceback does not fill the log."""

DRAIN_PATIENCE: Final = "BASTIDE_SANDBOX_DRAIN_SECONDS"
"""Environment variable at `up`: seconds until a node that cannot be drained fails an update, instead of
`sandbox.aws.settings.Settings.drain_patience`."""

_LOG = logging.getLogger(__name__)


class Supervisor:
    """One world. `run` returns when `stop` was called and everything has ended."""

    def __init__(self, home: Path, kube: Path) -> None:
        self._home, self._kube = home, kube
        self._stopping, self._look = Event(), Event()
        self._runners: dict[tuple[str, str], Runner] = {}
        self._children: list[Child] = []
        self._seconds: dict[str, float] = {}
        self._world: World | None = None
        self._caller: Callable[[str], str | None] | None = None
        self._lock = Lock()

    def stop(self) -> None:
        """Asks the world to end."""
        self._stopping.set()
        self._look.set()

    def run(self) -> None:
        """Starts the world, announces it, and keeps it until `stop`; `ChildError` when it cannot start."""
        try:
            url = api.serve(self.status, self._review)
            aws = self._start_aws()
            view = View(aws)
            self._caller = view.caller
            self._world = World(aws.endpoint, url, os.getpid())
            self._changed()
            self._world.save()
            _LOG.info("the world is ready: AWS at %s", aws.endpoint)
            while not self._stopping.is_set():
                try:
                    self._reconcile(aws, view, url)
                except (requests.RequestException, AwsError, ValueError) as error:
                    _LOG.error("the comparison with AWS failed and is tried again: %s", error)
                except Exception:  # a defect in the comparison must not end every cluster
                    _LOG.exception("the comparison with AWS failed and is tried again")
                    self._stopping.wait(_AFTER_DEFECT)
                self._look.wait(_INTERVAL)
                self._look.clear()
        finally:
            self._end()

    def _start_aws(self) -> Aws:
        began, port = time.monotonic(), free_port()
        command = [sys.executable, "-m", "sandbox.aws", "--port", str(port)]
        if patience := os.environ.get(DRAIN_PATIENCE):
            command += ["--drain-patience", patience]
        child = Child("aws", command, self._home / "logs" / "aws.log")
        self._children.append(child)
        aws = Aws(f"http://127.0.0.1:{port}")
        while not aws.healthy():
            child.require_running()
            if time.monotonic() - began > _AWS_WITHIN:
                raise ChildError(
                    f"AWS did not answer within {_AWS_WITHIN:.0f} s; the end of its log:\n{child.tail()}"
                )
            time.sleep(0.05)
        self._seconds["aws"] = time.monotonic() - began
        return aws

    def _reconcile(self, aws: Aws, view: View, url: str) -> None:
        found = {cluster.key: cluster for cluster in view.clusters()}
        for key, runner in list(self._runners.items()):
            cluster = found.get(key)
            if runner.ended():
                del self._runners[key]
            elif cluster is None or cluster.status == "DELETING":
                runner.end()
            else:
                runner.update(cluster)
        for key, cluster in found.items():
            if key in self._runners:
                continue
            if cluster.status == "DELETING":
                aws.report_cluster(*key, "DELETED")
            elif cluster.status != "FAILED":
                webhook = f"{url}/authenticate/{key[0]}/{key[1]}"
                self._runners[key] = Runner(cluster, aws, self._kube, self._home, webhook, self._changed)
                _LOG.info("cluster %s of %s: its control plane starts", cluster.name, cluster.region)

    def _review(self, region: str, name: str, request: dict[str, Any]) -> dict[str, Any] | None:
        runner = self._runners.get((region, name))
        if runner is None or self._caller is None:
            return None
        answer, outcome = review(request, runner.cluster, self._caller)
        _LOG.info("token for %s: %s", name, outcome)
        return answer

    def _changed(self) -> None:
        """Writes down processes, so that `down` can make sure of them, and the kubeconfig."""
        with self._lock:
            processes.write(self._home, self._all_children())
            if self._world is not None and not self._stopping.is_set():
                clusters = [
                    kubeconfig.Access(*key, runner.endpoint, runner.ca_pem)
                    for key, runner in sorted(self._runners.items())
                    if runner.endpoint
                ]
                kubeconfig.write(self._home / "kubeconfig", clusters, self._world)

    def _all_children(self) -> list[Child]:
        return [*self._children, *(child for r in list(self._runners.values()) for child in r.children)]

    def status(self) -> dict[str, Any]:
        """What runs, with seconds to readiness and memory in MiB."""
        return {
            "seconds": self._seconds,
            "processes": [
                {"part": child.part, "pid": child.pid, "mib": child.memory_mib(), "running": child.running()}
                for child in self._all_children()
            ]
            + [
                {
                    "part": "daemon",
                    "pid": os.getpid(),
                    "mib": processes.memory_mib(os.getpid()),
                    "running": True,
                }
            ],
            "clusters": [runner.describe() for _, runner in sorted(self._runners.items())],
        }

    def _end(self) -> None:
        World.path().unlink(missing_ok=True)
        runners = list(self._runners.values())
        for runner in runners:
            runner.end()
        # A control plane that is still starting is not waited for: its processes are ended below.
        wait_ended(runners, 10)
        stop_all(self._all_children())
        shutil.rmtree(self._home / "clusters", ignore_errors=True)
        for folder in ("live", "data", "gateway"):
            shutil.rmtree(self._home / folder, ignore_errors=True)
        (self._home / "kubeconfig").unlink(missing_ok=True)
        processes.forget(self._home)
        _LOG.info("everything has ended")


def log_to(path: Path) -> None:
    """Sends the daemon's log lines to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("botocore").setLevel(logging.WARNING)
