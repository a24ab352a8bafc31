"""What a run needs of the account: credentials, the cluster, its endpoint as seen from here, and rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from bastide.cli import preflight_endpoint, preflight_rights
from bastide.cli.preflight_line import FAIL, NOTE, OK, Line
from bastide.settings import CreatedCluster, Settings


def look(settings: Settings, stack: str, rights: str | None) -> Iterator[Line]:
    """The lines, in order. Without credentials there is nothing more to look at. `rights`: the ARN of the role
    whose rights are asked for, '' for the caller's, None for nobody's."""
    import boto3

    try:
        session = boto3.session.Session(region_name=settings.region)
        identity = session.client("sts").get_caller_identity()
    except ValueError as error:
        yield Line("credentials", FAIL, f"{error}; correct AWS_ENDPOINT_URL, or unset it to mean AWS itself")
        return
    except (BotoCoreError, ClientError) as error:
        yield Line(
            "credentials", FAIL, f"{error}; sign in as the deploy role (AWS_PROFILE, or the CI's OIDC step)"
        )
        return
    account, caller = identity["Account"], identity["Arn"]
    if account != settings.account_id:
        yield Line(
            "account",
            FAIL,
            f"{caller} is in account {account}, and the stack is for {settings.account_id}; the provider would "
            "refuse it; sign in to the stack's account",
        )
        return
    yield Line("account", OK, f"{account}, as {caller}")
    yield _administrator(settings, caller)
    yield from _cluster(settings, session)
    if rights is not None:
        asked = rights or principal(caller)
        own = asked == principal(caller)
        yield from preflight_rights.look(settings, stack, session, asked, caller=own)


def principal(caller: str) -> str:
    """The IAM role or user behind a caller; a session's ARN lacks its role's path."""
    match = re.fullmatch(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)/.+", caller)
    return f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}" if match else caller


def _administrator(settings: Settings, caller: str) -> Line:
    who = principal(caller)
    if not isinstance(settings.cluster, CreatedCluster):
        return Line(
            "access",
            NOTE,
            f"the adopted cluster's owner must have given {who} an access entry with cluster-admin: the run makes "
            "namespaces and RBAC",
        )
    # A session's ARN has no path, a role's may.
    names = {each.rpartition("/")[2] for each in settings.cluster.admin_principals}
    if who in settings.cluster.admin_principals or who.rpartition("/")[2] in names:
        return Line("access", OK, f"{who} is among cluster.adminPrincipals")
    return Line(
        "access",
        FAIL,
        f"{who} is not among cluster.adminPrincipals ({', '.join(settings.cluster.admin_principals)}); the creator "
        "gets nothing by itself, so the API server would refuse the run; add it, or sign in as one of them",
    )


def _cluster(settings: Settings, session: Any) -> Iterator[Line]:
    name = settings.cluster_name
    try:
        found = session.client("eks").describe_cluster(name=name)["cluster"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            yield Line("cluster", FAIL, f"{name} cannot be read: {error}")
        elif isinstance(settings.cluster, CreatedCluster):
            yield Line(
                "cluster",
                NOTE,
                f"{name} is not there yet; the run makes it, and then needs a way to its private endpoint: see "
                "docs/cluster.md, 'From outside the VPC'",
            )
        else:
            yield Line("cluster", FAIL, f"there is no cluster {name} in {settings.region} to adopt")
        return
    except BotoCoreError as error:
        yield Line("cluster", FAIL, f"{name} cannot be read: {error}")
        return
    if found["status"] != "ACTIVE":
        yield Line("cluster", FAIL, f"{name} is {found['status']}; wait until it is ACTIVE")
        return
    wanted = settings.cluster.kubernetes_version
    yield Line(
        "cluster",
        OK if found["version"] == wanted else NOTE,
        f"{name} runs Kubernetes {found['version']}"
        + ("" if found["version"] == wanted else f"; the run takes it to {wanted}, and its preview says how"),
    )
    yield from preflight_endpoint.look(settings, found["endpoint"], found["certificateAuthority"]["data"])
