"""User data of GPU nodes: what the operating system does at boot before the node joins. Pure.

EKS merges it with its own, so it says nothing about the cluster. Sources: nodeadm's API reference (awslabs
amazon-eks-ami, NodeConfig v1alpha1, instance.localStorage); Bottlerocket's documentation, "Bootstrap Commands"
and `settings.kubelet-device-plugins`."""

from __future__ import annotations

from typing import Final

from bastide.catalogues import mig
from bastide.catalogues.instances import InstanceType
from bastide.settings.sharing import Mig, Sharing, TimeSlicing

BOUNDARY: Final = "==BASTIDE=="

_NODEADM: Final = f"""MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="{BOUNDARY}"

--{BOUNDARY}
Content-Type: application/node.eks.aws

---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  instance:
    localStorage:
      strategy: RAID0

--{BOUNDARY}--
"""
"""RAID0 joins the NVMe disks and puts containerd's, kubelet's and pods' logs' folders on them."""

_EPHEMERAL_STORAGE: Final = """[settings.bootstrap-commands.k8s-ephemeral-storage]
commands = [
    ["apiclient", "ephemeral-storage", "init"],
    ["apiclient", "ephemeral-storage", "bind", "--dirs", "/var/lib/containerd", "/var/lib/kubelet",
    "/var/log/pods"]
]
essential = true
mode = "always"
"""
"""`always`: the mounts are made again after a reboot; `essential`: a node without them does not join."""


def al2023(*, local_storage: bool) -> str | None:
    """MIME multi-part for nodeadm; None where nothing is to be said."""
    return _NODEADM if local_storage else None


def bottlerocket(kind: InstanceType, sharing: Sharing, *, local_storage: bool) -> str | None:
    """TOML settings; None where nothing is to be said."""
    parts = [_EPHEMERAL_STORAGE] if local_storage else []
    if isinstance(sharing, TimeSlicing):
        parts.append(
            "[settings.kubelet-device-plugins.nvidia]\n"
            'device-sharing-strategy = "time-slicing"\n'
            "\n"
            "[settings.kubelet-device-plugins.nvidia.time-slicing]\n"
            f"replicas = {sharing.replicas}\n"
            "rename-by-default = false\n"
            # Two shares may be of the same GPU, so asking for two is refused and not granted in name only.
            "fail-requests-greater-than-one = true\n"
        )
    if isinstance(sharing, Mig):
        parts.append(
            "[settings.kubelet-device-plugins.nvidia]\n"
            'device-partitioning-strategy = "mig"\n'
            "\n"
            "[settings.kubelet-device-plugins.nvidia.mig.profile]\n"
            f'"{mig.bottlerocket_gpu(kind)}" = "{sharing.profile}"\n'
        )
    return "\n".join(parts) or None
