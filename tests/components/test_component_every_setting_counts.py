"""No setting of serving is read by nothing: each, changed alone, changes what a region registers or what it tells.

Settings of an engine's program are held to the same in tests/engine_kinds/test_every_setting_of_every_kind.py."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from component_recording import STACKS, Recording, region_of
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bastide.plans import keda, leader_worker_set, namespace_quotas
from bastide.plans.capacity.documents import outputs
from bastide.plans.routing import document as route_document
from bastide.plans.serving import chart_values
from bastide.settings import EngineSettings, ImagesSettings, Settings, SettingsError, read_stack_file
from bastide.settings.base import Strict
from bastide.settings.controllers import MultiNodeSettings, ScalingSettings
from bastide.settings.models import ModelSettings
from bastide.settings.pools import PoolSettings
from bastide.settings.signing import SigningSettings
from bastide.settings.variants import variants
from components.node_agents import chart_values as agent_values
from tests.engine_kinds.samples import OUTSIDE
from tests.serving.engine_flags_cases import table

SANDBOX = read_stack_file(STACKS / "Pulumi.sandbox.yaml")
DIGEST = "ab" * 32
PROMETHEUS = "http://prometheus-operated.bastide-monitoring:9090"
LOAD = {"requestsPerSecond": 1e9, "promptTokens": 100, "answerTokens": 50}
STEP = {"pods": 1, "periodSeconds": 90, "stabilizationSeconds": 100}
KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)

Raw = dict[str, Any]


def raw(engine: Raw | None = None, pool: Raw | None = None, model: Raw | None = None, **other: Any) -> Raw:
    """The sandbox's stack with changes to its one engine, pool and model, and to the rest of it."""
    found = copy.deepcopy(SANDBOX)
    for name, change in (("engines", engine), ("pools", pool), ("models", model)):
        found[name] = [{**found[name][0], **(change or {})}]
    return {**found, **other}


def scaled(**change: Any) -> Raw:
    """With an engine that KEDA scales."""
    autoscaling = {"prometheus": PROMETHEUS, "maxReplicas": 2, **change}
    return raw(engine={"autoscaling": autoscaling}, scaling={"enabled": True})


def image(name: str, kind: str = "vllm", **pool: Any) -> tuple[Raw, Raw]:
    """With another image of that name, where an engine of that kind runs."""
    change = {name: {"repository": "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine", "tag": "1"}}
    return raw(engine={"kind": kind}, pool=pool, images=change), raw(engine={"kind": kind}, pool=pool)


def signed(**signing: Any) -> Raw:
    return raw(modelStore={"signing": signing})


IMAGE = {"repository": "mine/controller", "tag": "1", "digest": f"sha256:{DIGEST}"}
DRAFT_MODELS = [SANDBOX["models"][0], {**SANDBOX["models"][0], "name": "other"}]
KEPT = {"kind": "node", "storageClass": "local", "sizeGib": 100}
PRICE = {"inputPerMillion": 1, "outputPerMillion": 2, "source": "a contract", "read": "2026-11-01"}
ROUTED = {"routes": [{"name": "chat", "deployments": [{"name": SANDBOX["engines"][0]["name"]}]}]}
QUANTIZED = raw(engine={"kvCacheDtype": "fp8"})
NODES_KEEP = raw(pool={"weights": KEPT}, engine={"rollout": "replace"})

