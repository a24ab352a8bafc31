"""The VPC of a region: public and private subnets in each zone, NAT, endpoints and flow logs.

Nodes and the API server's interfaces are in private subnets; public ones hold only load balancers and NAT.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.network_plan import ZonePlan
from bastide.settings import Settings


def flow_log_group(settings: Settings) -> str:
    """Name of the log group that takes the VPC's flow logs."""
    return f"/aws/vpc/{settings.prefix}/flow-logs"


S3_DNS = aws.ec2.VpcEndpointDnsOptionsArgs(private_dns_only_for_inbound_resolver_endpoint=False)
"""Engines may only send to addresses of the VPC, so S3's name must lead to the interface endpoint inside it
too. AWS's own default leads there only from outside."""


@dataclass(frozen=True)
class NetworkArgs:
    """The stack's settings and the key that encrypts flow logs."""

    settings: Settings
    logs_key_arn: pulumi.Input[str]


class Network(pulumi.ComponentResource):
    """The VPC. `private_subnet_ids` is by zone."""

    vpc_id: pulumi.Output[str]
    private_subnet_ids: dict[str, pulumi.Output[str]]
    public_subnet_ids: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:network:Network", name, None, opts)
        self._name, self._settings = name, args.settings
        self._child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=str(settings.network.cidr),
            enable_dns_support=True,
            # Interface endpoints and the private API endpoint are found by name inside the VPC.
            enable_dns_hostnames=True,
            tags={"Name": settings.prefix},
            opts=self._child,
        )
        self.vpc_id = vpc.id
        # Nothing may lie in the default group; without rules it lets nothing through where something does.
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default-closed",
            vpc_id=vpc.id,
            tags={"Name": f"{settings.prefix}-default-closed"},
            opts=self._child,
        )
        plans = settings.subnets()
        self.public_subnet_ids = self._subnets(plans, "public")
        self.private_subnet_ids = self._subnets(plans, "private")
        self._public_routes()
        private_tables = self._private_routes()
        self._endpoints(private_tables)
        self._flow_logs(args.logs_key_arn)
        self.register_outputs(
            {"vpcId": self.vpc_id, "privateSubnetIds": list(self.private_subnet_ids.values())}
        )

    def _subnets(self, plans: list[ZonePlan], kind: str) -> dict[str, pulumi.Output[str]]:
        # The load balancer controller finds subnets by these tags (EKS user guide, "Network load balancing").
        role = "kubernetes.io/role/elb" if kind == "public" else "kubernetes.io/role/internal-elb"
        return {
            plan.zone: aws.ec2.Subnet(
                f"{self._name}-{kind}-{plan.zone}",
                vpc_id=self.vpc_id,
                availability_zone=plan.zone,
                cidr_block=str(plan.public if kind == "public" else plan.private),
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._settings.prefix}-{kind}-{plan.zone}", role: "1"},
                opts=self._child,
            ).id
            for plan in plans
        }

    def _table(self, suffix: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{self._name}-{suffix}",
            vpc_id=self.vpc_id,
            tags={"Name": f"{self._settings.prefix}-{suffix}"},
            opts=self._child,
        )

    def _public_routes(self) -> None:
        name = self._name
        gateway = aws.ec2.InternetGateway(
            f"{name}-internet",
            vpc_id=self.vpc_id,
            tags={"Name": self._settings.prefix},
            opts=self._child,
        )
        table = self._table("public")
        self._internet_route = aws.ec2.Route(
            f"{name}-public-internet",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=self._child,
        )
        for zone, subnet in self.public_subnet_ids.items():
            aws.ec2.RouteTableAssociation(
                f"{name}-public-{zone}", route_table_id=table.id, subnet_id=subnet, opts=self._child
            )

    def _private_routes(self) -> list[pulumi.Output[str]]:
        """One table a zone, so that a NAT gateway for each can be had without replacing anything."""
        name = self._name
        per_zone = self._settings.network.nat_per_zone
        nats: dict[str, aws.ec2.NatGateway] = {}
        tables = []
        for zone, subnet in self.private_subnet_ids.items():
            nat_zone = zone if per_zone else self._settings.network.zones[0]
            if nat_zone not in nats:
                nats[nat_zone] = self._nat(nat_zone)
            table = self._table(f"private-{zone}")
            aws.ec2.Route(
                f"{name}-private-{zone}-nat",
                route_table_id=table.id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=nats[nat_zone].id,
                opts=self._child,
            )
            aws.ec2.RouteTableAssociation(
                f"{name}-private-{zone}", route_table_id=table.id, subnet_id=subnet, opts=self._child
            )
            tables.append(table.id)
        return tables

    def _nat(self, zone: str) -> aws.ec2.NatGateway:
        tags = {"Name": f"{self._settings.prefix}-nat-{zone}"}
        address = aws.ec2.Eip(f"{self._name}-nat-{zone}", domain="vpc", tags=tags, opts=self._child)
        return aws.ec2.NatGateway(
            f"{self._name}-nat-{zone}",
            allocation_id=address.id,
            subnet_id=self.public_subnet_ids[zone],
            tags=tags,
            # A NAT gateway fails in a subnet that has no way to the internet yet.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._internet_route]),
        )

    def _endpoints(self, private_tables: list[pulumi.Output[str]]) -> None:
        name, settings = self._name, self._settings
        # For S3's traffic where no interface endpoint takes S3's name: it passes no NAT and costs nothing.
        aws.ec2.VpcEndpoint(
            f"{name}-s3-gateway",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{settings.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=private_tables,
            tags={"Name": f"{settings.prefix}-s3-gateway"},
            opts=self._child,
        )
        if not settings.network.interface_endpoints:
            return
        group = aws.ec2.SecurityGroup(
            f"{name}-endpoints",
            description="HTTPS from inside the VPC to the interface endpoints",
            vpc_id=self.vpc_id,
            tags={"Name": f"{settings.prefix}-endpoints"},
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-endpoints-https",
            security_group_id=group.id,
            cidr_ipv4=str(settings.network.cidr),
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            description="HTTPS from the VPC",
            opts=self._child,
        )
        for service in settings.network.interface_endpoints:
            aws.ec2.VpcEndpoint(
                f"{name}-{service.replace('.', '-')}",
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{settings.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                dns_options=S3_DNS if service == "s3" else None,
                subnet_ids=list(self.private_subnet_ids.values()),
                security_group_ids=[group.id],
                tags={"Name": f"{settings.prefix}-{service}"},
                opts=self._child,
            )

    def _flow_logs(self, logs_key_arn: pulumi.Input[str]) -> None:
        name, settings = self._name, self._settings
        group_name = flow_log_group(settings)
        group = aws.cloudwatch.LogGroup(
            f"{name}-flow-logs",
            name=group_name,
            retention_in_days=settings.network.flow_log_retention_days,
            kms_key_id=logs_key_arn,
            opts=self._child,
        )
        role = aws.iam.Role(
            f"{name}-flow-logs",
            name=f"{settings.prefix}-flow-logs",
            assume_role_policy=names.policy_document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": settings.account_id}},
                }
            ),
            opts=self._child,
        )
        group_arn = names.arn("logs", settings.region, settings.account_id, f"log-group:{group_name}")
        write = aws.iam.RolePolicy(
            f"{name}-flow-logs",
            name="write-flow-logs",
            role=role.name,
            policy=names.policy_document(
                {
                    "Effect": "Allow",
                    "Action": [
                        "logs:CreateLogStream",
                        "logs:PutLogEvents",
                        "logs:DescribeLogGroups",
                        "logs:DescribeLogStreams",
                    ],
                    "Resource": [group_arn, f"{group_arn}:*"],
                }
            ),
            opts=self._child,
        )
        aws.ec2.FlowLog(
            f"{name}-flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags={"Name": settings.prefix},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[write]),
        )
