"""What stands for one RDS instance, and for one ElastiCache group: processes under the endpoint's name and certificate.

Postgres lets users of the role `rds_iam` in by token, as RDS does; Redis's users are those of the user groups."""

from __future__ import annotations

import json
import secrets
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.cluster.certificates import Authority
from sandbox.daemon.child import Child, ChildError, free_port
from sandbox.data import amazon, token_directory
from sandbox.data.awaiting import until_answers
from sandbox.data.cache_front import Front
from sandbox.data.postgres import Postgres
from sandbox.data.redis import READY_WITHIN, Redis
from sandbox.state import aws_client

TOKEN_ROLE: Final = "rds_iam"  # noqa: S105 - a name
"""Role of the users that sign in by token (RDS user guide, 'Creating a database account using IAM authentication')."""


@dataclass(frozen=True)
class Aws:
    """The region's AWS, and where what stands for it lies."""

    region: str
    endpoint: str
    folder: Path
    logs: Path

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return aws_client(service, self.region, self.endpoint)

    def python(self, part: str, module: str, *arguments: str) -> Child:
        """A process of this package."""
        command = [sys.executable, "-m", module, *arguments]
        return Child(part, command, self.logs / f"{part}.log")


@dataclass(frozen=True)
class Service:
    """Something that runs: its endpoints' port, the port of this machine behind it, and its processes."""

    port: int
    target: int
    server: Postgres | Redis
    front: Child | None = None

    @property
    def children(self) -> list[Child]:
        """Its processes."""
        return [self.server.child, *([self.front] if self.front else [])]

    def stop(self) -> None:
        """Ends them."""
        if self.front:
            self.front.stop(1)
        self.server.stop()


def database(
    aws: Aws, authority: Authority, folder: Path, instance: dict[str, Any], directory: int
) -> Service:
    """What runs for an instance as DescribeDBInstances shows it. `directory` is the port of the token directory."""
    endpoint, port = instance["Endpoint"]["Address"], instance["Endpoint"]["Port"]
    rules = []
    if instance.get("IAMDatabaseAuthenticationEnabled"):
        prefix = token_directory.prefix(endpoint, port, aws.region)
        where = f'ldapserver=127.0.0.1 ldapport={directory} ldapprefix="{prefix}"'
        rules = [f"hostssl all +{TOKEN_ROLE} 127.0.0.1/32 ldap {where}"]
    server = Postgres.start(
        folder,
        database=instance.get("DBName") or "postgres",
        user=instance["MasterUsername"],
        password=_administrators_password(aws, instance),
        tls=amazon.server_pair(authority, endpoint),
        rules=rules,
    )
    server.query(f"create role {TOKEN_ROLE} nologin")
    return Service(port, server.port, server)


def _administrators_password(aws: Aws, instance: dict[str, Any]) -> str:
    """The one that RDS keeps in Secrets Manager. Of one that was given by the call nobody is told, so that nobody can
    sign in with it here."""
    managed = instance.get("MasterUserSecret")
    if not managed:
        return secrets.token_urlsafe(24)
    said = aws.client("secretsmanager").get_secret_value(SecretId=managed["SecretArn"])["SecretString"]
    return str(json.loads(said)["password"])


def endpoints(group: dict[str, Any]) -> tuple[str, ...]:
    """The names of a replication group as DescribeReplicationGroups shows it."""
    kinds = ("PrimaryEndpoint", "ReaderEndpoint")
    return tuple(
        node[kind]["Address"] for node in group.get("NodeGroups", []) for kind in kinds if kind in node
    )


def cache(aws: Aws, authority: Authority, folder: Path, group: dict[str, Any]) -> Service:
    """What runs for a replication group: one Redis for all its nodes."""
    rights, passwords = {}, {}
    for name, (allowed, by_token) in _users(aws, group).items():
        if by_token:
            passwords[name] = secrets.token_urlsafe(24)
        rights[name] = f"reset {'>' + passwords[name] if by_token else 'nopass'} {allowed}"
    server = Redis.start(folder, users=rights or None)
    names = endpoints(group)
    pair = authority.issue(folder.name, names[0][:64], hosts=names)
    front = Front(
        free_port(),
        server.port,
        aws.region,
        group["ReplicationGroupId"],
        str(pair.certificate),
        str(pair.key),
        passwords,
    )
    told = folder / "front.json"
    told.touch(mode=0o600)
    told.write_text(json.dumps(asdict(front)))
    child = aws.python(f"{aws.region}-{folder.name}", "sandbox.data.cache_front", str(told))
    try:
        until_answers("the front of Redis", child, lambda: _listens(front.port), READY_WITHIN)
    except ChildError:
        server.stop()
        raise
    return Service(group["NodeGroups"][0]["PrimaryEndpoint"]["Port"], front.port, server, child)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _users(aws: Aws, group: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """Rights by name, and whether they sign in by token."""
    client, found = aws.client("elasticache"), {}
    for name in group.get("UserGroupIds", []):
        for user in client.describe_user_groups(UserGroupId=name)["UserGroups"][0]["UserIds"]:
            each = client.describe_users(UserId=user)["Users"][0]
            found[each["UserName"]] = (
                each["AccessString"],
                each.get("Authentication", {}).get("Type") == "iam",
            )
    return found
