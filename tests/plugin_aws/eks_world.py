"""What an EKS test needs around it: a VPC, roles, and a cluster, made past the plugin."""

from __future__ import annotations

import json
from typing import Any

from sandbox.state import aws_client
from tests.waits import until

REGION = "us-east-1"
CLUSTER_ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


class EksWorld:
    """Each has names of its own, so that test modules share one AWS."""

    def __init__(self, endpoint: str, prefix: str) -> None:
        self.endpoint, self.prefix = endpoint, prefix
        self.eks, self.ec2, self.iam = (aws_client(name, REGION, endpoint) for name in ("eks", "ec2", "iam"))
        vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.vpc_id = vpc
        self.subnets = [
            self.ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("abc")
        ]
        self.cluster_role = self.role("cluster", "eks.amazonaws.com")
        self.node_role = self.role("node", "ec2.amazonaws.com")
        self.pod_role = self.role("pod", "pods.eks.amazonaws.com")

    def role(self, name: str, service: str) -> str:
        actions = ["sts:AssumeRole", "sts:TagSession"] if service.startswith("pods.") else "sts:AssumeRole"
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = self.iam.create_role(RoleName=f"{self.prefix}-{name}", AssumeRolePolicyDocument=document)
        return str(made["Role"]["Arn"])

    def cluster(self) -> str:
        """An ACTIVE cluster's name."""
        name = f"{self.prefix}-cluster"
        self.eks.create_cluster(
            name=name,
            roleArn=self.cluster_role,
            resourcesVpcConfig={"subnetIds": self.subnets[:2]},
            accessConfig={"authenticationMode": "API"},
        )
        self.await_status(lambda: self.eks.describe_cluster(name=name)["cluster"])
        return name

    @staticmethod
    def await_status(look: Any, status: str = "ACTIVE") -> None:
        until(lambda: look()["status"] == status, status)
