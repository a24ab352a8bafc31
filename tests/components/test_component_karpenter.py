"""Karpenter: what it may do, what it hears, and the pools that it makes nodes for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from component_recording import Recording, Registered, region_of, stack

ELASTIC: dict[str, Any] = {
    "name": "elastic",
    "instanceType": "g6e.12xlarge",
    "provisioner": "karpenter",
    "fallbackInstanceTypes": ["g6e.24xlarge"],
    "size": {"min": 0, "max": 3},
    "capacity": {"kind": "spot"},
    "amiRelease": "1.34.6-20260818",
    "labels": {"team": "search"},
}
FIXED = {"name": "p5", "instanceType": "p5.48xlarge", "size": 2}


@pytest.fixture(scope="module")
def elastic() -> Recording:
    return region_of(stack("sandbox", pools=[FIXED, ELASTIC]))


def custom(recording: Recording, kind: str) -> Registered:
    (found,) = [each for each in recording.of(f":{kind}") if each.inputs.get("kind") == kind]
    return found


def test_without_such_a_pool_nothing_of_karpenter_is_there(sandbox: Recording) -> None:
    assert not [each.name for each in sandbox.found if "karpenter" in each.name or "sqs" in each.type]


def test_a_pool_has_either_a_node_group_or_a_node_pool(elastic: Recording) -> None:
    groups = {each.inputs["labels"]["bastide.dev/pool"] for each in elastic.of("nodeGroup:NodeGroup")}
    assert groups == {"system", "p5"}
    assert custom(elastic, "NodePool").inputs["metadata"]["name"] == "elastic"


def test_nodes_have_several_types_and_spot_before_on_demand(elastic: Recording) -> None:
    spec = custom(elastic, "NodePool").inputs["spec"]
    wanted = {each["key"]: each["values"] for each in spec["template"]["spec"]["requirements"]}
    assert wanted["node.kubernetes.io/instance-type"] == ["g6e.12xlarge", "g6e.24xlarge"]
    assert wanted["karpenter.sh/capacity-type"] == ["spot", "on-demand"]
    assert wanted["topology.kubernetes.io/zone"] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert spec["template"]["metadata"]["labels"] == {"bastide.dev/pool": "elastic", "team": "search"}
    assert spec["template"]["spec"]["taints"] == [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    ]
    assert spec["limits"] == {"nvidia.com/gpu": "12"}


def test_running_engines_are_not_moved_and_nodes_do_not_expire(elastic: Recording) -> None:
    spec = custom(elastic, "NodePool").inputs["spec"]
    assert spec["template"]["spec"]["expireAfter"] == "Never"
    disruption = spec["disruption"]
    assert disruption["consolidationPolicy"] == "WhenEmpty"
    budgets = {reason: each["nodes"] for each in disruption["budgets"] for reason in each["reasons"]}
    assert budgets == {"Empty": "100%", "Underutilized": "0", "Drifted": "1"}


def test_nodes_are_as_closed_as_those_of_a_node_group(elastic: Recording) -> None:
    spec = custom(elastic, "EC2NodeClass").inputs["spec"]
    assert spec["metadataOptions"]["httpTokens"] == "required"
    assert spec["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert spec["associatePublicIPAddress"] is False
    for each in spec["blockDeviceMappings"]:
        assert each["ebs"]["encrypted"] is True
        assert each["ebs"]["volumeType"] == "gp3"
    assert spec["amiSelectorTerms"] == [{"alias": "al2023@v20260818"}]
    assert spec["instanceProfile"] == "bastide-sandbox-us-east-1-karpenter-node"
    assert {each["id"] for each in spec["subnetSelectorTerms"]} == {
        f"bastide-network-private-us-east-1{zone}-id" for zone in "abc"
    }
    assert spec["tags"]["bastide:environment"] == "sandbox"


def test_a_bottlerocket_pool_has_its_own_disks_and_alias() -> None:
    pool = {
        **ELASTIC,
        "os": "bottlerocket",
        "amiRelease": "1.68.0-1a2b3c4d",
        "capacity": {"kind": "onDemand"},
    }
    recording = region_of(stack("sandbox", pools=[FIXED, pool]))
    spec = custom(recording, "EC2NodeClass").inputs["spec"]
    assert spec["amiFamily"] == "Bottlerocket"
    assert spec["amiSelectorTerms"] == [{"alias": "bottlerocket@v1.68.0"}]
    assert [each["deviceName"] for each in spec["blockDeviceMappings"]] == ["/dev/xvda", "/dev/xvdb"]
    wanted = custom(recording, "NodePool").inputs["spec"]["template"]["spec"]["requirements"]
    (capacity,) = [each["values"] for each in wanted if each["key"] == "karpenter.sh/capacity-type"]
    assert capacity == ["on-demand"]


def statements(recording: Recording) -> dict[str, dict[str, Any]]:
    (policy,) = [each for each in recording.of(":RolePolicy") if "karpenter-access" in each.name]
    return {each["Sid"]: each for each in json.loads(policy.inputs["policy"])["Statement"]}


def test_the_controller_changes_only_what_bears_this_clusters_tag(elastic: Recording) -> None:
    found = statements(elastic)
    tag = "kubernetes.io/cluster/bastide-sandbox-us-east-1"
    writing = {
        sid: each
        for sid, each in found.items()
        if any(
            not action.startswith(
                ("ec2:Describe", "iam:List", "iam:Get", "ssm:Get", "pricing:Get", "eks:Describe")
            )
            and not action.startswith("sqs:")
            for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
        )
    }
    assert set(writing) == {
        "LaunchFrom",
        "LaunchFromOwnTemplates",
        "LaunchTagged",
        "TagWhatIsLaunched",
        "TagOwnInstances",
        "EndOwn",
        "GiveNodesTheirRole",
    }
    for sid, each in writing.items():
        assert each["Resource"] != "*"
        if sid not in ("LaunchFrom", "GiveNodesTheirRole"):
            assert tag in json.dumps(each["Condition"]), sid
            assert "karpenter.sh/nodepool" in json.dumps(each["Condition"]), sid
    assert all("/*" not in each for each in [found["GiveNodesTheirRole"]["Resource"]])
    assert found["GiveNodesTheirRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}
    }
    actions = json.dumps(list(found.values()))
    assert "iam:CreateInstanceProfile" not in actions
    assert "iam:AddRoleToInstanceProfile" not in actions


def test_the_controllers_role_belongs_to_its_service_account_alone(elastic: Recording) -> None:
    (association,) = [
        each for each in elastic.of(":PodIdentityAssociation") if each.inputs["serviceAccount"] == "karpenter"
    ]
    assert association.inputs["namespace"] == "kube-system"


def test_its_nodes_may_join_and_pull_and_no_more(elastic: Recording) -> None:
    (entry,) = [each for each in elastic.of(":AccessEntry") if each.inputs["type"] == "EC2_LINUX"]
    assert "karpenter" in entry.name
    attached = {
        each.inputs["policyArn"].rsplit("/", 1)[1]
        for each in elastic.of(":RolePolicyAttachment")
        if "karpenter" in each.name
    }
    assert attached == {"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"}
    profile = elastic.one(":InstanceProfile")
    assert profile.inputs["role"] == profile.inputs["name"] == "bastide-sandbox-us-east-1-karpenter-node"


def test_interruptions_reach_the_queue_by_our_rules_only(elastic: Recording) -> None:
    queue = elastic.one("sqs/queue:Queue")
    assert queue.inputs["sqsManagedSseEnabled"] is True
    rules = [each for each in elastic.of(":EventRule") if "karpenter" in each.name]
    assert len(rules) == 4
    targets = [each for each in elastic.of(":EventTarget") if "karpenter" in each.name]
    assert {each.inputs["rule"] for each in targets} == {each.inputs["name"] for each in rules}
    allow, deny = json.loads(elastic.one(":QueuePolicy").inputs["policy"])["Statement"]
    # The engine registers resources side by side: the order of a recording says nothing.
    assert sorted(allow["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(
        f"arn:aws:events:us-east-1:123456789012:rule/{each.inputs['name']}" for each in rules
    )
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_charts_are_pinned_and_come_before_the_pools_and_these_before_engines(elastic: Recording) -> None:
    charts = {
        each.inputs["name"]: each for each in elastic.of(":Release") if "karpenter" in each.inputs["chart"]
    }
    assert set(charts) == {"karpenter", "karpenter-crd"}
    assert {each.inputs["version"] for each in charts.values()} == {"1.14.1"}
    assert elastic.reaches(charts["karpenter"], charts["karpenter-crd"])
    pool = custom(elastic, "NodePool")
    assert elastic.reaches(pool, charts["karpenter"])
    assert elastic.reaches(pool, custom(elastic, "EC2NodeClass"))
    engine = next(each for each in elastic.of(":Release") if each.inputs["name"] == "vllm-chat")
    assert elastic.reaches(engine, pool)
    for each in elastic.of(":PodIdentityAssociation"):
        if each.inputs["serviceAccount"] == "karpenter":
            assert elastic.reaches(charts["karpenter"], each)


def test_the_controller_stays_off_nodes_that_it_may_take_away(elastic: Recording) -> None:
    (chart,) = [each for each in elastic.of(":Release") if each.inputs["name"] == "karpenter"]
    values = chart.inputs["values"]
    assert values["nodeSelector"]["bastide.dev/pool"] == "system"
    assert values["settings"]["interruptionQueue"] == elastic.one("sqs/queue:Queue").inputs["name"]
    assert values["controller"]["image"] == {
        "digest": "",
        "repository": "public.ecr.aws/karpenter/controller",
        "tag": "1.14.1",
    }
