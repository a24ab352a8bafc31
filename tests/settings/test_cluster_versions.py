"""Kubernetes versions: which are supported when, and which change of one is refused or explained."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bastide.catalogues.eks_versions import CALENDAR, judge, minor, versions
from bastide.plans.upgrades import Pool, Running, Wanted, explain, refusal
from sandbox.aws.eks.tables import ADDONS, KUBERNETES_VERSIONS

ADDONS_1_34 = {"vpc-cni": "v1.21.1", "kube-proxy": "v1.34.6", "coredns": "v1.13.2"}
POOLS = (Pool("system", "1 node"), Pool("p5", "1 node"))
NOW = Running(
    "1.33",
    {"vpc-cni": "v1.20.1", "kube-proxy": "v1.33.10", "coredns": "v1.13.2"},
    {"system": "1.33", "p5": "1.33"},
)


def test_the_calendar_goes_up_without_gaps_and_extended_support_is_a_year() -> None:
    assert [minor(each) for each in versions()] == list(range(31, 37))
    for earlier, later in zip(versions(), versions()[1:], strict=False):
        assert CALENDAR[earlier].standard_until < CALENDAR[later].standard_until
    for support in CALENDAR.values():
        assert support.extended_until - support.standard_until in (timedelta(365), timedelta(366))


def test_every_version_that_the_sandbox_offers_is_in_the_calendar() -> None:
    assert set(KUBERNETES_VERSIONS) <= CALENDAR.keys()


@pytest.mark.parametrize(
    ("day", "policy", "kind"),
    [
        (date(2026, 10, 2), "STANDARD", "nothing"),
        (date(2026, 10, 3), "STANDARD", "note"),
        (date(2026, 12, 1), "STANDARD", "note"),
        (date(2026, 12, 2), "STANDARD", "refusal"),
        (date(2026, 12, 2), "EXTENDED", "warning"),
        (date(2027, 12, 1), "EXTENDED", "warning"),
        (date(2027, 12, 2), "EXTENDED", "refusal"),
    ],
)
def test_a_version_ages_from_silence_to_refusal(day: date, policy: str, kind: str) -> None:
    verdict = judge("1.34", policy, day)
    said = {name for name in ("refusal", "warning", "note") if getattr(verdict, name)}
    assert said == ({kind} - {"nothing"})


def test_a_refusal_names_the_versions_that_are_left() -> None:
    said = judge("1.34", "STANDARD", date(2026, 12, 2)).refusal
    assert "out of standard support since 2026-12-02" in said
    assert "1.35, 1.36 are in standard support" in said
    assert "upgradePolicy EXTENDED" in said


def test_an_upgrade_is_explained_in_the_order_in_which_it_happens() -> None:
    assert explain(NOW, Wanted("1.34", ADDONS_1_34, POOLS)) == (
        "Kubernetes 1.33 -> 1.34: 1. control plane, "
        "2. add-ons vpc-cni v1.20.1 -> v1.21.1, kube-proxy v1.33.10 -> v1.34.6, "
        "3. pools system, p5 (at most 1 node at a time in each)"
    )


def test_coredns_comes_after_the_pools_and_pools_differ_in_pace() -> None:
    wanted = Wanted(
        "1.34", {**ADDONS_1_34, "coredns": "v2"}, (Pool("system", "1 node"), Pool("p5", "2 nodes"))
    )
    assert explain(NOW, wanted).endswith(
        "3. pools system (at most 1 node at a time), p5 (at most 2 nodes at a time), 4. add-on coredns v1.13.2 -> v2"
    )


def test_nothing_is_said_when_the_version_stays() -> None:
    running = Running("1.34", {"kube-proxy": "v0"}, {"system": "1.34", "p5": "1.34"})
    assert explain(running, Wanted("1.34", ADDONS_1_34, POOLS)) == ""


def test_pools_that_have_not_followed_are_said_alone() -> None:
    running = Running("1.34", ADDONS_1_34, {"system": "1.34", "p5": "1.33"})
    said = explain(running, Wanted("1.34", ADDONS_1_34, POOLS, owned=False))
    assert said == "Kubernetes 1.33 -> 1.34: 1. pool p5 (at most 1 node at a time)"


def test_a_pool_that_is_new_is_no_part_of_an_upgrade() -> None:
    said = explain(NOW, Wanted("1.34", ADDONS_1_34, (*POOLS, Pool("g6", "1 node"))))
    assert "g6" not in said


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (
            "1.35",
            "2 minor versions at once, and EKS takes one at a time; set cluster.kubernetesVersion to '1.34'",
        ),
        ("1.32", "goes down"),
    ],
)
def test_two_steps_and_steps_down_are_refused(to: str, said: str) -> None:
    assert said in refusal(NOW, Wanted(to, {}, POOLS))


def test_one_step_and_none_are_allowed() -> None:
    assert refusal(NOW, Wanted("1.34", {}, POOLS)) == ""
    assert refusal(NOW, Wanted("1.33", {}, POOLS)) == ""


def test_pools_too_far_behind_are_named() -> None:
    running = Running("1.35", {}, {"p5": "1.32", "system": "1.35"})
    assert refusal(running, Wanted("1.35", {}, POOLS)) == ""
    assert "more than 3 minor versions behind" in refusal(running, Wanted("1.36", {}, POOLS))
    assert "p5 (1.32)" in refusal(running, Wanted("1.36", {}, POOLS))


def test_an_adopted_control_plane_is_its_owners_to_upgrade() -> None:
    assert "set '1.33'" in refusal(NOW, Wanted("1.34", {}, POOLS, owned=False))


def test_the_default_node_monitoring_agent_is_a_published_version() -> None:
    from bastide.catalogues.addon_versions import NODE_MONITORING_AGENT

    assert NODE_MONITORING_AGENT in [each.version for each in ADDONS["eks-node-monitoring-agent"].versions]