CHANGES: dict[str, Raw | tuple[Raw, Raw]] = {
    "engine.name": raw(engine={"name": "other"}),
    "engine.model": (raw(models=DRAFT_MODELS, engine={"model": "other"}), raw(models=DRAFT_MODELS)),
    "engine.pool": (
        raw(pools=[SANDBOX["pools"][0], {**SANDBOX["pools"][0], "name": "other"}], engine={"pool": "other"}),
        raw(pools=[SANDBOX["pools"][0], {**SANDBOX["pools"][0], "name": "other"}]),
    ),
    "engine.kind": raw(engine={"kind": "sglang"}),
    "engine.replicas": raw(engine={"replicas": 1}),
    "engine.gpus": raw(engine={"gpus": 4}),
    "engine.lane": raw(engine={"lane": "batch"}),
    "engine.rollout": (
        raw(engine={"rollout": "surge", "replicas": 1}),
        raw(engine={"replicas": 1}),
    ),
    "engine.slo.ttftSeconds": (
        raw(engine={"load": LOAD, "slo": {"ttftSeconds": 1e-8}}),
        raw(engine={"load": LOAD}),
    ),
    "engine.slo.itlSeconds": (
        raw(engine={"load": LOAD, "slo": {"itlSeconds": 1e-8}}),
        raw(engine={"load": LOAD}),
    ),
    **{
        f"engine.load.{name}": (
            raw(engine={"load": {**LOAD, name: 3 * value}}),
            raw(engine={"load": LOAD}),
        )
        for name, value in LOAD.items()
    },
    **{
        f"engine.price.{name}": (
            raw(engine={"price": {**PRICE, name: value}}, **ROUTED),
            raw(engine={"price": PRICE}, **ROUTED),
        )
        for name, value in (
            ("inputPerMillion", 3),
            ("outputPerMillion", 3),
            ("source", "another"),
            ("read", "2026-11-02"),
        )
    },
    "engine.health.stallSeconds": raw(engine={"health": {"stallSeconds": 300}}),
    "engine.health.hungSeconds": raw(engine={"health": {"hungSeconds": 300}}),
    "engine.health.checkGpus": raw(engine={"health": {"checkGpus": False}}),
    "engine.limits.maxRequestKib": raw(engine={"limits": {"maxRequestKib": 77}}),
    "engine.drain.preStopSeconds": raw(engine={"drain": {"preStopSeconds": 33}}),
    "engine.autoscaling.prometheus": (
        scaled(prometheus="http://prometheus.bastide-monitoring:9090"),
        scaled(),
    ),
    "engine.autoscaling.minReplicas": (scaled(minReplicas=2), scaled()),
    "engine.autoscaling.maxReplicas": (scaled(maxReplicas=1), scaled()),
    "engine.autoscaling.waitingPerReplica": (scaled(waitingPerReplica=9), scaled()),
    "engine.autoscaling.runningPerReplica": (scaled(runningPerReplica=9), scaled()),
    **{
        f"engine.autoscaling.{way}.{name}": (
            scaled(**{way: {**STEP, name: 7}}),
            scaled(**{way: STEP}),
        )
        for way in ("up", "down")
        for name in STEP
    },
    "images.vllm": image("vllm"),
    "images.artifactAgent": image("artifactAgent"),
    "images.sglang": image("sglang", "sglang"),
    "images.tensorrtLlm": image("tensorrtLlm", "tensorrt-llm"),
    "images.proxy": image("proxy"),
    "images.nvidiaDevicePlugin": image("nvidiaDevicePlugin"),
    "images.efaDevicePlugin": image("efaDevicePlugin", efa=True),
    "images.localVolumeProvisioner": image("localVolumeProvisioner", weights=KEPT),
    "images.localVolumeNodeCleanup": image("localVolumeNodeCleanup", weights=KEPT),
    "scaling.enabled": raw(scaling={"enabled": True}),
    "scaling.images": (
        raw(scaling={"enabled": True, "images": {"webhooks": IMAGE}}),
        raw(scaling={"enabled": True}),
    ),
    "multiNode.enabled": raw(multiNode={"enabled": True}),
    "multiNode.image": (raw(multiNode={"enabled": True, "image": IMAGE}), raw(multiNode={"enabled": True})),
    "weights.storageClass": (
        raw(pool={"weights": {**KEPT, "storageClass": "other"}}),
        NODES_KEEP,
    ),
    "weights.sizeGib": (raw(pool={"weights": {**KEPT, "sizeGib": 200}}), NODES_KEEP),
    "weights.kind": NODES_KEEP,
    "model.name": raw(model={"name": "other"}, engine={"model": "other"}),
    "model.version": raw(model={"version": "9.0.0"}),
    "model.sha256": raw(model={"sha256": DIGEST}),
    "model.config": raw(model={"config": {**SANDBOX["models"][0]["config"], "num_hidden_layers": 3}}),
    "signing.kind": signed(kind="allow-unsigned"),
}
"""By setting: a changed stack, or one and what it is compared with; the sandbox's own where nothing else is said."""

REGISTERED: dict[str, Any] = {
    "scaling.chartRepository": "https://charts.example.com/keda",
    "scaling.chartVersion": "2.20.1",
    "multiNode.chartRegistry": "oci://example.com/lws",
    "multiNode.chartVersion": "0.7.0",
    "signing.keyArn": KMS_KEY,
    "signing.trustedKeys": [PEM],
}
"""Settings that components alone read, with values that nothing else has."""

