"""A region in a VPC, a cluster and a bucket that others own: nothing of theirs is different after `up` and
`destroy` (`make prove PART=adopt`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import REGION, Sandbox, Stack

ZONES = ("us-east-1a", "us-east-1b")
CIDR = "10.77.0.0/16"
BUCKET = "theirs-models"
CLUSTER = "theirs"
ADDONS = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("adopt")]


@dataclass
class Theirs:
    """What somebody else made."""

    vpc: str
    subnets: dict[str, str]
    public: str
    key_arn: str
    bucket: str


def make(sandbox: Sandbox) -> Theirs:
    """By boto3: a VPC with private subnets behind a NAT gateway, a public one, S3's interface endpoint, and a bucket
    with its key."""
    ec2, s3, kms = sandbox.aws("ec2"), sandbox.aws("s3"), sandbox.aws("kms")
    vpc = ec2.create_vpc(
        CidrBlock=CIDR,
        TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "owner", "Value": "network-team"}]}],
    )["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    blocks = {zone: f"10.77.{32 * index}.0/19" for index, zone in enumerate(ZONES)}
    subnets = {
        zone: ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for zone, block in blocks.items()
    }
    public = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.255.0/24", AvailabilityZone=ZONES[0])["Subnet"]
    ways = {}
    for kind in ("public", "private"):
        ways[kind] = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=ways["public"], SubnetId=public["SubnetId"])
    ec2.create_route(RouteTableId=ways["public"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public["SubnetId"], AllocationId=address)["NatGateway"]
    for subnet in subnets.values():
        ec2.associate_route_table(RouteTableId=ways["private"], SubnetId=subnet)
    ec2.create_route(
        RouteTableId=ways["private"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat["NatGatewayId"]
    )
    ec2.create_vpc_endpoint(
        VpcId=vpc,
        VpcEndpointType="Interface",
        ServiceName=f"com.amazonaws.{REGION}.s3",
        SubnetIds=list(subnets.values()),
        PrivateDnsEnabled=True,
    )
    key = kms.create_key(Description="theirs")["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    closed = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    s3.put_bucket_ownership_controls(
        Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "owner", "Value": "data-team"}]})
    s3.put_object(Bucket=BUCKET, Key="models/theirs/1.0.0/manifest.json", Body=b"{}")
    make_cluster(sandbox, list(subnets.values()), key)
    return Theirs(vpc, subnets, public["SubnetId"], key, BUCKET)


def make_cluster(sandbox: Sandbox, subnets: list[str], key: str) -> None:
    """A cluster with its add-ons, as its owner would have made it."""
    iam, eks = sandbox.aws("iam"), sandbox.aws("eks")
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="theirs-cluster",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    iam.attach_role_policy(
        RoleName="theirs-cluster", PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
    )
    eks.create_cluster(
        name=CLUSTER,
        version="1.34",
        roleArn=role,
        resourcesVpcConfig={
            "subnetIds": subnets,
            "endpointPublicAccess": False,
            "endpointPrivateAccess": True,
        },
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
        encryptionConfig=[{"resources": ["secrets"], "provider": {"keyArn": key}}],
        logging={"clusterLogging": [{"types": ["api", "audit", "authenticator"], "enabled": True}]},
        tags={"owner": "platform-team"},
    )
    eks.get_waiter("cluster_active").wait(name=CLUSTER, WaiterConfig={"Delay": 1, "MaxAttempts": 240})
    for addon in ADDONS:
        eks.create_addon(clusterName=CLUSTER, addonName=addon)
        eks.get_waiter("addon_active").wait(
            clusterName=CLUSTER, addonName=addon, WaiterConfig={"Delay": 1, "MaxAttempts": 240}
        )


def described(sandbox: Sandbox, theirs: Theirs) -> str:
    """Everything that AWS says of what is theirs, as text."""
    ec2, s3, kms = sandbox.aws("ec2"), sandbox.aws("s3"), sandbox.aws("kms")
    within = [{"Name": "vpc-id", "Values": [theirs.vpc]}]
    listed = {
        "vpc": ec2.describe_vpcs(VpcIds=[theirs.vpc])["Vpcs"],
        "dns": [
            ec2.describe_vpc_attribute(VpcId=theirs.vpc, Attribute=each)[each[0].upper() + each[1:]]
            for each in ("enableDnsSupport", "enableDnsHostnames")
        ],
        "subnets": ec2.describe_subnets(Filters=within)["Subnets"],
        "tables": ec2.describe_route_tables(Filters=within)["RouteTables"],
        "groups": ec2.describe_security_groups(Filters=within)["SecurityGroups"],
        "acls": ec2.describe_network_acls(Filters=within)["NetworkAcls"],
        "gateways": ec2.describe_internet_gateways(
            Filters=[{"Name": "attachment.vpc-id", "Values": [theirs.vpc]}]
        )["InternetGateways"],
        "nat": ec2.describe_nat_gateways(Filters=within)["NatGateways"],
        "endpoints": ec2.describe_vpc_endpoints(Filters=within)["VpcEndpoints"],
        "interfaces": ec2.describe_network_interfaces(Filters=within)["NetworkInterfaces"],
        "flow logs": ec2.describe_flow_logs()["FlowLogs"],
        "key": kms.describe_key(KeyId=theirs.key_arn)["KeyMetadata"],
        "key policy": kms.get_key_policy(KeyId=theirs.key_arn, PolicyName="default")["Policy"],
        "grants": kms.list_grants(KeyId=theirs.key_arn)["Grants"],
    }
    eks = sandbox.aws("eks")
    listed["cluster"] = eks.describe_cluster(name=CLUSTER)["cluster"]
    listed["add-ons"] = [
        eks.describe_addon(clusterName=CLUSTER, addonName=each)["addon"]
        for each in eks.list_addons(clusterName=CLUSTER)["addons"]
    ]
    for name in (
        *("get_bucket_versioning", "get_bucket_encryption", "get_public_access_block", "get_bucket_tagging"),
        *("get_bucket_ownership_controls", "get_bucket_policy", "get_bucket_lifecycle_configuration"),
        *("get_bucket_logging", "get_object_lock_configuration", "get_bucket_acl", "get_bucket_location"),
        *("list_object_versions", "list_bucket_inventory_configurations"),
    ):
        try:
            answer = getattr(s3, name)(Bucket=theirs.bucket)
        except ClientError as error:
            answer = {"error": error.response["Error"]["Code"]}
        answer.pop("ResponseMetadata", None)
        listed[name] = answer
    return json.dumps(listed, sort_keys=True, default=str, indent=1)


@pytest.fixture(scope="module")
def theirs(sandbox: Sandbox) -> Theirs:
    return make(sandbox)


@pytest.fixture
def adopting(stack: Stack, theirs: Theirs) -> Iterator[Stack]:
    """The sandbox stack, in what is theirs."""

    def adopt(config: dict[str, Any]) -> None:
        config["bastide:network"] = {
            "kind": "adopt",
            "vpcId": theirs.vpc,
            "cidr": CIDR,
            "privateSubnetIds": theirs.subnets,
            "manageEndpoints": True,
            "interfaceEndpoints": ["sts", "ecr.api"],
        }
        config["bastide:modelStore"] = {"kind": "adopt", "bucket": theirs.bucket, "keyArn": theirs.key_arn}
        config["bastide:cluster"] = {"kind": "adopt", "name": CLUSTER, "kubernetesVersion": "1.34"}

    stack.configure(adopt)
    yield stack
    stack.configure()


def test_what_is_not_fit_is_refused_together_before_anything_is_made(
    adopting: Stack, theirs: Theirs, sandbox: Sandbox
) -> None:
    s3, ec2 = sandbox.aws("s3"), sandbox.aws("ec2")
    before = described(sandbox, theirs)

    def spoil(config: dict[str, Any]) -> None:
        config["bastide:network"] = {
            "kind": "adopt",
            "vpcId": theirs.vpc,
            "cidr": "10.77.0.0/17",
            "privateSubnetIds": {**theirs.subnets, "us-east-1c": theirs.public},
            "manageEndpoints": True,
            "interfaceEndpoints": ["s3"],
        }
        config["bastide:modelStore"] = {"kind": "adopt", "bucket": theirs.bucket, "keyArn": theirs.key_arn}

    adopting.configure(spoil)
    s3.put_bucket_versioning(Bucket=theirs.bucket, VersioningConfiguration={"Status": "Suspended"})
    ec2.modify_vpc_attribute(VpcId=theirs.vpc, EnableDnsHostnames={"Value": False})
    try:
        found = adopting.up()
    finally:
        s3.put_bucket_versioning(Bucket=theirs.bucket, VersioningConfiguration={"Status": "Enabled"})
        ec2.modify_vpc_attribute(VpcId=theirs.vpc, EnableDnsHostnames={"Value": True})
    assert found.code != 0
    for said in (
        "7 mistakes; nothing was registered",
        f"bastide:network.cidr: '10.77.0.0/17' is not a block of {theirs.vpc}; it has: {CIDR}",
        f"bastide:network.vpcId: {theirs.vpc} has enableDnsHostnames off",
        f"bastide:network.privateSubnetIds.us-east-1c: '{theirs.public}' is in zone us-east-1a",
        f"'{theirs.public}' has 10.77.255.0/24, outside network.cidr '10.77.0.0/17'",
        f"'{theirs.public}' is public: its route table",
        f"bastide:network.interfaceEndpoints[0]: 's3' has an endpoint in {theirs.vpc} already",
        f"bastide:modelStore.bucket: '{theirs.bucket}' has versioning Suspended",
    ):
        assert said in found.text, found.text
    made = [each["type"] for each in adopting.state() if each["type"].startswith("aws:")]
    assert made == []
    assert described(sandbox, theirs) == before


def test_up_and_destroy_leave_what_is_theirs_as_it_was(
    adopting: Stack, theirs: Theirs, sandbox: Sandbox
) -> None:
    before = described(sandbox, theirs)
    up = adopting.up()
    assert up.code == 0, up.text[-6000:]
    state = adopting.state()
    external = {each["type"].split(":")[-1] for each in state if each.get("external")}
    assert external == {"Vpc", "Subnet", "Bucket", "Key"}
    own = [each for each in state if each.get("custom") and not each.get("external")]
    assert not [each["urn"] for each in own if each["type"] in ("aws:ec2/vpc:Vpc", "aws:s3/bucket:Bucket")]
    # What is theirs stands as before even now, except for what the region's parts use of it: addresses.
    ec2 = sandbox.aws("ec2")
    tags = ec2.describe_vpcs(VpcIds=[theirs.vpc])["Vpcs"][0]["Tags"]
    assert tags == [{"Key": "owner", "Value": "network-team"}]
    endpoints = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [theirs.vpc]}])[
        "VpcEndpoints"
    ]
    services = sorted(each["ServiceName"].rpartition(f"{REGION}.")[2] for each in endpoints)
    assert services == ["ecr.api", "s3", "sts"]
    policy = sandbox.aws("iam").get_role_policy(
        RoleName="bastide-sandbox-us-east-1-engine-chat", PolicyName="rights"
    )["PolicyDocument"]
    rights = {each["Sid"]: each["Resource"] for each in policy["Statement"]}
    assert all(each.startswith(f"arn:aws:s3:::{theirs.bucket}/models/") for each in rights["ReadModel"])
    assert rights["DecryptModel"] == theirs.key_arn
    steps = adopting.steps()
    assert [(each["op"], each["urn"]) for each in steps if each["op"] != "read"] == []

    destroyed = adopting.pulumi("destroy", "--yes", "--skip-preview")
    assert destroyed.code == 0, destroyed.text[-6000:]
    assert described(sandbox, theirs) == before
