"""Records of a zone that is there already."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sandbox.plugins.protocol import PluginError
from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver

RECORD = "aws:route53/record:Record"


@pytest.fixture
def route53(aws_endpoint: str) -> Any:
    return aws_client("route53", "us-east-1", aws_endpoint)


@pytest.fixture
def zone(route53: Any) -> str:
    made = route53.create_hosted_zone(Name="example.org", CallerReference=str(time.time()))["HostedZone"][
        "Id"
    ]
    return str(made.rpartition("/")[2])


def sets(route53: Any, zone: str) -> dict[tuple[str, str], dict[str, Any]]:
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {(each["Name"], each["Type"]): each for each in found if each["Type"] not in ("NS", "SOA")}


def test_a_record_lives_through_creation_update_refresh_and_deletion(
    driver: Driver, route53: Any, zone: str
) -> None:
    inputs = {"zoneId": zone, "name": "a.example.org", "type": "A", "ttl": 60, "records": ["192.0.2.1"]}
    made = driver.create(RECORD, **inputs)
    assert made.id == f"{zone}_a.example.org_A"
    assert made.state["fqdn"] == "a.example.org"
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}
    imported = driver.find(RECORD, made.id)
    assert imported is not None
    assert imported[2]["records"] == ["192.0.2.1"]

    made.update(**{**inputs, "records": ["192.0.2.2"]})
    assert sets(route53, zone)["a.example.org.", "A"]["ResourceRecords"] == [{"Value": "192.0.2.2"}]
    change = {"Name": "a.example.org.", "Type": "A", "TTL": 99, "ResourceRecords": [{"Value": "192.0.2.2"}]}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": change}]}
    )
    assert made.refresh().properties == {"ttl": "update"}
    made.delete()
    assert made.refresh() is None
    made.delete()


def test_another_type_goes_in_one_batch_with_the_old_ones_removal(
    driver: Driver, route53: Any, zone: str
) -> None:
    inputs = {"zoneId": zone, "name": "b.example.org", "type": "A", "ttl": 60, "records": ["192.0.2.1"]}
    made = driver.create(RECORD, **inputs)
    changed = {**inputs, "type": "TXT", "records": ['"hello"']}
    assert made.diff(**changed).replaces == []
    made.update(**changed)
    assert list(sets(route53, zone)) == [("b.example.org.", "TXT")]
    assert made.refresh().properties == {}
    made.delete()
    assert sets(route53, zone) == {}


def test_another_name_or_zone_replaces(driver: Driver, zone: str) -> None:
    inputs = {"zoneId": zone, "name": "c.example.org", "type": "A", "ttl": 60, "records": ["192.0.2.1"]}
    made = driver.create(RECORD, **inputs)
    assert made.diff(**{**inputs, "name": "d.example.org"}).replaces == ["name"]
    assert made.diff(**{**inputs, "zoneId": "ZOTHER"}).replaces == ["zoneId"]
    made.delete()


def test_a_record_that_is_there_is_not_taken_over_unseen(driver: Driver, route53: Any, zone: str) -> None:
    inputs = {"zoneId": zone, "name": "*.example.org", "type": "A", "ttl": 60, "records": ["192.0.2.1"]}
    first = driver.create(RECORD, **inputs)
    assert first.refresh().properties == {}
    with pytest.raises(PluginError, match=r"already: import it as .*_A, or set allowOverwrite"):
        driver.create(RECORD, "second", **inputs)
    taken = driver.create(RECORD, "third", **{**inputs, "records": ["192.0.2.9"], "allowOverwrite": True})
    (found,) = sets(route53, zone).values()
    assert found["ResourceRecords"] == [{"Value": "192.0.2.9"}]
    taken.delete()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"ttl": None}, "records"),
        ({"aliases": [{"name": "x.", "zoneId": "Z1", "evaluateTargetHealth": True}]}, "aliases"),
        ({"weightedRoutingPolicies": [{"weight": 1}]}, "weightedRoutingPolicies"),
        ({"nam": "x"}, "nam"),
    ],
)
def test_contradictions_are_refused_by_name(driver: Driver, changes: dict[str, Any], path: str) -> None:
    inputs = {"zoneId": "Z1", "name": "e.example.org", "type": "A", "ttl": 60, "records": ["192.0.2.1"]}
    assert path in [each[0] for each in driver.failures(RECORD, **{**inputs, **changes})]
