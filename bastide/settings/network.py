"""Settings of a region's network."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated

from pydantic import Field

from bastide.network_plan import MAX_SUBNET_PREFIX, MIN_SUBNET_PREFIX
from bastide.settings.base import Cidr, Strict, matching

EndpointService = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?",
        "is not the short name of a service; allowed: what follows com.amazonaws.<region>. such as 's3' or 'ecr.api'; "
        "`aws ec2 describe-vpc-endpoint-services` lists them",
    ),
]


class NetworkSettings(Strict):
    """The VPC, its zones and how it reaches AWS and the internet."""

    zones: tuple[str, ...] = Field(min_length=2, max_length=6)
    """Availability zones, two to six (EKS asks for two). Add new ones at the end: blocks follow the order."""

    cidr: Cidr = IPv4Network("10.0.0.0/16")
    """IPv4 block of the VPC, /16 to /28."""

    private_prefix: int = Field(19, ge=MIN_SUBNET_PREFIX, le=MAX_SUBNET_PREFIX)
    """Prefix length of each zone's private subnet. The VPC CNI gives every pod an address of it: /19 has
    8,187."""

    public_prefix: int = Field(24, ge=MIN_SUBNET_PREFIX, le=MAX_SUBNET_PREFIX)
    """Prefix length of each zone's public subnet, which holds load balancers and NAT gateways only."""

    reserved_cidrs: tuple[Cidr, ...] = ()
    """Blocks that this network must not overlap: peers, on-premises networks, other regions."""

    nat_per_zone: bool = True
    """One NAT gateway in each zone. Off means one for all: cheaper, and that zone's loss cuts the others'
    egress."""

    interface_endpoints: tuple[EndpointService, ...] = (
        "ecr.api",
        "ecr.dkr",
        "sts",
        "ec2",
        "eks",
        "eks-auth",
        "logs",
        "s3",
    )
    """AWS services reached inside the VPC by interface endpoints, as in com.amazonaws.<region>.<service>. The
    default is what nodes need to join a private cluster, pull images from ECR, get Pod Identity credentials
    and log, and S3, because engines may only send to addresses of the VPC."""

    flow_log_retention_days: int = 365
    """Days for which VPC flow logs are kept; one of the values that CloudWatch Logs takes."""
