"""One EKS cluster's life: its control plane is started, kept in step with AWS, and ended."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import urllib3

from sandbox.aws.client import Aws, AwsError
from sandbox.cluster.access import CLUSTER_ROLES, bind_in_namespace, policy_name
from sandbox.cluster.addons import KNOWN, Installer
from sandbox.cluster.cert_manager import Signer
from sandbox.cluster.control_plane import ControlPlane, ControlPlaneSpec
from sandbox.cluster.drain import Drainer, Journal
from sandbox.cluster.emulator import Emulator
from sandbox.cluster.external_secrets import Operator
from sandbox.cluster.kube import KubeError
from sandbox.cluster.spec import Cluster
from sandbox.daemon.child import Child, ChildError
from sandbox.live import switch
from sandbox.live.data import LiveData, Outside
from sandbox.live.data_services import Aws as Region
from sandbox.live.programs import programs
from sandbox.live.world import LiveWorld, connect_socket

DISRUPTIONS: Final = "disruptions.jsonl"
"""File beside the logs: every pod that an update or a scale-in asked to leave (`sandbox.cluster.drain`)."""

_LOG = logging.getLogger(__name__)


def _control_plane_spec(cluster: Cluster, live_socket: str) -> ControlPlaneSpec:
    return ControlPlaneSpec(
        region=cluster.region,
        name=cluster.name,
        version=cluster.version,
        service_cidr=cluster.service_cidr,
        issuer=cluster.issuer,
        audit=cluster.audit,
        live_socket=live_socket,
    )


class Runner:
    """Runs one cluster in a thread of its own, so that a slow start holds up no other."""

    def __init__(
        self, cluster: Cluster, aws: Aws, binary: Path, home: Path, webhook: str, changed: Callable[[], None]
    ) -> None:
        """`changed` is called whenever processes or the endpoint have changed."""
        self.cluster, self._aws, self._changed = cluster, aws, changed
        self._binary, self._webhook = binary, webhook
        self._folder = home / "clusters" / cluster.region / cluster.name
        self._home, self._logs = home, home / "logs"
        socket = connect_socket(home, cluster.region, cluster.name)
        self._live_socket = str(socket) if switch.enabled(home) else ""
        self._live: LiveWorld | None = None
        self._data: LiveData | None = None
        self.seconds: float | None = None
        self.problem = ""
        self._plane: ControlPlane | None = None
        self._emulator: Emulator | None = None
        self._signer: Signer | None = None
        self._operator: Operator | None = None
        self._drainer: Drainer | None = None
        self._wake, self._ending = Event(), Event()
        self._thread = Thread(target=self._run, name=f"cluster-{cluster.name}", daemon=True)
        self._thread.start()

    def update(self, cluster: Cluster) -> None:
        """What AWS has now."""
        if cluster != self.cluster:
            self.cluster = cluster
            self._wake.set()

    def end(self) -> None:
        """Asks the cluster to end; `ended` says when it has."""
        self._ending.set()
        self._wake.set()

    def ended(self) -> bool:
        """Whether the processes are gone and the folder with them."""
        return not self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Waits for the end."""
        self._thread.join(seconds)

    @property
    def children(self) -> list[Child]:
        """The control plane's processes, and the live world's."""
        planes = list(self._plane.children) if self._plane else []
        if self._operator and self._operator.child:
            planes.append(self._operator.child)
        data = self._data.children if self._data else []
        return [*planes, *([self._live.child] if self._live else []), *data]

    @property
    def endpoint(self) -> str:
        """The API server's URL while it serves, else ""."""
        serving = self._plane and self.seconds is not None and not self._ending.is_set()
        return self._plane.endpoint if self._plane and serving else ""

    @property
    def ca_pem(self) -> bytes:
        """The certificate authority of the endpoint."""
        return self._plane.ca_pem if self._plane else b""

    def describe(self) -> dict[str, Any]:
        """The cluster for `status`."""
        dead = [child.part for child in self.children if not child.running()]
        return {
            "region": self.cluster.region,
            "name": self.cluster.name,
            "version": self.cluster.version,
            "aws_status": self.cluster.status,
            "endpoint": self.endpoint,
            "ready_seconds": self.seconds,
            "problem": f"ended by itself: {', '.join(dead)}"
            if dead and not self._ending.is_set()
            else self.problem or (self._data.problem if self._data else ""),
            "nodes": self._emulator.describe() if self._emulator else [],
            "addons_without_workload": sorted(a.name for a in self.cluster.addons if a.name not in KNOWN),
        }

    def _run(self) -> None:
        try:
            plane = self._start()
            if plane is not None:
                self._keep(plane)
        except Exception as error:  # the daemon outlives a broken cluster, and says so
            _LOG.exception("cluster %s failed", self.cluster.name)
            self.problem = str(error)
            self._ending.wait()
        finally:
            if self._drainer:
                self._drainer.stop()
            if self._emulator:
                self._emulator.stop()
            if self._signer:
                self._signer.stop()
            if self._operator:
                self._operator.stop()
            if self._data:
                self._data.stop()
            if self._live:
                self._live.stop()
            if self._plane:
                self._plane.stop()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._changed()

    def _start(self) -> ControlPlane | None:
        shutil.rmtree(self._folder, ignore_errors=True)
        cluster = self.cluster
        plane = ControlPlane(
            _control_plane_spec(cluster, self._live_socket),
            self._binary,
            self._folder,
            self._logs,
            self._webhook,
        )
        self._plane = plane
        try:
            self.seconds = plane.start()
        except Exception as error:
            # Whatever it was, AWS must hear of it, or the cluster stays CREATING.
            self.problem = str(error)
            expected = isinstance(error, ChildError | KubeError | urllib3.exceptions.HTTPError)
            _LOG.error("control plane of %s: %s", cluster.name, error, exc_info=not expected)
            self._aws.report_cluster(cluster.region, cluster.name, "FAILED")
            self._changed()
            self._ending.wait()
            return None
        _LOG.info("control plane of %s is ready after %.1f s", cluster.name, self.seconds)
        self._changed()
        self._report(plane)
        return plane

    def _report(self, plane: ControlPlane) -> None:
        self._aws.report_cluster(
            plane.spec.region,
            plane.spec.name,
            "ACTIVE",
            plane.endpoint,
            plane.ca_pem.decode(),
            plane.spec.version,
        )

    def _keep(self, plane: ControlPlane) -> None:
        installer = Installer(plane.kube, self.cluster.service_cidr)
        journal = Journal(self._logs / DISRUPTIONS)
        if self._live_socket:
            self._live = LiveWorld(plane, self.cluster, self._home, self._aws.endpoint, programs())
            self._data = self._live_data(self._live)
            self._changed()
        self._emulator = Emulator(plane.kube, self.cluster, self._joined, journal, self._live)
        self._signer = Signer(plane.kube)
        self._operator = self._external_secrets(plane)
        self._drainer = Drainer(plane.kube, self.cluster, journal, self._told)
        while not self._ending.is_set():
            cluster = self.cluster
            try:
                spec = _control_plane_spec(cluster, self._live_socket)
                if spec != plane.spec:
                    plane.restart(spec)
                    self._changed()
                    self._report(plane)
                installer.reconcile(cluster.addons)
                self._emulator.update(cluster)
                self._drainer.update(cluster)
                unbound = self._bind_namespaces(plane, cluster)
                self.problem = ""
            except (KubeError, ChildError, urllib3.exceptions.HTTPError) as error:
                if self._ending.is_set():
                    return
                _LOG.warning("cluster %s: %s", cluster.name, error)
                self.problem, unbound = str(error), True
            except Exception as error:  # what AWS has may be mended: the cluster goes on, and says so
                _LOG.exception("cluster %s", cluster.name)
                self.problem, unbound = f"{type(error).__name__}: {error}", True
            # Something that failed, or a namespace that is not there yet, is tried again; else a change wakes
            # us.
            self._wake.wait(1.0 if unbound else None)
            self._wake.clear()

    def _external_secrets(self, plane: ControlPlane) -> Operator:
        part = f"{self.cluster.region}-{self.cluster.name}-secrets"
        return Operator(
            plane.kube,
            lambda: plane.kubeconfig("external-secrets", "external-secrets", ["system:masters"]),
            (self._aws.endpoint, self.cluster.region),
            part,
            self._logs / f"{part}.log",
            self._changed,
        )

    def _live_data(self, live: LiveWorld) -> LiveData:
        def tell(names: list[Outside]) -> None:
            live.lead_out(names)
            self._changed()

        region = self.cluster.region
        folder = self._home / "data" / region / self.cluster.name
        return LiveData(Region(region, self._aws.endpoint, folder, self._logs), tell)

    def _joined(self, instance: str) -> None:
        try:
            self._aws.report_nodes([instance])
        except AwsError as error:
            _LOG.warning("AWS did not take that %s joined: %s", instance, error)

    def _told(self, drained: list[str], refused: dict[str, str]) -> None:
        try:
            self._aws.report_drains(drained, refused)
        except AwsError as error:
            _LOG.warning("AWS did not take how draining goes: %s", error)

    def _bind_namespaces(self, plane: ControlPlane, cluster: Cluster) -> bool:
        """Binds policies that are held in single namespaces; true while one of those does not exist."""
        unbound = False
        for entry in cluster.access_entries:
            for policy in entry.policies:
                name = policy_name(policy.arn)
                for namespace in policy.namespaces if name in CLUSTER_ROLES else ():
                    try:
                        bind_in_namespace(plane.kube, name, namespace)
                    except KubeError as error:
                        if error.status != 404:
                            raise
                        unbound = True
        return unbound


def wait_ended(runners: list[Runner], seconds: float) -> None:
    """Waits until all have ended, `seconds` in all."""
    deadline = time.monotonic() + seconds
    for runner in runners:
        runner.join(max(0.1, deadline - time.monotonic()))
