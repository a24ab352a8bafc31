"""The permissions boundary of the stack's roles, given in one place, so that no component can forget it."""

from __future__ import annotations

from typing import Final

import pulumi

from bastide.settings import Settings

ROLE: Final = "aws:iam/role:Role"


def bounded(settings: Settings) -> pulumi.ResourceOptions:
    """Options for the component above all others: every role beneath it has `cloud.permissionsBoundary`, if the stack
    has one."""
    limit = settings.cloud.permissions_boundary
    if limit is None:
        return pulumi.ResourceOptions()

    def bound(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != ROLE:
            return None
        return pulumi.ResourceTransformationResult({**args.props, "permissions_boundary": limit}, args.opts)

    return pulumi.ResourceOptions(transformations=[bound])
