"""The script in user data that makes mount points for weights: run for real, in namespaces of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bastide.plans import node_user_data, pool_plan
from bastide.settings import Settings, read_stack_file
from tests.waits import PATIENCE_S

SANDBOX = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"


def script(text: str) -> str:
    """The shell part of multi-part user data."""
    (part,) = [
        each
        for each in text.split(f"--{node_user_data.BOUNDARY}")
        if "Content-Type: text/x-shellscript" in each
    ]
    return part.partition("\n\n")[2]


def run_twice(tmp_path: Path, text: str, before: str) -> subprocess.CompletedProcess[str]:
    """Runs the script as cloud-init does, and what it left as kubelet's unit does at two starts. `before` prepares the
    node; folders that it writes to are in memory, and nothing reaches this machine's."""
    (tmp_path / "part.sh").write_text(script(text))
    node = f"""
        set -eu
        for each in /mnt /etc /usr/local /var/lib; do mount -t tmpfs none $each; done
        mkdir -p /usr/local/sbin /usr/local/bin
        printf '#!/bin/sh\\necho systemctl $*\\n' > /usr/local/bin/systemctl
        chmod +x /usr/local/bin/systemctl
        PATH=/usr/local/bin:$PATH
        bash {tmp_path}/part.sh
        {before}
        program=$(sed -n 's/^ExecStartPre=//p' /etc/systemd/system/kubelet.service.d/50-bastide-weights.conf)
        $program
        echo model > {node_user_data.WEIGHTS_FOLDER}/0/kept
        $program
        cat {node_user_data.WEIGHTS_FOLDER}/0/kept
        grep -c ' {node_user_data.WEIGHTS_FOLDER}/' /proc/self/mounts
        find /mnt /var/lib -name kept
    """
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", node],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


RAID = "mkdir -p /mnt/k8s-disks/0 && mount -t tmpfs none /mnt/k8s-disks/0"


def test_volumes_are_mounted_from_the_instance_store_and_a_second_start_changes_nothing(
    tmp_path: Path,
) -> None:
    text = node_user_data.al2023(local_storage=True, weight_volumes=8) or ""
    done = run_twice(tmp_path, text, RAID)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == ["systemctl daemon-reload", "model", "8"]
    assert "/mnt/k8s-disks/0/bastide-weights/0/kept" in lines


def test_kubelet_does_not_start_on_a_node_without_its_instance_store(tmp_path: Path) -> None:
    text = node_user_data.al2023(local_storage=True, weight_volumes=8) or ""
    done = run_twice(tmp_path, text, "true")
    assert done.returncode != 0
    assert "/mnt/k8s-disks/0 is not mounted" in done.stderr


def test_without_an_instance_store_they_lie_on_the_root_disk(tmp_path: Path) -> None:
    done = run_twice(tmp_path, node_user_data.al2023(local_storage=False, weight_volumes=2) or "", "true")
    assert done.returncode == 0, done.stderr
    assert "2" in done.stdout.splitlines()
    assert "/var/lib/bastide-weights/0/kept" in done.stdout.splitlines()


def test_user_data_is_one_document_of_well_formed_parts() -> None:
    text = node_user_data.al2023(local_storage=True, weight_volumes=8) or ""
    assert text.startswith("MIME-Version: 1.0\n")
    assert text.endswith(f"\n\n--{node_user_data.BOUNDARY}--\n")
    assert re.findall(r"^Content-Type: (\S+)", text, re.MULTILINE) == [
        "multipart/mixed;",
        "application/node.eks.aws",
        "text/x-shellscript;",
    ]


@pytest.mark.parametrize(
    ("weights", "volumes"), [({"kind": "pod"}, 0), ({"kind": "node", "sizeGib": 400}, 8)]
)
def test_a_node_has_a_volume_for_each_pod_that_its_gpus_allow(
    weights: dict[str, object], volumes: int
) -> None:
    raw = read_stack_file(SANDBOX)
    raw["pools"][0]["weights"] = weights
    pool = Settings.load(raw).pools[0]
    assert pool_plan.weight_volumes(pool) == volumes
    assert ("VOLUMES=8" in (pool_plan.user_data(pool) or "")) == bool(volumes)
