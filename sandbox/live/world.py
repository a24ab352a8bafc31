"""One cluster's live world: what the node agent is told, and its process."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sandbox.cluster.capacity import allocatable, capacity
from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.spec import Cluster, Instance
from sandbox.daemon.child import Child
from sandbox.live.data import Outside
from sandbox.live.images import table
from sandbox.live.programs import Programs

ADDRESSES: Final = 24
"""Pods with an address of their own that a live node takes: more processes than one machine carries."""


OUTSIDE: Final = "outside.json"
"""File in the world's folder: names that lead out of it, each with its address inside and its port of this machine."""

FORWARDS: Final = "forwards.json"
"""File in that folder: the ports that `bastide sandbox forward` opened, each with its target."""


def folder(home: Path, region: str, cluster: str) -> Path:
    """Where the sockets of a cluster's live world lie: a short path, for a socket's has at most 107 characters."""
    return home / "live" / hashlib.sha256(f"{region}/{cluster}".encode()).hexdigest()[:8]


def connect_socket(home: Path, region: str, cluster: str) -> Path:
    """The way in: an HTTP CONNECT proxy that reaches pods, Services and kubelets by their addresses."""
    return folder(home, region, cluster) / "connect.sock"


class LiveWorld:
    """The live nodes of one cluster. Safe for use by several threads."""

    def __init__(
        self, plane: ControlPlane, cluster: Cluster, home: Path, aws_endpoint: str, programs: Programs
    ) -> None:
        """Starts the node agent; nodes come by `add`."""
        self._plane = plane
        self._folder = folder(home, cluster.region, cluster.name)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._nodes: dict[str, dict[str, Any]] = {}
        self._devices: dict[str, dict[str, str]] = {}
        self._lock = Lock()
        for remains in (FORWARDS, OUTSIDE, "nodes.json"):  # of a cluster of the same name
            (self._folder / remains).unlink(missing_ok=True)
        self._write("nodes.json", [])
        self._write("devices.json", {})
        dns = ipaddress.ip_network(cluster.service_cidr)[10]  # EKS gives CoreDNS the tenth address
        self._write(
            "config.json",
            {
                "folder": str(self._folder),
                "state": str(self._folder / "nodes"),
                "livepod": str(programs.livepod),
                "apiServer": plane.endpoint.removeprefix("https://"),
                "aws": aws_endpoint.removeprefix("http://"),
                "kubeconfig": str(plane.kubeconfig("live-services", "system:kube-proxy")),
                "clientCa": str(plane.client_ca),
                "clusterDns": str(dns),
                "images": [image.document() for image in table()],
                "nodesFile": str(self._folder / "nodes.json"),
                "devicesFile": str(self._folder / "devices.json"),
                "forwardsFile": str(self._folder / FORWARDS),
                "outsideFile": str(self._folder / OUTSIDE),
            },
        )
        part = f"{cluster.region}-{cluster.name}-live"
        command = [str(programs.node), "world", str(self._folder / "config.json")]
        self.child = Child(part, command, home / "logs" / f"{part}.log")

    def _write(self, name: str, document: object) -> None:
        temporary = self._folder / f"{name}.tmp"
        temporary.write_text(json.dumps(document, indent=1))
        temporary.replace(self._folder / name)

    def add(
        self, name: str, instance: Instance, take: Callable[[str, str, set[str]], str], taken: set[str]
    ) -> None:
        """A node of an instance; `take` gives its pods their addresses (`AddressPool.take`)."""
        pods = [
            take(f"{name}/{number}", instance.subnet_cidr, taken)
            for number in range(min(ADDRESSES, instance.shape.max_pods))
        ]
        document = {
            "name": name,
            "ip": instance.private_ip,
            "providerId": f"aws:///{instance.zone}/{instance.instance_id}",
            "instanceId": instance.instance_id,
            "kubeconfig": str(
                self._plane.kubeconfig(f"node-{name}", f"system:node:{name}", ["system:nodes"])
            ),
            "cores": instance.shape.vcpus,
            "maxPods": instance.shape.max_pods,
            "capacity": capacity(instance),
            "allocatable": allocatable(instance),
            "addresses": pods,
        }
        with self._lock:
            self._nodes[name] = document
            self._write("nodes.json", list(self._nodes.values()))

    def remove(self, name: str, release: Callable[[str], None]) -> None:
        """Ends a node with everything that runs on it, as the end of its instance does."""
        with self._lock:
            gone = self._nodes.pop(name, None)
            self._devices.pop(name, None)
            self._write("nodes.json", list(self._nodes.values()))
        for number in range(len(gone["addresses"]) if gone else 0):
            release(f"{name}/{number}")

    def announce(self, name: str, devices: Mapping[str, int]) -> None:
        """What the device plugins on a node announce."""
        told = {kind: str(count) for kind, count in devices.items()}
        with self._lock:
            if self._devices.get(name) != told:
                self._devices[name] = told
                self._write("devices.json", self._devices)

    def lead_out(self, names: Sequence[Outside]) -> None:
        """The names of databases and caches, all of them."""
        self._write(OUTSIDE, [asdict(each) for each in names])

    def nodes(self) -> Sequence[str]:
        """The nodes that are live."""
        with self._lock:
            return list(self._nodes)

    def stop(self) -> None:
        """Ends everything inside."""
        self.child.stop(0.3)
