"""Settings of the gateway: how many pods, of which size, how they end, and who may talk to them.

What it routes is not said here: routes, hosted deployments, classes and teams have settings of their own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bastide.settings.audit import AuditSettings
from bastide.settings.base import Cidr, Strict, label
from bastide.settings.pools import LabelKey, LabelValue
from bastide.settings.sign_in import SignInSettings

NamespaceName = Annotated[str, label(63)]


class GatewayResources(Strict):
    """What one pod of the gateway asks for. A pod is one process (docs/adr/0022): more is more pods."""

    cpu_milli: int = Field(1000, ge=100, le=16000)
    """CPU in thousandths of a CPU. A whole one: a pod is one process, which one CPU bounds. 26 ms of it went into each
    request with database, Redis and callbacks (measured, LiteLLM 1.106.2), so about 38 requests a second."""

    memory_mib: int = Field(1536, ge=512, le=65536)
    """Memory in MiB, asked for and limited alike. LiteLLM with a database holds 0.7 GB at rest
    (measured); twice that leaves room for long requests in flight."""


class GatewayAutoscaling(Strict):
    """A HorizontalPodAutoscaler on CPU. It needs metrics-server in the cluster; without it `replicas` is kept."""

    max_replicas: int = Field(ge=1, le=200)
    """Most pods, at least `replicas`, which is the fewest."""

    target_cpu_percent: int = Field(70, ge=20, le=95)
    """CPU in percent of what a pod asks for that is aimed at. A choice: at one request after another LiteLLM's p95
    grows with its own queue, so a third is kept free for the minute that a new pod takes."""


class GatewayDrain(Strict):
    """How a pod ends: it leaves its Service and target group, waits until every client knows, then ends what runs."""

    pre_stop_seconds: int = Field(20, ge=1, le=120)
    """Seconds before SIGTERM in which Service and load balancer drop the pod. A choice: endpoint changes travel in
    about a second, a target group is changed by a controller within several; a pod that still takes requests
    meanwhile costs nothing."""

    shutdown_seconds: int | None = Field(None, ge=1, le=3600)
    """Seconds for requests in flight to end after SIGTERM. Without a value the longest `clientTimeoutSeconds` of a
    route, at most an hour: no answer is cut, and a pod whose requests are done ends at once."""


class GatewayConnections(Strict):
    """What a connection may cost a pod before it is known who is at its other end."""

    most: int = Field(1000, ge=50, le=20000)
    """Connections to one pod at the same time, the load balancer's and probes' included. When there are more, the one
    that has waited longest without a whole request is ended; requests that are whole are not. A choice: a pod answers
    38 requests a second (`resources.cpuMilli`), of which answers of 25 s hold 950 connections."""

    header_seconds: int = Field(10, ge=1, le=120)
    """Seconds for a request's line and headers to come, 64 KiB at most. A choice: a load balancer sends them at once,
    and a client in the cluster within some round trips."""

    body_seconds: int = Field(30, ge=1, le=600)
    """Seconds for a request's body to come, before anybody has signed in. A choice: the default bound of 4 MiB in 30 s
    is 1.1 Mbit/s, which slow mobile networks have; raise it with a route's `limits.maxBodyBytes`."""


class GatewayClient(Strict):
    """Pods inside the cluster that may call the gateway, by namespace and labels."""

    namespace: NamespaceName
    """Their namespace."""

    labels: dict[LabelKey, LabelValue] = Field(min_length=1)
    """Labels that they all have; at least one, so that a whole namespace is never let in by mistake."""


class PiiServiceSettings(Strict):
    """The service that finds personal data, where a data class has the guard `pii`."""

    replicas: int = Field(2, ge=1, le=100)
    """Pods. Without a single one every request of such a class is refused, so two outside a sandbox."""

    cpu_milli: int = Field(500, ge=50, le=16000)
    """CPU of a pod in thousandths. A choice; the benchmark says what a guard costs (docs/pii.md)."""

    memory_mib: int = Field(1024, ge=128, le=65536)
    """Memory of a pod in MiB, asked for and limited alike. A choice: pattern recognisers without a language model."""


class GatewaySettings(Strict):
    """The gateway: LiteLLM with the kit's callbacks, in the namespace `bastide-gateway`."""

    enabled: bool = False
    """Whether the gateway runs in this region."""

    replicas: int = Field(3, ge=1, le=100)
    """Pods, and with `autoscaling` the fewest. At least 3 outside sandbox and dev: one for each zone."""

    resources: GatewayResources = GatewayResources()
    """What a pod asks for."""

    autoscaling: GatewayAutoscaling | None = None
    """By how much the gateway grows with its load; without it `replicas` is fixed."""

    drain: GatewayDrain = GatewayDrain()
    """How a pod ends."""

    connections: GatewayConnections = GatewayConnections()
    """What connections may cost before sign-in."""

    startup_seconds: int = Field(180, ge=30, le=1800)
    """Seconds from a container's start to its first sign of life, after which it is started again. LiteLLM takes 15 to
    34 s of a CPU (measured); five times that for a node that starts everything at once."""

    log_level: Literal["warning", "error"] = "warning"
    """Least severe of LiteLLM's own lines that is written, each without its text, which may be a caller's. Lines below
    hold requests and answers, so there is no setting for them."""

    clients: tuple[GatewayClient, ...] = ()
    """Pods inside the cluster that may call it, besides the load balancer."""

    private_cidrs: tuple[Cidr, ...] = ()
    """Private blocks outside the VPC in which hosted deployments, an existing database or Redis stand, such as those of
    a peered VPC. Of private networks the pods reach nothing else, and these on the ports of such things alone."""

    admin_clients: tuple[GatewayClient, ...] = ()
    """Pods inside the cluster that may reach LiteLLM's management calls, on port 4002 of the Service, such as those of
    a jump host. Without any only the kit's own job does; they are never at the port for clients, and the user
    interface is off."""

    pii: PiiServiceSettings = PiiServiceSettings()
    """The service that finds personal data."""

    audit: AuditSettings | None = None
    """The audit trail in object-locked storage; without it there is the log of decisions alone (docs/audit.md)."""

    sign_in: SignInSettings | None = None
    """Callers' tokens of an identity provider, taken beside virtual keys; without it only keys (docs/sign-in.md)."""
