"""Who a token of `aws eks get-token` stands for: the sandbox's counterpart of EKS's token webhook.

Such a token is a presigned URL of `sts:GetCallerIdentity`, whose signature also covers a header with the
cluster's name. Its checks follow aws-iam-authenticator (pkg/token): prefix, query, age, the signed header.
The URL's own host is never called: its query is replayed at the sandbox's STS, whatever host the token names.

Blind spot: a signature can only be recomputed for the sandbox's own key, so a token made with other
credentials of the same world is not held to one cluster.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from sandbox.cluster.access import CLUSTER_ROLES, cluster_group, namespace_group, policy_name
from sandbox.cluster.spec import AccessEntry, Cluster
from sandbox.state import ACCESS_KEY_ID, SECRET_ACCESS_KEY

PREFIX: Final = "k8s-aws-v1."
_CLUSTER_HEADER: Final = "x-k8s-aws-id"

VALID_FOR: Final = datetime.timedelta(minutes=15)
"""Age up to which a token counts (aws-iam-authenticator, pkg/token: presignedURLExpiration)."""

_SKEW: Final = datetime.timedelta(minutes=1)

_ALLOWED: Final = frozenset(
    {
        "action",
        "version",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)


class TokenError(Exception):
    """The token opens nothing here; the text says why and never contains the token."""


@dataclass(frozen=True)
class Identity:
    """The Kubernetes user that a token stands for."""

    username: str
    groups: tuple[str, ...]
    arn: str
    principal_arn: str
    session: str


def _query(token: str) -> tuple[str, str, dict[str, str]]:
    if not token.startswith(PREFIX):
        raise TokenError(f"not a token of `aws eks get-token`: it does not begin with {PREFIX}")
    encoded = token.removeprefix(PREFIX)
    padded = encoded + "=" * (-len(encoded) % 4)
    try:
        url = urlsplit(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        pairs = parse_qsl(url.query, strict_parsing=True)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise TokenError("the token is no base64 of a URL with a query") from None
    query = {name.lower(): value for name, value in pairs}
    if len(query) != len(pairs) or url.path not in ("", "/"):
        raise TokenError("the token's URL is not a presigned call of STS")
    unknown = query.keys() - _ALLOWED
    if unknown:
        raise TokenError(
            f"the token's URL has parameters that no such call has: {', '.join(sorted(unknown))}"
        )
    if query.get("action") != "GetCallerIdentity":
        raise TokenError(f"the token's URL calls {query.get('action')!r}, not GetCallerIdentity")
    return url.netloc, url.query, query


def _check_age(query: dict[str, str], moment: datetime.datetime) -> None:
    try:
        signed = datetime.datetime.strptime(query["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(
            tzinfo=datetime.UTC
        )
    except (KeyError, ValueError):
        raise TokenError("the token's URL has no readable X-Amz-Date") from None
    if moment - signed > VALID_FOR:
        raise TokenError(f"the token expired: it was made at {signed:%H:%M:%S} and lasts {VALID_FOR}")
    if signed - moment > _SKEW:
        raise TokenError("the token is from the future: compare the clocks")


def _signature(host: str, raw_query: str, query: dict[str, str], cluster: str) -> str:
    """AWS Signature Version 4 of the presigned call, with the cluster's name as its signed header."""
    unsigned = [pair for pair in parse_qsl(raw_query) if pair[0].lower() != "x-amz-signature"]
    canonical_query = "&".join(
        sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in unsigned)
    )
    empty = hashlib.sha256(b"").hexdigest()
    headers = {"host": host, _CLUSTER_HEADER: cluster}
    names = query["x-amz-signedheaders"].split(";")
    canonical_headers = "".join(f"{name}:{headers.get(name, '')}\n" for name in names)
    canonical = "\n".join(["GET", "/", canonical_query, canonical_headers, ";".join(names), empty])
    scope = query["x-amz-credential"].split("/", 1)[1]
    text = "\n".join(
        ["AWS4-HMAC-SHA256", query["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{SECRET_ACCESS_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _check_signature(host: str, raw_query: str, query: dict[str, str], cluster: str) -> None:
    if _CLUSTER_HEADER not in query.get("x-amz-signedheaders", "").split(";"):
        raise TokenError(f"the token does not sign the header {_CLUSTER_HEADER}, which names its cluster")
    if query.get("x-amz-credential", "").split("/")[0] != ACCESS_KEY_ID:
        return
    expected = _signature(host, raw_query, query, cluster)
    if not hmac.compare_digest(expected, query.get("x-amz-signature", "")):
        raise TokenError(
            f"the token's signature does not hold for cluster {cluster!r}: it was made for another one"
        )


def _principal(arn: str) -> tuple[str, str]:
    """The IAM principal and the session name of a caller: a session stands for its role, whose path it
    lacks."""
    match = re.fullmatch(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)/(.+)", arn)
    if match is None:
        return arn, ""
    partition, account, role, session = match.groups()
    return f"arn:{partition}:iam::{account}:role/{role}", session


def _without_path(arn: str) -> str:
    head, _, name = arn.rpartition("/")
    return f"{head.split('/')[0]}/{name}"


def _entry(cluster: Cluster, principal: str) -> AccessEntry:
    for entry in cluster.access_entries:
        if entry.principal_arn == principal or (
            ":role/" in principal and _without_path(entry.principal_arn) == principal
        ):
            return entry
    raise TokenError(f"{principal} has no access entry in cluster {cluster.name!r} of {cluster.region}")


def _groups(entry: AccessEntry) -> tuple[str, ...]:
    groups = list(entry.groups)
    for policy in entry.policies:
        name = policy_name(policy.arn)
        if name in CLUSTER_ROLES:
            groups += [namespace_group(name, ns) for ns in policy.namespaces] or [cluster_group(name)]
    return tuple(groups)


def authenticate(
    token: str, cluster: Cluster, caller: Callable[[str], str | None], moment: datetime.datetime | None = None
) -> Identity:
    """The identity behind a token; raises `TokenError` when it opens nothing.

    `caller` replays a query string at the sandbox's STS and gives the caller's ARN, or None when STS refuses
    it.
    """
    host, raw_query, query = _query(token)
    _check_age(query, moment or datetime.datetime.now(datetime.UTC))
    _check_signature(host, raw_query, query, cluster.name)
    arn = caller(raw_query)
    if arn is None:
        raise TokenError("STS does not know the credentials that made the token")
    principal, session = _principal(arn)
    entry = _entry(cluster, principal)
    account = principal.split(":")[4]
    username = (
        entry.username.replace("{{SessionName}}", session.replace("@", "-"))
        .replace("{{SessionNameRaw}}", session)
        .replace("{{AccountID}}", account)
    )
    return Identity(username, _groups(entry), arn, principal, session)


def review(
    request: dict[str, Any], cluster: Cluster, caller: Callable[[str], str | None]
) -> tuple[dict[str, Any], str]:
    """The answer to an API server's TokenReview, and one line for the log."""
    answer = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    try:
        identity = authenticate(str(request.get("spec", {}).get("token", "")), cluster, caller)
    except TokenError as error:
        return answer | {"status": {"authenticated": False, "error": str(error)}}, f"refused: {error}"
    user = {
        "username": identity.username,
        "uid": f"aws-iam-authenticator:{identity.principal_arn}",
        "groups": list(identity.groups),
        "extra": {
            "arn": [identity.arn],
            "canonicalArn": [identity.principal_arn],
            "sessionName": [identity.session],
        },
    }
    return answer | {
        "status": {"authenticated": True, "user": user}
    }, f"{identity.arn} is {identity.username}"
