"""Mistakes in the gateway's database, cache and entrance, each with its path."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bastide.settings import CreatedCache, CreatedDatabase, Settings, SettingsError, read_stack_file

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
CERTIFIED = {"internal": True, "domain": "gw.example.com", "zoneId": "Z1"}


def load(**changes: Any) -> Settings:
    return Settings.load({**read_stack_file(STACK), **changes})


def problems(**changes: Any) -> dict[str, str]:
    try:
        load(**changes)
    except SettingsError as error:
        return {each.path: each.message for each in error.problems}
    return {}


def certificate(*, ca: bool = True) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_nothing_is_asked_of_a_stack_without_a_gateway() -> None:
    settings = load()
    assert isinstance(settings.database, CreatedDatabase)
    assert isinstance(settings.cache, CreatedCache)
    assert settings.edge is None
    assert problems() == {}


def test_what_would_stop_production_is_refused() -> None:
    found = problems(
        environment="prod",
        protection=True,
        gateway={"enabled": True},
        database={"multiAz": False, "storageGib": 20},
        cache={"nodes": 1},
    )
    assert "allowed off only in: sandbox, dev" in found["database.multiAz"]
    assert "1 is not allowed in environment 'prod'" in found["cache.nodes"]
    assert "20 is too small" in found["database.storageGib"]
    assert "us-east-1-bundle.pem" in found["database.ca"]


@pytest.mark.parametrize(
    ("database", "path", "part"),
    [
        ({"backupDays": 0}, "database.backupDays", "greater than or equal to 1"),
        ({"storageGib": 10}, "database.storageGib", "greater than or equal to 20"),
        (
            {"storageGib": 100, "maxStorageGib": 105},
            "database.maxStorageGib",
            "allowed: 100, which never grows, or 110",
        ),
        ({"storageGib": 100, "maxStorageGib": 50}, "database.maxStorageGib", "never shrinks"),
        ({"insightsDays": 30}, "database.insightsDays", "multiple of 31"),
        ({"backupWindow": "03:00-04:00"}, "database.backupWindow", "overlaps database.maintenanceWindow"),
        ({"backupWindow": "23:50-00:10"}, "database.backupWindow", "takes 20 minutes"),
        ({"maintenanceWindow": "sun:03:30-sun:03:40"}, "database.maintenanceWindow", "takes 10 minutes"),
        ({"maintenanceWindow": "Sunday"}, "database.maintenanceWindow", "is not a weekly window"),
        ({"version": "9"}, "database.version", "'16', '17' or '18'"),
        ({"instanceClass": "m7g.large"}, "database.instanceClass", "db.<family>.<size>"),
        ({"user": "Robert'); DROP"}, "database.user", "is not a plain Postgres name"),
        ({"kind": "existing"}, "database.host", ""),
        ({"kind": "existing", "host": "10.0.0.1/x"}, "database.host", "is not a host name"),
        (
            {"kind": "existing", "host": "db.example.com", "auth": "iam"},
            "database.resourceId",
            "is missing while",
        ),
        (
            {"kind": "existing", "host": "db.example.com", "resourceId": "db-ABC"},
            "database.resourceId",
            "would have no effect",
        ),
        ({"ca": "no certificate"}, "database.ca", "is not a list of certificates in PEM"),
    ],
)
def test_each_mistake_of_a_database_has_its_own_message(
    database: dict[str, Any], path: str, part: str
) -> None:
    assert part in problems(database=database)[path]


@pytest.mark.parametrize("window", ["02:00-03:30", "04:30-05:00", "22:00-23:00"])
def test_windows_that_only_touch_are_taken(window: str) -> None:
    assert problems(database={"backupWindow": window}) == {}


def test_a_backup_window_over_midnight_is_seen_to_overlap() -> None:
    window = {"backupWindow": "23:30-00:30", "maintenanceWindow": "sat:23:00-sun:00:15"}
    assert "overlaps" in problems(database=window)["database.backupWindow"]
    window["maintenanceWindow"] = "sun:00:30-sun:01:30"
    assert problems(database=window) == {}


def test_only_authorities_are_trusted_and_no_key_is_taken() -> None:
    assert problems(database={"ca": certificate()}) == {}
    assert "is no CA" in problems(database={"ca": certificate(ca=False)})["database.ca"]
    secret = certificate() + "-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\n"
    said = problems(database={"ca": secret})["database.ca"]
    assert "has a private key" in said
    assert "MIG" not in said


def test_roots_of_another_region_are_refused_and_those_of_nobody_knows_where_are_taken() -> None:
    real = read_stack_file(STACK.with_name("Pulumi.prod-us-east-1.yaml"))["database"]["ca"]

    def said(ca: str, region: str) -> str:
        moved = {
            "cloud": {**read_stack_file(STACK)["cloud"], "region": region},
            "network": {"zones": [f"{region}{zone}" for zone in "abc"], "cidr": "10.64.0.0/16"},
        }
        return problems(**moved, gateway={"enabled": True}, database={"ca": ca}).get("database.ca", "")

    assert said(real, "us-east-1") == ""
    found = said(real, "us-west-2")
    assert "has the roots of us-east-1 while cloud.region is 'us-west-2'" in found
    assert "us-west-2-bundle.pem" in found
    assert said(certificate(), "us-west-2") == ""


@pytest.mark.parametrize(
    ("changes", "path", "part"),
    [
        ({"edge": {}, "certificates": CERTIFIED}, "edge", "gateway.enabled is off"),
        (
            {"edge": {"scheme": "public"}, "gateway": {"enabled": True}},
            "edge",
            "certificates.domain is missing",
        ),
        (
            {
                "edge": {"scheme": "public"},
                "certificates": CERTIFIED,
                "gateway": {"enabled": True},
                "network": {
                    "zones": ["us-east-1a", "us-east-1b"],
                    "cidr": "10.20.0.0/16",
                    "nat": "none",
                    "publicSubnets": False,
                },
            },
            "edge.scheme",
            "network.publicSubnets is off",
        ),
        (
            {
                "edge": {},
                "certificates": {**CERTIFIED, "domain": "*.example.com"},
                "gateway": {"enabled": True},
            },
            "certificates.domain",
            "is a wildcard",
        ),
        ({"edge": {"idleTimeoutSeconds": 5000}}, "edge.idleTimeoutSeconds", "less than or equal to 4000"),
        ({"edge": {"clients": ["10.0.0.0/8", "10.1.0.0/16"]}}, "edge.clients[1]", "overlaps 10.0.0.0/8"),
        ({"edge": {"paths": ["v1/chat"]}}, "edge.paths[0]", "starting with '/'"),
        (
            {"edge": {"firewall": {"requestsPerKey": 1}}},
            "edge.firewall.requestsPerKey",
            "greater than or equal to 10",
        ),
    ],
)
def test_each_mistake_of_an_edge_has_its_own_message(changes: dict[str, Any], path: str, part: str) -> None:
    assert part in problems(**changes)[path]
