"""How engines are updated, scaled and traced: what the pool has room for, and what contradicts itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastide.plans import engine_proxy, engine_rollout, engine_scaling
from bastide.plans.serving import chart_values
from bastide.settings import Settings, SettingsError, read_stack_file

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
RAW = read_stack_file(STACK)
SCALING = {"prometheus": "http://prometheus.bastide-monitoring:9090", "maxReplicas": 2}


def settings(engines: list[dict[str, Any]], **pool: Any) -> Settings:
    """The sandbox's stack with these engines on a pool of two nodes with eight GPUs each."""
    (first,) = RAW["pools"]
    plain = {"model": "tiny-qwen2", "pool": "p5", "gpus": 8, "maxModelLen": 512, "maxNumSeqs": 16}
    scaling = {"enabled": True} if any("autoscaling" in each for each in engines) else {}
    return Settings.load(
        {
            **RAW,
            "pools": [{**first, **pool}],
            "engines": [{"name": f"e{index}", **plain, **each} for index, each in enumerate(engines)],
            "scaling": scaling,
        }
    )


def mistakes(*engines: dict[str, Any], **pool: Any) -> list[str]:
    with pytest.raises(SettingsError) as found:
        settings(list(engines), **pool)
    return [str(each) for each in found.value.problems]


@pytest.mark.parametrize(
    ("engines", "pool"),
    [
        ([{"replicas": 1, "rollout": "surge"}], {}),
        ([{"replicas": 2, "rollout": "surge"}], {"warmSpare": 1}),
        ([{"replicas": 3, "gpus": 4, "rollout": "surge"}], {}),
        # Batch gives way to serving.
        ([{"rollout": "surge"}, {"lane": "batch"}], {}),
        # What one engine asks for more is not held against another: updates come one after the other.
        ([{"gpus": 4, "rollout": "surge"}, {"gpus": 4, "rollout": "surge"}], {}),
    ],
)
def test_surge_is_taken_where_the_pool_has_room(engines: list[dict[str, Any]], pool: dict[str, Any]) -> None:
    assert settings(engines, **pool).engines[0].rollout == "surge"


@pytest.mark.parametrize(
    ("engines", "pool"),
    [
        ([{"replicas": 2, "rollout": "surge"}], {}),
        ([{"replicas": 1, "rollout": "surge"}, {}], {}),
        # Sixteen GPUs are enough by number, and no node has eight left.
        ([{"replicas": 1, "rollout": "surge"}, {"gpus": 2}], {}),
        # A batch engine does not end a serving one.
        ([{"lane": "batch", "rollout": "surge"}, {}], {}),
    ],
)
def test_surge_without_room_is_refused_with_the_numbers(
    engines: list[dict[str, Any]], pool: dict[str, Any]
) -> None:
    (said,) = mistakes(*engines, **pool)
    assert "engines[0].rollout" in said
    assert "at its largest 2 nodes of 8 GPUs" in said
    assert "every update would wait for ever" in said


def test_the_largest_number_of_replicas_must_fit_and_the_smallest_be_smaller() -> None:
    (said,) = mistakes({"autoscaling": {**SCALING, "maxReplicas": 3}})
    assert "3 replicas of 8 GPUs do not fit pool 'p5'" in said
    (said,) = mistakes({"autoscaling": {**SCALING, "minReplicas": 3}})
    assert "3 is more than maxReplicas 2" in said
    assert settings([{"autoscaling": SCALING}]).engines[0].autoscaling is not None


@pytest.mark.parametrize(
    "url",
    [
        "prometheus:9090",
        "http://user:secret@prometheus:9090",
        "http://prometheus:9090/?a=b",
        "ftp://prometheus",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    (said,) = mistakes({"autoscaling": {**SCALING, "prometheus": url}})
    assert "engines[0].autoscaling.prometheus" in said


def test_values_of_scaling_follow_from_the_engine() -> None:
    (engine,) = settings([{"autoscaling": SCALING, "maxNumSeqs": 100, "replicas": 5}]).engines
    made = engine_scaling.values(engine)
    assert made is not None
    assert (made["runningPerReplica"], made["waitingPerReplica"]) == (75, 25)
    # Between both bounds, whatever `replicas` says.
    assert made["fallbackReplicas"] == 2
    assert made["up"] == {"pods": 2, "periodSeconds": 60, "stabilizationSeconds": 30}
    (fixed,) = settings([{}]).engines
    assert engine_scaling.values(fixed) is None


@pytest.mark.parametrize(
    ("endpoint", "found"),
    [
        (
            "http://collector.bastide-monitoring:4318/v1/traces",
            {"namespace": "bastide-monitoring", "port": 4318},
        ),
        ("https://collector.telemetry.svc.cluster.local/v1/traces", {"namespace": "telemetry", "port": 443}),
    ],
)
def test_the_collector_is_the_only_place_that_traces_may_go(endpoint: str, found: dict[str, Any]) -> None:
    made = settings([{"tracing": {"endpoint": endpoint}}])
    values = chart_values(made, made.engines[0], made.model_bucket, made.region)
    assert values["network"]["telemetry"] == found
    without = settings([{}])
    values = chart_values(without, without.engines[0], without.model_bucket, without.region)
    assert "telemetry" not in values["network"]


@pytest.mark.parametrize(
    "host", ["collector", "otel.example.com", "10.0.0.1", "a.b.svc.cluster.local.example.com"]
)
def test_a_collector_outside_is_refused(host: str) -> None:
    (said,) = mistakes({"tracing": {"endpoint": f"http://{host}:4318/v1/traces"}})
    assert "engines[0].tracing.endpoint" in said
    assert "is not a Service of the cluster" in said


def test_an_update_that_interrupts_is_known() -> None:
    def interrupts(**engine: Any) -> bool:
        return engine_rollout.interrupts(settings([engine]).engines[0])

    assert interrupts(replicas=1)
    assert not interrupts(replicas=2)
    assert not interrupts(replicas=1, rollout="surge")
    assert not interrupts(replicas=1, lane="batch")


@given(length=st.integers(1, 2**21), kib=st.none() | st.integers(1, 1048576), media=st.booleans())
def test_a_request_of_the_longest_prompt_fits_and_the_proxy_can_hold_several(
    length: int, kib: int | None, media: bool
) -> None:
    (engine,) = settings([{}]).engines
    limits = engine.limits.model_copy(update={"max_request_kib": kib})
    domains = engine.media.model_copy(update={"domains": ("media.example.com",) if media else ()})
    engine = engine.model_copy(update={"max_model_len": length, "limits": limits, "media": domains})
    made = engine_proxy.values(engine)
    if kib is None:
        assert made["maxRequestBytes"] >= max(1024 * 1024, 30 * length)
        assert made["maxRequestBytes"] > 32 * 1024 * 1024 or not media
    else:
        assert made["maxRequestBytes"] == kib * 1024
    # Four of the largest requests and every connection fit below the mark at which the chart refuses more.
    held = made["maxConnections"] // 10 + 4 * made["maxRequestBytes"] // 1024**2
    assert 0.6 * (made["memoryMib"] - 64) > 10 + held
    # What runs and what waits (four times over) have a connection each.
    assert made["maxConnections"] >= 5 * engine.max_num_seqs
