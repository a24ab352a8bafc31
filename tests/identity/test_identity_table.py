"""The table of who can do what: each way in, from the state of a stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bastide.cli import main
from bastide.identity.table import (
    Resource,
    Row,
    as_json,
    as_markdown,
    from_state,
    key_names,
    managed_policies,
    table,
)

ROLE_ARN = "arn:aws:iam::123456789012:role/engine"
PEOPLE_ARN = "arn:aws:iam::123456789012:role/people"
MANAGED = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"


def policy(*parts: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(parts)})


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


TRUST = policy(
    {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
)
ROLE = Resource("aws:iam/role:Role", {"name": "engine", "arn": ROLE_ARN, "assumeRolePolicy": TRUST})
PODS = Resource(
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    {"roleArn": ROLE_ARN, "namespace": "serving", "serviceAccount": "chat", "clusterName": "c"},
)


def test_pods_get_what_their_role_may_and_nobody_else_does() -> None:
    rights = Resource(
        "aws:iam/rolePolicy:RolePolicy",
        {
            "role": "engine",
            "name": "rights",
            "policy": policy(
                allow("s3:GetObject", "arn:aws:s3:::b/*", Condition={"StringEquals": {"a": "1"}}),
                {"Effect": "Deny", "NotAction": "s3:GetObject", "NotResource": "x"},
            ),
        },
    )
    other = Resource(
        "aws:iam/rolePolicy:RolePolicy", {"role": "other", "name": "r", "policy": policy(allow("iam:*", "*"))}
    )
    assert table([ROLE, PODS, rights, other]) == [
        Row(
            "pods of serving/chat",
            "role engine",
            "Allow",
            "s3:GetObject",
            "arn:aws:s3:::b/*",
            "a StringEquals 1",
            "rights",
        ),
        Row(
            "pods of serving/chat", "role engine", "Allow", "take the role", ROLE_ARN, "in cluster c", "trust"
        ),
        Row(
            "pods of serving/chat",
            "role engine",
            "Deny",
            "everything but s3:GetObject",
            "all but x",
            "",
            "rights",
        ),
    ]


def test_a_role_for_pods_that_no_pod_has_shows_whom_its_trust_lets_in() -> None:
    assert [row.principal for row in table([ROLE])] == ["AWS service pods.eks.amazonaws.com"]


def test_an_aws_managed_policy_is_named_and_where_its_text_is_known_it_is_spelt_out() -> None:
    attached = Resource(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"role": "engine", "policyArn": MANAGED}
    )
    found = [ROLE, PODS, attached]
    assert managed_policies(found) == [MANAGED]
    [named] = [row for row in table(found) if row.policy == "AmazonEKS_CNI_Policy"]
    assert (named.action, named.resource) == ("what AmazonEKS_CNI_Policy allows", "as it says")
    text = policy(allow(["ec2:AssignPrivateIpAddresses", "ec2:CreateTags"], "*"))
    spelt = [row.action for row in table(found, {MANAGED: text}) if row.policy == "AmazonEKS_CNI_Policy"]
    assert spelt == ["ec2:AssignPrivateIpAddresses", "ec2:CreateTags"]


def test_a_policy_of_the_stacks_own_is_spelt_out_where_it_is_attached() -> None:
    arn = "arn:aws:iam::123456789012:policy/own"
    own = Resource("aws:iam/policy:Policy", {"arn": arn, "policy": policy(allow("sns:Publish", "*"))})
    attached = Resource(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"role": "engine", "policyArn": arn}
    )
    assert "sns:Publish" in {row.action for row in table([ROLE, PODS, own, attached])}
    assert managed_policies([attached]) == []


def test_a_resources_own_policy_speaks_of_that_resource() -> None:
    key = Resource(
        "aws:kms/key:Key",
        {
            "arn": "arn:aws:kms:r:a:key/k",
            "keyId": "k",
            "policy": policy(
                allow("kms:*", "*", Principal={"AWS": "arn:aws:iam::123456789012:root"}),
                allow("kms:Decrypt", "*", Principal={"Service": "logs.amazonaws.com"}),
            ),
        },
    )
    bucket = Resource(
        "aws:s3/bucketPolicy:BucketPolicy",
        {
            "bucket": "b",
            "policy": policy(
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": "arn:aws:s3:::b/*",
                    "Sid": "Tls",
                },
                {
                    "Effect": "Deny",
                    "NotPrincipal": {"AWS": ROLE_ARN},
                    "Action": "s3:*",
                    "Resource": "arn:aws:s3:::b/*",
                },
            ),
        },
    )
    alias = Resource("aws:kms/alias:Alias", {"name": "alias/x", "targetKeyId": "k"})
    rows = table([key, bucket, alias])
    assert {(row.principal, row.effect, row.action, row.resource) for row in rows} == {
        ("account 123456789012, as its IAM policies decide", "Allow", "kms:*", "arn:aws:kms:r:a:key/k"),
        ("AWS service logs.amazonaws.com", "Allow", "kms:Decrypt", "arn:aws:kms:r:a:key/k"),
        ("everybody", "Deny", "s3:*", "arn:aws:s3:::b/*"),
        (f"everybody but {ROLE_ARN}", "Deny", "s3:*", "arn:aws:s3:::b/*"),
    }
    shown = as_markdown(rows, key_names([key, alias]))
    assert "key alias/x" in shown
    assert "arn:aws:kms:r:a:key/k" not in shown


def entry(**more: Any) -> Resource:
    return Resource(
        "aws:eks/accessEntry:AccessEntry", {"principalArn": PEOPLE_ARN, "clusterName": "c", **more}
    )


def test_a_person_gets_the_groups_rules_where_they_are_bound() -> None:
    role = Resource(
        RBAC + "ClusterRole",
        {
            "metadata": {"name": "restart"},
            "rules": [
                {
                    "apiGroups": ["", "apps"],
                    "resources": ["pods"],
                    "verbs": ["get", "delete"],
                    "resourceNames": ["x"],
                },
                {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
            ],
        },
    )
    subject = {"kind": "Group", "name": "bastide:operator", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": "restart"}
    bound = Resource(
        RBAC + "RoleBinding",
        {"metadata": {"name": "b", "namespace": "serving"}, "roleRef": reference, "subjects": [subject]},
    )
    rows = table([entry(kubernetesGroups=["bastide:operator"]), role, bound])
    assert {(row.action, row.resource, row.condition) for row in rows} == {
        ("get, delete", "Kubernetes pods in serving", "only x"),
        ("get, delete", "Kubernetes pods.apps in serving", "only x"),
        ("get", "Kubernetes /metrics", ""),
    }
    assert {row.principal for row in rows} == {PEOPLE_ARN}
    assert table([entry(kubernetesGroups=["others"]), role, bound]) == []


def test_an_access_policy_is_named_with_its_scope_and_nodes_are_no_people() -> None:
    def associated(scope: dict[str, Any]) -> Resource:
        return Resource(
            "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
            {
                "principalArn": PEOPLE_ARN,
                "clusterName": "c",
                "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
                "accessScope": scope,
            },
        )

    [everywhere] = table([entry(type="STANDARD"), associated({"type": "cluster"})])
    assert (everywhere.action, everywhere.resource) == (
        "what AmazonEKSViewPolicy allows",
        "Kubernetes c: everywhere",
    )
    [narrow] = table([entry(), associated({"type": "namespace", "namespaces": ["b", "a"]})])
    assert narrow.resource == "Kubernetes c: a, b"
    assert table([entry(type="EC2_LINUX", kubernetesGroups=["system:nodes"])]) == []


def test_a_service_accounts_rights_in_the_cluster_are_its_pods() -> None:
    subject = {"kind": "ServiceAccount", "name": "scaler", "namespace": "kube"}
    role = Resource(
        RBAC + "Role",
        {
            "metadata": {"name": "r", "namespace": "kube"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
        },
    )
    bound = Resource(
        RBAC + "RoleBinding",
        {
            "metadata": {"name": "b", "namespace": "kube"},
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [subject],
        },
    )
    [row] = table([role, bound])
    assert (row.principal, row.resource) == ("pods of kube/scaler", "Kubernetes pods in kube")


def state(*resources: Resource) -> dict[str, Any]:
    listed = [{"type": each.type, "urn": "u", "outputs": dict(each.values)} for each in resources]
    gone = {"type": "aws:iam/role:Role", "urn": "old", "delete": True, "outputs": {}}
    return {"deployment": {"resources": [*listed, gone]}}


def test_the_command_prints_markdown_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps(state(ROLE, PODS)))
    assert main(["identity", "table", "--state", str(file), "--named-only"]) == 0
    assert "### pods of serving/chat" in capsys.readouterr().out
    assert main(["identity", "table", "--state", str(file), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == json.loads(as_json(table(from_state(state(ROLE, PODS)))))
    assert rows[0]["principal"] == "pods of serving/chat"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "is no state of a stack"),
        ("{", "is no JSON"),
        ('{"deployment": {}}', "nothing was applied yet"),
    ],
)
def test_what_is_no_state_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    file = tmp_path / "state.json"
    file.write_text(content)
    assert main(["identity", "table", "--state", str(file)]) == 1
    assert said in capsys.readouterr().err


def test_a_state_that_cannot_be_had_is_an_error_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["identity", "table", "--state", "/nowhere/state.json"]) == 1
    assert "give what `pulumi stack export` wrote" in capsys.readouterr().err
