"""The sandbox-full stack: every part of a region, from nothing to nothing (`make prove PART=full`)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from .conftest import Sandbox, Stack

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("full")]

NAME = "sandbox-full"
CLUSTER = "full-sandbox-us-east-1"


@pytest.fixture(scope="module")
def full(sandbox: Sandbox) -> Stack:
    """The committed stack file, applied."""
    initialised = sandbox.run("pulumi", "stack", "init", NAME)
    assert initialised.code == 0, initialised.text
    stack = Stack(sandbox, sandbox.home / "Pulumi.full.yaml", NAME)
    stack.configure()
    first = stack.pulumi("preview")
    assert first.code == 0, first.text[-4000:]
    done = stack.up()
    assert done.code == 0, done.text[-6000:]
    return stack


def test_every_part_is_there_and_the_preview_after_it_is_empty(full: Stack) -> None:
    counted = Counter(each["type"] for each in full.state() if each["custom"])
    for kind, count in {
        "aws:eks/nodeGroup:NodeGroup": 4,
        "aws:eks/accessEntry:AccessEntry": 6,
        "aws:cloudwatch/metricAlarm:MetricAlarm": 1,
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": 1,
        "aws:s3/inventory:Inventory": 1,
        "kubernetes:helm.sh/v3:Release": 8,
        "kubernetes:cert-manager.io/v1:Issuer": 3,
        "kubernetes:karpenter.sh/v1:NodePool": 1,
        "kubernetes:scheduling.k8s.io/v1:PriorityClass": 3,
    }.items():
        assert counted[kind] == count, (kind, counted)
    assert full.steps() == []


def test_what_has_no_controller_here_is_said_by_status(full: Stack, sandbox: Sandbox) -> None:
    said = sandbox.run("bastide", "sandbox", "status").text
    assert "left out" in said
    assert "cert-manager" in said
    assert "NodePool" in said


def test_the_serving_pods_have_priority_over_the_batch_pod(full: Stack, sandbox: Sandbox) -> None:
    pods = sandbox.kubectl("get", "pods", "--namespace", "bastide-serving")["items"]
    priority = {pod["metadata"]["name"]: pod["spec"]["priority"] for pod in pods}
    assert priority["vllm-chat-0"] == priority["vllm-chat-1"] > priority["vllm-nightly-0"]
    nodes = {node["metadata"]["name"]: node for node in sandbox.kubectl("get", "nodes")["items"]}
    nightly = next(pod for pod in pods if pod["metadata"]["name"] == "vllm-nightly-0")
    assert nodes[nightly["spec"]["nodeName"]]["metadata"]["labels"]["bastide.dev/pool"] == "g6e"


def test_the_identity_table_says_who_can_do_what_from_the_applied_policies(
    full: Stack, sandbox: Sandbox
) -> None:
    seen = sandbox.run("bastide", "identity", "table", "--stack", NAME, "--json")
    assert seen.code == 0, seen.text
    assert "Traceback" not in seen.text
    rows: list[dict[str, Any]] = json.loads(seen.text)
    readers = {
        row["principal"]
        for row in rows
        if row["action"] == "s3:GetObject" and f"{CLUSTER}-models" in row["resource"]
    }
    assert any("vllm-chat" in reader for reader in readers), readers
    assert any("break-glass" in str(row) for row in rows)


@pytest.mark.proof
def test_destroy_leaves_nothing_but_keys_that_wait_for_deletion(full: Stack, sandbox: Sandbox) -> None:
    gone = full.pulumi("destroy", "--yes", "--skip-preview")
    assert gone.code == 0, gone.text[-6000:]
    ec2 = sandbox.aws("ec2")
    assert sandbox.aws("eks").list_clusters()["clusters"] == []
    assert [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]] == []
    assert sandbox.aws("s3").list_buckets()["Buckets"] == []
    assert sandbox.aws("sns").list_topics()["Topics"] == []
    assert "QueueUrls" not in sandbox.aws("sqs").list_queues()
    assert sandbox.aws("events").list_rules()["Rules"] == []
    assert sandbox.aws("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert sandbox.aws("iam").list_instance_profiles()["InstanceProfiles"] == []
    assert sandbox.aws("logs").describe_log_groups()["logGroups"] == []
    roles = [role["RoleName"] for role in sandbox.aws("iam").list_roles()["Roles"]]
    assert [role for role in roles if role.startswith(CLUSTER)] == []
