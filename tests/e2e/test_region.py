"""The sandbox region from nothing to nothing, by literal commands. The tests follow one another in this order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bastide.repair.run import half_written
from tests.waits import until

from .conftest import BIN, ROOT, Sandbox, Stack, write_project

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("region")]

CLUSTER = "bastide-sandbox-us-east-1"


def _operations(steps: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Resource type -> operations, from a preview's steps."""
    found: dict[str, set[str]] = {}
    for step in steps:
        found.setdefault(step["urn"].split("::")[2].split("$")[-1], set()).add(step["op"])
    return found


def _pods(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The pods of the engine `chat`."""
    items: list[dict[str, Any]] = sandbox.kubectl("get", "pods", "--namespace", "bastide-serving")["items"]
    return [pod for pod in items if pod["metadata"]["name"].startswith("vllm-chat-")]


def _killed(stack: Stack, mark: str, log: Path) -> None:
    """Starts `pulumi up` and kills the engine with -9 once `mark` appears in its output."""
    with log.open("w") as output:
        process = subprocess.Popen(
            stack.command("up", "--yes", "--skip-preview"),
            cwd=ROOT,
            env=stack.sandbox.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def goes_on() -> None:
            assert process.poll() is None, f"up ended before {mark!r} was seen:\n{log.read_text()}"

        until(lambda: mark in log.read_text(), mark, goes_on=goes_on)
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_five_mistakes_are_five_errors_with_paths_and_register_nothing(stack: Stack) -> None:
    def spoil(config: dict[str, Any]) -> None:
        config["bastide:pools"][0]["instanceType"] = "p5.49xlarge"
        config["bastide:network"]["zones"][2] = "us-west-2a"
        config["bastide:engines"][0]["model"] = "unknown-model"
        config["bastide:cloud"]["accountId"] = "123"
        config["bastide:cluster"]["kubernetesVersoin"] = "1.34"

    stack.configure(spoil)
    try:
        seen = stack.pulumi("preview")
    finally:
        stack.configure()
    assert seen.code != 0
    for path in (
        "bastide:pools[0].instanceType",
        "bastide:network.zones[2]",
        "bastide:engines[0].model",
        "bastide:cloud.accountId",
        "bastide:cluster.kubernetesVersoin",
    ):
        assert path in seen.text, seen.text
    assert "5 mistakes" in seen.text
    assert "Traceback" not in seen.text
    assert stack.state() == []


def test_the_first_preview_shows_every_kubernetes_object_before_there_is_a_cluster(stack: Stack) -> None:
    kinds = _operations(stack.steps())
    assert "aws:eks/cluster:Cluster" in kinds
    assert "kubernetes:helm.sh/v3:Release" in kinds
    assert "kubernetes:core/v1:Namespace" in kinds
    assert all(operations == {"create"} for operations in kinds.values())


def test_an_up_killed_in_the_middle_is_repaired_and_makes_nothing_twice(
    stack: Stack, sandbox: Sandbox, tmp_path: Path
) -> None:
    _killed(stack, "aws:eks:NodeGroup", tmp_path / "killed.log")
    blocked = stack.up()
    assert blocked.code != 0
    # By its lock; or, where the kill met the backend in the middle of a file, by what that file lacks.
    if half_written(sandbox.home / "pulumi-state", "bastide", "sandbox"):
        assert "EOF" in blocked.text or "lock" in blocked.text
    else:
        assert "lock" in blocked.text

    repaired = sandbox.run(str(BIN / "bastide"), "stack", "repair", "sandbox")
    assert repaired.code == 0, repaired.text
    done = stack.up()
    assert done.code == 0, done.text

    ec2, eks = sandbox.aws("ec2"), sandbox.aws("eks")
    assert eks.list_clusters()["clusters"] == [CLUSTER]
    assert len(eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"]) == 2
    ours = [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
    assert len(ours) == 1
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [ours[0]["VpcId"]]}])["Subnets"]
    assert all(count == 1 for count in Counter(subnet["CidrBlock"] for subnet in subnets).values())
    roles = Counter(role["RoleName"] for role in sandbox.aws("iam").list_roles()["Roles"])
    assert all(count == 1 for count in roles.values())
    recorded = [resource for resource in stack.state() if resource["type"] == "aws:kms/key:Key"]
    assert len(_customer_keys(sandbox)) == len(recorded)


def test_the_preview_after_up_is_empty(stack: Stack) -> None:
    assert stack.steps() == []


def test_the_real_scheduler_placed_the_engine_on_p5_nodes_and_helm_lists_it(sandbox: Sandbox) -> None:
    pods = _pods(sandbox)
    nodes = {node["metadata"]["name"]: node for node in sandbox.kubectl("get", "nodes")["items"]}
    assert len(pods) == 2
    used = [nodes[pod["spec"]["nodeName"]] for pod in pods]
    assert {node["metadata"]["labels"]["node.kubernetes.io/instance-type"] for node in used} == {
        "p5.48xlarge"
    }
    assert len({node["metadata"]["name"] for node in used}) == 2
    assert {node["status"]["allocatable"]["nvidia.com/gpu"] for node in used} == {"8"}
    listed = json.loads(sandbox.run("helm", "list", "--all-namespaces", "--output", "json").text)
    assert {(release["namespace"], release["status"]) for release in listed} >= {
        ("bastide-serving", "deployed"),
        ("bastide-system", "deployed"),
    }


def test_kubectl_and_boto3_show_the_same_pool(sandbox: Sandbox) -> None:
    group = sandbox.aws("eks").describe_nodegroup(clusterName=CLUSTER, nodegroupName=_pool(sandbox, "p5"))[
        "nodegroup"
    ]
    instances = [
        instance
        for reservation in sandbox.aws("ec2").describe_instances(
            Filters=[
                {"Name": "tag:eks:nodegroup-name", "Values": [group["nodegroupName"]]},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
        )["Reservations"]
        for instance in reservation["Instances"]
    ]
    nodes = sandbox.kubectl("get", "nodes", "--selector", "bastide.dev/pool=p5")["items"]
    assert group["status"] == "ACTIVE"
    assert group["scalingConfig"]["desiredSize"] == len(instances) == len(nodes) == 2
    assert {instance["PrivateDnsName"] for instance in instances} == {
        node["metadata"]["name"] for node in nodes
    }
    for node in nodes:
        assert node["metadata"]["labels"].items() >= group["labels"].items()
        assert {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"} in node["spec"]["taints"]


def _pool(sandbox: Sandbox, name: str) -> str:
    groups: list[str] = sandbox.aws("eks").list_nodegroups(clusterName=CLUSTER)["nodegroups"]
    return next(group for group in groups if name in group)


def test_a_published_model_is_whole_verified_and_never_overwritten(sandbox: Sandbox, tmp_path: Path) -> None:
    bastide, folder = str(BIN / "bastide"), tmp_path / "tiny"
    publish = (
        bastide, "model", "publish", str(folder),
        "--name", "tiny-qwen2", "--version", "1.0.0", "--stack", "sandbox",
        "--licence", "Apache-2.0", "--source", "bastide model make-tiny",
    )  # fmt: skip
    assert sandbox.run(bastide, "model", "make-tiny", str(folder)).code == 0
    first = sandbox.run(*publish)
    assert first.code == 0, first.text
    again = sandbox.run(*publish)
    assert again.code == 0, again.text
    assert "already published" in again.text
    url = f"s3://{CLUSTER}-models-123456789012/models/tiny-qwen2/1.0.0"
    assert sandbox.run(bastide, "model", "verify", url).code == 0

    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    other = sandbox.run(*publish)
    assert other.code != 0
    assert "1.0.0" in other.text
    assert "Traceback" not in other.text


CLUSTER_PROGRAM = """
import pathlib, pulumi, pulumi_kubernetes as k
here = pulumi.ResourceOptions(provider=k.Provider("k8s", kubeconfig=pathlib.Path(KUBECONFIG).read_text(),
    enable_server_side_apply=True))
{body}
"""

KIND_AND_OBJECT = """
names = {"plural": "quotas", "singular": "quota", "kind": "Quota"}
version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object",
    "properties": {"spec": {"type": "object", "properties": {"tokens": {"type": "integer"}}}}}}}
