"""Settings of a region's network: made by the kit, or somebody else's that the kit only uses."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Final, Literal

from pydantic import Field, Tag

from bastide.plans.endpoints import DEFAULT_SERVICES
from bastide.plans.network_plan import MAX_SUBNET_PREFIX, MIN_SUBNET_PREFIX
from bastide.settings.base import Cidr, Strict, matching
from bastide.settings.variants import by_kind

EndpointService = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?",
        "is not the short name of a service; allowed: what follows com.amazonaws.<region>. such as 's3' or 'ecr.api'; "
        "`aws ec2 describe-vpc-endpoint-services` lists them",
    ),
]

VpcId = Annotated[
    str,
    matching(
        r"vpc-([0-9a-f]{8}|[0-9a-f]{17})",
        "is not the id of a VPC; allowed: 'vpc-' and 8 or 17 hexadecimal digits; `aws ec2 describe-vpcs` lists them",
    ),
]

SubnetId = Annotated[
    str,
    matching(
        r"subnet-([0-9a-f]{8}|[0-9a-f]{17})",
        "is not the id of a subnet; allowed: 'subnet-' and 8 or 17 hexadecimal digits; "
        "`aws ec2 describe-subnets` lists them",
    ),
]

EKS_FREE_ADDRESSES: Final = 16
"""Free addresses that EKS recommends in each subnet of a cluster (EKS user guide, "View Amazon EKS networking
requirements for VPC and subnets"); it needs 6 at least."""


class CreatedNetwork(Strict):
    """A VPC of the stack's own: its zones, and how it reaches AWS and the internet."""

    kind: Literal["create"] = "create"
    """`create`: the kit makes the VPC and everything in it."""

    zones: tuple[str, ...] = Field(min_length=2, max_length=6)
    """Availability zones, two to six (EKS asks for two; three outlive the loss of one with two left). Add new
    ones at the end: blocks follow the order."""

    cidr: Cidr = IPv4Network("10.0.0.0/16")
    """IPv4 block of the VPC, /16 to /28."""

    private_prefix: int = Field(19, ge=MIN_SUBNET_PREFIX, le=MAX_SUBNET_PREFIX)
    """Prefix length of each zone's private subnet. The VPC CNI gives every pod an address of it: /19 has
    8,187."""

    public_prefix: int = Field(24, ge=MIN_SUBNET_PREFIX, le=MAX_SUBNET_PREFIX)
    """Prefix length of each zone's public subnet, which holds load balancers and NAT gateways only."""

    public_subnets: bool = True
    """Whether there are public subnets and an internet gateway. Off, with `nat: none`, is a VPC that nothing
    from the internet can reach and that reaches nothing there."""

    reserved_cidrs: tuple[Cidr, ...] = ()
    """Blocks that this network must not overlap: peers, on-premises networks, other regions."""

    nat: Literal["perZone", "single", "none"] = "perZone"
    """How private subnets reach the internet. `perZone`: a NAT gateway in each zone. `single`: one for all,
    which is cheaper, and its zone's loss cuts the others' egress. `none`: not at all; AWS is reached by
    interface endpoints alone, and images come from ECR."""

    interface_endpoints: tuple[EndpointService, ...] = DEFAULT_SERVICES
    """AWS services reached inside the VPC by interface endpoints, as in com.amazonaws.<region>.<service>. The
    default is what nodes need to join a private cluster, pull images from ECR, get Pod Identity credentials
    and log; S3, because engines may only send to addresses of the VPC; KMS and Secrets Manager."""

    flow_log_retention_days: int = 365
    """Days for which VPC flow logs are kept; one of the values that CloudWatch Logs takes."""


class AdoptedNetwork(Strict):
    """A VPC that somebody else made and keeps. It is read and judged before anything is made in it; nothing
    of theirs is changed, tagged or deleted."""

    kind: Literal["adopt"]
    """`adopt`: the VPC is there already."""

    vpc_id: VpcId
    """The VPC."""

    cidr: Cidr
    """The VPC's IPv4 block that the private subnets lie in: nodes and endpoints are reached from it. It is
    compared with AWS, and told here so that overlaps are found without asking AWS."""

    private_subnet_ids: dict[str, SubnetId] = Field(min_length=2, max_length=6)
    """Private subnet of each zone, as in `us-east-1a: subnet-0123456789abcdef0`: nodes, pods and the API
    server's interfaces get addresses of it."""

    reserved_cidrs: tuple[Cidr, ...] = ()
    """Blocks that the VPC must not overlap."""

    min_free_addresses: int = Field(EKS_FREE_ADDRESSES, ge=6)
    """Free addresses that each subnet must still have. EKS recommends 16 and needs 6; nodes and pods come on
    top."""

    manage_endpoints: bool = False
    """Whether the kit makes `interfaceEndpoints` in the VPC. Off: the ones that engines need must be there. A
    gateway endpoint is never made, because it would write into their route tables."""

    interface_endpoints: tuple[EndpointService, ...] = DEFAULT_SERVICES
    """The endpoints that are made when `manageEndpoints` is on: leave out what the VPC has already."""

    @property
    def zones(self) -> tuple[str, ...]:
        """Availability zones, in the order of their names."""
        return tuple(sorted(self.private_subnet_ids))


NetworkSettings = Annotated[
    Annotated[CreatedNetwork, Tag("create")] | Annotated[AdoptedNetwork, Tag("adopt")], by_kind("create")
]
