from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugins.protocol import UNKNOWN, has_unknown
from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver, Made
from tests.plugin_aws.eks_world import REGION, EksWorld

CLUSTER = "aws:eks/cluster:Cluster"


@pytest.fixture(scope="module")
def world(aws_endpoint: str) -> EksWorld:
    return EksWorld(aws_endpoint, "ctl")


def inputs_of(world: EksWorld, name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "roleArn": world.cluster_role,
        "version": "1.33",
        "vpcConfig": {
            "subnetIds": world.subnets[:2],
            "endpointPrivateAccess": True,
            "endpointPublicAccess": False,
        },
        "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
        "enabledClusterLogTypes": ["audit", "api"],
        "tags": {"a": "1"},
        **more,
    }


@pytest.fixture(scope="module")
def cluster(world: EksWorld) -> Made:
    return Driver().create(CLUSTER, **inputs_of(world, "main"))


def test_cluster_is_active_with_everything_that_others_need_of_it(cluster: Made, world: EksWorld) -> None:
    state = cluster.state
    assert state["status"] == "ACTIVE"
    assert state["arn"] == "arn:aws:eks:us-east-1:123456789012:cluster/main"
    assert state["endpoint"].startswith("https://")
    assert state["certificateAuthority"]["data"]
    assert state["vpcConfig"]["clusterSecurityGroupId"].startswith("sg-")
    assert state["vpcConfig"]["vpcId"] == world.vpc_id
    assert state["identities"][0]["oidcs"][0]["issuer"].startswith("https://oidc.eks.us-east-1.")
    assert cluster.refresh().properties == {}


def test_same_inputs_in_another_order_are_no_change(cluster: Made, world: EksWorld) -> None:
    inputs = inputs_of(world, "main", enabledClusterLogTypes=["api", "audit"])
    inputs["vpcConfig"] = {**inputs["vpcConfig"], "subnetIds": world.subnets[1::-1]}
    assert cluster.diff(**inputs).properties == {}


def test_what_aws_lists_as_create_only_replaces_the_cluster(cluster: Made, world: EksWorld) -> None:
    assert cluster.diff(**inputs_of(world, "main", roleArn=world.node_role)).replaces == ["roleArn"]
    assert cluster.diff(**inputs_of(world, "main", bootstrapSelfManagedAddons=False)).replaces == [
        "bootstrapSelfManagedAddons"
    ]
    network = {"serviceIpv4Cidr": "10.100.0.0/16"}
    key = {"provider": {"keyArn": "arn:aws:kms:us-east-1:123456789012:key/1"}, "resources": ["secrets"]}
    assert cluster.diff(**inputs_of(world, "main", encryptionConfig=key)).replaces == ["encryptionConfig"]
    again = {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True}
    diff = cluster.diff(**inputs_of(world, "main", accessConfig=again))
    assert diff.replaces == ["accessConfig.bootstrapClusterCreatorAdminPermissions"]
    assert diff.delete_before_replace
    assert not cluster.diff(
        **inputs_of(world, "other", kubernetesNetworkConfig=network)
    ).delete_before_replace


