"""Which pods a drain moves, and whose budgets it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.drain import Journal, is_ready, movable, selects
from tests.sandbox_cluster.samples import pod


@pytest.mark.parametrize(
    ("changes", "moves"),
    [
        ({}, True),
        ({"metadata": {"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}}, False),
        ({"metadata": {"ownerReferences": [{"kind": "StatefulSet", "controller": True}]}}, True),
        ({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}, False),
        ({"status": {"phase": "Succeeded"}}, False),
        ({"status": {"phase": "Running"}}, True),
    ],
)
def test_a_drain_moves_what_kubectl_would(changes: dict[str, Any], moves: bool) -> None:
    assert movable(pod(**changes)) is moves


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "a"}}, True),
        ({"matchLabels": {"app": "b"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
    ],
)
def test_a_budget_is_over_what_its_selector_matches(selector: dict[str, Any] | None, matches: bool) -> None:
    assert selects(selector, {"app": "a"}) is matches


def test_a_pod_is_healthy_by_its_condition() -> None:
    assert not is_ready(pod())
    assert is_ready(pod(status={"conditions": [{"type": "Ready", "status": "True"}]}))


def test_the_journal_has_a_line_for_each_event(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.write("evicted", pod="a/b")
    journal.write("lost", pod="a/c")
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [(line["event"], line["pod"]) for line in lines] == [("evicted", "a/b"), ("lost", "a/c")]
    assert lines[0]["time"] <= lines[1]["time"]
