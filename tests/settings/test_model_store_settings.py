"""Stores that are made and stores that are adopted: what their settings may say, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bastide import names
from bastide.plans.model_store_policy import publishers
from bastide.settings import AdoptedModelStore, CreatedModelStore, Settings, SettingsError, read_stack_file
from bastide.settings.base import eks_regions

SANDBOX = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::123456789012:role/ci"
THEIRS = {"kind": "adopt", "bucket": "their-models", "keyArn": KEY}
Raw = dict[str, Any]


@pytest.fixture
def raw() -> Raw:
    return copy.deepcopy(read_stack_file(SANDBOX))


def problems(raw: Raw) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(raw)
    return {each.path: each.message for each in caught.value.problems}


def test_a_store_is_created_unless_it_says_otherwise(raw: Raw) -> None:
    settings = Settings.load(raw)
    assert isinstance(settings.model_store, CreatedModelStore)
    assert settings.model_bucket == "bastide-sandbox-us-east-1-models-123456789012"
    assert settings.model_log_bucket == "bastide-sandbox-us-east-1-models-logs-123456789012"
    raw["modelStore"] = THEIRS
    settings = Settings.load(raw)
    assert isinstance(settings.model_store, AdoptedModelStore)
    assert settings.model_bucket == "their-models"


def test_administrators_publish_where_nobody_is_named(raw: Raw) -> None:
    settings = Settings.load(raw)
    assert isinstance(settings.model_store, CreatedModelStore)
    assert publishers(settings, settings.model_store) == raw["cluster"]["adminPrincipals"]
    raw["modelStore"] = {"publishers": [ROLE]}
    settings = Settings.load(raw)
    assert isinstance(settings.model_store, CreatedModelStore)
    assert publishers(settings, settings.model_store) == [ROLE]


MISTAKES: list[tuple[Callable[[Raw], object], str, str]] = [
    (
        lambda r: r.update(modelStore={"objectLock": {"mode": "compliance", "days": 30}}),
        "modelStore.objectLock.mode",
        "nobody could delete the objects for 30 days",
    ),
    (
        lambda r: r.update(modelStore={"objectLock": {"mode": "forever", "days": 30}}),
        "modelStore.objectLock.mode",
        "'governance' or 'compliance'",
    ),
    (
        lambda r: r.update(modelStore={"objectLock": {"mode": "governance"}}),
        "modelStore.objectLock.days",
        "is required",
    ),
    (
        lambda r: r.update(modelStore={"readers": ["arn:aws:iam::999999999999:role/x"]}),
        "modelStore.readers[0]",
        "is of another account",
    ),
    (lambda r: r.update(modelStore={"inventory": "hourly"}), "modelStore.inventory", "'daily' or 'weekly'"),
    (
        lambda r: r.update(modelStore={**THEIRS, "keyArn": KEY.replace("us-east-1", "eu-west-1")}),
        "modelStore.keyArn",
        "is a key of eu-west-1; allowed: keys of us-east-1",
    ),
    (
        lambda r: r.update(modelStore={**THEIRS, "keyArn": "alias/models"}),
        "modelStore.keyArn",
        "is not the ARN of a KMS key",
    ),
    (
        lambda r: r.update(modelStore={**THEIRS, "bucket": "their.models"}),
        "modelStore.bucket",
        "without a dot",
    ),
    (
        lambda r: r.update(modelStore={**THEIRS, "objectLock": {"mode": "governance", "days": 1}}),
        "modelStore.objectLock",
        "there is no setting of this name",
    ),
    (lambda r: r.update(modelStore={"kind": "adopt"}), "modelStore.bucket", "is required"),
]


@pytest.mark.parametrize(("spoil", "path", "said"), MISTAKES, ids=[f"{m[1]}: {m[2]}" for m in MISTAKES])
def test_a_mistake_is_reported_by_its_path(
    raw: Raw, spoil: Callable[[Raw], object], path: str, said: str
) -> None:
    spoil(raw)
    found = problems(raw)
    assert path in found
    assert said in found[path]


def test_a_lock_that_can_be_lifted_goes_with_a_stack_that_is_not_protected(raw: Raw) -> None:
    raw["modelStore"] = {"objectLock": {"mode": "governance", "days": 30}}
    Settings.load(raw)


def test_the_longest_names_of_buckets_are_within_s3s_63_characters() -> None:
    longest = max(eks_regions(), key=len)
    name = names.model_log_bucket("n" * names.MAX_NAME, "sandbox", longest, "1" * 12)
    assert len(name) <= 63


def test_beside_an_adopted_cluster_publishers_have_to_be_named(raw: Raw) -> None:
    subnets = {f"us-east-1{each}": f"subnet-0123456789abcdef{index}" for index, each in enumerate("ab")}
    raw["network"] = {
        "kind": "adopt",
        "vpcId": "vpc-0123456789abcdef0",
        "cidr": "10.60.0.0/16",
        "privateSubnetIds": subnets,
    }
    raw["cluster"] = {"kind": "adopt", "name": "theirs"}
    assert "name who may" in problems(raw)["modelStore.publishers"]
    raw["modelStore"] = {"publishers": [ROLE]}
    Settings.load(raw)