def test_everything_else_changes_in_place_one_update_after_the_other(world: EksWorld) -> None:
    driver = Driver()
    before = inputs_of(world, "changing", accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"})
    made = driver.create(CLUSTER, **before)
    after = inputs_of(
        world,
        "changing",
        version="1.34",
        accessConfig={"authenticationMode": "API"},
        enabledClusterLogTypes=["audit"],
        deletionProtection=True,
        upgradePolicy={"supportType": "STANDARD"},
        vpcConfig={"subnetIds": world.subnets, "endpointPrivateAccess": True, "endpointPublicAccess": True},
        tags={"b": "2"},
    )
    assert made.diff(**after).replaces == []
    made.update(**after)
    seen = world.eks.describe_cluster(name="changing")["cluster"]
    assert (seen["version"], seen["deletionProtection"]) == ("1.34", True)
    assert seen["accessConfig"]["authenticationMode"] == "API"
    assert seen["upgradePolicy"]["supportType"] == "STANDARD"
    assert {"types": ["audit"], "enabled": True} in seen["logging"]["clusterLogging"]
    assert set(seen["resourcesVpcConfig"]["subnetIds"]) == set(world.subnets)
    assert seen["resourcesVpcConfig"]["endpointPublicAccess"] is True
    assert seen["tags"] == {"b": "2"}
    assert made.refresh().properties == {}

    with pytest.raises(Exception, match="deletion protection"):
        made.delete()
    made.update(**{**after, "deletionProtection": False})
    made.delete()
    assert made.refresh() is None
    made.delete()


def test_version_that_skips_a_minor_is_refused_and_the_state_keeps_the_old_one(
    cluster: Made, world: EksWorld
) -> None:
    with pytest.raises(Exception, match="one minor version up at a time") as caught:
        cluster.update(**inputs_of(world, "main", version="1.35"))
    assert caught.value.inputs["version"] == "1.33"  # type: ignore[attr-defined]


def test_refresh_finds_an_endpoint_that_someone_opened(cluster: Made, world: EksWorld) -> None:
    config = {"endpointPublicAccess": True, "endpointPrivateAccess": True}
    world.eks.update_cluster_config(name="main", resourcesVpcConfig=config)
    world.await_status(lambda: world.eks.describe_cluster(name="main")["cluster"])
    assert cluster.refresh().properties == {"vpcConfig.endpointPublicAccess": "update"}
    cluster.update(**inputs_of(world, "main", tags={"a": "2"}))


def test_cluster_in_a_vpc_that_does_not_exist_is_refused_with_the_reason(world: EksWorld) -> None:
    inputs = inputs_of(world, "nowhere", vpcConfig={"subnetIds": ["subnet-0", "subnet-1"]})
    with pytest.raises(Exception, match=r"subnet-0.*do not exist"):
        Driver().create(CLUSTER, **inputs)


def test_cluster_encrypts_secrets_by_a_key_that_exists(world: EksWorld, aws_endpoint: str) -> None:
    kms = aws_client("kms", REGION, aws_endpoint)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    config = {"provider": {"keyArn": key}, "resources": ["secrets"]}
    made = Driver().create(CLUSTER, **inputs_of(world, "sealed", encryptionConfig=config))
    assert made.refresh().properties == {}
    assert world.eks.describe_cluster(name="sealed")["cluster"]["encryptionConfig"] == [config]
    made.delete()


def test_preview_shows_what_follows_from_the_name_and_leaves_the_rest_open(world: EksWorld) -> None:
    shown = Driver().preview(CLUSTER, **inputs_of(world, "soon"))
    assert shown["arn"] == "arn:aws:eks:us-east-1:123456789012:cluster/soon"
    assert shown["endpoint"] is UNKNOWN
    assert shown["vpcConfig"]["clusterSecurityGroupId"] is UNKNOWN
    assert has_unknown(shown["certificateAuthority"])


def test_cluster_whose_subnets_are_not_known_yet_passes_a_preview(world: EksWorld) -> None:
    shown = Driver().preview(
        CLUSTER, **inputs_of(world, "later", vpcConfig={"subnetIds": [UNKNOWN, UNKNOWN]})
    )
    assert shown["name"] == "later"


def test_mistakes_in_a_cluster_are_named_by_their_path(world: EksWorld) -> None:
    inputs = inputs_of(
        world,
        "bad",
        accessConfig={"authenticationMode": "IAM"},
        enabledClusterLogTypes=["audits"],
        vpcConfig={"subnetIds": world.subnets, "endpointPublicAcess": True},
        computeConfig={"enabled": True},
        upgradePolicy={"supportType": "NONE"},
    )
    reasons = dict(Driver().failures(CLUSTER, **inputs))
    assert "CONFIG_MAP, API_AND_CONFIG_MAP, API" in reasons["accessConfig.authenticationMode"]
    assert "controllerManager" in reasons["enabledClusterLogTypes"]
    assert "did you mean 'endpointPublicAccess'" in reasons["vpcConfig.endpointPublicAcess"]
    assert "Auto Mode" in reasons["computeConfig"]
    assert "STANDARD, EXTENDED" in reasons["upgradePolicy.supportType"]


def test_import_of_a_cluster_finds_its_inputs(cluster: Made) -> None:
    found = Driver().find(CLUSTER, "main")
    assert found is not None
    assert found[2]["version"] == "1.33"
    assert found[2]["accessConfig"]["authenticationMode"] == "API"
    assert "clusterSecurityGroupId" not in found[2]["vpcConfig"]
    assert Driver().failures(CLUSTER, **found[2]) == []
    assert Driver().find(CLUSTER, "nobody") is None
