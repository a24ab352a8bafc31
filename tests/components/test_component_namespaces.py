"""Namespaces are bounded, and serving wins over batch."""

from __future__ import annotations

from component_recording import Recording, region_of, stack

from bastide.plans import priorities


def by_namespace(recording: Recording, kind: str) -> dict[str, dict[str, object]]:
    return {each.inputs["metadata"]["namespace"]: each.inputs["spec"] for each in recording.of(kind)}


def test_every_namespace_has_a_quota_and_only_serving_has_gpus(sandbox: Recording) -> None:
    found = by_namespace(sandbox, "core/v1:ResourceQuota")
    assert {name: spec["hard"]["requests.nvidia.com/gpu"] for name, spec in found.items()} == {  # type: ignore[index]
        "bastide-serving": "16",
        "bastide-gateway": "0",
        "bastide-system": "0",
    }
    for spec in found.values():
        assert spec["hard"]["services.loadbalancers"] == "0"  # type: ignore[index]
        assert spec["hard"]["services.nodeports"] == "0"  # type: ignore[index]


def test_the_gpu_quota_is_the_pools_at_their_largest_unless_it_is_set() -> None:
    pool = {"name": "p5", "instanceType": "p5.48xlarge", "size": {"min": 1, "max": 3}}
    for changes, gpus in (
        ({"pools": [pool]}, "24"),
        ({"namespaces": {"serving": {"gpus": 40, "pods": 9}}}, "40"),
    ):
        hard = by_namespace(region_of(stack("sandbox", **changes)), "ResourceQuota")["bastide-serving"][
            "hard"
        ]
        assert hard["requests.nvidia.com/gpu"] == gpus  # type: ignore[index]
    assert hard["pods"] == "9"  # type: ignore[index]


def test_engines_that_ask_for_more_than_the_pools_have_stay_the_schedulers_matter() -> None:
    settings = stack("sandbox")
    engines = [{**settings.engines[0].model_dump(by_alias=True), "replicas": 3}]
    hard = by_namespace(region_of(stack("sandbox", engines=engines)), "ResourceQuota")["bastide-serving"][
        "hard"
    ]
    assert hard["requests.nvidia.com/gpu"] == "24"  # type: ignore[index]


def test_a_container_that_says_nothing_gets_requests_and_a_memory_limit(sandbox: Recording) -> None:
    for spec in by_namespace(sandbox, "core/v1:LimitRange").values():
        assert spec == {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {"cpu": "100m", "memory": "200Mi"},
                    "default": {"memory": "512Mi"},
                }
            ]
        }


def test_bounds_come_after_their_namespace(sandbox: Recording) -> None:
    namespaces = {each.inputs["metadata"]["name"]: each for each in sandbox.of("core/v1:Namespace")}
    for kind in ("ResourceQuota", "LimitRange"):
        found = sandbox.of(kind)
        assert {each.inputs["metadata"]["namespace"] for each in found} == set(namespaces)
        for each in found:
            assert sandbox.reaches(each, namespaces[each.inputs["metadata"]["namespace"]])


def test_serving_preempts_batch_and_batch_preempts_nobody(sandbox: Recording) -> None:
    found = {each.inputs["metadata"]["name"]: each.inputs for each in sandbox.of(":PriorityClass")}
    serving, batch = found["bastide-serving"], found["bastide-batch"]
    assert serving["value"] > 0 > batch["value"] > -10
    assert serving["preemptionPolicy"] == "PreemptLowerPriority"
    assert batch["preemptionPolicy"] == found["bastide-agents"]["preemptionPolicy"] == "Never"
    assert found["bastide-agents"]["value"] > serving["value"]
    assert not any(each["globalDefault"] for each in found.values())
    assert max(each["value"] for each in found.values()) <= 1_000_000_000


def test_an_engine_has_the_class_of_its_lane_and_comes_after_the_classes(sandbox: Recording) -> None:
    (release,) = [each for each in sandbox.of(":Release") if each.inputs["name"] == "vllm-chat"]
    assert release.inputs["values"]["priorityClassName"] == "bastide-serving"
    for each in sandbox.of(":PriorityClass"):
        assert sandbox.reaches(release, each)
    engines = [{**stack("sandbox").engines[0].model_dump(by_alias=True), "lane": "batch"}]
    batch = region_of(stack("sandbox", engines=engines))
    (release,) = [each for each in batch.of(":Release") if each.inputs["name"] == "vllm-chat"]
    assert release.inputs["values"]["priorityClassName"] == priorities.BATCH.name
