"""Settings of the gateway's Postgres: made by the kit, or brought along.

Google's Cloud SQL comes with the Google provider and is not here yet.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from bastide.settings.base import Strict, matching
from bastide.settings.trust import PemCertificates
from bastide.settings.variants import by_kind

Window = Annotated[
    str,
    matching(
        r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d",
        "is not a daily window; allowed: HH:MM-HH:MM in UTC such as '02:00-03:00', in quotes",
    ),
]

WeeklyWindow = Annotated[
    str,
    matching(
        r"(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d-(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d",
        "is not a weekly window; allowed: ddd:HH:MM-ddd:HH:MM in UTC such as 'sun:03:30-sun:04:30'",
    ),
]

HostName = Annotated[
    str,
    matching(
        r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
        "is not a host name; allowed: lower-case labels with dots between, such as postgres.internal.example.com; no "
        "scheme, port or path, and no IP address, because TLS checks the name",
    ),
]

SqlName = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9_]{0,62}",
        "is not a plain Postgres name; allowed: up to 63 lower-case letters, digits and underscores, starting with a "
        "letter, because other names need quotes in every statement",
    ),
]

InstanceClass = Annotated[
    str,
    matching(
        r"db\.[a-z0-9]+\.[a-z0-9-]+",
        "is not an RDS instance class; allowed: db.<family>.<size> such as db.m7g.large; "
        "`aws rds describe-orderable-db-instance-options --engine postgres` lists what the region has",
    ),
]


class CreatedDatabase(Strict):
    """RDS for PostgreSQL of the stack's own, in the private subnets: encrypted by its own key, TLS alone, reached by
    the gateway's pods alone."""

    kind: Literal["create"] = "create"
    """`create`: the kit makes the instance, its key and its network group."""

    version: Literal["16", "17", "18"] = "17"
    """Major version of PostgreSQL (AWS's list of RDS engine versions, 2026-11). Minor versions come by themselves in
    the maintenance window. A higher one is an upgrade in place with minutes of downtime; there is no way back."""

    instance_class: InstanceClass = "db.m7g.large"
    """RDS instance class. The default has 2 vCPUs and 8 GiB and no CPU credits that run out; the gateway writes one
    row a request and reads keys from its memory."""

    storage_gib: int = Field(100, ge=20, le=65536)
    """Storage at the start in GiB, of type gp3; 20 to 65,536 are RDS's bounds for PostgreSQL (RDS user guide, 'gp3
    storage'). A row of the spend log takes about 2 KB, so 100 GiB hold some 50 million requests."""

    max_storage_gib: int = Field(500, ge=20, le=65536)
    """Up to which RDS grows the storage by itself. Storage never shrinks. Equal to `storageGib` it does not grow."""

    multi_az: bool = True
    """Whether a standby in another zone takes over by itself. Off is for sandbox and dev only."""

    backup_days: int = Field(14, ge=1, le=35)
    """Days for which RDS can restore to any second; 35 is RDS's most. There is no 0: it switches backups off, and the
    keys, teams and spend of all callers would be one mistake from lost."""

    backup_window: Window = "02:00-03:00"
    """When the daily snapshot is taken, UTC."""

    maintenance_window: WeeklyWindow = "sun:03:30-sun:04:30"
    """When minor versions and patches are put on, UTC. It may not overlap `backupWindow`."""

    insights_days: int = Field(7, ge=7, le=731)
    """Days for which Performance Insights keeps what queries waited for: 7, a multiple of 31, or 731 (RDS API,
    CreateDBInstance). 7 are free of charge."""

    log_days: int = Field(90, ge=1, le=3650)
    """Days for which CloudWatch keeps the server's logs. Statements are not logged: they carry what callers sent."""

    database: SqlName = "litellm"
    """Name of the database."""

    user: SqlName = "gateway"
    """Name of the user by which the gateway connects. It owns the database's tables and nothing else."""

    auth: Literal["iam", "password"] = "iam"
    """How the gateway proves who it is. `iam`: a token of 15 minutes for the pod's own role, so that no password
    exists. `password`: the secret `database-password`."""

    ca: PemCertificates | None = None
    """The CA certificates of RDS in the region, in PEM, by which the gateway knows the server: AWS's bundle
    https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem. Needed outside a sandbox."""


class ExistingDatabase(Strict):
    """A PostgreSQL that somebody else made and keeps. Nothing of it is made, changed or deleted; its network must let
    the gateway's pods in."""

    kind: Literal["existing"]
    """`existing`: the server is there already."""

    host: HostName
    """Its host name, as its certificate has it."""

    port: int = Field(5432, ge=1, le=65535)
    """Its port; 5432 is PostgreSQL's own."""

    database: SqlName = "litellm"
    """Name of the database, which must be there."""

    user: SqlName = "gateway"
    """Name of the user by which the gateway connects; it must be allowed to make tables there."""

    auth: Literal["iam", "password"] = "password"
    """`password`: the secret `database-password`, given once. `iam`: a token, where the server is an RDS instance of
    this account."""

    resource_id: Annotated[
        str | None,
        Field(pattern=r"^(db|cluster)-[A-Z0-9]+$"),
    ] = None
    """With `auth: iam`: the instance's resource id such as db-ABCDEFGHIJKL, which `aws rds describe-db-instances`
    prints as DbiResourceId. The gateway's right to connect names it."""

    ca: PemCertificates | None = None
    """CA certificates, in PEM, by which the gateway knows the server. Without them the image's public ones do."""


DatabaseSettings = Annotated[
    Annotated[CreatedDatabase, Tag("create")] | Annotated[ExistingDatabase, Tag("existing")],
    by_kind("create"),
]
