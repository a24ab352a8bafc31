from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from bastide.catalogues import instances, prices
from bastide.cli import main
from bastide.plans import costs
from bastide.plans.costs import Estimate, estimate
from bastide.settings import Settings, read_stack_file

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def varied(**changed: Any) -> Settings:
    raw = read_stack_file(ROOT / "stacks" / "Pulumi.sandbox.yaml")
    for key, value in changed.items():
        raw[key] = {**raw.get(key, {}), **value} if isinstance(value, dict) else value
    return Settings.load(raw)


def pools(*given: dict[str, Any], **more: Any) -> Settings:
    return varied(pools=list(given), engines=[], **more)


def pool(size: Any, kind: str = "p5.48xlarge", **more: Any) -> dict[str, Any]:
    return {"name": "p", "instanceType": kind, "size": size, **more}


def row(found: Estimate, name: str) -> costs.Item:
    return next(each for each in found.items if each.name == name)


def test_two_p5_nodes_cost_what_the_price_list_says() -> None:
    found = row(estimate(pools(pool(2)), NOW), "pool p")
    assert found.hourly == pytest.approx(110.08)
    assert found.price is not None
    assert "price list" in found.price.source
    assert found.price.read == "2026-07-20"


def test_a_range_has_a_start_and_a_most() -> None:
    found = estimate(pools(pool({"min": 1, "max": 4}, warmSpare=1)), NOW)
    item = row(found, "pool p")
    assert (item.start, item.most) == (2, 5)
    assert found.hourly_most - found.hourly > 3 * 55.04
    assert "with every pool at its largest" in found.line()


def test_a_type_without_a_price_makes_the_total_a_least_one() -> None:
    found = estimate(pools(pool(1, "p5e.48xlarge"), cloud={"region": "us-east-2"}, network=OHIO), NOW)
    assert row(found, "pool p").hourly is None
    assert "pool p" in found.line()
    assert found.line().startswith("at least ")
    wide = estimate(
        pools(pool(1, capacity={"kind": "spot"}), {**pool({"min": 1, "max": 3}), "name": "priced"}), NOW
    )
    assert wide.unpriced
    assert f"with every pool at its largest at least {wide.hourly_most:,.2f} an hour" in wide.line()


OHIO = {"zones": ["us-east-2a", "us-east-2b", "us-east-2c"]}


def test_in_another_region_only_prices_of_everywhere_are_used() -> None:
    found = estimate(varied(cloud={"region": "us-east-2"}, network=OHIO), NOW)
    priced = {each.name for each in found.items if each.price is not None}
    assert priced == {"EKS control plane", "KMS keys"}
    assert all("known for us-east-1 only" in each.note for each in found.unpriced)


def test_spot_and_blocks_are_never_guessed() -> None:
    spot = estimate(pools(pool(2, capacity={"kind": "spot", "onDemandFallback": 1})), NOW)
    assert row(spot, "pool p").price is None
    assert "on demand it is 55.04" in row(spot, "pool p").note
    assert row(spot, "pool p (od)").hourly == pytest.approx(55.04)
    block = {
        "kind": "block",
        "reservationId": "cr-0123456789abcdef0",
        "zone": "us-east-1a",
        "start": "2026-11-20T11:30:00Z",
        "end": "2026-12-20T11:30:00Z",
    }
    found = estimate(pools(pool(2, capacity=block)), NOW)
    assert "paid when it was bought" in row(found, "pool p").note


def test_extended_support_costs_six_times() -> None:
    before = row(estimate(varied(), datetime(2026, 12, 1, tzinfo=UTC)), "EKS control plane")
    after = row(estimate(varied(), datetime(2026, 12, 2, tzinfo=UTC)), "EKS control plane")
    assert (before.hourly, after.hourly) == (0.10, 0.60)


@pytest.mark.parametrize(("nat", "count"), [("perZone", 3), ("single", 1)])
def test_nat_gateways_and_their_addresses_are_counted(nat: str, count: int) -> None:
    found = estimate(varied(network={"nat": nat}), NOW)
    assert row(found, "NAT gateways").start == count
    assert row(found, "NAT addresses").start == count


