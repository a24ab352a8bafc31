"""Settings of the cloud that a region is in."""

from __future__ import annotations

from typing import Literal

from bastide.settings.base import AccountId, Region, Strict


class AwsCloud(Strict):
    """A region of an AWS account, with an EKS cluster."""

    kind: Literal["aws"]
    """Which cloud: it decides what else is asked for here."""

    region: Region
    """AWS region."""

    account_id: AccountId
    """AWS account; the provider refuses any other."""
