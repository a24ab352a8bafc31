"""Settings of the cloud that a region is in."""

from __future__ import annotations

from typing import Annotated, Literal

from bastide.settings.base import AccountId, Region, Strict, matching

PolicyArn = Annotated[
    str,
    matching(
        r"arn:aws:iam::\d{12}:policy/[\w+=,.@/-]+",
        "is not the ARN of an IAM policy of an account; allowed: arn:aws:iam::<account>:policy/<name>; `bastide "
        "bootstrap role` makes one and prints its ARN",
    ),
]


class AwsCloud(Strict):
    """A region of an AWS account, with an EKS cluster."""

    kind: Literal["aws"]
    """Which cloud: it decides what else is asked for here."""

    region: Region
    """AWS region."""

    account_id: AccountId
    """AWS account; the provider refuses any other."""

    permissions_boundary: PolicyArn | None = None
    """ARN of the IAM policy that bounds every role that the stack makes, so that who may run `pulumi up` cannot
    give itself more by making a role. `bastide bootstrap role` makes one and prints its ARN. Without it roles are
    bounded by nothing, and so is the deploy role; staging and prod refuse that."""

    allow_unbounded_roles: bool = False
    """Whether staging or prod may do without `permissionsBoundary`. Turn it on where something else keeps whoever has
    the deploy role from making an administrator, such as a service control policy."""
