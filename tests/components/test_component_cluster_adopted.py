"""A cluster that somebody else owns, and what is read before a run: nothing is registered when it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import pulumi
import pytest
from component_recording import Recording, record, region_of, stack

from bastide.settings import Settings
from components.region import Region, RegionArgs

THEIRS: dict[str, Any] = {
    "name": "theirs",
    "status": "ACTIVE",
    "version": "1.34",
    "endpoint": "https://theirs.example",
    "certificateAuthorities": [{"data": "Q0E="}],
    "vpcConfig": {
        "vpcId": "vpc-0123456789abcdef0",
        "clusterSecurityGroupId": "sg-theirs",
        "endpointPrivateAccess": True,
        "endpointPublicAccess": False,
        "publicAccessCidrs": [],
        "securityGroupIds": [],
        "subnetIds": [],
        "controlPlaneEgressMode": "",
    },
    "accessConfigs": [{"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}],
    "kubernetesNetworkConfigs": [
        {
            "serviceIpv4Cidr": "172.20.0.0/16",
            "ipFamily": "ipv4",
            "serviceIpv6Cidr": "",
            "elasticLoadBalancings": [],
        }
    ],
    "upgradePolicies": [{"supportType": "STANDARD"}],
    "deletionProtection": True,
    "enabledClusterLogTypes": ["api", "audit", "authenticator", "controllerManager", "scheduler"],
}


class NotThere(grpc.RpcError):
    """What the engine gives when a provider's function fails."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "AWS refused DescribeAddon: No addon (ResourceNotFoundException)"


