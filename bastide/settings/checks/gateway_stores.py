"""Checks of the gateway's database and cache."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.cache import CreatedCache
from bastide.settings.checks.common import Check
from bastide.settings.checks.stack import UNPROTECTED
from bastide.settings.database import CreatedDatabase, ExistingDatabase
from bastide.settings.errors import Problem
from bastide.settings.trust import common_names

if TYPE_CHECKING:
    from bastide.settings.root import Settings

LEAST_GIB: Final = 50
"""Storage outside sandbox and dev, in GiB. A choice: some 25 million rows of the spend log, and room for the indexes
that an upgrade builds anew."""

GROWTH: Final = 1.1
"""By which the most must exceed the start where storage is to grow (RDS user guide, 'Managing capacity automatically
with Amazon RDS storage autoscaling')."""

ROOT_OF_REGION: Final = re.compile(r"Amazon RDS ([a-z0-9-]+) Root CA .+")
"""Common name of a root of RDS, by the bundle of us-east-1 (truststore.pki.rds.amazonaws.com)."""

_PASTE: Final = "paste https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem"

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK: Final = 7 * 24 * 60


def _one_zone(settings: Settings) -> Iterator[Problem]:
    if not settings.gateway.enabled or settings.environment in UNPROTECTED:
        return
    where = f"environment {str(settings.environment)!r}"
    database, cache = settings.database, settings.cache
    if isinstance(database, CreatedDatabase) and not database.multi_az:
        yield Problem(
            "database.multiAz",
            f"False is not allowed in {where}; allowed off only in: {', '.join(UNPROTECTED)}; with its zone every key, "
            "team and budget would be out of reach, and the gateway refuses everybody; remove the line",
        )
    if isinstance(cache, CreatedCache) and cache.nodes < 2:
        yield Problem(
            "cache.nodes",
            f"{cache.nodes} is not allowed in {where}; allowed: 2 to 6, and 1 only in: {', '.join(UNPROTECTED)}; with "
            "its zone nothing would count limits, and the gateway refuses everybody; raise it",
        )
    if isinstance(database, CreatedDatabase) and database.storage_gib < LEAST_GIB:
        yield Problem(
            "database.storageGib",
            f"{database.storage_gib} is too small for {where}; allowed: {LEAST_GIB} or more, and less only in: "
            f"{', '.join(UNPROTECTED)}; a full database stops, and with it the gateway; raise it",
        )


def _growth(settings: Settings) -> Iterator[Problem]:
    database = settings.database
    if not isinstance(database, CreatedDatabase):
        return
    start, most = database.storage_gib, database.max_storage_gib
    needed = int(start * GROWTH + 0.999)
    if most < start or start < most < needed:
        yield Problem(
            "database.maxStorageGib",
            f"{most} beside database.storageGib {start}; allowed: {start}, which never grows, or {needed} and more; "
            "RDS grows storage by a tenth at least and never shrinks it; raise it",
        )


def _insights(settings: Settings) -> Iterator[Problem]:
    database = settings.database
    if (
        isinstance(database, CreatedDatabase)
        and database.insights_days not in (7, 731)
        and database.insights_days % 31
    ):
        yield Problem(
            "database.insightsDays",
            f"{database.insights_days} is not a time that Performance Insights keeps; allowed: 7, a multiple of 31 up "
            "to 713, or 731; choose one",
        )


def _authority(settings: Settings) -> Iterator[Problem]:
    database = settings.database
    if not settings.gateway.enabled or settings.sandbox:
        return
    if isinstance(database, CreatedDatabase) and database.ca is None:
        yield Problem(
            "database.ca",
            "is missing; allowed: the CA certificates of RDS in the region, in PEM; RDS signs with its own authority, "
            "which no image trusts, so the gateway could not know its database from another; "
            f"{_PASTE.format(region=settings.region)}",
        )


def _elsewhere(settings: Settings) -> Iterator[Problem]:
    """A bundle of another region: copied with a stack, or inherited from what stacks share."""
    database = settings.database
    if not settings.gateway.enabled or not isinstance(database, CreatedDatabase) or database.ca is None:
        return
    named = [found[1] for name in common_names(database.ca) if (found := ROOT_OF_REGION.fullmatch(name))]
    if named and settings.region not in named:
        yield Problem(
            "database.ca",
            f"has the roots of {', '.join(sorted(set(named)))} while cloud.region is {settings.region!r}; allowed: the "
            "CA certificates of RDS in the stack's region; each region has an authority of its own, so the gateway "
            f"would refuse its database; {_PASTE.format(region=settings.region)}",
        )


def _token(settings: Settings) -> Iterator[Problem]:
    database = settings.database
    if isinstance(database, ExistingDatabase) and database.auth == "iam" and database.resource_id is None:
        yield Problem(
            "database.resourceId",
            "is missing while database.auth is 'iam'; allowed: the instance's resource id such as db-ABCDEFGHIJKL; the "
            "right to sign in names it; `aws rds describe-db-instances` prints it as DbiResourceId",
        )
    if (
        isinstance(database, ExistingDatabase)
        and database.auth == "password"
        and database.resource_id is not None
    ):
        yield Problem(
            "database.resourceId",
            "is given while database.auth is 'password'; it would have no effect; set auth: iam, or remove it",
        )


def _windows(settings: Settings) -> Iterator[Problem]:
    database = settings.database
    if not isinstance(database, CreatedDatabase):
        return
    start, end = _week_minutes(database.maintenance_window)
    long = (end - start) % _WEEK
    if not 30 <= long < 24 * 60:
        yield Problem(
            "database.maintenanceWindow",
            f"{database.maintenance_window!r} takes {long} minutes; allowed: 30 minutes to less than a day (RDS API, "
            "ModifyDBInstance); change its end",
        )
        return
    first, last = (_minutes(each) for each in database.backup_window.split("-"))
    length = (last - first) % (24 * 60)
    if length < 30:
        yield Problem(
            "database.backupWindow",
            f"{database.backup_window!r} takes {length} minutes; allowed: 30 minutes or more (RDS API, "
            "ModifyDBInstance); change its end",
        )
        return
    for day in range(7):
        other = day * 24 * 60 + first
        if (other - start) % _WEEK < long or (start - other) % _WEEK < length:
            yield Problem(
                "database.backupWindow",
                f"{database.backup_window!r} overlaps database.maintenanceWindow {database.maintenance_window!r}; "
                "allowed: windows apart; RDS refuses the pair, since it never does both at once; move one",
            )
            return


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _week_minutes(window: str) -> tuple[int, int]:
    found = re.findall(r"([a-z]{3}):(\d\d:\d\d)", window)
    start, end = (_DAYS.index(day) * 24 * 60 + _minutes(clock) for day, clock in found)
    return start, end


CHECKS: Final[tuple[Check, ...]] = (_one_zone, _growth, _insights, _authority, _elsewhere, _token, _windows)
