"""A live node under small pods: what the real kubelet and our container runtime do together. About a minute.

The engines' own behaviour is in tests/e2e/test_live.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from sandbox.daemon.child import free_port
from sandbox.environment import full_environment
from sandbox.live import switch
from sandbox.state import ACCOUNT_ID, World, aws_client, home
from tests.waits import until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("live-nodes")]

BASTIDE = str(Path(sys.executable).parent / "bastide")
REGION = "us-east-1"
PORT = free_port()
CROWD = 12
"""Pods that start at once: half of the addresses that a live node has for pods."""
IMAGE = "registry.example/mirror/artifact-agent:0.1.0"

WEB: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "terminationGracePeriodSeconds": 5,
        "volumes": [{"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "32Mi"}}],
        "initContainers": [
            {
                "name": "first",
                "image": IMAGE,
                "command": [
                    "sh",
                    "-c",
                    "aws s3 ls && df -m /dev/shm && hostname && echo fine > /dev/termination-log",
                ],
                "volumeMounts": [{"name": "shared", "mountPath": "/dev/shm"}],  # noqa: S108
            }
        ],
        "containers": [
            {
                "name": "web",
                "image": IMAGE,
                "command": ["python3", "-m", "http.server", "8080"],
                "workingDir": "/usr/share",
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
                "livenessProbe": {"exec": {"command": ["test", "-d", "/proc/1"]}, "periodSeconds": 1},
                "securityContext": {"readOnlyRootFilesystem": True},
                "volumeMounts": [{"name": "shared", "mountPath": "/some/new/place"}],
            }
        ],
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a live node of one GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path_factory.mktemp("live")))
        for words in (["live", "on"], ["up"]):
            done = subprocess.run([BASTIDE, "sandbox", *words], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        try:
            assert switch.enabled()
            found = World.find()
            _node(found)
            yield found
        finally:
            subprocess.run([BASTIDE, "sandbox", "down"], capture_output=True, check=False)


def _node(world: World) -> None:
    iam, ec2, eks = (aws_client(name, REGION, world.aws_endpoint) for name in ("iam", "ec2", "eks"))
    for name, service in (("cluster", "eks.amazonaws.com"), ("node", "ec2.amazonaws.com")):
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    for role, *policies in (
        ("node", "AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy"),
        ("cluster", "AmazonEKSClusterPolicy"),
    ):
        for policy in policies:
            iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=REGION + zone)["Subnet"][
            "SubnetId"
        ]
        for i, zone in enumerate("ab")
    ]
    role = f"arn:aws:iam::{ACCOUNT_ID}:role/"
    eks.create_cluster(
        name="one",
        version="1.34",
        roleArn=f"{role}cluster",
        resourcesVpcConfig={"subnetIds": subnets},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
    )
    until(lambda: eks.describe_cluster(name="one")["cluster"]["status"] == "ACTIVE", "cluster")
    eks.create_nodegroup(
        clusterName="one",
        nodegroupName="g6e",
        subnets=subnets[:1],
        nodeRole=f"{role}node",
        instanceTypes=["g6e.xlarge"],
        amiType="AL2023_x86_64_NVIDIA",
        scalingConfig={"minSize": 0, "maxSize": 1, "desiredSize": 1},
    )
    until(
        lambda: (
            eks.describe_nodegroup(clusterName="one", nodegroupName="g6e")["nodegroup"]["status"] == "ACTIVE"
        ),
        "node group",
    )


def kubectl(world: World, *words: str, given: Any = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kubectl", *words],
        input=json.dumps(given) if given else None,
        env=full_environment(world),
        capture_output=True,
        text=True,
        check=False,
    )


def status(world: World) -> dict[str, Any]:
    text = kubectl(world, "get", "pod", "web", "--ignore-not-found", "-o", "json").stdout
    found: dict[str, Any] = json.loads(text)["status"] if text.strip() else {}
    return found


def ready(world: World) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status(world).get("conditions", []))


@pytest.fixture(scope="module")
def web(world: World) -> World:
    """A pod with a web server, and its Service."""
    until(
        lambda: kubectl(world, "get", "serviceaccount", "default").returncode == 0, "default service account"
    )
    for document in (WEB, SERVICE):
        made = kubectl(world, "apply", "-f", "-", given=document)
        assert made.returncode == 0, made.stderr
    until(lambda: ready(world), "the pod is ready")
    return world


def test_the_node_is_what_the_instance_type_says_and_not_this_machine(world: World) -> None:
    node = json.loads(kubectl(world, "get", "nodes", "-o", "json").stdout)["items"][0]
    assert node["status"]["capacity"]["cpu"] == "4"
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("bastide-live://")
    assert "nvidia.com/gpu" not in node["status"]["capacity"]  # no device plugin


def test_init_containers_run_to_their_end_with_volumes_names_and_aws(web: World) -> None:
    log = kubectl(web, "logs", "web", "--container", "first").stdout
    assert " 32 " in log  # the memory volume's size, in MiB
    assert log.rstrip().endswith("web")  # the pod's own host name
    ended = status(web)["initContainerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["message"].strip()) == (0, "fine")


def test_a_container_has_no_capability_a_read_only_root_and_its_own_processes(web: World) -> None:
    script = "touch /srv/x; touch /some/new/place/y && echo volume; grep CapBnd /proc/self/status; ls -d /proc/[0-9]*"
    done = kubectl(web, "exec", "web", "--", "sh", "-c", script)
    assert "Read-only file system" in done.stderr
    assert "volume" in done.stdout
    assert "CapBnd:\t0000000000000000" in done.stdout
    assert len([line for line in done.stdout.splitlines() if line.startswith("/proc/")]) <= 4


def test_a_service_leads_to_ready_pods_from_inside_and_from_this_machine(web: World) -> None:
    opened = subprocess.run(
        [BASTIDE, "sandbox", "forward", "default/web", "--port", str(PORT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert opened.returncode == 0, opened.stderr
    assert urllib3.request("GET", f"http://127.0.0.1:{PORT}/").status == 200
    fetch = "import urllib.request as u; print(u.urlopen('http://web.default.svc.cluster.local/').status)"
    assert kubectl(web, "exec", "web", "--", "python3", "-c", fetch).stdout.strip() == "200"


def test_a_port_that_leads_elsewhere_or_a_service_that_is_not_there_is_refused(web: World) -> None:
    for words, reason in (
        (["default/web", "--port", str(_taken())], "something else listens"),
        (["default/nobody"], "not found"),
        (["web"], "NAMESPACE/SERVICE"),
    ):
        done = subprocess.run(
            [BASTIDE, "sandbox", "forward", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert reason in done.stderr, done.stderr


def _taken() -> int:
    return int(World.find().aws_endpoint.rsplit(":", 1)[1])


def test_pods_that_start_at_the_same_moment_have_addresses_of_their_own(web: World) -> None:
    """Two with one address: the second's route takes it, and the first is never ready. Their containers have no program
    here, and are probed all the same."""
    probe = {"httpGet": {"path": "/", "port": 9090}, "periodSeconds": 1}
    crowd = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "crowd", "namespace": "default"},
        "spec": {
            "replicas": CROWD,
            "selector": {"matchLabels": {"app": "crowd"}},
            "template": {
                "metadata": {"labels": {"app": "crowd"}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "one", "image": "nobody/has-it:1", "readinessProbe": probe}],
                },
            },
        },
    }
    assert kubectl(web, "apply", "-f", "-", given=crowd).returncode == 0
    try:

        def all_ready() -> bool:
            found = json.loads(kubectl(web, "get", "deployment", "crowd", "-o", "json").stdout)
            return bool(found["status"].get("readyReplicas") == CROWD)

        until(all_ready, "all of them are ready")
        every = json.loads(kubectl(web, "get", "pods", "-o", "json").stdout)["items"]
        addresses = [each["status"]["podIP"] for each in every]
        assert len(set(addresses)) == len(addresses) == CROWD + 1
    finally:
        kubectl(web, "delete", "deployment", "crowd")


def test_a_killed_process_is_unready_and_restarted_by_the_kubelet(web: World) -> None:
    pid = _server()
    before = status(web)["containerStatuses"][0]["restartCount"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: status(web)["containerStatuses"][0]["restartCount"] > before, "restarted")
    assert status(web)["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
    until(lambda: ready(web), "ready again")
    assert not Path(f"/proc/{pid}").exists()


def _server() -> int:
    """The web server's process, as this machine numbers it."""
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if command == b"\0".join((b"python3", b"-m", b"http.server", b"8080", b"")):
            return int(entry.name)
    raise AssertionError("no web server runs")


def test_a_pod_that_is_deleted_leaves_its_service_without_an_open_port(web: World) -> None:
    assert kubectl(web, "delete", "pod", "web", "--wait").returncode == 0
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", f"http://127.0.0.1:{PORT}/", retries=False, timeout=5)


def test_down_leaves_no_process(world: World) -> None:
    agents = [int(pid) for pid in subprocess.run(
        ["pgrep", "-f", str(home())], capture_output=True, text=True, check=False
    ).stdout.split()]  # fmt: skip
    assert agents
    ended = subprocess.run([BASTIDE, "sandbox", "down"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in agents), "all gone")
    assert not (home() / "live").exists()
