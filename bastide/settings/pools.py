"""Settings of node pools."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bastide.names import MAX_POOL
from bastide.settings.base import Strict, label

PoolName = Annotated[str, label(MAX_POOL)]


class SystemPoolSettings(Strict):
    """Nodes without a GPU for everything that is not an engine."""

    instance_type: str = "m7i.xlarge"
    """EC2 instance type, without a GPU."""

    size: int = Field(2, ge=1, le=450)
    """Nodes wanted. 450 is EKS's quota of nodes in one managed node group."""

    max_size: int | None = Field(None, ge=1, le=450)
    """Most nodes during a surge; the default is `size` + 1."""

    disk_gib: int = Field(100, ge=20, le=16384)
    """Root disk in GiB (gp3, encrypted; 16,384 is gp3's most)."""


class PoolSettings(Strict):
    """One pool of GPU nodes of one instance type."""

    name: PoolName
    """Name of the pool: the node label bastide.dev/pool, and what an engine names."""

    instance_type: str
    """EC2 instance type, with GPUs."""

    size: int = Field(ge=0, le=450)
    """Nodes wanted. 450 is EKS's quota of nodes in one managed node group."""

    max_size: int | None = Field(None, ge=1, le=450)
    """Most nodes; the default is `size` (GPU nodes are rarely there to surge with)."""

    zones: tuple[str, ...] = ()
    """Zones of the network in which its nodes may be; the default is all. GPU types exist in few zones."""

    disk_gib: int = Field(500, ge=20, le=16384)
    """Root disk in GiB (gp3, encrypted). It holds the engine's image and the copy of the weights: Llama 3.3
    70B is 141 GB in bf16."""
