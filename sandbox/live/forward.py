"""`bastide sandbox forward`: a port of this machine that leads to a Service among the live pods."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml

from sandbox.cluster.kube import Kube, KubeError
from sandbox.live.world import FORWARDS, folder
from sandbox.state import home

_OPEN_WITHIN: Final = 5.0
"""Seconds until the port must be open; the live world looks three times a second."""


class ForwardError(Exception):
    """The port could not be opened; the text says why."""


def forward(service: str, port: int, cluster: str | None = None, named: str | None = None) -> str:
    """Opens `port` of 127.0.0.1 for NAMESPACE/SERVICE, for as long as the world lives; returns the address.

    It leads to the Service's first port, or to the one of that name. Raises `ForwardError`."""
    region, name, kube = _cluster(cluster)
    live = folder(home(), region, name)
    if not live.exists():
        raise ForwardError(
            f"cluster {name} has no live nodes: `bastide sandbox live on` comes before the cluster is made"
        )
    namespace, slash, short = service.partition("/")
    if not slash:
        raise ForwardError(f"{service!r} is no NAMESPACE/SERVICE, for example bastide-serving/vllm-chat")
    try:
        found = kube.request("GET", f"/api/v1/namespaces/{namespace}/services/{short}")["spec"]
    except KubeError as error:
        raise ForwardError(f"Service {service} cannot be read: {error}") from None
    except urllib3.exceptions.HTTPError as error:
        raise ForwardError(f"cluster {name} does not answer: {type(error).__name__}") from None
    if found.get("clusterIP", "None") == "None":
        raise ForwardError(f"Service {service} has no address of its own (it is headless): name another")
    ports = [each["port"] for each in found["ports"] if named in (None, each.get("name"))]
    if not ports:
        allowed = ", ".join(each.get("name", "one without a name") for each in found["ports"])
        raise ForwardError(f"Service {service} has no port {named!r}; it has: {allowed}")
    target = f"{found['clusterIP']}:{ports[0]}"
    path = live / FORWARDS
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if known.get(str(port), target) != target:
        raise ForwardError(f"port {port} already leads to {known[str(port)]}: choose another by --port")
    if str(port) not in known and _answers(port):
        raise ForwardError(f"something else listens on port {port} of 127.0.0.1: choose another by --port")
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(known | {str(port): target}))
    temporary.replace(path)
    deadline = time.monotonic() + _OPEN_WITHIN
    while not _answers(port):
        if time.monotonic() > deadline:
            raise ForwardError(f"port {port} did not open; `bastide sandbox logs {name}-live` may say why")
        time.sleep(0.1)
    return f"127.0.0.1:{port}"


def administrator(cluster: str | None = None) -> Kube:
    """The administrator's client of the chosen or only cluster. Raises `ForwardError`."""
    return _cluster(cluster)[2]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _cluster(chosen: str | None) -> tuple[str, str, Kube]:
    """Region, name and the administrator's client of the chosen or only cluster."""
    found = sorted((home() / "clusters").glob("*/*/admin.crt"))
    names = [path.parent.name for path in found]
    matching = [path.parent for path in found if chosen in (None, path.parent.name)]
    if len(matching) != 1:
        which = (
            f"there are {', '.join(names)}: choose by --cluster"
            if names
            else "there is no cluster: `make live` makes one"
        )
        raise ForwardError(which)
    place: Path = matching[0]
    return place.parent.name, place.name, Kube(_server(place), place / "ca.crt", *_pair(place))


def _pair(place: Path) -> tuple[Path, Path]:
    return place / "admin.crt", place / "admin.key"


def _server(place: Path) -> str:
    document: dict[str, Any] = yaml.safe_load((place / "scheduler.kubeconfig").read_text())
    return str(document["clusters"][0]["cluster"]["server"])