kind = k.apiextensions.v1.CustomResourceDefinition("kind", metadata={"name": "quotas.test.bastide.dev"},
    spec={"group": "test.bastide.dev", "scope": "Namespaced", "names": names, "versions": [version]}, opts=here)
k.apiextensions.CustomResource("one", api_version="test.bastide.dev/v1", kind="Quota",
    metadata={"name": "one", "namespace": "bastide-serving"}, spec={"tokens": 7},
    opts=pulumi.ResourceOptions.merge(here, pulumi.ResourceOptions(depends_on=[kind])))
"""

MISSPELT = """
pulumi.CustomResource("kubernetes:core/v1:ConfigMap", "map", {"apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "map", "namespace": "bastide-serving"}, "dta": {"a": "b"}}, here)
"""


def _cluster_project(sandbox: Sandbox, folder: Path, stack: str, body: str) -> Path:
    kubeconfig = f"KUBECONFIG = {sandbox.env['KUBECONFIG']!r}\n"
    return write_project(sandbox, folder, stack, "sandbox", kubeconfig + CLUSTER_PROGRAM.format(body=body))


def test_a_run_that_brings_a_kind_and_its_objects_works(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = _cluster_project(sandbox, tmp_path, "sandbox-kind", KIND_AND_OBJECT)
    previewed = sandbox.run("pulumi", "preview", "--non-interactive", cwd=folder)
    assert previewed.code == 0, previewed.text
    done = sandbox.run("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", cwd=folder)
    assert done.code == 0, done.text
    made = sandbox.kubectl("get", "quotas.test.bastide.dev", "one", "--namespace", "bastide-serving")
    assert made["spec"] == {"tokens": 7}
    gone = sandbox.run("pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive", cwd=folder)
    assert gone.code == 0, gone.text


def test_a_misspelt_kubernetes_field_is_refused_at_preview_by_the_api_server(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = _cluster_project(sandbox, tmp_path, "sandbox-misspelt", MISSPELT)
    seen = sandbox.run("pulumi", "preview", "--non-interactive", cwd=folder)
    assert seen.code != 0
    assert "dta" in seen.text, seen.text
    assert "Traceback" not in seen.text


def test_aws_create_only_lists_tell_replacement_from_update(stack: Stack) -> None:
    def bigger_disk_and_tag(config: dict[str, Any]) -> None:
        config["bastide:pools"][0]["diskGib"] = 600

    stack.configure(bigger_disk_and_tag)
    changed = _operations(stack.steps())
    assert changed["aws:ec2/launchTemplate:LaunchTemplate"] == {"update"}
    assert changed["aws:eks/nodeGroup:NodeGroup"] == {"update"}

    def other_zones(config: dict[str, Any]) -> None:
        config["bastide:pools"][0]["zones"] = ["us-east-1a"]

    stack.configure(other_zones)
    steps = [step for step in stack.steps() if "nodeGroup" in step["urn"]]
    stack.configure()
    assert {step["op"] for step in steps} & {"replace", "create-replacement"}
    assert any("subnetIds" in (step.get("replaceReasons") or []) for step in steps)


@pytest.mark.proof
def test_three_replicas_on_two_nodes_end_with_the_schedulers_reason_and_two_converge(
    stack: Stack, sandbox: Sandbox
) -> None:
    def three(config: dict[str, Any]) -> None:
        config["bastide:pools"][0]["size"] = 3
        config["bastide:engines"][0]["replicas"] = 3
        config["bastide:rolloutTimeoutSeconds"] = 30

    assert sandbox.run(str(BIN / "bastide"), "sandbox", "fault", "capacity", "p5=2").code == 0
    stack.configure(three)
    try:
        short = stack.up()
        assert short.code != 0
        assert "Insufficient nvidia.com/gpu" in short.text, short.text
        assert "Unschedulable" in short.text
        assert "InsufficientInstanceCapacity" in short.text
    finally:
        stack.configure()
        sandbox.run(str(BIN / "bastide"), "sandbox", "fault", "clear")
    done = stack.up()
    assert done.code == 0, done.text
    assert len(_pods(sandbox)) == 2
    assert stack.steps() == []


def test_drift_made_by_hand_is_seen_by_refresh_and_undone_by_up(stack: Stack, sandbox: Sandbox) -> None:
    vpc = next(v for v in sandbox.aws("ec2").describe_vpcs()["Vpcs"] if not v["IsDefault"])["VpcId"]
    sandbox.aws("ec2").modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    edited = sandbox.run(
        "kubectl", "label", "namespace", "bastide-serving", "--overwrite",
        "pod-security.kubernetes.io/enforce=privileged",
    )  # fmt: skip
    assert edited.code == 0, edited.text

    seen = stack.pulumi("refresh", "--yes", "--skip-preview", "--diff")
    assert seen.code == 0, seen.text
    assert "enableDnsHostnames" in seen.text
    assert "pod-security.kubernetes.io/enforce" in seen.text
    done = stack.up()
    assert done.code == 0, done.text
    attribute = sandbox.aws("ec2").describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")
    assert attribute["EnableDnsHostnames"]["Value"] is True
    labels = sandbox.kubectl("get", "namespace", "bastide-serving")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def _release_status(sandbox: Sandbox) -> str:
    """Helm's status of the engine `chat`."""
    found = sandbox.run("helm", "list", "--all", "--namespace", "bastide-serving", "-o", "json")
    (status,) = [each["status"] for each in json.loads(found.text) if each["name"] == "vllm-chat"]
    return str(status)


@pytest.mark.proof
def test_a_helm_upgrade_killed_in_the_middle_is_repaired(
    stack: Stack, sandbox: Sandbox, tmp_path: Path
) -> None:
    def never_ready(config: dict[str, Any]) -> None:
        config["bastide:engines"][0]["replicas"] = 3

    stack.configure(never_ready)
    log = tmp_path / "helm.log"
    process = None
    with log.open("w") as output:
        process = subprocess.Popen(
            stack.command("up", "--yes", "--skip-preview"),
            cwd=ROOT, env=sandbox.env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip

        def goes_on() -> None:
            assert process.poll() is None, log.read_text()

        until(lambda: _release_status(sandbox) == "pending-upgrade", every=0, goes_on=goes_on)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    stack.configure()
    repaired = sandbox.run(str(BIN / "bastide"), "stack", "repair", "sandbox")
    assert repaired.code == 0, repaired.text
    assert _release_status(sandbox) == "pending-upgrade", "it is the provider's to repair, at the next up"

    done = stack.up()
    assert done.code == 0, done.text
    assert _release_status(sandbox) == "deployed"
    assert len(_pods(sandbox)) == 2


def test_destroy_leaves_nothing_but_keys_that_wait_for_deletion(stack: Stack, sandbox: Sandbox) -> None:
    gone = stack.pulumi("destroy", "--yes", "--skip-preview")
    assert gone.code == 0, gone.text
    assert sandbox.aws("eks").list_clusters()["clusters"] == []
    assert [v for v in sandbox.aws("ec2").describe_vpcs()["Vpcs"] if not v["IsDefault"]] == []
    assert sandbox.aws("s3").list_buckets()["Buckets"] == []
    roles = [role["RoleName"] for role in sandbox.aws("iam").list_roles()["Roles"]]
    assert [role for role in roles if "bastide" in role] == []
    assert sandbox.aws("logs").describe_log_groups()["logGroups"] == []
    assert sandbox.aws("sns").list_topics()["Topics"] == []
    assert "QueueUrls" not in sandbox.aws("sqs").list_queues()
    assert sandbox.aws("events").list_rules()["Rules"] == []
    assert sandbox.aws("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert sandbox.aws("iam").list_instance_profiles()["InstanceProfiles"] == []
    ec2 = sandbox.aws("ec2")
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert ec2.describe_addresses()["Addresses"] == []
    states = [
        instance["State"]["Name"]
        for found in ec2.describe_instances()["Reservations"]
        for instance in found["Instances"]
    ]
    assert set(states) == {"terminated"}
    assert {
        key["Description"] for key in _customer_keys(sandbox) if key["KeyState"] != "PendingDeletion"
    } == set()


def _customer_keys(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Metadata of the account's own keys; those that AWS manages for its services cost nothing and stay."""
    kms = sandbox.aws("kms")
    managed = {
        alias["TargetKeyId"]
        for alias in kms.list_aliases()["Aliases"]
        if alias["AliasName"].startswith("alias/aws/") and "TargetKeyId" in alias
    }
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    return [key for key in keys if key["KeyId"] not in managed]