REFUSED: dict[str, tuple[Raw, str]] = {
    "model.kind": (raw(model={"kind": "adapter"}), "adapter"),
    "model.quality": (QUANTIZED, "has no table of"),
}
"""Settings that decide what is refused."""


def told(changed: Raw) -> str:
    """What a stack gives to the cluster, and what it tells its user, without any Pulumi."""
    settings = Settings.load(changed)
    engine = settings.engines[0]
    found = {
        "engine": chart_values(settings, engine, settings.model_bucket, settings.region, []),
        "service": engine.name,
        "agents": agent_values(settings),
        "keda": settings.scaling.enabled and keda.release_values(settings),
        "ways": keda.network_policies(settings),
        "lws": settings.multi_node.enabled and leader_worker_set.release_values(settings),
        "quota": namespace_quotas.hard(settings, "serving"),
        "capacity": outputs(settings),
        "routes": route_document.document(settings),
    }
    return json.dumps(found, sort_keys=True, default=str)


def pair(path: str, cases: Any) -> tuple[Raw, Raw]:
    found = cases[path]
    return found if isinstance(found, tuple) else (found, raw())


def leaves(model: type[Strict], before: str) -> set[str]:
    found: set[str] = set()
    for key, info in model.model_fields.items():
        name, kinds = (
            f"{before}.{info.alias or key}",
            [info.annotation, *getattr(info.annotation, "__args__", ())],
        )
        inner = [each for each in kinds if isinstance(each, type) and issubclass(each, Strict)]
        whole = "image" in name.lower() or name.removeprefix("engine.") in ("speculation",)
        found |= leaves(inner[0], name) if inner and not whole else {name}
    return found


def test_every_setting_of_serving_has_a_change() -> None:
    program = {each for each in leaves(EngineSettings, "engine") if not outside(each)}
    kept = {
        name
        for each in variants(PoolSettings.model_fields["weights"].annotation).values()
        for name in leaves(each, "weights")
    }
    signing = {name for each in variants(SigningSettings).values() for name in leaves(each, "signing")}
    known = (
        (leaves(EngineSettings, "engine") - program)
        # The gateway's are held to the same in test_component_gateway_settings_count.py.
        | (leaves(ImagesSettings, "images") - {"images.gateway", "images.pii"})
        | leaves(ScalingSettings, "scaling")
        | leaves(MultiNodeSettings, "multiNode")
        | leaves(ModelSettings, "model")
        | kept
        | signing
    )
    assert known == {*CHANGES, *REGISTERED, *REFUSED}


def outside(name: str) -> bool:
    path = name.removeprefix("engine.")
    return any(path == each or path.startswith(f"{each}.") for each in OUTSIDE)


@pytest.mark.parametrize("path", CHANGES)
def test_a_setting_changes_what_the_cluster_gets_or_what_the_user_is_told(path: str) -> None:
    changed, before = pair(path, CHANGES)
    assert told(changed) != told(before)


def test_what_is_told_of_one_stack_is_always_the_same() -> None:
    assert told(raw()) == told(raw())


def test_what_only_components_read_is_registered(sandbox: Recording) -> None:
    found: dict[str, Any] = {"scaling": {"enabled": True}, "multiNode": {"enabled": True}, "signing": {}}
    for path, value in REGISTERED.items():
        part, name = path.split(".")
        found[part][name] = value
    changed = region_of(Settings.load(raw(modelStore={"signing": found.pop("signing")}, **found)))
    for value in REGISTERED.values():
        (only,) = value if isinstance(value, list) else [value]
        text = json.dumps(only)[1:-1]
        assert any(text in json.dumps(each.inputs) for each in changed.found), only
        assert not any(text in json.dumps(each.inputs) for each in sandbox.found), only


@pytest.mark.parametrize("path", REFUSED)
def test_a_setting_decides_what_is_refused(path: str) -> None:
    changed, why = REFUSED[path]
    with pytest.raises(SettingsError, match=why):
        Settings.load(changed)


def test_a_table_of_quality_lets_its_model_serve() -> None:
    name = SANDBOX["models"][0]["name"]
    attached = {**QUANTIZED, "models": [{**SANDBOX["models"][0], "quality": [table(name, "none", "fp8")]}]}
    assert Settings.load(attached).engines[0].kv_cache_dtype == "fp8"
