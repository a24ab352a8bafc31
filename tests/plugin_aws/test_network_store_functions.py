"""The functions that read networks, buckets and keys: every output of the SDK's class, as AWS has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.plugins.aws.functions import FUNCTIONS
from sandbox.state import aws_client
from tests.plugin_aws.conftest import REGION, Driver
from tests.plugin_aws.test_eks_functions import outputs


@pytest.fixture(scope="module")
def made(aws_endpoint: str) -> dict[str, str]:
    """A VPC with a public and a private subnet, an endpoint, a bucket and a key, by boto3."""
    ec2, s3, kms = (aws_client(each, REGION, aws_endpoint) for each in ("ec2", "s3", "kms"))
    vpc = ec2.create_vpc(CidrBlock="10.88.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.88.0.0/24", AvailabilityZone=f"{REGION}a")["Subnet"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet["SubnetId"])
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    service = f"com.amazonaws.{REGION}.s3"
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, VpcEndpointType="Gateway", RouteTableIds=[table])
    ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=service,
        VpcEndpointType="Interface",
        SubnetIds=[subnet["SubnetId"]],
        PrivateDnsEnabled=True,
    )
    s3.create_bucket(Bucket="seen")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    return {
        "vpc": vpc,
        "subnet": subnet["SubnetId"],
        "gateway": gateway,
        "table": table,
        "service": service,
        "bucket": "seen",
        "key": key,
    }


ARGS = {
    "ec2.get_vpc": {"id": "vpc"},
    "ec2.get_subnet": {"id": "subnet"},
    "ec2.get_route_tables": {"vpcId": "vpc"},
    "ec2.get_route_table": {"routeTableId": "table"},
    "ec2.get_vpc_endpoint": {"vpcId": "vpc", "serviceName": "service", "vpcEndpointType": "=Interface"},
    "s3.get_bucket": {"bucket": "bucket"},
    "kms.get_key": {"keyId": "key"},
    "cloudcontrol.get_resource": {"typeName": "=AWS::S3::Bucket", "identifier": "bucket"},
}


def ask(driver: Driver, made: dict[str, str], sdk: str, **changes: Any) -> dict[str, Any]:
    (found,) = [each for each in FUNCTIONS.values() if each.sdk == sdk]
    args = {name: value[1:] if value[0] == "=" else made[value] for name, value in ARGS[sdk].items()}
    return driver.provider.invoke(found.token, {**args, **changes})


@pytest.mark.parametrize("sdk", ARGS)
def test_a_function_gives_every_output_of_the_sdk(driver: Driver, made: dict[str, str], sdk: str) -> None:
    (found,) = [each for each in FUNCTIONS.values() if each.sdk == sdk]
    answer = ask(driver, made, sdk)
    assert answer.keys() == outputs(found)
    assert answer["region"] == REGION


def test_they_say_what_aws_says(driver: Driver, made: dict[str, str]) -> None:
    vpc = ask(driver, made, "ec2.get_vpc")
    assert (vpc["cidrBlock"], vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) == (
        "10.88.0.0/16",
        True,
        False,
    )
    assert [each["cidrBlock"] for each in vpc["cidrBlockAssociations"]] == ["10.88.0.0/16"]
    subnet = ask(driver, made, "ec2.get_subnet")
    assert (subnet["vpcId"], subnet["availabilityZone"]) == (made["vpc"], f"{REGION}a")
    # 256, less the five that AWS keeps and the endpoint's interface.
    assert subnet["availableIpAddressCount"] == 250
    assert set(ask(driver, made, "ec2.get_route_tables")["ids"]) == {made["table"], vpc["mainRouteTableId"]}
    table = ask(driver, made, "ec2.get_route_table")
    [route] = table["routes"]
    assert (route["cidrBlock"], route["gatewayId"]) == ("0.0.0.0/0", made["gateway"])
    assert [each["subnetId"] for each in table["associations"]] == [made["subnet"]]
    endpoint = ask(driver, made, "ec2.get_vpc_endpoint")
    assert (endpoint["privateDnsEnabled"], endpoint["subnetIds"]) == (True, [made["subnet"]])
    assert ask(driver, made, "kms.get_key")["keyManager"] == "CUSTOMER"


def test_a_buckets_settings_come_in_the_words_of_awss_schema(
    driver: Driver, made: dict[str, str], aws_endpoint: str
) -> None:
    s3 = aws_client("s3", REGION, aws_endpoint)

    def seen() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask(driver, made, "cloudcontrol.get_resource")["properties"])
        return found

    assert "VersioningConfiguration" not in seen()
    s3.put_bucket_versioning(Bucket="seen", VersioningConfiguration={"Status": "Enabled"})
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": made["key"]}
    s3.put_bucket_encryption(
        Bucket="seen",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    found = seen()
    assert found["VersioningConfiguration"] == {"Status": "Enabled"}
    [rule] = found["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == default
    from sandbox.plugins.aws import schema

    document = schema.load("AWS::S3::Bucket", REGION)
    assert document is not None
    assert all(document.has((name,)) for name in found)


@pytest.mark.parametrize(
    ("sdk", "changes", "said"),
    [
        ("ec2.get_vpc", {"id": "vpc-00000000"}, "does not exist"),
        ("ec2.get_vpc", {"tags": {"a": "b"}}, "looks in the sandbox by id alone, and tags was given"),
        (
            "ec2.get_vpc_endpoint",
            {"serviceName": "com.amazonaws.us-east-1.sts"},
            "no matching EC2 VPC Endpoint",
        ),
        ("ec2.get_vpc_endpoint", {"vpcEndpointType": None}, "multiple EC2 VPC Endpoints matched"),
        ("s3.get_bucket", {"bucket": "nowhere-at-all"}, "couldn't find resource"),
        ("cloudcontrol.get_resource", {"identifier": "nowhere-at-all"}, "couldn't find resource"),
        (
            "cloudcontrol.get_resource",
            {"typeName": "AWS::EC2::VPC"},
            "has in the sandbox only AWS::S3::Bucket",
        ),
    ],
)
def test_what_is_not_there_or_not_known_is_said(
    driver: Driver, made: dict[str, str], sdk: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(Exception, match=said):
        ask(driver, made, sdk, **changes)
