"""In a live world RDS and ElastiCache have servers, which let in whom AWS's would: by password and by token."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bastide.plans.cache import ACCESS, NOBODY
from sandbox.aws.client import Aws
from sandbox.data import amazon, tokens
from sandbox.live import provider
from sandbox.live.data import LiveData, Outside
from sandbox.live.data_services import Aws as Region
from sandbox.state import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from sandbox.toolchain import databases
from tests.waits import until

from .conftest import REGION, Account, _serve

OTHER_SECRET = "another"
GROUP = "live-gw"


@dataclass
class Live:
    """What runs, and what it told."""

    data: LiveData
    names: list[Outside]
    folder: Path

    def target(self, name: str) -> tuple[str, int]:
        found = next(each for each in self.names if each.name == name)
        host, port = found.target.split(":")
        return host, int(port)


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    """Of its own: what runs for it lives through all tests here."""
    for endpoint in _serve():
        yield Account(endpoint, Aws(endpoint))


@pytest.fixture(scope="module")
def live(aws: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    subnets = aws.network()
    rds, cache = aws("rds"), aws("elasticache")
    rds.create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="g", SubnetIds=subnets)
    rds.create_db_instance(
        DBInstanceIdentifier="gateway", Engine="postgres", DBInstanceClass="db.m7g.large", AllocatedStorage=20,
        DBName="litellm", MasterUsername="chief", ManageMasterUserPassword=True, DBSubnetGroupName="g",
        EnableIAMDatabaseAuthentication=True,
    )  # fmt: skip
    cache.create_cache_subnet_group(
        CacheSubnetGroupName="g", CacheSubnetGroupDescription="g", SubnetIds=subnets
    )
    iam = {"Type": "iam"}
    cache.create_user(
        UserId=GROUP, UserName=GROUP, Engine="redis", AccessString=ACCESS, AuthenticationMode=iam
    )
    cache.create_user(
        UserId="no", UserName="default", Engine="redis", AccessString=NOBODY, NoPasswordRequired=True
    )
    cache.create_user_group(UserGroupId=GROUP, Engine="redis", UserIds=[GROUP, "no"])
    cache.create_replication_group(
        ReplicationGroupId=GROUP, ReplicationGroupDescription="g", Engine="valkey", EngineVersion="8.0",
        CacheNodeType="cache.m7g.large", NumCacheClusters=2, AutomaticFailoverEnabled=True, CacheSubnetGroupName="g",
        UserGroupIds=[GROUP], TransitEncryptionEnabled=True,
    )  # fmt: skip
    told: list[Outside] = []

    def tell(names: list[Outside]) -> None:
        told[:] = names

    data = LiveData(Region(REGION, aws.endpoint, folder / "data", folder / "logs"), tell)
    try:
        until(lambda: len(told) == 3 or data.problem)
        assert data.problem == ""
        (folder / "ca.pem").write_text(amazon.certificate())
        yield Live(data, told, folder)
    finally:
        data.stop()


def database(aws: Account) -> dict[str, Any]:
    found: dict[str, Any] = aws("rds").describe_db_instances()["DBInstances"][0]
    return found


def psql(
    live: Live, aws: Account, user: str, password: str, text: str, mode: str = "verify-full"
) -> tuple[str, str]:
    """What it printed, and its errors. The name is the endpoint's, the address that of the process."""
    name = database(aws)["Endpoint"]["Address"]
    host, port = live.target(name)
    programs = databases.postgres()
    where = f"host={name} hostaddr={host} port={port} dbname=litellm user={user} sslmode={mode}"
    done = subprocess.run(
        [programs["psql"], f"{where} sslrootcert={live.folder / 'ca.pem'}", "-XAtc", text],
        env=os.environ | dict(programs.env) | {"PGPASSWORD": password}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip(), done.stderr.strip()


def administrator(aws: Account) -> str:
    secret = aws("secretsmanager").get_secret_value(SecretId=database(aws)["MasterUserSecret"]["SecretArn"])
    found = json.loads(secret["SecretString"])
    assert found["username"] == "chief"
    return str(found["password"])


def rds_token(aws: Account, user: str, secret: str = SECRET_ACCESS_KEY, region: str = REGION) -> str:
    client = boto3.client("rds", region, aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=secret)
    endpoint = database(aws)["Endpoint"]
    return str(client.generate_db_auth_token(endpoint["Address"], endpoint["Port"], user, region))


def cache_token(user: str, group: str = GROUP, secret: str = SECRET_ACCESS_KEY) -> str:
    """As AWS's guide has it ('Authenticating with IAM' of ElastiCache)."""
    request = AWSRequest("GET", f"https://{group}/", params={"Action": "connect", "User": user})
    SigV4QueryAuth(Credentials(ACCESS_KEY_ID, secret), "elasticache", REGION, expires=900).add_auth(request)
    assert request.url
    return request.url.removeprefix("https://")


def test_the_endpoints_of_awss_api_lead_to_servers_whose_certificate_is_amazons(
    live: Live, aws: Account
) -> None:
    endpoint = database(aws)["Endpoint"]["Address"]
    assert endpoint.endswith(".rds.amazonaws.com")
    assert psql(live, aws, "chief", administrator(aws), "select current_user, current_database()") == (
        "chief|litellm",
        "",
    )
    assert len({each.address for each in live.names}) == 3
    assert {each.port for each in live.names} == {5432, 6379, 80}


def test_without_tls_nobody_is_let_in(live: Live, aws: Account) -> None:
    said = psql(live, aws, "chief", administrator(aws), "select 1", "disable")
    assert "no encryption" in said[1]


def test_a_role_signs_in_to_the_database_by_token_and_by_nothing_else(live: Live, aws: Account) -> None:
    made = "create role gateway login; grant rds_iam to gateway; create role other login password 'known'"
    assert psql(live, aws, "chief", administrator(aws), made)[1] == ""
    assert psql(live, aws, "gateway", rds_token(aws, "gateway"), "select current_user") == ("gateway", "")
    for password in ("", "known", rds_token(aws, "chief"), rds_token(aws, "gateway", OTHER_SECRET),
                     rds_token(aws, "gateway", region="eu-west-1")):  # fmt: skip
        out, err = psql(live, aws, "gateway", password, "select 1")
        assert out == ""
        assert "authentication failed" in err or "no password supplied" in err
    assert psql(live, aws, "other", "known", "select current_user") == ("other", "")
    assert "authentication failed" in psql(live, aws, "other", rds_token(aws, "other"), "select 1")[1]
    log = (live.folder / "logs" / f"{REGION}-tokens.log").read_text()
    assert "gateway" in log
    assert "its signature does not fit" in log
    assert "X-Amz-Signature" not in log


class Client:
    """One connection to the cache."""

    def __init__(self, live: Live, name: str) -> None:
        context = ssl.create_default_context(cafile=str(live.folder / "ca.pem"))
        self._plain = socket.create_connection(live.target(name), 10)
        self._stream = context.wrap_socket(self._plain, server_hostname=name)

    def __call__(self, *words: str) -> bytes:
        encoded = [word.encode() for word in words]
        self._stream.sendall(
            b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in encoded)
        )
        return self._stream.recv(65536)


