"""The role under which `pulumi up` runs: made, compared with what the kit needs, and brought up to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import unified_diff
from typing import Any, Final

from botocore.exceptions import ClientError

from bastide import names
from bastide.bootstrap.account import Account, absent, clear
from bastide.bootstrap.errors import BootstrapError
from bastide.bootstrap.key import state_tags
from bastide.bootstrap.parts import Found, Line, Mode, Part, missing, right, settle, wrong
from bastide.bootstrap.rights import bound, policies
from bastide.bootstrap.trust import Trust, too_wide

SESSION_SECONDS: Final = 4 * 3600
"""Longest session. An `up` from nothing waits for a cluster, nodes and weights, and IAM's own default is 1 h; an
expired session leaves a half-finished run."""

MAX_VERSIONS: Final = 5
"""Versions of a managed policy that IAM keeps (IAM user guide, "IAM and AWS STS quotas")."""


def policy_names(account: Account) -> dict[str, str]:
    """Documents of the role's policies, by the policy's name."""
    role = names.deploy_role(account.settings.prefix)
    return {f"{role}-{topic}": text for topic, text in policies(account.settings).items()}


def bootstrap_role(
    account: Account, trust: Trust, mode: Mode, report: Callable[[Line], None], explain: Callable[[str], None]
) -> list[Line]:
    """Makes or checks the role, its policies and the boundary of the stack's roles. `explain` takes lines of a diff.
    Raises BootstrapError."""
    with clear("look at the deploy role"):
        return settle(list(_parts(account, trust, explain)), mode, report)


def role_arn(account: Account) -> str:
    """The ARN of the deploy role."""
    return names.role_arn(account.settings.account_id, names.deploy_role(account.settings.prefix))


def boundary_arn(account: Account) -> str:
    """The ARN of the boundary that `bootstrap role` makes."""
    return names.policy_arn(account.settings.account_id, names.boundary_policy(account.settings.prefix))


def _parts(account: Account, trust: Trust, explain: Callable[[str], None]) -> list[Part]:
    role = names.deploy_role(account.settings.prefix)
    name = f"role {role}"
    found = [
        _policy(account, names.boundary_policy(account.settings.prefix), bound(account.settings), explain),
        Part(name, lambda: _look(account, role), lambda: _make(account, role, trust)),
        Part(
            "  trust",
            lambda: _look_at_trust(account, role, trust),
            (lambda: _trust(account, role, trust)) if trust.given else None,
            needs=name,
            advice="name who may take it: --principal, or --oidc-provider with --oidc-subject",
        ),
    ]
    for policy, text in policy_names(account).items():
        found.append(_policy(account, policy, text, explain))
        found.append(_attachment(account, role, policy, name))
    found.append(
        Part(
            "  nothing else attached",
            lambda: _look_at_others(account, role),
            None,
            needs=name,
            advice="what others gave it is not taken away here: detach or delete it",
        )
    )
    return found


def _role(account: Account, role: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = account.client("iam").get_role(RoleName=role)["Role"]
    except ClientError as error:
        if absent(error):
            return None
        raise
    return found


def _look(account: Account, role: str) -> Found:
    found = _role(account, role)
    if found is None:
        return missing()
    longest = found.get("MaxSessionDuration", 3600)
    return right() if longest >= SESSION_SECONDS else wrong(f"sessions end after {longest} s")


def _make(account: Account, role: str, trust: Trust) -> None:
    iam = account.client("iam")
    if _role(account, role) is not None:
        iam.update_role(RoleName=role, MaxSessionDuration=SESSION_SECONDS)
        return
    if not trust.given:
        raise BootstrapError(
            "who may take the deploy role? give --principal ARN, or --oidc-provider ARN with --oidc-subject SUBJECT"
        )
    iam.create_role(
        RoleName=role,
        AssumeRolePolicyDocument=trust.document(),
        Description=f"pulumi up of {account.settings.prefix}",
        MaxSessionDuration=SESSION_SECONDS,
        Tags=[{"Key": key, "Value": value} for key, value in state_tags(account).items()],
    )


def _document(given: Any) -> Any:
    """A policy document, which boto3 gives decoded and other clients as text."""
    return json.loads(given) if isinstance(given, str) else given


def _look_at_trust(account: Account, role: str, trust: Trust) -> Found:
    found = _role(account, role)
    if found is None:
        return missing()
    document = _document(found["AssumeRolePolicyDocument"])
    if trust.given:
        same = document == json.loads(trust.document())
        return right() if same else wrong("lets in others than named here")
    if others := too_wide(document):
        return wrong(f"lets in {others}")
    return right(", ".join(sorted(_trusted(document))))


def _trusted(document: Any) -> list[str]:
    found: list[str] = []
    for statement in document["Statement"]:
        for value in statement.get("Principal", {}).values():
            found += value if isinstance(value, list) else [value]
        for keys in statement.get("Condition", {}).get("StringEquals", {}).items():
            if keys[0].endswith(":sub"):
                found += keys[1] if isinstance(keys[1], list) else [keys[1]]
    return found


def _trust(account: Account, role: str, trust: Trust) -> None:
    account.client("iam").update_assume_role_policy(RoleName=role, PolicyDocument=trust.document())


def _policy(account: Account, name: str, text: str, explain: Callable[[str], None]) -> Part:
    arn = names.policy_arn(account.settings.account_id, name)
    iam = account.client("iam")

    def current() -> Any | None:
        try:
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            return _document(
                iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            )
        except ClientError as error:
            if absent(error):
                return None
            raise

    def look() -> Found:
        there = current()
        if there is None:
            return missing(f"{len(text)} characters")
        if there == json.loads(text):
            return right()
        for line in _diff(there, json.loads(text), name):
            explain(line)
        return wrong("has other rights")

    def mend() -> None:
        if current() is None:
            tags = [{"Key": key, "Value": value} for key, value in state_tags(account).items()]
            iam.create_policy(PolicyName=name, PolicyDocument=text, Tags=tags)
            return
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(versions) >= MAX_VERSIONS:
            spare = min(
                (each for each in versions if not each["IsDefaultVersion"]),
                key=lambda each: each["CreateDate"],
            )
            iam.delete_policy_version(PolicyArn=arn, VersionId=spare["VersionId"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)

    return Part(f"policy {name}", look, mend)


def _diff(there: Any, wanted: Any, name: str) -> list[str]:
    before, after = (json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (there, wanted))
    names_of = (f"{name} in the account", f"{name} as needed")
    return list(unified_diff(before, after, *names_of, lineterm="", n=1))


def _attached(account: Account, role: str) -> set[str]:
    pages = account.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return {each["PolicyName"] for page in pages for each in page["AttachedPolicies"]}


def _attachment(account: Account, role: str, policy: str, needs: str) -> Part:
    def look() -> Found:
        return right() if policy in _attached(account, role) else missing()

    def mend() -> None:
        arn = names.policy_arn(account.settings.account_id, policy)
        account.client("iam").attach_role_policy(RoleName=role, PolicyArn=arn)

    return Part(f"  attached {policy}", look, mend, needs=needs)


def _look_at_others(account: Account, role: str) -> Found:
    inline = account.client("iam").list_role_policies(RoleName=role)["PolicyNames"]
    others = sorted((_attached(account, role) - set(policy_names(account))) | set(inline))
    return wrong(f"it also has {', '.join(others)}") if others else right()
