"""Where moto is looser than AWS in what this kit relies on, each with its reason. `apply` is called once at
start."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from sandbox.aws import (
    acm_gaps,
    elasticache_gaps,
    held_by_services,
    iam_simulation,
    kms_gaps,
    logs_gaps,
    missing_things,
    rds_gaps,
    s3_buckets,
    s3_gaps,
    service_quotas,
)
from sandbox.aws.ec2 import blocks, launch, operations, placement, reservations  # noqa: F401 - registers
from sandbox.aws.faults import Faults
from sandbox.aws.identity import PARTITION


def apply(faults: Faults) -> None:
    """Puts every patch in force; `faults` is the table of capacity limits to honour."""
    from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import Instance

    _one_partition()
    launch.install(faults)
    operations.install()
    _end_interfaces_with_instance(Instance)
    _hold_subnets(EC2Backend, DependencyViolationError)
    _hold_vpcs(EC2Backend, DependencyViolationError)
    _hold_security_groups(EC2Backend, DependencyViolationError)
    _end_nat_gateways(EC2Backend)
    _hold_gateways(EC2Backend, DependencyViolationError)
    _hold_addresses(EC2Backend, EC2ClientError)
    _forget_endpoints(EC2Backend)
    _route_endpoints(EC2Backend)
    s3_gaps.apply()
    service_quotas.apply()
    logs_gaps.apply()
    iam_simulation.apply()
    s3_buckets.apply()
    kms_gaps.apply()
    acm_gaps.apply()
    missing_things.apply()
    rds_gaps.apply()
    elasticache_gaps.apply()
    held_by_services.apply()


def _wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(make(original)))


def _one_partition() -> None:
    # moto looks an access key up in every partition's IAM, and each loads AWS's 1,500 managed policies
    # first: a second after each start and reset. This account is in one partition.
    import moto.iam.models

    moto.iam.models.PARTITION_NAMES = [PARTITION]


def _end_interfaces_with_instance(instance: Any) -> None:
    # The primary interface that RunInstances makes goes with the instance on AWS (DeleteOnTermination is its
    # default); moto keeps it, which would hold the subnet for ever. Others stay unless they were told to go, and
    # are attached to nothing then.
    def make(original: Any) -> Any:
        def terminate(self: Any) -> Any:
            previous = original(self)
            for interface in list(self.nics.values()):
                if interface.id not in self.ec2_backend.enis:
                    continue
                if (getattr(interface, "network_card_index", 0), interface.device_index) == (0, 0):
                    interface.delete()
                else:
                    interface.instance = interface.attachment_id = interface.attach_time = None
                    interface.status = "available"
            return previous

        return terminate

    _wrap(instance, "terminate", make)


def _hold_subnets(backend: Any, violation: Any) -> None:
    # AWS refuses while any network interface is in the subnet: instances, NAT gateways, endpoints, EKS.
    def make(original: Any) -> Any:
        def delete_subnet(self: Any, subnet_id: str) -> Any:
            if any(eni.subnet.id == subnet_id for eni in self.enis.values()):
                raise violation(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
            return original(self, subnet_id)

        return delete_subnet

    _wrap(backend, "delete_subnet", make)


def _hold_vpcs(backend: Any, violation: Any) -> None:
    # moto looks at subnets, VPN gateways and route tables only.
    def make(original: Any) -> Any:
        def delete_vpc(self: Any, vpc_id: str) -> Any:
            gateways = [
                g for g in self.internet_gateways.values() if g.vpc is not None and g.vpc.id == vpc_id
            ]
            groups = [g for g in self.groups.get(vpc_id, {}).values() if g.name != "default"]
            endpoints = [
                e for e in self.vpc_end_points.values() if e.vpc_id == vpc_id and e.state != "deleted"
            ]
            if gateways or groups or endpoints:
                raise violation(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
            return original(self, vpc_id)

        return delete_vpc

    _wrap(backend, "delete_vpc", make)


def _hold_security_groups(backend: Any, violation: Any) -> None:
    # AWS refuses while an interface or an endpoint has the group, or a rule of another group names it.
    def make(original: Any) -> Any:
        def delete_security_group(self: Any, name: str | None = None, group_id: str | None = None) -> Any:
            if group_id and _group_in_use(self, group_id):
                raise violation(f"resource {group_id} has a dependent object")
            return original(self, name, group_id)

        return delete_security_group

    _wrap(backend, "delete_security_group", make)


def _group_in_use(backend: Any, group_id: str) -> bool:
    if any(group.id == group_id for eni in backend.enis.values() for group in eni.group_set):
        return True
    endpoints = (e for e in backend.vpc_end_points.values() if e.state != "deleted")
    if any(group_id in (endpoint.security_group_ids or []) for endpoint in endpoints):
        return True
    others = (g for groups in backend.groups.values() for g in groups.values() if g.id != group_id)
    return any(
        rule.source_group.get("GroupId") == group_id
        for other in others
        for rule in (*other.ingress_rules, *other.egress_rules)
    )


def _end_nat_gateways(backend: Any) -> None:
    # moto only marks the gateway: its interface and its address would stay taken.
    def make(original: Any) -> Any:
        def delete_nat_gateway(self: Any, nat_gateway_id: str) -> Any:
            from moto.ec2.exceptions import EC2ClientError

            if nat_gateway_id not in self.nat_gateways:
                raise EC2ClientError("NatGatewayNotFound", f"NatGateway {nat_gateway_id} was not found")
            gateway = original(self, nat_gateway_id)
            for address in self.addresses:
                if address.eni is not None and address.eni.id == gateway._eni.id:
                    self.disassociate_address(address=address.public_ip)
            if gateway._eni.id in self.enis:
                gateway._eni.delete()
            return gateway

        return delete_nat_gateway

    _wrap(backend, "delete_nat_gateway", make)


def _hold_gateways(backend: Any, violation: Any) -> None:
    # An internet gateway stays while something in the VPC has a public address through it.
    def make(original: Any) -> Any:
        def detach_internet_gateway(self: Any, internet_gateway_id: str, vpc_id: str) -> Any:
            if any(a.eni is not None and a.eni.subnet.vpc_id == vpc_id for a in self.addresses):
                raise violation(
                    f"Network {vpc_id} has some mapped public address(es). Please unmap those public "
                    "address(es) before detaching the gateway."
                )
            return original(self, internet_gateway_id, vpc_id)

        return detach_internet_gateway

    _wrap(backend, "detach_internet_gateway", make)


def _hold_addresses(backend: Any, error: Any) -> None:
    # moto releases an address from under a NAT gateway; AWS does not.
    def make(original: Any) -> Any:
        def release_address(self: Any, address: str | None = None, allocation_id: str | None = None) -> Any:
            for known in self.addresses:
                if allocation_id and known.allocation_id == allocation_id and known.association_id:
                    raise error("InvalidIPAddress.InUse", f"Address {known.public_ip} is in use.")
            return original(self, address, allocation_id)

        return release_address

    _wrap(backend, "release_address", make)


def _forget_endpoints(backend: Any) -> None:
    # moto lists deleted endpoints for ever; on AWS they are gone once deleted.
    def make(original: Any) -> Any:
        def delete_vpc_endpoints(self: Any, vpce_ids: list[str] | None = None) -> Any:
            original(self, vpce_ids)
            for endpoint_id in vpce_ids or []:
                self.vpc_end_points.pop(endpoint_id, None)

        return delete_vpc_endpoints

    _wrap(backend, "delete_vpc_endpoints", make)


def _route_endpoints(backend: Any) -> None:
    # A gateway endpoint's routes follow its tables; moto makes them at creation only, and fails at deletion
    # where a table was added since.
    def make(original: Any) -> Any:
        def modify_vpc_endpoint(self: Any, vpc_id: str, *args: Any, **kwargs: Any) -> Any:
            endpoint = self.describe_vpc_endpoints(vpc_end_point_ids=[vpc_id])[0]
            before = set(endpoint.route_table_ids or [])
            answer = original(self, vpc_id, *args, **kwargs)
            after = set(endpoint.route_table_ids or [])
            prefix_list = endpoint.destination_prefix_list_id
            if prefix_list:
                for table in after - before:
                    self.create_route(
                        table, None, gateway_id=endpoint.id, destination_prefix_list_id=prefix_list
                    )
                for table in before - after:
                    self.delete_route(table, prefix_list)
            return answer

        return modify_vpc_endpoint

    _wrap(backend, "modify_vpc_endpoint", make)
