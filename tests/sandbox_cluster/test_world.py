"""One world with one cluster, by the commands and clients that a person would use. About 40 s."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.daemon import processes
from sandbox.environment import full_environment
from sandbox.state import ACCOUNT_ID, World, aws_client, home
from tests.waits import PATIENCE_S, until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("cluster-world")]

BASTIDE = str(Path(sys.executable).parent / "bastide")
REGION = "us-east-1"
PLUGIN = "nvcr.io/nvidia/k8s-device-plugin:v0.17.1"
FOLDER = "/var/lib/kubelet/device-plugins"
TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}


def bastide(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BASTIDE, "sandbox", *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("cluster-world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASTIDE_SANDBOX_HOME", str(folder))
        started = bastide("up")
        assert started.returncode == 0, started.stdout + started.stderr
        try:
            yield World.find()
        finally:
            bastide("down")


def client(world: World, service: str) -> Any:
    return aws_client(service, REGION, world.aws_endpoint)


@pytest.fixture(scope="module")
def roles(world: World) -> dict[str, str]:
    iam = client(world, "iam")
    for name, service in (("cluster", "eks.amazonaws.com"), ("node", "ec2.amazonaws.com")):
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    policies = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy")
    for policy in policies:
        iam.attach_role_policy(RoleName="node", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    iam.attach_role_policy(RoleName="cluster", PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
    return {name: f"arn:aws:iam::{ACCOUNT_ID}:role/{name}" for name in ("cluster", "node")}


@pytest.fixture(scope="module")
def subnets(world: World) -> list[str]:
    ec2 = client(world, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=REGION + zone)
        for i, zone in enumerate("ab")
    ]
    return [answer["Subnet"]["SubnetId"] for answer in made]


@pytest.fixture(scope="module")
def cluster(world: World, roles: dict[str, str], subnets: list[str]) -> dict[str, Any]:
    eks = client(world, "eks")
    eks.create_cluster(
        name="one",
        version="1.33",
        roleArn=roles["cluster"],
        resourcesVpcConfig={"subnetIds": subnets},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
    )

    def active() -> Any:
        found = eks.describe_cluster(name="one")["cluster"]
        return found if found["status"] == "ACTIVE" else None

    found: dict[str, Any] = until(active, "the cluster is ACTIVE")
    return found


def make_group(world: World, roles: dict[str, str], subnets: list[str], name: str, **given: Any) -> None:
    eks = client(world, "eks")
    size = given.pop("size")
    eks.create_nodegroup(
        clusterName="one",
        nodegroupName=name,
        subnets=subnets,
        nodeRole=roles["node"],
        scalingConfig={"minSize": 0, "maxSize": 4, "desiredSize": size},
        **given,
    )
    until(lambda: group_status(world, name)["status"] == "ACTIVE", f"{name} is ACTIVE")


def group_status(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client(world, "eks").describe_nodegroup(clusterName="one", nodegroupName=name)[
        "nodegroup"
    ]
    return found


@pytest.fixture(scope="module")
def pool(world: World, cluster: dict[str, Any], roles: dict[str, str], subnets: list[str]) -> str:
    make_group(world, roles, subnets, "system", size=1, instanceTypes=["m5.large"])
    make_group(
        world,
        roles,
        subnets,
        "p5",
        size=2,
        instanceTypes=["p5.48xlarge"],
        amiType="AL2023_x86_64_NVIDIA",
        labels={"bastide.dev/pool": "p5"},
        taints=[TAINT],
    )
    return "p5"


@lru_cache
def kept_token(world: World) -> Path:
    """A kubeconfig with one token for the whole run: asking `aws` each time would triple its length."""
    environment = full_environment(world)
    config = yaml.safe_load((home() / "kubeconfig").read_text())
    user = config["users"][0]["user"]
    plugin = user.pop("exec")
    done = subprocess.run(
        [plugin["command"], *plugin["args"]], env=environment, capture_output=True, text=True, check=True
    )
    user["token"] = json.loads(done.stdout)["status"]["token"]
    path = home() / "token.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


def kubectl(
    world: World, *words: str, given: Any = None, config: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kubectl", *words],
        input=json.dumps(given) if given else None,
        env=full_environment(world) | {"KUBECONFIG": str(config or kept_token(world))},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def items(world: World, *words: str) -> list[dict[str, Any]]:
    done = kubectl(world, "get", *words, "-o", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return found


def workload(kind: str, name: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        }
        | more,
    }


def gpus(world: World) -> dict[str, str]:
    nodes = items(world, "nodes", "-l", "bastide.dev/pool=p5")
    return {n["metadata"]["name"]: n["status"]["allocatable"].get("nvidia.com/gpu", "0") for n in nodes}


def test_up_again_leaves_the_world_as_it_is_and_says_so(world: World) -> None:
    again = bastide("up")
    assert again.returncode == 0
    assert "already runs" in again.stdout
    assert World.find() == world


def test_the_cluster_answers_the_operators_token_and_nobody_elses(
    world: World, cluster: dict[str, Any]
) -> None:
    who = kubectl(world, "auth", "whoami", "-o", "json", config=home() / "kubeconfig")
    assert who.returncode == 0, who.stderr
    user = json.loads(who.stdout)["status"]["userInfo"]
    assert user["username"].endswith("user/sandbox-operator")
    assert "system:authenticated" in user["groups"]
    nobody = home() / "nobody.kubeconfig"
    config = yaml.safe_load((home() / "kubeconfig").read_text())
    config["users"][0]["user"] = {"token": "k8s-aws-v1.nonsense"}
    nobody.write_text(json.dumps(config))
    assert "must be logged in" in kubectl(world, "get", "nodes", config=nobody).stderr


def test_nodes_have_what_aws_gives_their_instances(world: World, pool: str) -> None:
    nodes = items(world, "nodes", "-l", f"eks.amazonaws.com/nodegroup={pool}")
    ec2 = client(world, "ec2")
    found = ec2.describe_instances(Filters=[{"Name": "tag:eks:nodegroup-name", "Values": [pool]}])
    machines = {i["InstanceId"]: i for r in found["Reservations"] for i in r["Instances"]}
    assert {node["spec"]["providerID"].rsplit("/", 1)[1] for node in nodes} == set(machines)
    for node in nodes:
        machine = machines[node["spec"]["providerID"].rsplit("/", 1)[1]]
        assert (
            node["metadata"]["labels"]["topology.kubernetes.io/zone"]
            == machine["Placement"]["AvailabilityZone"]
        )
        assert node["status"]["capacity"]["cpu"] == "192"
        # Besides, a node may still carry Kubernetes's own taint of one that became ready a moment ago.
        own = [
            taint for taint in node["spec"]["taints"] if not taint["key"].startswith("node.kubernetes.io/")
        ]
        assert own == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]


def test_addons_run_on_the_nodes(world: World, pool: str) -> None:
    def names() -> bool:
        pods = items(world, "pods", "-n", "kube-system")
        running = [p["metadata"]["labels"].get("k8s-app") for p in pods if p["status"]["phase"] == "Running"]
        return (running.count("aws-node"), running.count("kube-proxy"), running.count("kube-dns")) == (
            3,
            3,
            2,
        )

    until(names, "three aws-node and kube-proxy pods, two of coredns")


def test_gpus_appear_with_the_device_plugin_and_the_scheduler_fills_them(world: World, pool: str) -> None:
    assert set(gpus(world).values()) == {"0"}
    plugin = {
        "nodeSelector": {"bastide.dev/pool": "p5"},
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {"name": "c", "image": PLUGIN, "volumeMounts": [{"name": "sockets", "mountPath": FOLDER}]}
        ],
        "volumes": [{"name": "sockets", "hostPath": {"path": FOLDER}}],
    }
    engine = {"containers": [{"name": "c", "image": "vllm", "resources": {"limits": {"nvidia.com/gpu": 8}}}]}
    kubectl(world, "apply", "-f", "-", given=workload("Deployment", "engine", engine, replicas=3))
    time.sleep(1)
    assert all(p["status"]["phase"] == "Pending" for p in items(world, "pods", "-l", "app=engine"))
    kubectl(world, "apply", "-f", "-", given=workload("DaemonSet", "plugin", plugin))
    until(lambda: set(gpus(world).values()) == {"8"}, "8 GPUs on both nodes")

    def phases() -> list[str]:
        return sorted(p["status"]["phase"] for p in items(world, "pods", "-l", "app=engine"))

    until(lambda: phases() == ["Pending", "Running", "Running"], "two of three engines run")
    waiting = next(p for p in items(world, "pods", "-l", "app=engine") if p["status"]["phase"] == "Pending")
    assert "Insufficient nvidia.com/gpu" in waiting["status"]["conditions"][0]["message"]
    kubectl(world, "delete", "daemonset/plugin", "deployment/engine", "--wait")
    until(lambda: set(gpus(world).values()) == {"0"}, "no GPU without the plugin")


def test_a_pod_without_its_secret_waits_and_starts_once_it_is_there(world: World, pool: str) -> None:
    spec = {"containers": [{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "later"}}]}]}
    kubectl(world, "apply", "-f", "-", given=workload("Deployment", "waits", spec))

    def reason() -> str:
        pods = items(world, "pods", "-l", "app=waits")
        state = (pods[0]["status"].get("containerStatuses") or [{}])[0].get("state", {}) if pods else {}
        return str(state.get("waiting", {}).get("reason", next(iter(state), "")))

    until(lambda: reason() == "CreateContainerConfigError", "the kubelet's reason")
    kubectl(world, "create", "secret", "generic", "later", "--from-literal=a=b")
    until(lambda: reason() == "running", "it runs")
    kubectl(world, "delete", "deployment/waits", "secret/later")


def test_fifty_pods_are_ready_moments_after_they_are_bound(world: World, pool: str) -> None:
    spec = {"tolerations": [{"operator": "Exists"}], "containers": [{"name": "c", "image": "i"}]}
    kubectl(world, "apply", "-f", "-", given=workload("Deployment", "many", spec, replicas=50))

    def moments(kind: str) -> list[str]:
        pods = items(world, "pods", "-l", "app=many")
        return [
            c["lastTransitionTime"]
            for p in pods
            for c in p["status"].get("conditions", [])
            if c["type"] == kind and c["status"] == "True"
        ]

    until(lambda: len(moments("Ready")) == 50, "all are ready")
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    bound, ready = (max(time.strptime(m, stamp) for m in moments(k)) for k in ("PodScheduled", "Ready"))
    # Within the same second on an idle machine of 2 cores (docs/sandbox.md); a test machine is seldom idle.
    assert time.mktime(ready) - time.mktime(bound) <= 30
    addresses = [p["status"]["podIP"] for p in items(world, "pods", "-l", "app=many")]
    assert len(set(addresses)) == 50
    kubectl(world, "delete", "deployment/many", "--wait")
    until(lambda: not items(world, "pods", "-l", "app=many"), "they are gone")


def test_a_short_aws_leaves_the_group_degraded_until_the_fault_is_lifted(world: World, pool: str) -> None:
    assert bastide("fault", "capacity", "p5=2").returncode == 0
    assert "2 instances of p5" in bastide("status").stdout
    eks = client(world, "eks")
    eks.update_nodegroup_config(clusterName="one", nodegroupName=pool, scalingConfig={"desiredSize": 3})
    issues = until(lambda: group_status(world, pool)["health"]["issues"], "the group is DEGRADED")
    assert "InsufficientInstanceCapacity" in issues[0]["message"]
    assert len(gpus(world)) == 2
    assert bastide("fault", "clear").returncode == 0
    until(lambda: len(gpus(world)) == 3, "the third node joins")


def test_an_instance_that_goes_takes_its_node_and_pods_with_it(world: World, pool: str) -> None:
    eks = client(world, "eks")
    eks.update_nodegroup_config(clusterName="one", nodegroupName=pool, scalingConfig={"desiredSize": 1})
    until(lambda: len(gpus(world)) == 1, "one node is left")
    names = {node["metadata"]["name"] for node in items(world, "nodes")}
    until(
        lambda: {p["spec"].get("nodeName") for p in items(world, "pods", "-A")} <= {*names, None},
        "no pod names a node that is gone",
    )


def test_an_access_entry_opens_the_cluster_to_a_role_with_its_policy_only(
    world: World, cluster: dict[str, Any], roles: dict[str, str]
) -> None:
    eks = client(world, "eks")
    eks.create_access_entry(clusterName="one", principalArn=roles["cluster"])
    eks.associate_access_policy(
        clusterName="one",
        principalArn=roles["cluster"],
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
        accessScope={"type": "namespace", "namespaces": ["default"]},
    )
    session = client(world, "sts").assume_role(RoleArn=roles["cluster"], RoleSessionName="ada")["Credentials"]
    config = yaml.safe_load((home() / "kubeconfig").read_text())
    for variable in config["users"][0]["user"]["exec"]["env"]:
        variable["value"] = {
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        }.get(variable["name"], variable["value"])
    token = {"name": "AWS_SESSION_TOKEN", "value": session["SessionToken"]}
    config["users"][0]["user"]["exec"]["env"].append(token)
    path = home() / "ada.kubeconfig"
    path.write_text(json.dumps(config))

    def may(*words: str) -> str:
        return kubectl(world, "auth", "can-i", *words, config=path).stdout.strip()

    until(lambda: may("get", "pods", "-n", "default") == "yes", "the view in one namespace")
    assert may("get", "pods", "-n", "kube-system") == "no"
    assert may("delete", "pods", "-n", "default") == "no"


def test_a_deleted_cluster_takes_its_processes_and_context_with_it(world: World, pool: str) -> None:
    eks = client(world, "eks")
    for name in ("p5", "system"):
        eks.delete_nodegroup(clusterName="one", nodegroupName=name)
    until(lambda: not eks.list_nodegroups(clusterName="one")["nodegroups"], "no group")
    eks.delete_cluster(name="one")
    until(lambda: not eks.list_clusters()["clusters"], "no cluster")

    def alive() -> set[str]:
        return {process.part for process in processes.read(home()) if process.alive()}

    until(lambda: alive() == {"daemon", "aws"}, "two processes")
    assert "one" not in (home() / "kubeconfig").read_text()


def test_down_leaves_no_process_and_says_what_is_gone(world: World) -> None:
    recorded = processes.read(home())
    ended = bastide("down")
    assert ended.returncode == 0, ended.stderr
    assert "none left" in ended.stdout
    assert "Pulumi state" in ended.stdout
    assert not any(process.alive() for process in recorded)
    assert not (home() / "world.json").exists()
    assert "no sandbox runs" in bastide("down").stdout
