"""Parliament (duo-labs, BSD) over the kit's policies, offline: it carries AWS's list of actions, resources and
condition keys. What it says of a kind of policy that it was not written for is left out here, with the reason."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it reads its data by pkg_resources
    import parliament

_OWN_RESOURCE: Final = "Resource '*' in a resource's own policy is that resource"

LEFT_OUT: Final[Mapping[str, Mapping[str, str]]] = {
    "identity": {},
    # The role under which `pulumi up` runs (bastide/bootstrap/rights): it makes roles and bucket policies, fenced by
    # names, tags, region and a boundary, which the linter does not weigh.
    "deploy": {
        "PERMISSIONS_MANAGEMENT_ACTIONS": "the run makes the stack's roles, keys and bucket policies",
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION": "the run makes the bucket policies of the stack's own buckets",
        "RESOURCE_STAR": "its statements on '*' are fenced by tags and region in their conditions",
        "RESOURCE_MISMATCH": "one statement has the patterns of several kinds, of which an action meets some; and "
        "eks:CreateCluster takes the cluster's ARN (EKS user guide, create-cluster), which the linter does not know",
        "MISMATCHED_TYPE_BUT_USABLE": "iam:PermissionsBoundary works with string operators (IAM user guide, IAM "
        "and STS condition context keys)",
        "UNKNOWN_CONDITION_FOR_ACTION": "kms:ResourceAliases is newer than the linter's list (KMS developer guide)",
    },
    "trust": {
        "RESOURCE_STAR": "a trust policy has no Resource; the linter was given '*'",
        "RESOURCE_MISMATCH": "the same",
        "CREDENTIALS_EXPOSURE": "giving credentials is what a trust policy is for",
    },
    "key": {
        "RESOURCE_STAR": _OWN_RESOURCE,
        "PERMISSIONS_MANAGEMENT_ACTIONS": "the account's root may manage its key, or it could be lost",
        "MISMATCHED_TYPE": "kms:EncryptionContext:aws:logs:arn is text to IAM, and AWS's own example uses ArnEquals",
        "UNKNOWN_CONDITION_FOR_ACTION": "AWS's own example has kms:DescribeKey in the statement with the context",
    },
    "bucket": {"RESOURCE_STAR": _OWN_RESOURCE},
    "topic": {"RESOURCE_STAR": _OWN_RESOURCE},
    "queue": {},
    # Karpenter's own (bastide/plans/karpenter_plan.py): it starts instances, so it passes their role.
    "karpenter": {
        "PERMISSIONS_MANAGEMENT_ACTIONS": "it passes the one role of its nodes, to EC2 alone",
        "PRIVILEGE_ESCALATION": "that role has the rights of a node and no more",
        "RESOURCE_MISMATCH": "RunInstances is asked about each kind of resource, and each statement is about some of "
        "them; public parameters of SSM have no account in their ARN",
    },
    "endpoint": {"RESOURCE_STAR": "an endpoint's policy gives nobody a right: it only takes away"},
}
"""By kind of policy: the findings that say nothing about it, and why."""


@lru_cache(maxsize=256)
def lint(policy: str, kind: str) -> tuple[str, ...]:
    """Findings of the linter that hold for this kind of policy."""
    document: dict[str, Any] = json.loads(policy)
    if kind == "trust":
        given = document["Statement"]
        parts = given if isinstance(given, list) else [given]
        document = {**document, "Statement": [{"Resource": "*", **each} for each in parts]}
    found = parliament.analyze_policy_string(
        json.dumps(document),
        # They look for rights that let somebody get more: an endpoint's policy gives none.
        include_community_auditors=kind != "endpoint",
        ignore_private_auditors=True,
    ).findings
    return tuple(
        f"{each.issue}: {str(each.detail)[:300]} {json.dumps(each.location, default=str)[:200]}"
        for each in found
        if each.issue not in LEFT_OUT[kind]
    )
