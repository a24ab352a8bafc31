"""The operator of External Secrets for one cluster: the real one, as a process of this machine.

It starts when the cluster has its definitions, and reads the sandbox's Secrets Manager. Blind spots: it is not the pod
of the chart, so rights of its service account and its Pod Identity are not shown, and it sees every namespace; it is
an earlier release than the chart's (docs/sandbox.md).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Final

import urllib3

from sandbox.cluster.kube import Kube, KubeError
from sandbox.daemon.child import Child, ChildError
from sandbox.state import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from sandbox.toolchain import operator
from sandbox.toolchain.build import BuildError

_EVERY: Final = 1.0
_AFTER_FAILURE: Final = 15.0
"""Seconds until it is tried again; building takes minutes, and a network is not back at once."""

SERVED: Final = {
    "/apis/external-secrets.io/v1": {"externalsecrets", "secretstores"},
    "/apis/generators.external-secrets.io/v1alpha1": {"generatorstates"},
}
"""What has to be served before it starts: it ends at once where a kind that it watches is not there."""

FLAGS: Final = (
    *("--metrics-addr=127.0.0.1:0", "--live-addr=127.0.0.1:0"),
    *("--loglevel=info", "--zap-time-encoding=iso8601"),
    # What the kit's values of the chart switch off as well.
    "--enable-cluster-store-reconciler=false",
    "--enable-cluster-external-secret-reconciler=false",
    "--enable-cluster-push-secret-reconciler=false",
    "--enable-push-secret-reconciler=false",
)

_LOG = logging.getLogger(__name__)


def environment(aws_endpoint: str, region: str) -> dict[str, str]:
    """Its whole environment: the sandbox's AWS by its public variables, and nothing of this machine's own."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_SECRETSMANAGER_ENDPOINT": aws_endpoint,
        "AWS_STS_ENDPOINT": aws_endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "GOMAXPROCS": "1",
    }


class Operator:
    """Runs for one cluster until `stop`."""

    def __init__(
        self,
        kube: Kube,
        kubeconfig: Callable[[], Path],
        aws: tuple[str, str],
        part: str,
        log: Path,
        changed: Callable[[], None],
    ) -> None:
        """`aws` is the endpoint and the region; `changed` is called when the process has started."""
        self._kube, self._kubeconfig, self._aws = kube, kubeconfig, aws
        self._part, self._log, self._changed = part, log, changed
        self.child: Child | None = None
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="external-secrets", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the process."""
        self._stopped.set()
        if self.child is not None:
            self.child.stop()

    def _run(self) -> None:
        pause = _EVERY
        while not self._stopped.wait(pause):
            pause = _EVERY
            try:
                if self.child is not None:
                    self.child.require_running()
                elif self._wanted():
                    self._start()
            except (KubeError, urllib3.exceptions.HTTPError, OSError) as error:
                if not self._stopped.is_set():
                    _LOG.warning("External Secrets: %s", error)
            except (BuildError, ChildError) as error:
                if not self._stopped.is_set():
                    _LOG.error("External Secrets does not run, and is tried again: %s", error)
                self.child, pause = None, _AFTER_FAILURE
            except Exception:  # without this thread no Secret would appear any more
                _LOG.exception("External Secrets: tried again")
                pause = _AFTER_FAILURE

    def _wanted(self) -> bool:
        return all(kinds <= self._served(group) for group, kinds in SERVED.items())

    def _served(self, group: str) -> set[str]:
        try:
            return {each["name"] for each in self._kube.request("GET", group)["resources"]}
        except KubeError as error:
            if error.status == 404:
                return set()
            raise

    def _start(self) -> None:
        program = operator.ensure()
        if self._stopped.is_set():
            return
        settings = environment(*self._aws) | {"KUBECONFIG": str(self._kubeconfig())}
        self.child = Child(self._part, [str(program), *FLAGS], self._log, settings)
        _LOG.info("External Secrets runs as %s", self._part)
        self._changed()
