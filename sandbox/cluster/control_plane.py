"""A real Kubernetes control plane for one EKS cluster: etcd, API server, controller manager, scheduler.

What EKS fixes is fixed here too: RBAC and Node authorisation, its admission plugins, tokens judged by a
webhook, anonymous requests for health only, audit on request. What differs is said in docs/sandbox.md: one
member of each instead of several, no cloud controllers, no load balancers or volumes, a kubelet that nobody
can call.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from sandbox.cluster.access import bind_policies
from sandbox.cluster.certificates import Authority, Pair, write_service_account_key
from sandbox.cluster.kube import Kube
from sandbox.daemon.child import Child, ChildError, free_port, stop_all

ADMISSION: Final = ("NodeRestriction", "ExtendedResourceToleration")
"""What EKS enables beyond upstream's defaults (EKS user guide, "View Amazon EKS platform versions": the list
for every version since 1.30). ExtendedResourceToleration lets a pod that asks for `nvidia.com/gpu` onto a
node tainted with that key."""

BINARY_MINOR: Final = 34
"""Minor version of the Kubernetes that the toolchain builds (sandbox/toolchain/kube/go.mod)."""

OLDEST_EMULATED_MINOR: Final = 31
"""Oldest minor version whose APIs that binary can emulate (`--emulated-version` of 1.34 allows 1.31 to
1.34)."""

READY_WITHIN: Final = 90.0
"""Seconds until a control plane counts as failed: measured ready in 4 to 7 s on 2 idle cores, 30 s on busy
ones."""

AUDIENCE: Final = "https://kubernetes.default.svc"


@dataclass(frozen=True)
class ControlPlaneSpec:
    """What of an EKS cluster shapes its control plane."""

    region: str
    name: str
    version: str
    service_cidr: str
    issuer: str
    audit: bool
    live_socket: str = ""
    """The way to the kubelets of live nodes (`sandbox.live.world.connect_socket`); "" where there are none."""

    def emulated_version(self) -> str:
        """The Kubernetes version to behave as: the cluster's, as far as the binary can."""
        minor = int(self.version.split(".")[1])
        return f"1.{min(max(minor, OLDEST_EMULATED_MINOR), BINARY_MINOR)}"


