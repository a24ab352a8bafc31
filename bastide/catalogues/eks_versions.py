"""Until when EKS supports each Kubernetes version.

Source, unless a row says another: EKS user guide, "Amazon EKS Kubernetes release calendar"
(kubernetes-versions), read 2026-11-21, whose dates are UTC. `aws eks describe-cluster-versions` prints the same
of today; a new version is added here with its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

SOON_DAYS: Final = 60
"""How long before the end of standard support a run begins to say so: AWS announces the date at least 60 days
ahead (the same page, "Amazon EKS version FAQs")."""


@dataclass(frozen=True)
class Support:
    """First days without standard and without extended support."""

    standard_until: date
    extended_until: date
    source: str = "EKS user guide, kubernetes-versions, release calendar"


CALENDAR: Final[Mapping[str, Support]] = {
    "1.31": Support(date(2025, 11, 26), date(2026, 11, 26)),
    "1.32": Support(date(2026, 3, 23), date(2027, 3, 23)),
    "1.33": Support(date(2026, 7, 29), date(2027, 7, 29)),
    "1.34": Support(date(2026, 12, 2), date(2027, 12, 2)),
    "1.35": Support(
        date(2027, 3, 27),
        date(2028, 3, 27),
        "endoflife.date/amazon-eks of 2026-02; aws-samples/sample-apex-skills, cluster-lifecycle, 2026-04-24",
    ),
    "1.36": Support(
        date(2027, 6, 24),
        date(2028, 6, 24),
        "no published date was found: the earliest that is possible. EKS had no 1.36 on 2026-04-24 "
        "(aws-samples/sample-apex-skills), and gives 14 and 12 months (EKS user guide, version FAQs)",
    ),
}
"""By Kubernetes minor version."""


def minor(version: str) -> int:
    """34 of `1.34`."""
    return int(version.partition(".")[2])


def versions() -> list[str]:
    """Every version in the calendar, oldest first."""
    return sorted(CALENDAR, key=minor)


@dataclass(frozen=True)
class Verdict:
    """What a version's age means for a run: at most one of the two is said."""

    refusal: str = ""
    warning: str = ""
    note: str = ""


def judge(version: str, upgrade_policy: str, today: date) -> Verdict:
    """Whether a cluster of this version may be run today.

    With the upgrade policy STANDARD EKS moves a control plane up by itself as soon as standard support ends,
    and leaves add-ons and nodes behind: that version is refused. With EXTENDED it costs more and is warned of.
    """
    support = CALENDAR[version]
    if today >= support.extended_until:
        return Verdict(
            refusal=f"Kubernetes {version} is out of extended support since {support.extended_until}; EKS moves "
            "such control planes up by itself, and leaves add-ons and nodes behind; set a newer "
            f"cluster.kubernetesVersion: {_in_standard_support(today)} in standard support"
        )
    if today >= support.standard_until and upgrade_policy == "STANDARD":
        return Verdict(
            refusal=f"Kubernetes {version} is out of standard support since {support.standard_until}, and with "
            "cluster.upgradePolicy STANDARD EKS moves the control plane up by itself, and leaves add-ons and "
            f"nodes behind; set a newer cluster.kubernetesVersion ({_in_standard_support(today)} in standard "
            f"support), or upgradePolicy EXTENDED, which costs more for each hour until {support.extended_until}"
        )
    if today >= support.standard_until:
        return Verdict(
            warning=f"Kubernetes {version} is in extended support, which costs more for each hour, until "
            f"{support.extended_until}; {_in_standard_support(today)} in standard support"
        )
    left = (support.standard_until - today).days
    if left <= SOON_DAYS:
        return Verdict(
            note=f"standard support of Kubernetes {version} ends in {left} days, on {support.standard_until}; "
            f"plan the next minor version, cluster.kubernetesVersion 1.{minor(version) + 1}"
        )
    return Verdict()


def _in_standard_support(today: date) -> str:
    found = [each for each in versions() if today < CALENDAR[each].standard_until]
    return f"{', '.join(found)} {'is' if len(found) == 1 else 'are'}" if found else "none in this table is"
