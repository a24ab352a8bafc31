"""Settings of the audit trail, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bastide_gateway.document import CLASSES
from bastide_gateway.errors import StartError

MODES: Final = ("COMPLIANCE", "GOVERNANCE")
SPOOL: Final = "/tmp/bastide-audit"  # noqa: S108 - the pod's own volume
_NAMES: Final = {"bucket", "prefix", "region", "mode", "days", "spool", "spoolMib", "batchSeconds"}


@dataclass(frozen=True)
class AuditSettings:
    """As the head of guards/audit.py describes them."""

    bucket: str
    prefix: str
    region: str
    mode: str
    days: Mapping[str, int]
    spool: Path
    spool_bytes: int
    batch_seconds: float


def read(given: Mapping[str, Any]) -> AuditSettings:
    """Raises `StartError` with the setting, what was given and what is allowed."""
    unknown, lacking = sorted(set(given) - _NAMES), sorted({"bucket", "region", "days"} - set(given))
    if unknown or lacking:
        raise StartError(f"guard audit: not known: {unknown}, missing: {lacking}; render routes.json again")
    bucket, prefix = str(given["bucket"]), str(given.get("prefix", "audit/"))
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise StartError(f"guard audit: bucket: {bucket!r} is no name of a bucket")
    if not re.fullmatch(r"([\w.-]+/)+", prefix):
        raise StartError(
            f"guard audit: prefix: {prefix!r}; allowed: names that each end with a slash, such as 'audit/'"
        )
    mode = given.get("mode", "COMPLIANCE")
    if mode not in MODES:
        raise StartError(f"guard audit: mode: {mode!r}; allowed: {', '.join(MODES)}")
    return AuditSettings(
        bucket,
        prefix,
        str(given["region"]),
        mode,
        _days(given["days"]),
        Path(str(given.get("spool", SPOOL))),
        _number("spoolMib", given.get("spoolMib", 64), 1, 4096) << 20,
        _number("batchSeconds", given.get("batchSeconds", 10), 1, 300),
    )


def _days(given: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in given if isinstance(given, list) else [given]:
        name, _, days = str(one).partition("=")
        if name not in CLASSES or not days.isascii() or not days.isdigit() or not 1 <= int(days) <= 36500:
            raise StartError(
                f"guard audit: days: {one!r}; allowed: CLASS=DAYS, classes {', '.join(CLASSES)}, 1 to 36500"
            )
        found[name] = int(days)
    lacking = [name for name in CLASSES if name not in found]
    if lacking:
        raise StartError(
            f"guard audit: days: nothing is said of {', '.join(lacking)}; each class has a number of days"
        )
    return found


def _number(name: str, given: Any, least: int, most: int) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not least <= given <= most:
        raise StartError(f"guard audit: {name}: {given!r}; allowed: {least} to {most}")
    return given
