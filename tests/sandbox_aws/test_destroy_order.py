from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.identity import PEOPLE
from tests.sandbox_aws.conftest import Account
from tests.waits import until


def test_a_vpc_is_held_by_what_is_in_it(aws: Account) -> None:
    [subnet] = aws.network("a")
    ec2, vpc = aws("ec2"), aws.made["vpc"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName="com.amazonaws.us-east-1.ecr.api",
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
        SecurityGroupIds=[group],
    )["VpcEndpoint"]["VpcEndpointId"]
    with pytest.raises(ClientError, match="has dependencies"):
        ec2.delete_subnet(SubnetId=subnet)
    with pytest.raises(ClientError, match="has a dependent object"):
        ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    for undo in (
        lambda: ec2.delete_subnet(SubnetId=subnet),
        lambda: ec2.delete_security_group(GroupId=group),
        lambda: ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc),
    ):
        with pytest.raises(ClientError, match="has dependencies"):
            ec2.delete_vpc(VpcId=vpc)
        undo()
    ec2.delete_vpc(VpcId=vpc)


def test_a_security_group_is_held_by_a_rule_that_names_it(aws: Account) -> None:
    aws.network("a")
    ec2, vpc = aws("ec2"), aws.made["vpc"]
    one, two = (
        ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in ("one", "two")
    )
    rule = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": one}]}]
    ec2.authorize_security_group_ingress(GroupId=two, IpPermissions=rule)
    with pytest.raises(ClientError, match="has a dependent object"):
        ec2.delete_security_group(GroupId=one)
    ec2.revoke_security_group_ingress(GroupId=two, IpPermissions=rule)
    ec2.delete_security_group(GroupId=one)


def test_a_nat_gateway_holds_its_subnet_its_address_and_the_internet_gateway(aws: Account) -> None:
    [subnet] = aws.network("a")
    ec2, vpc = aws("ec2"), aws.made["vpc"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    with pytest.raises(ClientError, match="has dependencies"):
        ec2.delete_subnet(SubnetId=subnet)
    with pytest.raises(ClientError, match="InUse"):
        ec2.release_address(AllocationId=address)
    with pytest.raises(ClientError, match="mapped public address"):
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.release_address(AllocationId=address)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_vpc(VpcId=vpc)


def test_a_whole_cluster_comes_down_in_order_and_leaves_nothing(aws: Account) -> None:
    subnets = aws.cluster()
    ec2, eks = aws("ec2"), aws("eks")
    aws.pool(subnets, 3)
    aws.wait_group("ACTIVE")
    with pytest.raises(ClientError, match="has dependencies"):
        ec2.delete_subnet(SubnetId=subnets[0])
    eks.delete_nodegroup(clusterName="one", nodegroupName="gpu")
    until(lambda: eks.list_nodegroups(clusterName="one")["nodegroups"] == [])
    eks.delete_cluster(name="one")
    until(lambda: eks.list_clusters()["clusters"] == [])
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=aws.made["vpc"])
    for role in ("cluster", "node"):
        aws("iam").delete_role(RoleName=role)
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert ec2.describe_volumes()["Volumes"] == []
    assert aws("iam").list_instance_profiles()["InstanceProfiles"] == []
    assert {role["RoleName"] for role in aws("iam").list_roles()["Roles"]} == set(PEOPLE)


def test_a_role_with_a_policy_is_not_deleted(aws: Account) -> None:
    aws.role("cluster", "eks.amazonaws.com")
    iam, policy = aws("iam"), "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
    iam.attach_role_policy(RoleName="cluster", PolicyArn=policy)
    with pytest.raises(ClientError, match="must detach all policies first"):
        iam.delete_role(RoleName="cluster")
    iam.detach_role_policy(RoleName="cluster", PolicyArn=policy)
    iam.delete_role(RoleName="cluster")
