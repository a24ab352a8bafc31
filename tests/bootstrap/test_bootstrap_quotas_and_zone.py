from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bastide.bootstrap.account import Account, connect
from bastide.bootstrap.errors import BootstrapError
from bastide.bootstrap.parts import Mode, Outcome
from bastide.bootstrap.quotas import Answer, Room, ask, look
from bastide.bootstrap.zone import bootstrap_zone, check_domain, name_servers
from bastide.cli import main
from bastide.plans.service_quotas import QUOTAS, needs
from bastide.settings import Settings
from sandbox.aws.client import Aws
from sandbox.aws.service_quotas import DEFAULTS
from tests.bootstrap.conftest import STACKS, writes

NOW = datetime(2026, 11, 21, tzinfo=UTC)
P, G, STANDARD = "L-417A185B", "L-DB2E81BA", "L-1216C47A"
P4_SPOT, P5_SPOT, G_SPOT = "L-7212CCBC", "L-C4BD4855", "L-3819A6DF"


def amounts(settings: Settings) -> dict[str, float]:
    return {each.quota.code: each.amount for each in needs(settings, NOW)}


def pool(name: str, kind: str, size: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "instanceType": kind, "size": size, **more}


def of_pools(varied: Callable[..., Settings], *pools: dict[str, Any]) -> dict[str, float]:
    return amounts(varied(pools=list(pools), engines=[]))


def test_each_kind_of_capacity_counts_against_its_own_quota(varied: Callable[..., Settings]) -> None:
    spot = {"kind": "spot", "onDemandFallback": 1}
    found = of_pools(
        varied,
        pool("p5", "p5.48xlarge", 2),
        pool("p4d", "p4d.24xlarge", 1, capacity={"kind": "spot"}),
        pool("p5s", "p5.48xlarge", 1, capacity={"kind": "spot"}),
        pool("g6e", "g6e.12xlarge", 3, capacity=spot),
    )
    assert found[P] == 2 * 192
    assert found[P4_SPOT] == 96
    assert found[P5_SPOT] == 192
    assert found[G_SPOT] == 3 * 48
    assert found[G] == 48


def test_a_range_needs_room_for_its_most_and_a_spare_counts(varied: Callable[..., Settings]) -> None:
    found = of_pools(varied, pool("g6", "g6.xlarge", {"min": 1, "max": 5}, warmSpare=1))
    assert found[G] == 6 * 4


def test_surge_nodes_count_where_the_new_one_comes_first(varied: Callable[..., Settings]) -> None:
    plain = of_pools(varied, pool("g6", "g6.xlarge", 2))
    surging = of_pools(varied, pool("g6", "g6.xlarge", 2, updateStrategy="default"))
    assert surging[G] - plain[G] == 2 * 3 * 4


def test_karpenter_may_take_the_largest_type_and_fall_back_to_on_demand(
    varied: Callable[..., Settings],
) -> None:
    found = of_pools(
        varied,
        pool(
            "elastic",
            "g6.12xlarge",
            {"min": 0, "max": 4},
            provisioner="karpenter",
            fallbackInstanceTypes=["g6.24xlarge"],
            capacity={"kind": "spot"},
        ),
    )
    assert found[G_SPOT] == found[G] == 4 * 96


def test_a_capacity_block_needs_no_quota(varied: Callable[..., Settings]) -> None:
    block = {
        "kind": "block",
        "reservationId": "cr-0123456789abcdef0",
        "zone": "us-east-1a",
        "start": "2026-11-20T11:30:00Z",
        "end": "2026-12-20T11:30:00Z",
    }
    assert P not in of_pools(varied, pool("p5", "p5.48xlarge", 2, capacity=block))


def test_the_systems_own_nodes_and_the_network_count(settings: Settings) -> None:
    found = amounts(settings)
    assert found[STANDARD] == (2 + 6) * 4
    assert found["L-0263D0A3"] == 1
    assert found["L-29B6F2EB"] == len(settings.network.interface_endpoints)
    assert found["L-6D54EA21"] == 2


def test_without_nat_no_address_is_needed(varied: Callable[..., Settings]) -> None:
    per_zone = amounts(varied(network={"nat": "perZone"}))
    assert per_zone["L-0263D0A3"] == 3


def test_the_sandboxs_quotas_are_the_tables() -> None:
    assert {(each.service, each.code): each.default for each in QUOTAS.values()} == {
        key: value for key, (_, value) in DEFAULTS.items()
    }


def rooms(answers: list[Answer]) -> dict[str, Room]:
    return {each.need.quota.code: each.room for each in answers}


