"""Who reaches a store of the gateway: pods of the cluster, on the store's one port, and nobody else."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class StoreAccess:
    """A store that is to be reached. The descriptions are made of the first two; AWS replaces a security group whose
    description changes."""

    protocol: str
    """Which people know it by, such as PostgreSQL."""
    store: str
    """What it is to the gateway: database or cache."""
    port: int
    vpc_id: pulumi.Input[str]
    client_group_id: pulumi.Input[str]
    """Security group of the nodes, which pods have too: it alone may connect."""
    prefix: str
    """Of the stack's names."""


def access_from_pods(
    name: str, wanted: StoreAccess, opts: pulumi.ResourceOptions | None = None
) -> aws.ec2.SecurityGroup:
    """The security group of a store, with its only rule. It lets nothing out, because a store calls nobody. `name` is
    the store's component, `opts` those of its children."""
    group = aws.ec2.SecurityGroup(
        f"{name}-access",
        description=f"{wanted.protocol} from pods of the cluster to the {wanted.store} of the gateway",
        vpc_id=wanted.vpc_id,
        tags={"Name": f"{wanted.prefix}-{wanted.store}"},
        opts=opts,
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-access-pods",
        security_group_id=group.id,
        referenced_security_group_id=wanted.client_group_id,
        ip_protocol="tcp",
        from_port=wanted.port,
        to_port=wanted.port,
        description=f"{wanted.protocol} from pods of the cluster",
        opts=opts,
    )
    return group
