"""A cluster is created or adopted; what belongs to one kind is refused in the other."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, read_stack_file
from bastide.settings.cluster import AdoptedCluster, CreatedCluster
from bastide.settings.load import load_stack_file

SANDBOX = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
NETWORK = {
    "kind": "adopt",
    "vpcId": "vpc-0123456789abcdef0",
    "cidr": "10.20.0.0/16",
    "privateSubnetIds": {"us-east-1a": "subnet-0123456789abcdef0", "us-east-1b": "subnet-0123456789abcdef1"},
}


def raw(**cluster: Any) -> dict[str, Any]:
    found = copy.deepcopy(load_stack_file(SANDBOX).model_dump(mode="json", by_alias=True, exclude_none=True))
    publishers = ["arn:aws:iam::123456789012:role/publisher"]
    return {
        **{key: found[key] for key in ("environment", "cloud", "protection")},
        "network": NETWORK,
        "modelStore": {"publishers": publishers},
        "cluster": {"kind": "adopt", "name": "theirs", **cluster},
    }


def mistakes(**cluster: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(raw(**cluster))
    return {each.path: each.message for each in caught.value.problems}


def test_a_cluster_is_created_unless_it_says_otherwise() -> None:
    assert isinstance(load_stack_file(SANDBOX).cluster, CreatedCluster)
    assert "kind" not in read_stack_file(SANDBOX)["cluster"]


def test_an_adopted_cluster_keeps_its_name_and_nobody_manages_its_addons() -> None:
    found = Settings.load(raw())
    assert isinstance(found.cluster, AdoptedCluster)
    assert found.cluster_name == "theirs"
    assert found.cluster.managed() == {}
    assert not [path for path in found.unresolved() if path.startswith("cluster.addons")]


def test_only_managed_addons_have_to_be_resolved() -> None:
    found = Settings.load(raw(managedAddons=["coredns", "eks-node-monitoring-agent"]))
    assert [path for path in found.unresolved() if path.startswith("cluster.")] == ["cluster.addons.coredns"]


@pytest.mark.parametrize(
    ("cluster", "path", "said"),
    [
        ({"publicEndpoint": True}, "cluster.publicEndpoint", "there is no setting of this name"),
        ({"adminPrincipals": []}, "cluster.adminPrincipals", "there is no setting of this name"),
        ({"name": "no spaces"}, "cluster.name", "is not the name of an EKS cluster"),
        ({"managedAddons": ["corends"]}, "cluster.managedAddons[0]", "did you mean 'coredns'"),
        ({"managedAddons": ["coredns", "coredns"]}, "cluster.managedAddons[1]", "is there twice"),
        (
            {"managedAddons": ["kube-proxy"], "addons": {"kubeProxy": "v1.33.5-eksbuild.2"}},
            "cluster.addons.kubeProxy",
            "is not for Kubernetes 1.34",
        ),
        ({"kind": "borrow"}, "cluster.kind", "create, adopt"),
    ],
)
def test_mistakes_of_an_adopted_cluster_are_reported_by_their_path(
    cluster: dict[str, Any], path: str, said: str
) -> None:
    found = mistakes(**cluster)
    assert said in found[path], found


def test_a_created_cluster_still_needs_an_administrator() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({**raw(), "cluster": {"kubernetesVersion": "1.34"}})
    assert "cluster.adminPrincipals" in {each.path for each in caught.value.problems}
