"""The DNS zone under which a stack's names lie: found, or made."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from bastide.bootstrap.account import Account, clear
from bastide.bootstrap.errors import BootstrapError
from bastide.bootstrap.key import state_tags
from bastide.bootstrap.parts import Found, Line, Mode, Part, missing, right, settle

_DOMAIN: Final = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


def check_domain(domain: str) -> str:
    """The domain, if it can be a zone. Raises BootstrapError."""
    if not _DOMAIN.fullmatch(domain):
        raise BootstrapError(
            f"--domain {domain!r} is no domain name; allowed: lower-case labels of up to 63 letters, digits and inner "
            "hyphens, with dots between, such as llm.example.com"
        )
    return domain


def bootstrap_zone(
    account: Account, domain: str, vpc_id: str, mode: Mode, report: Callable[[Line], None]
) -> list[Line]:
    """Makes or checks the zone; private with a VPC, else public. Raises BootstrapError."""
    check_domain(domain)
    kind = "private" if vpc_id else "public"

    def look() -> Found:
        found = find_zone(account, domain, private=bool(vpc_id))
        return missing(kind) if found is None else right(str(found["Id"]).rpartition("/")[2])

    def make() -> None:
        route53 = account.client("route53")
        where = {"VPC": {"VPCRegion": account.settings.region, "VPCId": vpc_id}} if vpc_id else {}
        made = route53.create_hosted_zone(
            Name=domain,
            # The same reference each time: a repeated request cannot make a second zone.
            CallerReference=f"bastide-{account.settings.prefix}-{kind}-{domain}",
            HostedZoneConfig={"Comment": f"bastide {account.settings.prefix}", "PrivateZone": bool(vpc_id)},
            **where,
        )["HostedZone"]
        route53.change_tags_for_resource(
            ResourceType="hostedzone",
            ResourceId=made["Id"].rpartition("/")[2],
            AddTags=[{"Key": key, "Value": value} for key, value in state_tags(account).items()],
        )

    with clear(f"look for the zone {domain}"):
        return settle([Part(f"{kind} zone {domain}", look, make)], mode, report)


def find_zone(account: Account, domain: str, *, private: bool) -> dict[str, Any] | None:
    """The zone of that name and kind, or None. Raises BootstrapError where there are several."""
    pages = account.client("route53").get_paginator("list_hosted_zones").paginate()
    found = [
        each
        for page in pages
        for each in page["HostedZones"]
        if each["Name"].rstrip(".") == domain and each["Config"].get("PrivateZone", False) is private
    ]
    if len(found) > 1:
        ids = ", ".join(each["Id"].rpartition("/")[2] for each in found)
        raise BootstrapError(
            f"there are {len(found)} zones for {domain} ({ids}): only one is delegated; delete the others"
        )
    zone: dict[str, Any] | None = found[0] if found else None
    return zone


def name_servers(account: Account, domain: str) -> list[str]:
    """Name servers of the public zone, for its parent. Empty while there is none. Raises BootstrapError."""
    with clear(f"read the zone {domain}"):
        zone = find_zone(account, domain, private=False)
        if zone is None:
            return []
        found = account.client("route53").get_hosted_zone(Id=zone["Id"])["DelegationSet"]["NameServers"]
        return sorted(str(each) for each in found)