def test_endpoints_are_paid_in_each_zone() -> None:
    settings = varied()
    expected = len(settings.network.interface_endpoints) * len(settings.network.zones)
    assert row(estimate(settings, NOW), "interface endpoints").start == expected


def test_a_month_has_730_hours() -> None:
    assert prices.KMS_KEY.hourly * 730 == pytest.approx(1.0)
    assert row(estimate(varied(), NOW), "KMS keys").hourly == pytest.approx(5 / 730)


def test_the_total_is_the_sum_of_its_rows() -> None:
    found = estimate(varied(), NOW)
    assert found.hourly == pytest.approx(sum(each.hourly or 0 for each in found.items))
    assert found.unpriced == ()
    assert re.fullmatch(
        r"[\d.,]+ USD an hour, [\d,]+ a day, [\d,]+ a month; about [\d.]+ h to bring up", found.line()
    )


def test_larger_weights_take_longer_on_the_disk() -> None:
    def seconds(size: float | None) -> float:
        return next(each.seconds for each in estimate(varied(), NOW, size).phases if each.name == "weights")

    assert seconds(141) == pytest.approx(134.5, abs=0.5)
    assert seconds(None) == pytest.approx(95.4, abs=0.1)


def test_every_price_names_its_source_and_when_it_was_read() -> None:
    every = [
        *prices.INSTANCES.values(),
        *(each for each in vars(prices).values() if isinstance(each, prices.Price)),
    ]
    assert len(every) > 20
    for each in every:
        assert each.source
        assert date.fromisoformat((each.read + "-01-01")[:10])
        assert each.usd > 0


def test_every_priced_type_is_one_of_the_catalogue() -> None:
    assert set(prices.INSTANCES) <= set(instances.CATALOGUE)


def test_the_disks_are_those_of_the_gpu_pools() -> None:
    text = (ROOT / "components" / "gpu_pool.py").read_text()
    assert f"DISK_THROUGHPUT_MIB = {costs.GPU_DISK_MIB_S}" in text
    assert f"DISK_IOPS = {costs.GPU_DISK_IOPS}" in text


def test_the_command_prints_a_table_and_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["cost", "--stack", "prod-us-east-1", "--weights-gb", "141"]) == 0
    table = capsys.readouterr().out
    assert "pool p5" in table
    assert "80,358.40" in table
    assert main(["cost", "--stack", "prod-us-east-1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["monthly"] == pytest.approx(document["hourly"] * 730)
    assert all(each["price"]["source"] for each in document["items"] if each["price"])


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (["--stack", "nowhere"], 1, "no stack 'nowhere'"),
        (["--stack", "sandbox", "--weights-gb", "-1"], 2, "is no size of a model"),
    ],
)
def test_wrong_use_is_told(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["cost", *argv]) == status
    assert message in capsys.readouterr().err


def test_stores_and_entrance_of_a_gateway_are_listed_and_not_guessed() -> None:
    raw = read_stack_file(Path("stacks/Pulumi.sandbox.yaml"))
    certified = {"internal": True, "domain": "gw.example.com", "zoneId": "Z1"}
    with_gateway = {**raw, "gateway": {"enabled": True, "audit": {}}, "edge": {}, "certificates": certified}
    without, found = (estimate(Settings.load(each)) for each in (raw, with_gateway))
    rows = {each.name: each for each in found.items}
    made = {"gateway's database", "its storage", "gateway's cache", "secrets", "load balancer", "firewall"}
    assert made <= {each.name for each in found.unpriced}
    assert rows["gateway's database"].most == 2
    assert rows["its storage"].most == 200
    # The database's, the cache's, the secrets', the audit trail's, the firewall log's.
    assert rows["KMS keys"].most == {each.name: each for each in without.items}["KMS keys"].most + 5
    assert rows["secrets"].most == 2
    assert not {each.name for each in without.items} & {"gateway's database", "load balancer", "firewall"}
