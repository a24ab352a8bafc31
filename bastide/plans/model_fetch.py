"""From an engine's settings to what its pods fetch: the values of `charts/vllm` for the artifact agent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bastide import names
from bastide.plans import engine_models
from bastide.settings import UNRESOLVED, EngineSettings, Settings
from bastide.settings.signing import AllowUnsigned
from bastide.settings.weights import NodeWeights, PodWeights


def values(
    settings: Settings, engine: EngineSettings, bucket: str, region: str, public_keys: Sequence[str] = ()
) -> dict[str, Any]:
    """`fetch` of the chart's values. `bucket` and `region` are those of the model store; `public_keys`, in PEM, are
    those by one of which every model must be signed."""
    return {
        "region": region,
        "publicKeys": list(public_keys),
        "allowUnsigned": isinstance(settings.model_store.signing, AllowUnsigned),
        "cache": _cache(settings.pool(engine.pool).weights),
        "models": [
            {
                "name": each.name,
                "version": each.version,
                "bucket": bucket,
                "prefix": names.model_prefix(each.name, each.version),
                "path": engine_models.path(each),
                "sha256": "" if each.sha256 == UNRESOLVED else each.sha256,
            }
            for each in engine_models.every(settings, engine)
        ],
    }


def _cache(weights: PodWeights | NodeWeights) -> dict[str, Any]:
    """Where the models lie."""
    if isinstance(weights, NodeWeights):
        return {"kind": "node", "storageClass": weights.storage_class, "sizeGib": weights.size_gib}
    return {"kind": "pod", "storageClass": "", "sizeGib": 0}