def account(
    version: str = "1.34",
    addons: Mapping[str, str] | None = None,
    pools: Mapping[str, str] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """What an account answers that has one cluster."""
    there = {"eks-pod-identity-agent": "v1.3.10-eksbuild.2"} if addons is None else addons
    groups = pools or {}

    def addon(args: dict[str, Any]) -> dict[str, Any]:
        if args["addonName"] not in there:
            raise NotThere
        return {"addonVersion": there[args["addonName"]]}

    return {
        "aws:eks/getClusters:getClusters": {"names": [changes.get("name", "theirs")]},
        "aws:eks/getCluster:getCluster": {**THEIRS, "version": version, **changes},
        "aws:eks/getAddon:getAddon": addon,
        "aws:eks/getNodeGroups:getNodeGroups": {"names": list(groups)},
        "aws:eks/getNodeGroup:getNodeGroup": lambda args: {
            "version": groups[args["nodeGroupName"]],
            "labels": {"bastide.dev/pool": args["nodeGroupName"]},
        },
    }


def adopting(**cluster: Any) -> Settings:
    settings = stack("sandbox")
    from bastide.settings.cluster import AdoptedCluster

    wanted = AdoptedCluster(kind="adopt", name="theirs", **cluster)
    # The network that goes with it is another part's; here only the cluster is looked at.
    return settings.model_copy(update={"cluster": wanted})


def refused(settings: Settings, answers: dict[str, Any]) -> tuple[str, Recording | None]:
    made: list[str] = []

    def program() -> None:
        try:
            Region("bastide", RegionArgs(settings))
        except pulumi.RunError as error:
            made.append(str(error))

    found = record(program, answers)
    assert made, "the run was not refused"
    return made[0], found


def test_an_adopted_cluster_is_used_and_nothing_of_it_is_registered() -> None:
    found = region_of(adopting(), account())
    assert found.of("eks/cluster:Cluster") == []
    assert found.of(":Addon") == []
    assert found.of(":AccessEntry") == []
    assert not [each for each in found.of(":Role") if each.name.startswith("bastide-vpc-cni")]
    assert not [each for each in found.of(":LogGroup") if "/aws/eks/" in each.inputs["name"]]
    groups = found.of("nodeGroup:NodeGroup")
    assert groups
    assert {each.inputs["clusterName"] for each in groups} == {"theirs"}
    assert {each.inputs["clusterName"] for each in found.of(":PodIdentityAssociation")} == {"theirs"}
    config = found.one("pulumi:providers:kubernetes").inputs["kubeconfig"]
    assert "https://theirs.example" in config
    assert '"--cluster-name", "theirs"' in config


def test_only_named_addons_of_an_adopted_cluster_are_managed() -> None:
    found = region_of(adopting(managed_addons=("vpc-cni", "coredns")), account())
    assert {each.inputs["addonName"] for each in found.of(":Addon")} == {"vpc-cni", "coredns"}
    assert [each for each in found.of(":Role") if each.name.startswith("bastide-vpc-cni")]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            account(name="other"),
            "there is no cluster 'theirs' in us-east-1 of account 123456789012; there are: other",
        ),
        (account(status="UPDATING"), "its status is UPDATING"),
        (account(version="1.33"), "its owner upgrades it, and the pools follow; set '1.33'"),
        (account(version="1.28"), "of which this kit knows nothing"),
        (account(addons={}), "has no add-on eks-pod-identity-agent"),
        (
            account(vpcConfig={**THEIRS["vpcConfig"], "endpointPrivateAccess": False}),
            "it has no private endpoint",
        ),
        (
            account(
                vpcConfig={
                    **THEIRS["vpcConfig"],
                    "endpointPublicAccess": True,
                    "publicAccessCidrs": ["0.0.0.0/0"],
                }
            ),
            "open to 0.0.0.0/0",
        ),
        (
            account(accessConfigs=[{"authenticationMode": "CONFIG_MAP"}]),
            "its authentication mode is CONFIG_MAP",
        ),
        (
            account(kubernetesNetworkConfigs=[{"serviceIpv4Cidr": "10.100.0.0/16", "ipFamily": "ipv4"}]),
            "set '10.100.0.0/16'",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_cluster_that_cannot_be_adopted_is_refused_before_the_first_resource(
    answers: dict[str, Any], said: str
) -> None:
    text, found = refused(adopting(), answers)
    assert said in text
    assert found is not None
    assert [each.type for each in found.found if each.custom] == ["pulumi:providers:aws"]


def test_what_its_owner_should_mend_is_warned_of_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    answers = account(
        deletionProtection=False,
        enabledClusterLogTypes=["api"],
        accessConfigs=[{"authenticationMode": "API_AND_CONFIG_MAP"}],
    )
    region_of(adopting(), answers)
    text = "\n".join(said)
    for each in (
        "audit log is off",
        "authenticator, controllerManager",
        "no deletion protection",
        "aws-auth",
    ):
        assert each in text


NAME = "bastide-sandbox-us-east-1"


def test_an_upgrade_is_explained_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", said.append)
    there = {**stack("sandbox").cluster.addons.named(), "kube-proxy": "v1.33.10-eksbuild.13"}
    pools = {"system": "1.33", "p5": "1.33"}
    region_of(stack("sandbox"), account("1.33", there, pools, name=NAME))
    assert (
        "Kubernetes 1.33 -> 1.34: 1. control plane, "
        "2. add-on kube-proxy v1.33.10-eksbuild.13 -> v1.34.6-eksbuild.13, "
        "3. pools system, p5 (at most 1 node at a time in each)"
    ) in said


def test_nothing_is_said_on_a_first_run_or_when_the_version_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", said.append)
    region_of(stack("sandbox"))
    region_of(stack("sandbox"), account(name=NAME))
    assert not [line for line in said if "->" in line]


@pytest.mark.parametrize(("running", "said"), [("1.32", "2 minor versions at once"), ("1.35", "goes down")])
def test_a_version_that_cannot_be_reached_is_refused_before_anything_is_changed(
    running: str, said: str
) -> None:
    text, found = refused(stack("sandbox"), account(running, name=NAME))
    assert said in text
    assert found is not None
    assert [each.type for each in found.found if each.custom] == ["pulumi:providers:aws"]


def test_beyond_standard_support_a_real_stack_is_refused_and_a_sandbox_warned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from datetime import date

    from components import cluster_reading

    monkeypatch.setattr(cluster_reading, "_today", lambda: date(2027, 3, 27))
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    text, _ = refused(stack("prod-us-east-1"), {})
    assert "Kubernetes 1.35 is out of standard support since 2027-03-27" in text
    region_of(stack("sandbox"))
    assert any("refused outside a sandbox" in line for line in said)
