"""Who calls: the operator's user, and from an access key to the identity behind it."""

from __future__ import annotations

import json
from typing import Any, Final

from sandbox.aws.errors import ApiError
from sandbox.state import ACCESS_KEY_ID, ACCOUNT_ID, OPERATOR_ARN, SECRET_ACCESS_KEY

PARTITION: Final = "aws"


PEOPLE: Final = ("sandbox-developer", "sandbox-on-call", "sandbox-security")
"""Roles that anyone of the account may take, for access entries and break-glass: EKS takes no principal that does
not exist."""


def create_people() -> None:
    """The user behind the sandbox's documented credentials, and the roles of people, as if they had always been
    there."""
    from moto.iam.models import iam_backends

    iam = iam_backends[ACCOUNT_ID][PARTITION]
    name = OPERATOR_ARN.rpartition("/")[2]
    if name in iam.users:
        return
    user = iam.create_user("us-east-1", name)
    key = user.create_access_key(prefix="AKIA")
    key.access_key_id, key.secret_access_key = ACCESS_KEY_ID, SECRET_ACCESS_KEY
    iam.access_keys[ACCESS_KEY_ID] = key
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{PARTITION}:iam::{ACCOUNT_ID}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    for role in PEOPLE:
        iam.create_role(
            role_name=role,
            assume_role_policy_document=json.dumps(trust),
            path="/",
            permissions_boundary=None,
            description="Stands for a person of the account",
            tags=[],
            max_session_duration="3600",
        )


def caller_arn(access_key: str) -> str | None:
    """The ARN that `sts get-caller-identity` gives for this key, or None when nobody owns the key."""
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    key = iam_backends[ACCOUNT_ID][PARTITION].access_keys.get(access_key)
    if key is not None and key.user_name:
        arn: str = iam_backends[ACCOUNT_ID][PARTITION].get_user(key.user_name).arn
        return arn
    role = sts_backends[ACCOUNT_ID][PARTITION].get_assumed_role_from_access_key(access_key)
    return None if role is None else str(role.arn)


def principal_of(arn: str) -> str:
    """The IAM principal behind a caller: a session of an assumed role belongs to the role.

    A role's path is not in its session's ARN, so the role is looked up by name.
    """
    if ":assumed-role/" not in arn:
        return arn
    name = arn.split("/")[1]
    role = _role(name)
    return str(role.arn) if role is not None else f"arn:{PARTITION}:iam::{ACCOUNT_ID}:role/{name}"


def principal_exists(arn: str) -> bool:
    """Whether an IAM user or role of this account has this ARN; other accounts' are taken at their word."""
    from moto.iam.models import iam_backends

    if f"::{ACCOUNT_ID}:" not in arn:
        return True
    iam = iam_backends[ACCOUNT_ID][PARTITION]
    return any(item.arn == arn for item in (*iam.roles.values(), *iam.users.values()))


def require_role(arn: str, service: str) -> None:
    """EKS takes a role only if it exists and trusts `service`; raises what EKS answers."""
    role = _role(arn.rpartition("/")[2])
    if role is None or role.arn != arn:
        raise ApiError("InvalidParameterException", f"The role {arn} does not exist.")
    document = role.assume_role_policy_document
    trust = json.loads(document) if isinstance(document, str) else document
    statements = trust.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and service in (
            [services] if isinstance(services, str) else services
        ):
            return
    raise ApiError(
        "InvalidParameterException", f"The trust policy of role {arn} does not let {service} assume it."
    )


def _role(name: str) -> Any | None:
    from moto.iam.models import iam_backends

    return next((r for r in iam_backends[ACCOUNT_ID][PARTITION].roles.values() if r.name == name), None)
