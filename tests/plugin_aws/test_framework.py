"""What every type has from the framework: refusals, replacement, provider settings, the guard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.plugins import guard
from sandbox.plugins.aws import config, judge, model, schema
from sandbox.plugins.aws.framework import Context, ResourceType
from sandbox.plugins.aws.provider import AwsProvider
from sandbox.plugins.aws.table import Prop, judged, refused, tags, update
from sandbox.plugins.protocol import UNKNOWN, PluginError
from tests.plugin_aws.conftest import Driver

VPC = "aws:ec2/vpc:Vpc"
OFFLINE = Context("us-east-1", "123456789012", "")


class Cluster(ResourceType):
    token = "aws:test/cluster:Cluster"
    sdk = "test.Cluster"
    cfn = "AWS::EKS::Cluster"
    inputs: dict[str, Prop] = {
        "name": judged("Name"),
        "roleArn": judged("RoleArn", required=True),
        "vpcConfig": judged(
            "ResourcesVpcConfig",
            fields={
                "subnetIds": judged("SubnetIds", unordered=True),
                "endpointPublicAccess": judged("EndpointPublicAccess", default=False),
                "cidrs": judged("PublicAccessCidrs"),
            },
        ),
        "network": judged(
            "KubernetesNetworkConfig",
            fields={"ipFamily": judged("IpFamily"), "range": judged("ServiceIpv4Cidr")},
        ),
        "policy": update(source="a test's own", json=True),
        "legacy": refused("too old"),
        **tags(),
    }


@pytest.fixture
def kind() -> ResourceType:
    return Cluster()


GOOD: dict[str, Any] = {
    "name": "c",
    "roleArn": "arn:aws:iam::123456789012:role/r",
    "vpcConfig": {"subnetIds": ["s"]},
}


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"nmae": "c"}, "nmae", "did you mean 'name'?"),
        (
            {"vpcConfig": {"subnetIds": ["s"], "subnetId": "s"}},
            "vpcConfig.subnetId",
            "did you mean 'subnetIds'?",
        ),
        ({"legacy": 1}, "legacy", "refused in the sandbox: too old"),
        ({"roleArn": None}, "roleArn", "the SDK's class demands it"),
        ({"vpcConfig": None}, "vpcConfig", "AWS::EKS::Cluster demands ResourcesVpcConfig"),
        ({"vpcConfig": {}}, "vpcConfig.subnetIds", "demands SubnetIds"),
        ({"vpcConfig": "s"}, "vpcConfig", "is no object"),
        ({"name": "!bad"}, "name", "does not match the pattern"),
        (
            {"network": {"ipFamily": "ipv5"}},
            "network.ipFamily",
            "none of the values that AWS allows: ipv4, ipv6",
        ),
        ({"name": 7}, "name", "7 is no string"),
    ],
)
def test_a_wrong_input_is_refused_by_name_with_the_reason(
    kind: ResourceType, change: dict[str, Any], path: str, reason: str
) -> None:
    [(where, text)] = judge.check(kind, OFFLINE, {**GOOD, **change})
    assert where == path
    assert reason in text


def test_every_wrong_input_is_reported_at_once(kind: ResourceType) -> None:
    wrong = {"nmae": 1, "legacy": 1, "name": "!"}
    assert {path for path, _ in judge.check(kind, OFFLINE, wrong)} == {
        "nmae",
        "legacy",
        "name",
        "roleArn",
        "vpcConfig",
    }


def test_what_is_not_known_yet_satisfies_every_rule(kind: ResourceType) -> None:
    inputs = {
        "name": UNKNOWN,
        "roleArn": UNKNOWN,
        "vpcConfig": {"subnetIds": [UNKNOWN, UNKNOWN]},
        "network": UNKNOWN,
    }
    assert judge.check(kind, OFFLINE, inputs) == []


def test_a_type_that_the_region_lacks_is_refused(kind: ResourceType) -> None:
    kind.__class__.cfn, before = "AWS::AppRunner::Service", kind.cfn
    try:
        with pytest.raises(PluginError, match=r"AppRunner::Service does not exist in eu-central-2"):
            judge.check(kind, Context("eu-central-2", "1", ""), {})
    finally:
        kind.__class__.cfn = before


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"name": "a"}, {"name": "b"}, {"name": "update-replace"}),
        ({}, {"tags": {"a": "b"}}, {"tags": "add"}),
        (
            {"network": {"ipFamily": "ipv4"}},
            {"network": {"ipFamily": "ipv6"}},
            {"network.ipFamily": "update-replace"},
        ),
        ({"vpcConfig": {"subnetIds": ["a", "b"]}}, {"vpcConfig": {"subnetIds": ["b", "a"]}}, {}),
        (
            {"vpcConfig": {"subnetIds": ["a"]}},
            {"vpcConfig": {"subnetIds": [UNKNOWN]}},
            {"vpcConfig.subnetIds": "update"},
        ),
        ({"vpcConfig": {"subnetIds": ["a"]}}, {"vpcConfig": {"subnetIds": ["a"], "cidrs": []}}, {}),
        ({"policy": '{"a": ["b"]}'}, {"policy": '{ "a":"b" }'}, {}),
        ({"policy": '{"a": ["b"]}'}, {"policy": '{"a": "c"}'}, {"policy": "update"}),
        ({"tagsAll": {"a": "b"}, "tags": None}, {"tagsAll": {}}, {"tagsAll": "delete"}),
    ],
)
def test_a_change_is_an_update_or_a_replacement_as_aws_lists_it(
    kind: ResourceType, old: dict[str, Any], new: dict[str, Any], expected: dict[str, str]
) -> None:
    assert judge.diff(kind, "us-east-1", old, new).properties == expected


def test_a_table_that_names_what_aws_does_not_have_is_a_defect(kind: ResourceType) -> None:
    for path in ("NoSuchProperty", "Arn"):
        with pytest.raises(LookupError):
            judge.effect(kind, judged(path), (kind.cfn, (path,)), "us-east-1")


def test_an_unknown_resource_type_is_refused_with_the_list(aws_endpoint: str) -> None:
    with pytest.raises(PluginError, match=r"does not have aws:redshift/cluster:Cluster: it has .*ec2\.Vpc"):
        Driver().check("aws:redshift/cluster:Cluster")


def test_botocores_model_judges_a_request_that_has_unknown_parts() -> None:
    assert model.request_problems("ec2", "CreateSubnet", {"VpcId": UNKNOWN}) == []
    [missing] = model.request_problems("ec2", "CreateSubnet", {})
    assert "CreateSubnet" in missing
    assert "VpcId" in missing
    [enum] = model.request_problems("ec2", "CreateVpc", {"InstanceTenancy": "shared"})
    assert "'shared' is none of the values" in enum


def test_a_call_that_the_model_refuses_is_never_sent(aws_endpoint: str) -> None:
    ec2 = Context("us-east-1", "123456789012", aws_endpoint).client("ec2")
    with pytest.raises(PluginError, match="CreateVpc would be refused"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16", InstanceTenancy="shared")


# --- the provider's settings ---


@pytest.mark.parametrize(
    ("settings", "name", "reason"),
    [
        ({}, "region", "region is missing"),
        ({"region": "us-east1"}, "region", "did you mean 'us-east-1'?"),
        ({"region": "us-east-1", "allowedAccountIds": '["12"]'}, "allowedAccountIds", "12 digits"),
        ({"region": "us-east-1", "endpoints": "[]"}, "endpoints", "the world's own"),
        ({"region": "us-east-1", "defaultTag": "{}"}, "defaultTag", "did you mean 'defaultTags'?"),
        (
            {"region": "us-east-1", "skipCredentialsValidation": "true"},
            "skipCredentialsValidation",
            "leave it out",
        ),
        ({"region": "us-east-1", "defaultTags": {"tags": {"a": 1}}}, "defaultTags", "must be a string"),
    ],
)
def test_a_setting_that_no_world_has_is_refused_by_name(
    settings: dict[str, Any], name: str, reason: str
) -> None:
    [(where, text)] = config.problems(settings)
    assert where == name
    assert reason in text


def test_what_the_sdk_fills_in_by_itself_is_taken() -> None:
    filled = {"region": "us-east-1", "skipCredentialsValidation": "false", "skipRegionValidation": "true"}
    assert config.problems({**filled, "version": AwsProvider.version}) == []


def test_a_program_meant_for_another_account_is_refused(aws_endpoint: str) -> None:
    Driver(allowedAccountIds='["123456789012"]')
    with pytest.raises(
        PluginError, match="the account is 123456789012, and allowedAccountIds has only 999999999999"
    ):
        Driver(allowedAccountIds=["999999999999"])


def test_another_region_replaces_the_provider() -> None:
    change = AwsProvider().diff_config({"region": "us-east-1"}, {"region": "us-west-2"})
    assert change.replaces == ["region"]


def test_without_a_world_the_error_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path))
    driver = Driver()
    with pytest.raises(PluginError, match="no sandbox is running: start one with"):
        driver.create(VPC, cidrBlock="10.0.0.0/16")


# --- the guard ---


def project(folder: Path, mark: str | None) -> None:
    (folder / "stacks").mkdir()
    (folder / "Pulumi.yaml").write_text("name: bastide\nruntime: python\nstackConfigDir: stacks\n")
    config_lines = "config: {}\n" if mark is None else f"config:\n  bastide:environment: {mark}\n"
    (folder / "stacks" / "Pulumi.box.yaml").write_text(config_lines)


def test_a_marked_stack_passes_the_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, "sandbox")
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    guard.guard_stack.cache_clear()
    guard.guard_stack("box")


@pytest.mark.parametrize("mark", [None, "production"])
def test_an_unmarked_stack_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str | None
) -> None:
    project(tmp_path, mark)
    monkeypatch.chdir(tmp_path)
    guard.guard_stack.cache_clear()
    with pytest.raises(PluginError, match=r"'box' is not marked as a sandbox.*never act for a real stack"):
        guard.guard_stack("box")
    with pytest.raises(PluginError, match=r"Pulumi.other.yaml does not exist"):
        guard.guard_stack("other")


def test_a_folder_without_a_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    guard.guard_stack.cache_clear()
    with pytest.raises(PluginError, match=r"no Pulumi\.yaml"):
        guard.guard_stack("box")


# --- cost ---


def test_a_schema_is_read_once_and_only_when_asked_for() -> None:
    assert schema.load("AWS::EC2::VPC", "us-east-1") is schema.load("AWS::EC2::VPC", "us-east-1")
    code = (
        "import sys, sandbox.plugins.aws.provider as p; p.AwsProvider(); print('pulumi_aws' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_a_second_preview_of_a_type_reads_no_schema() -> None:
    driver = Driver()
    driver.preview(VPC, cidrBlock="10.0.0.0/16")
    read = schema.load.cache_info().misses
    driver.preview(VPC, cidrBlock="10.1.0.0/16")
    assert schema.load.cache_info().misses == read
