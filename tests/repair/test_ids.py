"""How an interrupted create is found again."""

import boto3
import pytest
from moto import mock_aws

from bastide.repair.ids import Cloud, UnidentifiableError, finder, wait_until_made

CLOUD = Cloud({"region": "us-east-1", "defaultTags": {"tags": {"bastide:name": "here"}}})


def find(type_token: str, inputs: dict, cloud: Cloud = CLOUD) -> list[str]:
    known = finder(type_token)
    assert known is not None
    return known(inputs, cloud)


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


def make_vpc(**tags: str) -> str:
    ec2 = boto3.client("ec2", "us-east-1")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for key, value in tags.items():
        ec2.create_tags(Resources=[vpc], Tags=[{"Key": key, "Value": value}])
    return vpc


def test_a_name_that_the_program_chose_is_the_id() -> None:
    assert find("aws:eks/addon:Addon", {"clusterName": "c", "addonName": "vpc-cni"}) == ["c:vpc-cni"]
    assert find("kubernetes:core/v1:Service", {"metadata": {"name": "s", "namespace": "n"}}) == ["n/s"]
    assert find("kubernetes:core/v1:Namespace", {"metadata": {"name": "n"}}) == ["n"]


def test_a_name_that_is_not_known_is_said() -> None:
    with pytest.raises(UnidentifiableError, match="bucket"):
        find("aws:s3/bucket:Bucket", {})


def test_a_vpc_is_found_by_all_its_tags_and_not_by_some() -> None:
    mine = make_vpc(Name="here-vpc", **{"bastide:name": "here"})
    make_vpc(Name="here-vpc")
    make_vpc(Name="other", **{"bastide:name": "here"})
    assert find("aws:ec2/vpc:Vpc", {"tags": {"Name": "here-vpc"}}) == [mine]
    assert find("aws:ec2/vpc:Vpc", {"tags": {"Name": "none"}}) == []


def test_what_has_no_tags_of_its_own_is_not_guessed() -> None:
    make_vpc(**{"bastide:name": "here"})
    with pytest.raises(UnidentifiableError, match="no tags of its own"):
        find("aws:ec2/vpc:Vpc", {})


def test_a_security_group_rule_is_found_by_what_it_says() -> None:
    ec2 = boto3.client("ec2", "us-east-1")
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=make_vpc())["GroupId"]
    for port in (443, 80):
        allowed = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{**allowed, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}]
        )
    inputs = {"securityGroupId": group, "ipProtocol": "tcp", "cidrIpv4": "10.0.0.0/16"}
    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    (found,) = find(token, {**inputs, "fromPort": 443, "toPort": 443})
    rule = ec2.describe_security_group_rules(SecurityGroupRuleIds=[found])["SecurityGroupRules"][0]
    assert (rule["FromPort"], rule["IsEgress"]) == (443, False)
    assert find(token, {**inputs, "fromPort": 22, "toPort": 22}) == []


def test_a_subnets_route_table_is_found_by_both() -> None:
    ec2 = boto3.client("ec2", "us-east-1")
    vpc = make_vpc()
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    inputs = {"routeTableId": table, "subnetId": subnet}
    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    assert find(token, inputs) == []
    made = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    assert find(token, inputs) == [made]


def test_a_key_that_is_to_be_deleted_is_not_taken_for_the_new_one() -> None:
    kms = boto3.client("kms", "us-east-1")
    tags = [{"TagKey": "bastide:name", "TagValue": "here"}]
    old, new = (kms.create_key(Description="logs", Tags=tags)["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.schedule_key_deletion(KeyId=old)
    assert find("aws:kms/key:Key", {"description": "logs"}) == [new]


def test_a_type_that_nothing_is_known_of_has_no_finder() -> None:
    assert finder("aws:rds/instance:Instance") is None


def test_an_aws_that_does_not_answer_is_said_and_not_thrown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(UnidentifiableError, match="could not be asked"):
        wait_until_made("aws:eks/cluster:Cluster", "one", Cloud({"region": "us-east-1"}))
    with pytest.raises(UnidentifiableError, match="'one' is not the form of its id"):
        wait_until_made("aws:eks/nodeGroup:NodeGroup", "one", Cloud({"region": "us-east-1"}))