class ControlPlane:
    """The four processes of one cluster, their certificates, and a client that may do everything."""

    def __init__(self, spec: ControlPlaneSpec, binary: Path, folder: Path, logs: Path, webhook: str) -> None:
        """Writes certificates and configuration into `folder`; `webhook` is the URL that reviews tokens."""
        self.spec = spec
        self._binary, self._folder, self._logs, self._webhook = binary, folder, logs, webhook
        self.children: list[Child] = []
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        self._port, self._etcd_port, self._peer_port = free_port(), free_port(), free_port()
        self.endpoint = f"https://127.0.0.1:{self._port}"
        self._authority = Authority(folder, "ca")
        self.ca_pem = self._authority.pem
        self._admin = self._authority.issue("admin", "bastide-sandbox", ["system:masters"])
        self._serving = self._authority.issue(
            "apiserver",
            "kube-apiserver",
            hosts=["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"],
            addresses=["127.0.0.1"],
        )
        self._kubelet_client = self._authority.issue(
            "kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"]
        )
        # Authorities of their own: a client certificate of the cluster must open neither etcd nor the proxy
        # headers.
        etcd = Authority(folder, "etcd-ca")
        self._etcd_ca = etcd.pair.certificate
        self._etcd_pair = etcd.issue("etcd", "etcd", hosts=["localhost"], addresses=["127.0.0.1"])
        front = Authority(folder, "front-proxy-ca")
        self._front_ca, self._front_pair = front.pair.certificate, front.issue("front-proxy", "front-proxy")
        write_service_account_key(folder / "service-account.key")
        self.kube = Kube(
            self.endpoint, self._authority.pair.certificate, self._admin.certificate, self._admin.key
        )

    def start(self) -> float:
        """Starts everything and waits until the API server is ready; returns the seconds.

        Raises `ChildError` when a process ends, or is not ready within `READY_WITHIN` seconds.
        """
        began = time.monotonic()
        self._write_configuration()
        self.children = [self._start("etcd", self._etcd_flags()), self._start("apiserver", self._api_flags())]
        self._wait_ready(began)
        for part, user in (("controllers", "controller-manager"), ("scheduler", "scheduler")):
            pair = self._authority.issue(part, f"system:kube-{user}")
            self._write_kubeconfig(part, pair)
        self.children.append(self._start("controllers", self._controller_flags()))
        self.children.append(self._start("scheduler", self._scheduler_flags()))
        bind_policies(self.kube)
        return time.monotonic() - began

    def restart(self, spec: ControlPlaneSpec) -> None:
        """Takes over a changed `spec` (audit, version), as EKS rolls its control plane for it; etcd stays.

        Raises `ChildError` when it is not ready in time; then `spec` is still the old one, to be tried again.
        """
        before, self.spec = self.spec, spec
        try:
            self._write_configuration()
            self._replace("apiserver", self._api_flags())
            self._wait_ready(time.monotonic())
            if spec.version != before.version:
                # Never newer than the API server that they speak to (kubernetes.io, "Version Skew Policy").
                self._replace("controllers", self._controller_flags())
                self._replace("scheduler", self._scheduler_flags())
        except ChildError:
            self.spec = before
            raise

    def _replace(self, part: str, flags: dict[str, str]) -> None:
        for old in [child for child in self.children if child.part.endswith(f"-{part}")]:
            old.stop()
            self.children.remove(old)
        self.children.append(self._start(part, flags))

    @property
    def client_ca(self) -> Path:
        """The authority of everyone who speaks to this cluster with a certificate."""
        return self._authority.pair.certificate

    def kubeconfig(self, part: str, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig of a new identity."""
        self._write_kubeconfig(part, self._authority.issue(part, user, groups))
        return self._folder / f"{part}.kubeconfig"

    def stop(self) -> None:
        """Ends the four processes, with no patience: an API server waits seconds for watches, and nothing is
        kept."""
        stop_all(self.children, patience=0.3)

    def _wait_ready(self, began: float) -> None:
        while not self.kube.ready():
            for child in self.children:
                child.require_running()
            if time.monotonic() - began > READY_WITHIN:
                raise ChildError(
                    f"the API server of {self.spec.name} was not ready after {READY_WITHIN:.0f} s; "
                    f"the end of its log:\n{self.children[-1].tail()}"
                )
            time.sleep(0.1)

    def _start(self, part: str, flags: dict[str, str]) -> Child:
        name = f"{self.spec.region}-{self.spec.name}-{part}"
        command = [str(self._binary), part, *(f"--{key}={value}" for key, value in flags.items())]
        environment = {
            "PATH": os.defpath,
            # One machine carries the whole world. Measured idle, against Go's default of 100: 600 instead of
            # 650 MB resident over the four processes, for 0.6 s more of processor time at the start.
            "GOGC": "50",
        }
        return Child(name, command, self._logs / f"{name}.log", environment)

    def _write_configuration(self) -> None:
        webhook = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "authenticator", "cluster": {"server": self._webhook}}],
            "users": [{"name": "apiserver", "user": {}}],
            "contexts": [{"name": "webhook", "context": {"cluster": "authenticator", "user": "apiserver"}}],
            "current-context": "webhook",
        }
        self._dump("webhook.json", webhook)
        # EKS allows anonymous requests to these three paths only, since 1.32 (EKS user guide, Kubernetes
        # versions).
        self._dump(
            "authentication.json",
            {
                "apiVersion": "apiserver.config.k8s.io/v1beta1",
                "kind": "AuthenticationConfiguration",
                "anonymous": {
                    "enabled": True,
                    "conditions": [{"path": path} for path in ("/healthz", "/livez", "/readyz")],
                },
            },
        )
        if self.spec.live_socket:
            # The kubelets are in a network of their own; logs, exec and port-forward go through this socket.
            proxy = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": self.spec.live_socket}}}
            self._dump(
                "egress.json",
                {
                    "apiVersion": "apiserver.k8s.io/v1beta1",
                    "kind": "EgressSelectorConfiguration",
                    "egressSelections": [{"name": "cluster", "connection": proxy}],
                },
            )
        self._dump(
            "audit.json",
            {
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "omitStages": ["RequestReceived"],
                "rules": [{"level": "Metadata"}],
            },
        )

    def _dump(self, name: str, document: object) -> None:
        (self._folder / name).write_text(json.dumps(document, indent=1))

    def _write_kubeconfig(self, part: str, pair: Pair) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "cluster",
                    "cluster": {
                        "server": self.endpoint,
                        "certificate-authority-data": base64.b64encode(self.ca_pem).decode(),
                    },
                }
            ],
            "users": [
                {
                    "name": part,
                    "user": {"client-certificate": str(pair.certificate), "client-key": str(pair.key)},
                }
            ],
            "contexts": [{"name": "it", "context": {"cluster": "cluster", "user": part}}],
            "current-context": "it",
        }
        (self._folder / f"{part}.kubeconfig").write_text(yaml.safe_dump(document))

    def _etcd_flags(self) -> dict[str, str]:
        client, peer = f"https://127.0.0.1:{self._etcd_port}", f"https://127.0.0.1:{self._peer_port}"
        certificate, key, authority = (
            str(self._etcd_pair.certificate),
            str(self._etcd_pair.key),
            str(self._etcd_ca),
        )
        return {
            "name": "default",
            "data-dir": str(self._folder / "etcd"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "client-cert-auth": "true",
            "cert-file": certificate,
            "key-file": key,
            "trusted-ca-file": authority,
            "peer-client-cert-auth": "true",
            "peer-cert-file": certificate,
            "peer-key-file": key,
            "peer-trusted-ca-file": authority,
            # A world does not outlive its processes, so nothing has to survive a crash of the machine.
            "unsafe-no-fsync": "true",
            "log-level": "warn",
            # etcd's own defaults map a file that may grow to 2 GiB; the sandbox compacts by the API server's
            # 5 minutes.
            "snapshot-count": "10000",
        }

    def _api_flags(self) -> dict[str, str]:
        flags = {
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": str(self._port),
            # EndpointSlices refuse loopback addresses, and no pod runs that could use the Service
            # `kubernetes`.
            "endpoint-reconciler-type": "none",
            "etcd-servers": f"https://127.0.0.1:{self._etcd_port}",
            "etcd-cafile": str(self._etcd_ca),
            "etcd-certfile": str(self._etcd_pair.certificate),
            "etcd-keyfile": str(self._etcd_pair.key),
            "tls-cert-file": str(self._serving.certificate),
            "tls-private-key-file": str(self._serving.key),
            "client-ca-file": str(self._authority.pair.certificate),
            "requestheader-client-ca-file": str(self._front_ca),
            "requestheader-allowed-names": "front-proxy",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": str(self._front_pair.certificate),
            "proxy-client-key-file": str(self._front_pair.key),
            "service-account-issuer": self.spec.issuer,
            "service-account-signing-key-file": str(self._folder / "service-account.key"),
            "service-account-key-file": str(self._folder / "service-account.pub"),
            "api-audiences": AUDIENCE,
            "service-cluster-ip-range": self.spec.service_cidr,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": ",".join(ADMISSION),
            "authentication-config": str(self._folder / "authentication.json"),
            "authentication-token-webhook-config-file": str(self._folder / "webhook.json"),
            "authentication-token-webhook-version": "v1",
            # Short, so that an access entry that is taken away closes the door while someone watches.
            "authentication-token-webhook-cache-ttl": "5s",
            "allow-privileged": "true",
            "emulated-version": self.spec.emulated_version(),
            "profiling": "false",
        }
        if self.spec.live_socket:
            pair = self._kubelet_client
            flags |= {
                "egress-selector-config-file": str(self._folder / "egress.json"),
                "kubelet-client-certificate": str(pair.certificate),
                "kubelet-client-key": str(pair.key),
                # Nobody outside resolves nodes' names.
                "kubelet-preferred-address-types": "InternalIP",
            }
        if self.spec.audit:
            flags |= {
                "audit-policy-file": str(self._folder / "audit.json"),
                "audit-log-path": str(self._logs / f"{self.spec.region}-{self.spec.name}-audit.log"),
                "audit-log-maxsize": "100",
                "audit-log-maxbackup": "1",
            }
        return flags

    def _controller_flags(self) -> dict[str, str]:
        kubeconfig = str(self._folder / "controllers.kubeconfig")
        return {
            "kubeconfig": kubeconfig,
            "authentication-kubeconfig": kubeconfig,
            "authorization-kubeconfig": kubeconfig,
            # No cloud stands behind these: addresses of nodes come from AWS, routes and balancers do not
            # exist.
            "controllers": "*,-node-ipam-controller,-node-route-controller,-service-lb-controller,"
            "-cloud-node-lifecycle-controller",
            "use-service-account-credentials": "true",
            "root-ca-file": str(self._authority.pair.certificate),
            "service-account-private-key-file": str(self._folder / "service-account.key"),
            "cluster-signing-cert-file": str(self._authority.pair.certificate),
            "cluster-signing-key-file": str(self._authority.pair.key),
            "cluster-name": self.spec.name,
            "leader-elect": "false",
            "secure-port": "0",
            # Upstream's 20 a second is made for clusters that share an API server with many others.
            "kube-api-qps": "200",
            "kube-api-burst": "400",
            "emulated-version": self.spec.emulated_version(),
            "profiling": "false",
        }

    def _scheduler_flags(self) -> dict[str, str]:
        kubeconfig = str(self._folder / "scheduler.kubeconfig")
        return {
            "kubeconfig": kubeconfig,
            "authentication-kubeconfig": kubeconfig,
            "authorization-kubeconfig": kubeconfig,
            "leader-elect": "false",
            "secure-port": "0",
            "kube-api-qps": "200",
            "kube-api-burst": "400",
            "emulated-version": self.spec.emulated_version(),
            "profiling": "false",
        }
