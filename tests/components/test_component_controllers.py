"""KEDA and LeaderWorkerSet of a region, as they are registered."""

from __future__ import annotations

import pytest
from component_recording import Recording, region_of, stack


@pytest.fixture(scope="module")
def both() -> Recording:
    return region_of(stack("sandbox", scaling={"enabled": True}, multiNode={"enabled": True}))


def test_neither_is_there_by_default(sandbox: Recording) -> None:
    assert not sandbox.of(":Scaling")
    assert not sandbox.of(":MultiNode")
    names = {each.inputs["metadata"]["name"] for each in sandbox.of("core/v1:Namespace")}
    assert not names & {"bastide-scaling", "bastide-groups"}


def test_each_is_its_own_chart_in_one_exact_version_in_a_restricted_namespace(both: Recording) -> None:
    found = {each.inputs["name"]: each.inputs for each in both.of(":Release")}
    assert found["keda"]["version"] == "2.20.2"
    assert found["keda"]["repositoryOpts"] == {"repo": "https://kedacore.github.io/charts"}
    assert found["lws"]["chart"] == "oci://registry.k8s.io/lws/charts/lws"
    assert found["lws"]["version"] == "0.8.0"
    assert [found[each]["namespace"] for each in ("keda", "lws")] == ["bastide-scaling", "bastide-groups"]
    labels = {
        each.inputs["metadata"]["name"]: each.inputs["metadata"]["labels"]
        for each in both.of("core/v1:Namespace")
    }
    for name in ("bastide-scaling", "bastide-groups"):
        assert labels[name]["pod-security.kubernetes.io/enforce"] == "restricted"
        closed = [
            each.inputs["metadata"]["name"]
            for each in both.of(":NetworkPolicy")
            if each.inputs["metadata"]["namespace"] == name
        ]
        assert "default-deny" in closed
        assert len(closed) > 1
        quota = [
            each.inputs["spec"]["hard"]
            for each in both.of(":ResourceQuota")
            if each.inputs["metadata"]["namespace"] == name
        ]
        assert quota[0]["requests.nvidia.com/gpu"] == "0"


def test_ways_are_open_before_the_pods_and_engines_come_after_both(both: Recording) -> None:
    releases = {each.inputs["name"]: each for each in both.of(":Release")}
    for name, policy in (("keda", "keda-operator"), ("lws", "lws-controller")):
        (way,) = [each for each in both.of(":NetworkPolicy") if each.inputs["metadata"]["name"] == policy]
        assert way.urn in releases[name].depends_on
    (engine,) = both.of(":VllmRelease")
    for release in ("keda", "lws"):
        assert releases[release].urn in engine.depends_on