def test_a_user_signs_in_to_the_cache_by_token_and_may_do_what_its_rights_say(
    live: Live, aws: Account
) -> None:
    group = aws("elasticache").describe_replication_groups()["ReplicationGroups"][0]["NodeGroups"][0]
    client = Client(live, group["PrimaryEndpoint"]["Address"])
    assert client("PING").startswith(b"-NOAUTH")
    assert client("AUTH", GROUP, cache_token(GROUP)) == b"+OK\r\n"
    assert client("SET", "bastide:cache:a", "1") == b"+OK\r\n"
    script = "return redis.call('INCRBY', KEYS[1], redis.call('TIME')[1] * 0 + 2)"
    assert client("EVAL", script, "1", "{bastide}:limit:a:sum") == b":2\r\n"
    for words in (("FLUSHALL",), ("KEYS", "*"), ("ACL", "LIST"), ("GET", "a"), ("EVAL", script, "1", "a")):
        assert client(*words).startswith(b"-NOPERM"), words
    client = Client(live, group["PrimaryEndpoint"]["Address"])
    assert b"server" in client("HELLO", "3", "AUTH", GROUP, cache_token(GROUP))
    assert client("GET", "bastide:cache:a") == b"$1\r\n1\r\n"


@pytest.mark.parametrize(
    "words",
    [
        ("AUTH", GROUP, "guessed"),
        ("AUTH", GROUP, cache_token("no")),
        ("AUTH", GROUP, cache_token(GROUP, "another-group")),
        ("AUTH", GROUP, cache_token(GROUP, secret=OTHER_SECRET)),
        ("AUTH", "default", ""),
        ("AUTH", ""),
        ("HELLO", "3", "AUTH", GROUP, "guessed"),
    ],
    ids=["guessed", "other user", "other group", "other secret", "default", "no user", "hello"],
)
def test_the_cache_lets_nobody_else_in(live: Live, words: tuple[str, ...]) -> None:
    client = Client(live, next(each.name for each in live.names if each.port == 6379))
    assert client(*words).startswith(b"-")
    assert client("GET", "a").startswith(b"-NOAUTH")


def test_a_token_is_good_for_a_quarter_of_an_hour() -> None:
    token, now = cache_token(GROUP), datetime.now(UTC)
    door = tokens.cache(REGION, GROUP)
    assert tokens.refusal(token, door, GROUP, now + timedelta(minutes=14)) == ""
    assert "expired" in tokens.refusal(token, door, GROUP, now + timedelta(minutes=16))
    longer = token.replace("X-Amz-Expires=900", "X-Amz-Expires=90000")
    assert "expired" in tokens.refusal(longer, door, GROUP, now + timedelta(minutes=16))
    assert "signature" in tokens.refusal(longer, door, GROUP, now)


def test_what_is_deleted_ends(live: Live, aws: Account) -> None:
    """The last one, for it takes the servers."""
    aws("rds").delete_db_instance(DBInstanceIdentifier="gateway", SkipFinalSnapshot=True)
    until(lambda: len(live.names) == 2)
    aws("elasticache").delete_replication_group(ReplicationGroupId=GROUP)
    until(lambda: [each.name for each in live.names] == [provider.NAME])
    assert [child.part for child in live.data.children] == [f"{REGION}-provider", f"{REGION}-tokens"]
    assert sorted(path.name for path in (live.folder / "data").iterdir() if path.is_dir()) == []
