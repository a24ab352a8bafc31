"""User data of GPU nodes: what the operating system does at boot before the node joins. Pure.

EKS merges it with its own, so it says nothing about the cluster. Sources: nodeadm's API reference (awslabs
amazon-eks-ami, NodeConfig v1alpha1, instance.localStorage); Bottlerocket's documentation, "Bootstrap Commands"
and `settings.kubelet-device-plugins`; amazon-eks-ami's units and `setup-local-disks`."""

from __future__ import annotations

from typing import Final

from bastide.catalogues import mig
from bastide.catalogues.instances import InstanceType
from bastide.settings.sharing import Mig, Sharing, TimeSlicing

BOUNDARY: Final = "==BASTIDE=="

WEIGHTS_FOLDER: Final = "/mnt/bastide/weights"
"""Folder of nodes that keep weights: below it a mount point for each volume."""

RAID_FOLDER: Final = "/mnt/k8s-disks/0"
"""Where nodeadm mounts the array of the instance store's disks (amazon-eks-ami, setup-local-disks, maybe_raid)."""

_ROOT_DISK_FOLDER: Final = "/var/lib"

_HEAD: Final = f"""MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="{BOUNDARY}"

"""

_END: Final = f"--{BOUNDARY}--\n"

_RAID0: Final = f"""--{BOUNDARY}
Content-Type: application/node.eks.aws

---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  instance:
    localStorage:
      strategy: RAID0

"""
"""RAID0 joins the NVMe disks and puts containerd's, kubelet's and pods' logs' folders on them."""

_MOUNTS: Final = """--{boundary}
Content-Type: text/x-shellscript; charset="us-ascii"

#!/bin/bash
set -euo pipefail
cat > /usr/local/sbin/bastide-weights << 'END'
#!/bin/bash
# Mount points for volumes of weights, one for each pod that can be here. kubelet starts after it.
set -euo pipefail
FOLDER={folder}
DISK={disk}
VOLUMES={volumes}
{guard}for ((n = 0; n < VOLUMES; n++)); do
    mkdir -p "$DISK/bastide-weights/$n" "$FOLDER/$n"
    mountpoint --quiet "$FOLDER/$n" || mount --bind "$DISK/bastide-weights/$n" "$FOLDER/$n"
done
END
chmod 0755 /usr/local/sbin/bastide-weights
mkdir -p /etc/systemd/system/kubelet.service.d
cat > /etc/systemd/system/kubelet.service.d/50-bastide-weights.conf << 'END'
[Service]
ExecStartPre=/usr/local/sbin/bastide-weights
END
systemctl daemon-reload

"""
"""cloud-init runs it once, before nodeadm makes the array and starts kubelet (amazon-eks-ami, nodeadm-run.service), and
a mount is gone after a reboot. So it only leaves a script, which kubelet's unit runs before each start: no pod can find
an empty folder of the root disk in the place of its volume. Volumes share a file system, so each shows its whole size;
what bounds them is the claim, which the artifact agent keeps to."""

_GUARD: Final = """if ! mountpoint --quiet "$DISK"; then
    echo "$DISK is not mounted: no instance store to keep weights on" >&2
    exit 1
fi
"""
"""systemd tries again (kubelet.service, Restart=on-failure); a node without the disks does not join."""

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


def al2023(*, local_storage: bool, weight_volumes: int = 0) -> str | None:
    """MIME multi-part for nodeadm and cloud-init; None where nothing is to be said. `weight_volumes` is the number of
    mount points for volumes of weights."""
    parts = [_RAID0] if local_storage else []
    if weight_volumes:
        parts.append(
            _MOUNTS.format(
                boundary=BOUNDARY,
                folder=WEIGHTS_FOLDER,
                disk=RAID_FOLDER if local_storage else _ROOT_DISK_FOLDER,
                volumes=weight_volumes,
                guard=_GUARD if local_storage else "",
            )
        )
    return _HEAD + "".join(parts) + _END if parts else None


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
