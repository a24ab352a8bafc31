"""The ways from a VPC to AWS's services that do not leave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from bastide.plans import endpoints
from bastide.settings import Settings

S3_DNS = aws.ec2.VpcEndpointDnsOptionsArgs(private_dns_only_for_inbound_resolver_endpoint=False)
"""Engines may only send to addresses of the VPC, so S3's name must lead to the interface endpoint inside it
too. AWS's own default leads there only from outside."""


def gateway_endpoint(
    name: str,
    settings: Settings,
    vpc_id: pulumi.Input[str],
    route_tables: Sequence[pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> None:
    """S3's entry in the route tables, for traffic where no interface endpoint takes S3's name: it passes no
    NAT and costs nothing."""
    aws.ec2.VpcEndpoint(
        f"{name}-s3-gateway",
        vpc_id=vpc_id,
        service_name=f"com.amazonaws.{settings.region}.s3",
        vpc_endpoint_type="Gateway",
        route_table_ids=list(route_tables),
        policy=endpoints.policy("s3", settings.region, settings.account_id),
        tags={"Name": f"{settings.prefix}-s3-gateway"},
        opts=opts,
    )


def interface_endpoints(
    name: str,
    settings: Settings,
    vpc_id: pulumi.Input[str],
    subnet_ids: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> None:
    """One endpoint for each service of the settings, with its service's own name inside the VPC, reached by
    HTTPS from the VPC and used by this account's principals alone."""
    services = settings.network.interface_endpoints
    if not services:
        return
    group = aws.ec2.SecurityGroup(
        f"{name}-endpoints",
        description="HTTPS from inside the VPC to the interface endpoints",
        vpc_id=vpc_id,
        tags={"Name": f"{settings.prefix}-endpoints"},
        opts=opts,
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-endpoints-https",
        security_group_id=group.id,
        cidr_ipv4=str(settings.network.cidr),
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        description="HTTPS from the VPC",
        opts=opts,
    )
    for service in services:
        aws.ec2.VpcEndpoint(
            f"{name}-{service.replace('.', '-')}",
            vpc_id=vpc_id,
            service_name=f"com.amazonaws.{settings.region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            dns_options=S3_DNS if service == "s3" else None,
            policy=endpoints.policy(service, settings.region, settings.account_id),
            subnet_ids=list(subnet_ids.values()),
            security_group_ids=[group.id],
            tags={"Name": f"{settings.prefix}-{service}"},
            opts=opts,
        )
