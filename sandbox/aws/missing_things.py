"""Requests that name a thing which is not there, and which moto takes. `apply` is called once at start."""

from __future__ import annotations

from functools import wraps
from typing import Any


def apply() -> None:
    """Puts every patch in force."""
    from moto.iam.models import IAMBackend
    from moto.route53.models import Route53Backend

    _boundaries(IAMBackend)
    _zones(Route53Backend)


def _boundaries(backend: Any) -> None:
    create, put = backend.create_role, backend.put_role_permissions_boundary

    def require(iam: Any, arn: str | None) -> None:
        # A malformed ARN is moto's own refusal.
        if arn and iam.policy_arn_regex.match(arn) and arn not in iam.managed_policies:
            from moto.iam.exceptions import NoSuchEntity

            raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")

    @wraps(create)
    def create_role(
        self: Any,
        role_name: str,
        assume_role_policy_document: str,
        path: str,
        permissions_boundary: str | None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        require(self, permissions_boundary)
        return create(
            self, role_name, assume_role_policy_document, path, permissions_boundary, *args, **kwargs
        )

    @wraps(put)
    def put_boundary(self: Any, role_name: str, permissions_boundary: str) -> None:
        require(self, permissions_boundary)
        put(self, role_name, permissions_boundary)

    backend.create_role, backend.put_role_permissions_boundary = create_role, put_boundary


def _zones(backend: Any) -> None:
    create, associate = backend.create_hosted_zone, backend.associate_vpc_with_hosted_zone

    def require(zones: Any, vpc: str | None, region: str | None) -> None:
        from moto.ec2.models import ec2_backends
        from moto.route53.exceptions import Route53ClientError

        known = ec2_backends[zones.account_id]
        if vpc and (region not in known.regions or vpc not in known[region].vpcs):
            raise Route53ClientError(
                "InvalidVPCId",
                f"The VPC {vpc} in region {region} isn't a valid ID, or the current account is not authorized to "
                "access this VPC.",
            )

    @wraps(create)
    def create_hosted_zone(
        self: Any,
        name: str,
        private_zone: bool,
        caller_reference: str | None = None,
        vpcid: str | None = None,
        vpcregion: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        require(self, vpcid, vpcregion)
        return create(self, name, private_zone, caller_reference, vpcid, vpcregion, *args, **kwargs)

    @wraps(associate)
    def associate_vpc(self: Any, zone_id: str, vpcid: str, vpcregion: str) -> Any:
        require(self, vpcid, vpcregion)
        return associate(self, zone_id, vpcid, vpcregion)

    backend.create_hosted_zone, backend.associate_vpc_with_hosted_zone = create_hosted_zone, associate_vpc
