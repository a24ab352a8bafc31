"""People's access: entries with groups, the kit's own RBAC roles, and an emergency role that is seen."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from component_recording import Recording, region_of, stack

from bastide.plans import access_roles
from bastide.settings import SettingsError

ACCOUNT = "arn:aws:iam::123456789012"
ACCESS: dict[str, Any] = {
    "viewers": [f"{ACCOUNT}:role/viewers"],
    "operators": [f"{ACCOUNT}:role/operators", f"{ACCOUNT}:user/night-shift"],
    "security": [f"{ACCOUNT}:role/security"],
    "breakGlass": {
        "trusted": [f"{ACCOUNT}:user/alice", f"{ACCOUNT}:user/bob"],
        "notify": ["on-call@example.com", "https://alerts.example.com/hook"],
    },
}


@pytest.fixture(scope="module")
def access() -> Recording:
    return region_of(stack("sandbox", access=ACCESS))


def mistakes(**access: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        stack("sandbox", access={**ACCESS, **access})
    return {each.path: each.message for each in caught.value.problems}


def test_without_the_setting_there_is_nobody_but_administrators(sandbox: Recording) -> None:
    assert len(sandbox.of(":AccessEntry")) == 1
    assert not [each for each in sandbox.found if "rbac" in each.type]
    assert not sandbox.of(":MetricAlarm")


def test_each_person_has_one_entry_with_the_group_of_the_role_and_no_access_policy(access: Recording) -> None:
    entries = {
        each.inputs["principalArn"]: each.inputs.get("kubernetesGroups")
        for each in access.of(":AccessEntry")
        if each.inputs.get("kubernetesGroups")
    }
    assert entries == {
        f"{ACCOUNT}:role/viewers": ["bastide:viewer"],
        f"{ACCOUNT}:role/operators": ["bastide:operator"],
        f"{ACCOUNT}:user/night-shift": ["bastide:operator"],
        f"{ACCOUNT}:role/security": ["bastide:security"],
    }
    associated = {each.inputs["principalArn"] for each in access.of(":AccessPolicyAssociation")}
    assert not associated & entries.keys()


def test_operators_scale_engines_over_several_nodes_where_there_are_any(access: Recording) -> None:
    both = [
        {
            each.inputs["metadata"]["name"]: {
                (resource, verb)
                for rule in each.inputs["rules"]
                if rule["apiGroups"] == ["leaderworkerset.x-k8s.io"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            }
            for each in recorded.of(":ClusterRole")
        }
        for recorded in (access, region_of(stack("sandbox", access=ACCESS, multiNode={"enabled": True})))
    ]
    assert not any(both[0].values())
    looks = {("leaderworkersets", verb) for verb in ("get", "list", "watch")}
    scales = {("leaderworkersets/scale", verb) for verb in ("get", "patch", "update")}
    assert both[1]["bastide-viewer"] == looks
    assert both[1]["bastide-operator"] == scales
    assert not both[1]["bastide-security"]


def test_viewers_and_security_see_the_whole_cluster_and_operators_act_in_our_namespaces(
    access: Recording,
) -> None:
    bound = {
        (each.inputs["subjects"][0]["name"], each.inputs["roleRef"]["name"])
        for each in access.of(":ClusterRoleBinding")
    }
    assert bound == {
        ("bastide:viewer", "bastide-viewer"),
        ("bastide:operator", "bastide-viewer"),
        ("bastide:security", "bastide-viewer"),
        ("bastide:security", "bastide-security"),
    }
    acting = {
        (each.inputs["metadata"]["namespace"], each.inputs["roleRef"]["name"])
        for each in access.of("v1:RoleBinding")
    }
    assert acting == {
        (f"bastide-{purpose}", "bastide-operator") for purpose in ("system", "serving", "gateway")
    }


def test_no_role_reads_secrets_opens_a_shell_or_changes_what_others_may_do() -> None:
    forbidden = {
        "secrets",
        "pods/exec",
        "pods/attach",
        "pods/portforward",
        "serviceaccounts/token",
        "nodes/proxy",
    }
    for roles in access_roles.ROLES.values():
        for rule in (rule for role in roles for rule in role.rules):
            assert not forbidden & set(rule["resources"])
            assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not {"impersonate", "bind", "escalate"} & set(rule["verbs"])
    for kind in ("viewer", "security"):
        verbs = {
            (resource, verb)
            for role in access_roles.ROLES[kind]
            for rule in role.rules
            for resource in rule["resources"]
            for verb in rule["verbs"]
            if verb not in access_roles.READ
        }
        assert verbs <= {("subjectaccessreviews", "create"), ("localsubjectaccessreviews", "create")}


def test_only_roles_that_somebody_has_are_there() -> None:
    found = region_of(stack("sandbox", access={"viewers": [f"{ACCOUNT}:role/viewers"]}))
    assert [each.inputs["metadata"]["name"] for each in found.of(":ClusterRole")] == ["bastide-viewer"]


def test_break_glass_is_cluster_admin_behind_a_second_factor_for_an_hour(access: Recording) -> None:
    (role,) = [each for each in access.of("iam/role:Role") if each.inputs["name"].endswith("-break-glass")]
    (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"AWS": [f"{ACCOUNT}:user/alice", f"{ACCOUNT}:user/bob"]}
    assert statement["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    assert role.inputs["maxSessionDuration"] == 3600
    (entry,) = [each for each in access.of(":AccessEntry") if each.inputs.get("userName")]
    assert entry.inputs["userName"] == "break-glass:{{SessionName}}"
    (policy,) = [
        each for each in access.of(":AccessPolicyAssociation") if each.name.startswith("bastide-break-glass")
    ]
    assert policy.inputs["policyArn"].endswith("/AmazonEKSClusterAdminPolicy")


def test_its_use_and_its_taking_each_raise_an_alarm(access: Recording) -> None:
    metric = access.one(":LogMetricFilter").inputs
    assert metric["logGroupName"] == "/aws/eks/bastide-sandbox-us-east-1/cluster"
    assert metric["pattern"] == '{ $.user.username = "break-glass:*" }'
    alarm = access.one(":MetricAlarm").inputs
    assert (alarm["namespace"], alarm["metricName"]) == (
        metric["metricTransformation"]["namespace"],
        metric["metricTransformation"]["name"],
    )
    assert (alarm["threshold"], alarm["period"], alarm["treatMissingData"]) == (1, 60, "notBreaching")
    topic = access.one(":Topic")
    assert alarm["alarmActions"] == ["arn:aws:made:us-east-1:123456789012:bastide-break-glass-topic"]
    assert topic.inputs["kmsMasterKeyId"].endswith("bastide-break-glass-key-key")
    rule = access.one(":EventRule").inputs
    assert rule["state"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    assert json.loads(rule["eventPattern"])["detail"]["requestParameters"] == {
        "roleArn": [f"{ACCOUNT}:role/bastide-sandbox-us-east-1-break-glass"]
    }
    assert {each.inputs["protocol"] for each in access.of(":TopicSubscription")} == {"email", "https"}


def test_the_alarm_gets_through_to_the_topic_and_its_key(access: Recording) -> None:
    """EventBridge gives SNS and KMS no key of the sender: a condition on one would drop its message unseen."""
    topic = "arn:aws:sns:us-east-1:123456789012:bastide-sandbox-us-east-1-break-glass"
    alarms, rules = json.loads(access.one(":TopicPolicy").inputs["policy"])["Statement"]
    assert rules["Principal"] == {"Service": "events.amazonaws.com"}
    assert (rules["Resource"], "Condition" in rules) == (topic, False)
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    pattern = alarms["Condition"]["ArnLike"]["aws:SourceArn"]
    alarm = access.one(":MetricAlarm").inputs["name"]
    assert fnmatchcase(f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{alarm}", pattern)
    (key,) = [each for each in access.of("kms/key:Key") if "break-glass" in each.name]
    senders = json.loads(key.inputs["policy"])["Statement"][1]
    assert senders["Condition"] == {"StringEquals": {"kms:EncryptionContext:aws:sns:topicArn": topic}}


def test_nobody_can_take_the_role_before_somebody_would_hear_of_it(access: Recording) -> None:
    (role,) = [each for each in access.of("iam/role:Role") if each.inputs["name"].endswith("-break-glass")]
    watching = (":LogMetricFilter", ":MetricAlarm", ":EventTarget", ":TopicPolicy", ":TopicSubscription")
    for kind in watching:
        for each in access.of(kind):
            assert access.reaches(role, each), each.name


def test_single_sign_on_leaves_the_second_factor_to_the_identity_provider() -> None:
    wanted = {**ACCESS["breakGlass"], "requireMfa": False, "sessionHours": 2}
    found = region_of(stack("sandbox", access={"breakGlass": wanted}))
    (role,) = [each for each in found.of("iam/role:Role") if each.inputs["name"].endswith("-break-glass")]
    assert "Condition" not in json.loads(role.inputs["assumeRolePolicy"])["Statement"][0]
    assert role.inputs["maxSessionDuration"] == 7200


def test_a_principal_with_two_roles_is_refused() -> None:
    found = mistakes(security=[f"{ACCOUNT}:role/viewers", f"{ACCOUNT}:user/sandbox-operator"])
    assert "is in access.viewers[0] too" in found["access.security[0]"]
    assert "is in cluster.adminPrincipals[0] too" in found["access.security[1]"]


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        ({"notify": ["http://plain.example.com"]}, "access.breakGlass.notify[0]", "plain http"),
        ({"notify": []}, "access.breakGlass.notify", "at least 1 item"),
        ({"trusted": []}, "access.breakGlass.trusted", "at least 1 item"),
        ({"sessionHours": 13}, "access.breakGlass.sessionHours", "less than or equal to 12"),
        (
            {"trusted": [f"{ACCOUNT}:role/bastide-sandbox-us-east-1-break-glass"]},
            "access.breakGlass.trusted[0]",
            "is the emergency role itself",
        ),
        ({"trusted": [f"{ACCOUNT}:user/a"] * 2}, "access.breakGlass.trusted[1]", "is there twice"),
    ],
)
def test_break_glass_mistakes_are_reported_by_their_path(
    change: dict[str, Any], path: str, said: str
) -> None:
    assert said in mistakes(breakGlass={**ACCESS["breakGlass"], **change})[path]


def test_an_adopted_clusters_audit_log_is_its_owners() -> None:
    with pytest.raises(SettingsError) as caught:
        stack("sandbox", cluster={"kind": "adopt", "name": "theirs"}, access=ACCESS)
    found = {each.path: each.message for each in caught.value.problems}
    assert "which is the owner's" in found["access.breakGlass"]
    assert "adopt the cluster's VPC" in found["cluster.kind"]
