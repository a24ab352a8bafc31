"""The network of a region: a VPC of its own, or one that is somebody else's.

Nodes and the API server's interfaces are in private subnets; public ones hold only load balancers and NAT.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide.settings import AdoptedNetwork, CreatedNetwork, Settings
from components.network_endpoints import gateway_endpoint, interface_endpoints
from components.network_flow_logs import flow_log_group, flow_logs

__all__ = ["Network", "NetworkArgs", "flow_log_group"]


@dataclass(frozen=True)
class NetworkArgs:
    """The stack's settings and the key that encrypts flow logs."""

    settings: Settings
    logs_key_arn: pulumi.Input[str]


class Network(pulumi.ComponentResource):
    """The VPC. Subnets are by zone; public ones are there only where the VPC is the stack's own and has them."""

    vpc_id: pulumi.Output[str]
    private_subnet_ids: dict[str, pulumi.Output[str]]
    public_subnet_ids: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:network:Network", name, None, opts)
        self._name, self._settings = name, args.settings
        self._child = pulumi.ResourceOptions(parent=self)
        net = args.settings.network
        if isinstance(net, AdoptedNetwork):
            self._adopt(net)
        else:
            self._create(net, args.logs_key_arn)
        self.register_outputs(
            {"vpcId": self.vpc_id, "privateSubnetIds": list(self.private_subnet_ids.values())}
        )

    def _adopt(self, net: AdoptedNetwork) -> None:
        """Reads what is there, so that the state shows it as external; `components.network_reading` has judged
        it. The ids are the settings': a preview knows them without the reads."""
        name = self._name
        aws.ec2.Vpc.get(f"{name}-vpc", net.vpc_id, opts=self._child)
        for zone in net.zones:
            aws.ec2.Subnet.get(f"{name}-private-{zone}", net.private_subnet_ids[zone], opts=self._child)
        self.vpc_id = pulumi.Output.from_input(net.vpc_id)
        self.public_subnet_ids = {}
        self.private_subnet_ids = {
            zone: pulumi.Output.from_input(net.private_subnet_ids[zone]) for zone in net.zones
        }
        if net.manage_endpoints:
            interface_endpoints(name, self._settings, self.vpc_id, self.private_subnet_ids, self._child)

    def _create(self, net: CreatedNetwork, logs_key_arn: pulumi.Input[str]) -> None:
        name, settings = self._name, self._settings
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=str(net.cidr),
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
        public = self.public_subnet_ids = self._subnets("public") if net.public_subnets else {}
        self.private_subnet_ids = self._subnets("private")
        nats = self._nat_gateways(net, public, self._public_routes(public)) if public else {}
        private_tables = self._private_routes(nats)
        gateway_endpoint(name, settings, vpc.id, private_tables, self._child)
        interface_endpoints(name, settings, vpc.id, self.private_subnet_ids, self._child)
        flow_logs(name, settings, vpc.id, logs_key_arn, net.flow_log_retention_days, self._child)

    def _subnets(self, kind: str) -> dict[str, pulumi.Output[str]]:
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
            for plan in self._settings.subnets()
        }

    def _table(self, suffix: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{self._name}-{suffix}",
            vpc_id=self.vpc_id,
            tags={"Name": f"{self._settings.prefix}-{suffix}"},
            opts=self._child,
        )

    def _public_routes(self, public: dict[str, pulumi.Output[str]]) -> aws.ec2.Route:
        """The way to the internet, for public subnets alone."""
        name = self._name
        gateway = aws.ec2.InternetGateway(
            f"{name}-internet",
            vpc_id=self.vpc_id,
            tags={"Name": self._settings.prefix},
            opts=self._child,
        )
        table = self._table("public")
        route = aws.ec2.Route(
            f"{name}-public-internet",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=self._child,
        )
        for zone, subnet in public.items():
            aws.ec2.RouteTableAssociation(
                f"{name}-public-{zone}", route_table_id=table.id, subnet_id=subnet, opts=self._child
            )
        return route

    def _nat_gateways(
        self, net: CreatedNetwork, public: dict[str, pulumi.Output[str]], internet: aws.ec2.Route
    ) -> dict[str, aws.ec2.NatGateway]:
        """The NAT gateway that each zone uses: its own, the first zone's, or none."""
        if net.nat == "none":
            return {}
        made = {
            zone: self._nat(zone, public[zone], internet)
            for zone in (net.zones if net.nat == "perZone" else net.zones[:1])
        }
        return {zone: made.get(zone, made[net.zones[0]]) for zone in net.zones}

    def _nat(self, zone: str, subnet: pulumi.Output[str], internet: aws.ec2.Route) -> aws.ec2.NatGateway:
        tags = {"Name": f"{self._settings.prefix}-nat-{zone}"}
        address = aws.ec2.Eip(f"{self._name}-nat-{zone}", domain="vpc", tags=tags, opts=self._child)
        return aws.ec2.NatGateway(
            f"{self._name}-nat-{zone}",
            allocation_id=address.id,
            subnet_id=subnet,
            tags=tags,
            # A NAT gateway fails in a subnet that has no way to the internet yet.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
        )

    def _private_routes(self, nats: dict[str, aws.ec2.NatGateway]) -> list[pulumi.Output[str]]:
        """One table a zone, so that a NAT gateway for each can be had without replacing anything."""
        name = self._name
        tables = []
        for zone, subnet in self.private_subnet_ids.items():
            table = self._table(f"private-{zone}")
            if zone in nats:
                aws.ec2.Route(
                    f"{name}-private-{zone}-nat",
                    route_table_id=table.id,
                    destination_cidr_block="0.0.0.0/0",
                    nat_gateway_id=nats[zone].id,
                    opts=self._child,
                )
            aws.ec2.RouteTableAssociation(
                f"{name}-private-{zone}", route_table_id=table.id, subnet_id=subnet, opts=self._child
            )
            tables.append(table.id)
        return tables
