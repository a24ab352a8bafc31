"""`bastide sandbox reach` on a real API server: the chart's own policies and pods beside the kit's namespaces. 30 s."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.environment import full_environment
from sandbox.state import ACCOUNT_ID, World, aws_client
from tests.charts.conftest import ROOT, helm
from tests.waits import until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("reach-world")]

BASTIDE = str(Path(sys.executable).parent / "bastide")
REGION = "us-east-1"
PART_OF = {"app.kubernetes.io/part-of": "bastide"}
SHUT = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
ENGINE = "bastide-serving/StatefulSet/vllm-chat"


def bastide(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BASTIDE, "sandbox", *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path_factory.mktemp("reach-world")))
        started = bastide("up")
        assert started.returncode == 0, started.stdout + started.stderr
        try:
            yield World.find()
        finally:
            bastide("down")


def kubectl(world: World, *words: str, given: Any = None) -> str:
    done = subprocess.run(
        ["kubectl", *words],
        input=None if given is None else yaml.safe_dump_all(given),
        env=full_environment(world),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def deployment(namespace: str, name: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    container = {"name": "it", "image": "it"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name, **labels}},
                "spec": {"containers": [container], **spec},
            },
        },
    }


def policy(namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def cluster(world: World) -> World:
    iam, ec2, eks = (aws_client(each, REGION, world.aws_endpoint) for each in ("iam", "ec2", "eks"))
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "eks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="cluster", AssumeRolePolicyDocument=trust)
    iam.attach_role_policy(RoleName="cluster", PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{i}.0/24", AvailabilityZone=REGION + zone)["Subnet"][
            "SubnetId"
        ]
        for i, zone in enumerate("ab")
    ]
    eks.create_cluster(
        name="one",
        version="1.34",
        roleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/cluster",
        resourcesVpcConfig={"subnetIds": subnets},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
    )
    until(lambda: eks.describe_cluster(name="one")["cluster"]["status"] == "ACTIVE", "ACTIVE")
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in (("bastide-serving", PART_OF), ("bastide-gateway", PART_OF), ("tenant", {}))
    ]
    kubectl(world, "apply", "-f", "-", given=namespaces)
    gateway = {"bastide.dev/role": "gateway"}
    kubectl(
        world,
        "apply",
        "-f",
        "-",
        given=[
            *chart(),
            policy("bastide-serving", "default-deny", SHUT),
            policy("bastide-gateway", "default-deny", SHUT),
            policy(
                "bastide-gateway",
                "gateway",
                {"podSelector": {"matchLabels": gateway}, "egress": [{}], "policyTypes": ["Egress"]},
            ),
            deployment("bastide-gateway", "gateway", gateway),
            deployment("bastide-gateway", "stranger", {}),
            deployment("tenant", "gateway", gateway),  # the right label in a namespace that is not the kit's
        ],
    )
    until(lambda: "vllm-chat-0" in kubectl(world, "get", "pods", "-A", "-o", "name"), "the engine's pod")
    until(
        lambda: (
            all(
                each in kubectl(world, "get", "pods", "-A", "-o", "name")
                for each in ("gateway-", "stranger-", "coredns-")
            )
            and "gateway-" in kubectl(world, "get", "pods", "-n", "tenant", "-o", "name")
        ),
        "the others' pods",
    )
    return world


def chart() -> list[dict[str, Any]]:
    path = ROOT / "charts/vllm"
    values = path / "ci/sandbox-values.yaml"
    done = helm("template", "vllm-chat", str(path), "-n", "bastide-serving", "-f", str(values))
    assert done.returncode == 0, done.stderr
    kept = ("ConfigMap", "NetworkPolicy", "Service", "ServiceAccount", "StatefulSet")
    found = [each for each in yaml.safe_load_all(done.stdout) if each and each["kind"] in kept]
    for each in found:
        if each["kind"] == "StatefulSet":  # its class is the kit's, and not here
            each["spec"]["template"]["spec"].pop("priorityClassName", None)
            each["spec"]["replicas"] = 1
    return found


@pytest.fixture(scope="module")
def table(cluster: World) -> list[dict[str, Any]]:
    done = bastide("reach", "bastide-serving", "--json")
    assert done.returncode == 0, done.stderr
    return [row for row in json.loads(done.stdout) if row["workload"] == ENGINE]


def opened(table: list[dict[str, Any]], side: str) -> dict[str, set[tuple[str, int, int]]]:
    return {
        row["peer"]: {(each["protocol"], each["from"], each["to"]) for each in row["ports"]}
        for row in table
        if row["side"] == side and row["ports"]
    }


def test_only_the_gateway_monitoring_and_the_node_reach_the_engine(table: list[dict[str, Any]]) -> None:
    kit = "bastide-gateway, bastide-serving"
    own_test = "app.kubernetes.io/instance=vllm-chat and app.kubernetes.io/name=vllm-test"
    clients, metrics = {("TCP", 8000, 8000)}, {("TCP", 8002, 8002)}
    found = opened(table, "reached by")
    assert found.pop("its own node (kubelet: probes)")
    assert found == {
        f"any pod with bastide.dev/role=gateway in {kit}": clients,
        "bastide-gateway/Deployment/gateway": clients,
        f"any pod with {own_test} in bastide-serving": clients,  # `helm test`
        f"any pod with bastide.dev/role=monitoring in {kit}": metrics,
    }


def test_neither_strangers_nor_the_internet_nor_the_vpc_reach_the_engine(
    table: list[dict[str, Any]],
) -> None:
    shut = {row["peer"] for row in table if row["side"] == "reached by" and not row["ports"]}
    assert {
        "any pod without labels in any namespace",
        "any pod with bastide.dev/role=gateway in any other namespace",
        "bastide-gateway/Deployment/stranger",
        "tenant/Deployment/gateway",
        "kube-system/Deployment/coredns",
        "internet",
    } <= shut
    assert any(name.startswith("VPC 10.20.0.0/16") for name in shut)


def test_the_engine_reaches_dns_its_role_and_https_inside_and_nothing_else(
    table: list[dict[str, Any]],
) -> None:
    found = opened(table, "reaches")
    dns = {("TCP", 53, 53), ("UDP", 53, 53)}
    assert found.pop("kube-system/Deployment/coredns") >= dns
    assert found.pop("any pod with k8s-app=kube-dns in kube-system") == dns
    assert found.pop("Pod Identity agent 169.254.170.23/32") == {("TCP", 80, 80)}
    shut = {row["peer"] for row in table if row["side"] == "reaches" and not row["ports"]}
    assert {"internet", "instance metadata 169.254.169.254/32", "tenant/Deployment/gateway"} <= shut
    # The endpoints of S3 and KMS lie in the VPC, and so does all else that has an address there.
    assert all(ways == {("TCP", 443, 443)} for ways in found.values()), found
    assert any(name.startswith("VPC 10.20.0.0/16") for name in found)


def test_the_table_is_read_by_a_person(cluster: World) -> None:
    done = bastide("reach", "bastide-serving")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == ENGINE
    assert lines[1] == "  reached by"
    (shut, _) = [line for line in lines if line.startswith("    and not: ")]
    assert "internet" in shut
    one = bastide("reach", "bastide-serving", "--from", "internet", "--every")
    assert one.stdout.split() == [ENGINE, "reached", "by", "internet", "none"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere",), "there is no namespace 'nowhere'; there are: bastide-gateway, bastide-serving"),
        (("kube-public",), "no pod is in kube-public"),
        (("bastide-serving", "--from", "mars"), "nothing is called 'mars'; there are:\n"),
        (("bastide-serving", "--cluster", "two"), "there is no cluster 'two'; there are: one"),
    ],
)
def test_a_question_about_nothing_is_answered_with_what_there_is(
    cluster: World, words: tuple[str, ...], told: str
) -> None:
    done = bastide("reach", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
