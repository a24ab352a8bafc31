"""Settings of the kit's namespaces: what each may hold, and what a container gets that asks for nothing."""

from __future__ import annotations

from pydantic import Field

from bastide.settings.base import Strict


class NamespaceSettings(Strict):
    """Bounds of one namespace (its ResourceQuota) and defaults of its containers (its LimitRange).

    Services of type LoadBalancer and NodePort are bounded to none in every namespace: load balancers belong to
    Pulumi, and pods join them by target groups."""

    pods: int | None = Field(None, ge=1)
    """Most pods at a time; the default is no bound. A namespace of DaemonSets grows with the nodes, so bound it
    only where you know how many there will be."""

    default_cpu_milli: int = Field(100, ge=1)
    """CPU that a container asks for when it says nothing, in thousandths of a CPU. 100 is what the scheduler counts
    for such a container anyway when it spreads pods (kube-scheduler, DefaultMilliCPURequest)."""

    default_memory_mib: int = Field(200, ge=4)
    """Memory in MiB that a container asks for when it says nothing. 200 is what the scheduler counts for such a
    container anyway (kube-scheduler, DefaultMemoryRequest)."""

    default_memory_limit_mib: int = Field(512, ge=4)
    """Memory limit in MiB of a container that names none, at least `defaultMemoryMib`. A choice: a container without
    a limit could take the whole node with it. CPU gets no default limit: it only throttles."""


class ServingNamespaceSettings(NamespaceSettings):
    """The namespace of the engines, which alone may ask for GPUs."""

    gpus: int | None = Field(None, ge=0)
    """Most GPUs that all pods together may ask for. The default is all GPUs of the pools at their largest, or what
    the engines ask for where that is more: then the scheduler says what is lacking."""


class NamespacesSettings(Strict):
    """The kit's namespaces."""

    serving: ServingNamespaceSettings = ServingNamespaceSettings()
    """`bastide-serving`: engines."""

    gateway: NamespaceSettings = NamespaceSettings()
    """`bastide-gateway`: the gateway."""

    system: NamespaceSettings = NamespaceSettings()
    """`bastide-system`: node agents."""

    certificates: NamespaceSettings = NamespaceSettings()
    """`bastide-certificates`: cert-manager, where it is on."""

    pki: NamespaceSettings = NamespaceSettings()
    """`bastide-pki`: the root of the private CA, where cert-manager is on. It holds no pods."""

    scaling: NamespaceSettings = NamespaceSettings()
    """`bastide-scaling`: KEDA, where it is on."""

    groups: NamespaceSettings = NamespaceSettings()
    """`bastide-groups`: LeaderWorkerSet, where it is on."""

    edge: NamespaceSettings = NamespaceSettings()
    """`bastide-edge`: the load balancer's controller, where there is an edge."""

    secrets: NamespaceSettings = NamespaceSettings()
    """`bastide-secrets`: External Secrets, where something needs a secret."""
