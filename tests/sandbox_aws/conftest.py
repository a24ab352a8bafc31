from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.aws.client import Aws
from sandbox.daemon.child import free_port
from sandbox.state import aws_client
from tests.waits import PATIENCE_S, until

REGION = "us-east-1"
LAUNCH_PATIENCE = 1.0
"""Seconds: long enough for several ticks of 0.2 s, short enough for a test."""
WAIT = 15.0


@dataclass
class Account:
    """One AWS process and the calls that a test makes of it."""

    endpoint: str
    control: Aws
    made: dict[str, Any] = field(default_factory=dict)

    def __call__(self, service: str, region: str = REGION) -> Any:
        return aws_client(service, region, self.endpoint)

    def role(self, name: str, service: str) -> str:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ],
        }
        made = self("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        return str(made["Role"]["Arn"])

    def network(self, zones: str = "abc") -> list[str]:
        ec2 = self("ec2")
        self.made["vpc"] = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        return [
            ec2.create_subnet(
                VpcId=self.made["vpc"], CidrBlock=f"10.20.{i}.0/24", AvailabilityZone=REGION + zone
            )["Subnet"]["SubnetId"]
            for i, zone in enumerate(zones)
        ]

    def cluster(self, name: str = "one", **extra: Any) -> list[str]:
        """An ACTIVE cluster in API mode; gives its subnets."""
        subnets = self.network()
        self.made["role"] = self.role("cluster", "eks.amazonaws.com")
        self.made["node_role"] = self.role("node", "ec2.amazonaws.com")
        given: dict[str, Any] = {
            "name": name,
            "version": "1.34",
            "roleArn": self.made["role"],
            "resourcesVpcConfig": {"subnetIds": subnets},
            "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
            **extra,
        }
        self("eks").create_cluster(**given)
        until(lambda: self.cluster_status(name) == "ACTIVE")
        return subnets

    def cluster_status(self, name: str = "one") -> str:
        return str(self("eks").describe_cluster(name=name)["cluster"]["status"])

    def pool(self, subnets: list[str], size: int, name: str = "gpu", **extra: Any) -> None:
        given: dict[str, Any] = {
            "clusterName": "one",
            "nodegroupName": name,
            "subnets": subnets,
            "nodeRole": self.made["node_role"],
            "scalingConfig": {"minSize": 0, "maxSize": 10, "desiredSize": size},
            "instanceTypes": ["p5.48xlarge"],
            "amiType": "AL2023_x86_64_NVIDIA",
            **extra,
        }
        self("eks").create_nodegroup(**{k: v for k, v in given.items() if v is not None})

    def group(self, name: str = "gpu") -> dict[str, Any]:
        found: dict[str, Any] = self("eks").describe_nodegroup(clusterName="one", nodegroupName=name)[
            "nodegroup"
        ]
        return found

    def wait_group(self, status: str, name: str = "gpu") -> dict[str, Any]:
        found: dict[str, Any] = until(lambda: (g := self.group(name))["status"] == status and g)
        return found

    def running(self) -> list[dict[str, Any]]:
        pages = self("ec2").describe_instances(
            Filters=[{"Name": "instance-state-name", "Values": ["running"]}]
        )
        return [instance for reservation in pages["Reservations"] for instance in reservation["Instances"]]


def _serve(*flags: str) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "sandbox.aws",
        "--port",
        str(port),
        "--launch-patience",
        str(LAUNCH_PATIENCE),
        *flags,
    ]
    process = subprocess.Popen(command)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        # A loaded machine of two cores took 12 s.
        until(lambda: process.poll() is not None or Aws(endpoint).healthy())
        assert process.poll() is None, "the sandbox's AWS did not start"
        yield endpoint
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture(scope="session")
def self_sufficient() -> Iterator[str]:
    yield from _serve("--self-sufficient")


@pytest.fixture(scope="session")
def awaiting_daemon() -> Iterator[str]:
    yield from _serve()


@pytest.fixture
def aws(self_sufficient: str) -> Account:
    """An empty account where clusters and nodes become ready by themselves."""
    control = Aws(self_sufficient)
    control.reset()
    return Account(self_sufficient, control)


@pytest.fixture
def reported_aws(awaiting_daemon: str) -> Account:
    """An empty account where the test plays the daemon."""
    control = Aws(awaiting_daemon)
    control.reset()
    return Account(awaiting_daemon, control)


@pytest.fixture
def any_aws(self_sufficient: str) -> Account:
    """An account in whatever state it is: for what does not depend on it (emptying takes half a second)."""
    return Account(self_sufficient, Aws(self_sufficient))
