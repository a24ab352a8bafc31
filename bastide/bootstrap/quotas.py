"""What Service Quotas says now, against what the stack needs; and asking for more.

Room that others in the account take is added where it can be counted: VPCs, addresses, internet gateways, clusters,
vCPUs of running on-demand instances. The stack's own, known by its tags, are not counted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil
from typing import Any, Final

from botocore.exceptions import ClientError

from bastide.bootstrap.account import Account, absent, clear, code_of
from bastide.plans.service_quotas import Need, needs, on_demand_code

_OPEN: Final = frozenset({"PENDING", "CASE_OPENED"})


class Room(StrEnum):
    """Whether a quota is large enough."""

    ENOUGH = "enough"
    ASKED = "asked for"
    SHORT = "too small"
    UNKNOWN = "not told"


@dataclass(frozen=True)
class Answer:
    """One quota: what is needed, what others take, what there is, and an open request's value."""

    need: Need
    others: float
    there: float | None
    asked: float | None

    @property
    def wanted(self) -> float:
        """What the quota should be."""
        return self.need.amount + self.others

    @property
    def room(self) -> Room:
        """The verdict."""
        if self.there is None:
            return Room.UNKNOWN
        if self.there >= self.wanted:
            return Room.ENOUGH
        return Room.ASKED if self.asked is not None and self.asked >= self.wanted else Room.SHORT

    def __str__(self) -> str:
        quota = self.need.quota
        there = "?" if self.there is None else f"{self.there:g}"
        others = f" (+ {self.others:g} of others)" if self.others else ""
        tail = "" if self.room is Room.ENOUGH else f"; lead time {quota.lead_time}"
        amount = f"{round(self.need.amount, 2):g}{others}"
        return (
            f"  {quota.service}/{quota.code} {quota.name:<55} needs {amount:<8} has {there:<6} {self.room:<9} "
            f"{self.need.reason}{tail}"
        )


def look(account: Account) -> list[Answer]:
    """Every quota that the stack needs. Raises BootstrapError."""
    with clear("read the account's quotas"):
        others = _others(account)
        return [
            Answer(each, others[each.quota.code], _value(account, each), _asked(account, each))
            for each in needs(account.settings, datetime.now(UTC))
        ]


def ask(account: Account, answers: list[Answer], dry_run: bool, report: Callable[[str], None]) -> None:
    """Asks for what is too small, once: an open request is enough. Raises BootstrapError."""
    client = account.client("service-quotas")
    for each in answers:
        quota, wanted = each.need.quota, float(ceil(each.wanted))
        if each.room is not Room.SHORT:
            continue
        if dry_run:
            report(f"  would ask: {quota.service}/{quota.code} {quota.name}: {wanted:g}")
            continue
        with clear(f"ask for {wanted:g} {quota.name}"):
            made = client.request_service_quota_increase(
                ServiceCode=quota.service, QuotaCode=quota.code, DesiredValue=wanted
            )["RequestedQuota"]
        report(
            f"  asked: {quota.service}/{quota.code} {quota.name}: {wanted:g} ({made['Status']}, {made['Id']})"
        )


def _value(account: Account, need: Need) -> float | None:
    client, quota = account.client("service-quotas"), need.quota
    # The applied value is there only once it was touched; else AWS's default holds.
    for operation in ("get_service_quota", "get_aws_default_service_quota"):
        try:
            found = getattr(client, operation)(ServiceCode=quota.service, QuotaCode=quota.code)
        except ClientError as error:
            if absent(error) or code_of(error) == "NoSuchResourceException":
                continue
            raise
        return float(found["Quota"]["Value"])
    return None


def _asked(account: Account, need: Need) -> float | None:
    """The largest value of requests that are open."""
    pages = (
        account.client("service-quotas")
        .get_paginator("list_requested_service_quota_change_history_by_quota")
        .paginate(ServiceCode=need.quota.service, QuotaCode=need.quota.code)
    )
    values = [
        float(each["DesiredValue"])
        for page in pages
        for each in page["RequestedQuotas"]
        if each["Status"] in _OPEN
    ]
    return max(values, default=None)


def _others(account: Account) -> Counter[str]:
    found: Counter[str] = Counter()
    ec2, settings = account.client("ec2"), account.settings

    def foreign(items: list[dict[str, Any]]) -> int:
        return sum(not _ours(account, each.get("Tags", [])) for each in items)

    found["L-F678F1CE"] = foreign(ec2.describe_vpcs()["Vpcs"])
    found["L-A4707A72"] = foreign(ec2.describe_internet_gateways()["InternetGateways"])
    found["L-0263D0A3"] = foreign(ec2.describe_addresses()["Addresses"])
    clusters = [
        name
        for page in account.client("eks").get_paginator("list_clusters").paginate()
        for name in page["clusters"]
    ]
    found["L-1194D53C"] = sum(name != settings.cluster_name for name in clusters)
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    )
    running = Counter(
        each["InstanceType"]
        for page in pages
        for reservation in page["Reservations"]
        for each in reservation["Instances"]
        if each.get("InstanceLifecycle") is None and not _ours(account, each.get("Tags", []))
    )
    if running:
        types = ec2.get_paginator("describe_instance_types").paginate(InstanceTypes=sorted(running))
        for each in (item for page in types for item in page["InstanceTypes"]):
            code = on_demand_code(each["InstanceType"])
            if code is not None:
                found[code] += running[each["InstanceType"]] * each["VCpuInfo"]["DefaultVCpus"]
    return found


def _ours(account: Account, tags: list[dict[str, str]]) -> bool:
    given = {each["Key"]: each["Value"] for each in tags}
    own = ("bastide:name", "bastide:environment")
    return all(given.get(key) == account.settings.all_tags[key] for key in own)
