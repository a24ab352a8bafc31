"""Launch templates against the world."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugins.protocol import UNKNOWN
from tests.plugin_aws.conftest import Driver, Made
from tests.plugin_aws.test_ec2_network import settled

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"

EFA = {"deviceIndex": 1, "networkCardIndex": 1, "interfaceType": "efa-only", "securityGroups": ["sg-1"]}
P5: dict[str, Any] = {
    "name": "p5",
    "updateDefaultVersion": True,
    "blockDeviceMappings": [
        {"deviceName": "/dev/xvda", "ebs": {"volumeSize": 500, "volumeType": "gp3", "encrypted": "true"}}
    ],
    "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
    "networkInterfaces": [EFA],
    "monitoring": {"enabled": True},
    "tagSpecifications": [{"resourceType": "instance", "tags": {"Name": "p5"}}],
    "userData": "IyEvYmluL3NoCg==",
    "tags": {"pool": "p5"},
}


@pytest.fixture
def template(driver: Driver, ec2: Any) -> Any:
    made = driver.create(TEMPLATE, **P5)
    yield made
    made.delete()


def resized(size: int) -> dict[str, Any]:
    device = {
        "deviceName": "/dev/xvda",
        "ebs": {"volumeSize": size, "volumeType": "gp3", "encrypted": "true"},
    }
    return {**P5, "blockDeviceMappings": [device]}


def test_a_template_carries_what_the_nodes_need(template: Made, ec2: Any) -> None:
    assert template.state["latestVersion"] == template.state["defaultVersion"] == 1
    [version] = ec2.describe_launch_template_versions(LaunchTemplateId=template.id)["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    assert data["NetworkInterfaces"][0]["InterfaceType"] == "efa-only"
    assert settled(template)


def test_a_whole_gpu_pool_comes_back_as_it_was_given(driver: Driver, ec2: Any) -> None:
    cards = [
        {
            "networkCardIndex": card,
            "deviceIndex": min(card, 1),
            "interfaceType": "efa-only" if card else "efa",
            "securityGroups": ["sg-1", "sg-2"],
            "deleteOnTermination": "true",
        }
        for card in range(32)
    ]
    made = driver.create(
        TEMPLATE,
        name="block",
        instanceType="p5.48xlarge",
        networkInterfaces=cards,
        placement={"groupName": "near", "tenancy": "default"},
        instanceMarketOptions={"marketType": "capacity-block"},
        capacityReservationSpecification={"capacityReservationTarget": {"capacityReservationId": "cr-1"}},
        userData="IyEvYmluL3NoCg==",
        ebsOptimized="true",
    )
    assert settled(made)
    [version] = ec2.describe_launch_template_versions(LaunchTemplateId=made.id)["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    assert data["InstanceMarketOptions"] == {"MarketType": "capacity-block"}
    assert (
        data["CapacityReservationSpecification"]["CapacityReservationTarget"]["CapacityReservationId"]
        == "cr-1"
    )
    assert data["Placement"]["GroupName"] == "near"
    assert [n["NetworkCardIndex"] for n in data["NetworkInterfaces"]] == list(range(32))
    assert {n["InterfaceType"] for n in data["NetworkInterfaces"][1:]} == {"efa-only"}
    assert all(n["DeleteOnTermination"] is True for n in data["NetworkInterfaces"])
    found = driver.find(TEMPLATE, made.id)
    assert found is not None
    assert driver.failures(TEMPLATE, **found[2]) == []
    fewer = made.diff(**{**made.inputs, "networkInterfaces": cards[:4]})
    assert fewer.replaces == []
    made.delete()


def test_a_change_of_content_makes_a_new_default_version(template: Made, ec2: Any) -> None:
    change = template.diff(**resized(1000))
    assert change.properties == {"blockDeviceMappings[0].ebs.volumeSize": "update"}
    assert template.update(preview=True, **resized(1000))["latestVersion"] is UNKNOWN
    template.update(**resized(1000))
    assert template.state["latestVersion"] == 2
    [described] = ec2.describe_launch_templates(LaunchTemplateIds=[template.id])["LaunchTemplates"]
    assert described["DefaultVersionNumber"] == 2
    assert settled(template)


def test_a_change_of_tags_makes_no_version(template: Made) -> None:
    inputs = {**P5, "tags": {"pool": "p5", "team": "ml"}}
    assert template.update(preview=True, **inputs)["latestVersion"] == 1
    template.update(**inputs)
    assert template.state["latestVersion"] == 1
    assert settled(template)


def test_a_version_from_somebody_else_shows_as_drift(template: Made, ec2: Any) -> None:
    ec2.create_launch_template_version(
        LaunchTemplateId=template.id, SourceVersion="1", LaunchTemplateData={"UserData": "b3RoZXI="}
    )
    drift = template.refresh()
    assert drift is not None
    assert "userData" in drift.properties


def test_another_name_replaces_a_template(template: Made) -> None:
    change = template.diff(**{**P5, "name": "other"})
    assert change.replaces == ["name"]
    assert not change.delete_before_replace


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        (
            {"metadataOptions": {"httpToken": "required"}},
            "metadataOptions.httpToken",
            "did you mean 'httpTokens'?",
        ),
        (
            {"metadataOptions": {"httpTokens": "on"}},
            "metadataOptions.httpTokens",
            "'on' is none of the values that AWS allows: optional, required",
        ),
        (
            {"blockDeviceMappings": [{"ebs": {"encrypted": True}}]},
            "blockDeviceMappings[0].ebs.encrypted",
            'the string "true" or "false"',
        ),
        ({"keyName": "mine"}, "keyName", "Session Manager"),
        (
            {"networkInterfaces": [EFA], "vpcSecurityGroupIds": ["sg-1"]},
            "vpcSecurityGroupIds",
            "refuses both",
        ),
        (
            {"networkInterfaces": [{**EFA, "subnetId": "subnet-1"}]},
            "networkInterfaces[0].subnetId",
            "EKS refuses",
        ),
        ({"networkInterfaces": [EFA, EFA]}, "networkInterfaces[1].deviceIndex", "there already"),
        (
            {"networkInterfaces": [{**EFA, "deviceIndex": 0, "networkCardIndex": 0}]},
            "networkInterfaces[0].interfaceType",
            "no IP address",
        ),
        (
            {"networkInterfaces": [EFA, {"deviceIndex": 0, "associatePublicIpAddress": "true"}]},
            "networkInterfaces",
            "no public address",
        ),
        (
            {"instanceMarketOptions": {"marketType": "spot"}},
            "instanceMarketOptions.marketType",
            "capacityType says SPOT",
        ),
        (
            {
                "capacityReservationSpecification": {
                    "capacityReservationTarget": {"capacityReservationResourceGroupArn": "arn:x"}
                }
            },
            "capacityReservationSpecification.capacityReservationTarget.capacityReservationResourceGroupArn",
            "names one reservation",
        ),
        ({"ebsOptimized": "true", "cpuOptions": {"coreCount": 2}}, "cpuOptions", "refused in the sandbox"),
    ],
)
def test_a_template_that_ec2_would_refuse_is_refused_at_preview(
    driver: Driver, inputs: dict[str, Any], path: str, reason: str
) -> None:
    failures = driver.failures(TEMPLATE, **inputs)
    assert any(where == path and reason in text for where, text in failures), failures
