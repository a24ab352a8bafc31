"""What a cluster puts into the VPC: its security group, and the control plane's interfaces in its subnets.

Both belong to EKS and go with the cluster; until then they hold the subnets and the VPC, as on AWS.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from sandbox.aws.errors import ApiError
from sandbox.state import ACCOUNT_ID

CONTROL_PLANE_INTERFACES: Final = 4
"""EKS makes two to four interfaces (EKS user guide, network-reqs): one in each of up to four subnets."""


def ec2(region: str) -> Any:
    """moto's EC2 of a region."""
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT_ID][region]


def subnets(region: str, ids: list[str]) -> list[Any]:
    """The subnets by id, in order; raises what EKS answers for one that does not exist."""
    found = {s.id: s for zone in ec2(region).subnets.values() for s in zone.values()}
    missing = [i for i in ids if i not in found]
    if missing:
        raise ApiError("InvalidParameterException", f"The subnet ID(s) {', '.join(missing)} do not exist.")
    return [found[i] for i in ids]


def check_cluster_subnets(region: str, ids: list[str], groups: list[str]) -> str:
    """Checks what EKS checks of a cluster's network, and gives the VPC's id."""
    found = subnets(region, ids)
    vpcs = {s.vpc_id for s in found}
    if len(vpcs) != 1:
        raise ApiError("InvalidParameterException", "Subnets specified must belong to the same VPC.")
    if len({s.availability_zone for s in found}) < 2:
        raise ApiError(
            "InvalidParameterException", "Subnets specified must be in at least two different AZs."
        )
    for group in groups:
        known = ec2(region).get_security_group_from_id(group)
        if known is None or known.vpc_id not in vpcs:
            raise ApiError(
                "InvalidParameterException", f"The security group {group} does not exist in the VPC."
            )
    return str(vpcs.pop())


def attach(
    region: str, cluster: str, vpc_id: str, subnet_ids: list[str], groups: list[str], unique: str
) -> tuple[str, list[str]]:
    """Makes the cluster security group and the interfaces; gives their ids."""
    backend = ec2(region)
    tags = {f"kubernetes.io/cluster/{cluster}": "owned", "aws:eks:cluster-name": cluster}
    group = backend.create_security_group(
        f"eks-cluster-sg-{cluster}-{unique}",
        "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, "
        "as well as any managed workloads.",
        vpc_id=vpc_id,
        tags=tags,
    )
    interfaces = [
        backend.create_network_interface(
            subnet,
            subnet.get_available_subnet_ip(instance=None),
            group_ids=[group.id, *groups],
            description=f"Amazon EKS {cluster}",
            tags={"cluster.k8s.amazonaws.com/name": cluster},
        )
        for subnet in subnets(region, subnet_ids)[:CONTROL_PLANE_INTERFACES]
    ]
    return group.id, [interface.id for interface in interfaces]


def detach(region: str, group_id: str, interfaces: list[str]) -> None:
    """Takes both away again; what is already gone is fine."""
    from moto.ec2.exceptions import EC2ClientError

    backend = ec2(region)
    for interface in interfaces:
        found = backend.enis.get(interface)
        if found is not None:
            found.delete()
    if backend.get_security_group_from_id(group_id) is not None:
        # Where another group's rule still names it, EKS leaves it behind, and so the VPC stays too.
        with suppress(EC2ClientError):
            backend.delete_security_group(group_id=group_id)