def test_a_new_account_lacks_gpus_and_asking_once_is_enough(account: Account, world: Aws) -> None:
    answers = look(account)
    assert rooms(answers)[P] is Room.SHORT
    assert rooms(answers)["L-1194D53C"] is Room.ENOUGH
    ask(account, answers, True, lambda _: None)
    assert writes(world) == {}
    told: list[str] = []
    ask(account, answers, False, told.append)
    assert any(f"ec2/{P}" in each and "384 (PENDING" in each for each in told)
    again = look(account)
    assert rooms(again)[P] is Room.ASKED
    before = writes(world)
    ask(account, again, False, told.append)
    assert writes(world) == before


def test_a_request_for_less_than_is_needed_now_is_not_enough(
    account: Account, world: Aws, varied: Callable[..., Settings]
) -> None:
    ask(account, look(account), False, lambda _: None)
    larger = connect(varied(pools=[pool("p5", "p5.48xlarge", 3)]))
    assert rooms(look(larger))[P] is Room.SHORT


def test_what_others_take_is_added_and_the_stacks_own_is_not(account: Account) -> None:
    ec2 = account.client("ec2")
    ec2.create_vpc(CidrBlock="10.99.0.0/16")
    own = [{"Key": key, "Value": value} for key, value in account.settings.all_tags.items()]
    ec2.create_vpc(CidrBlock="10.98.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": own}])
    # The account's default VPC is another's too.
    found = next(each for each in look(account) if each.need.quota.code == "L-F678F1CE")
    assert (found.need.amount, found.others, found.wanted) == (1, 2, 3)


def test_running_instances_of_others_count(account: Account) -> None:
    ec2 = account.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2, InstanceType="m7i.2xlarge")
    found = next(each for each in look(account) if each.need.quota.code == STANDARD)
    assert found.others == 2 * 8


def test_the_command_fails_while_quotas_are_too_small(
    world: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(STACKS.parent)
    assert main(["bootstrap", "quotas", "--stack", "sandbox"]) == 1
    output = capsys.readouterr().out
    assert "too small" in output
    assert "lead time" in output
    request = ["bootstrap", "quotas", "--stack", "sandbox", "--request"]
    assert main([*request, "--dry-run"]) == 0
    assert "would ask" in capsys.readouterr().out
    assert [main(request), main(request), main([*request, "--dry-run"])] == [0, 0, 0]
    assert main(["bootstrap", "quotas", "--stack", "sandbox"]) == 1
    assert "asked for" in capsys.readouterr().out


def zone(account: Account, mode: Mode = Mode.APPLY, vpc: str = "") -> Outcome:
    (line,) = bootstrap_zone(account, "llm.example.com", vpc, mode, lambda _: None)
    return line.outcome


def test_a_zone_is_made_once_and_its_name_servers_told(account: Account, world: Aws) -> None:
    assert zone(account, Mode.CHECK) is Outcome.MISSING
    assert zone(account, Mode.DRY_RUN) is Outcome.WOULD_MAKE
    assert writes(world) == {}
    assert name_servers(account, "llm.example.com") == []
    assert zone(account) is Outcome.MADE
    assert len(name_servers(account, "llm.example.com")) == 4
    before = writes(world)
    assert zone(account) is Outcome.THERE
    assert zone(account, Mode.CHECK) is Outcome.THERE
    assert writes(world) == before


def test_a_private_zone_is_another_one(account: Account) -> None:
    vpc = account.client("ec2").create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    assert zone(account) is Outcome.MADE
    assert zone(account, vpc=vpc) is Outcome.MADE
    assert zone(account, vpc=vpc) is Outcome.THERE


def test_two_zones_of_a_name_are_not_guessed_between(account: Account) -> None:
    zone(account)
    account.client("route53").create_hosted_zone(Name="llm.example.com", CallerReference="other")
    with pytest.raises(BootstrapError, match=r"there are 2 zones for llm\.example\.com"):
        zone(account)


@pytest.mark.parametrize("domain", ["example", "Example.com", "-a.example.com", "a..com", "a_b.com", ""])
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(BootstrapError, match="is no domain name"):
        check_domain(domain)


def test_check_fails_until_all_is_there_and_changes_nothing(
    world: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(STACKS.parent)
    stack = ["--stack", "sandbox"]
    check = ["bootstrap", "check", *stack, "--domain", "llm.example.com"]
    assert main(check) == 1
    assert writes(world) == {}
    assert main(["bootstrap", "state", *stack]) == 0
    principal = ["--principal", "arn:aws:iam::123456789012:role/ci"]
    assert main(["bootstrap", "role", *stack, *principal]) == 0
    assert main(["bootstrap", "zone", *stack, "--domain", "llm.example.com"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(
        "bastide.bootstrap.quotas._value", lambda _, need: need.amount + 1000
    )  # AWS granted what was asked for
    before = writes(world)
    assert main(check) == 0, capsys.readouterr().out
    assert writes(world) == before
