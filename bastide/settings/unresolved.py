"""What a stack still leaves `unresolved`: digests of images and versions, of what it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bastide.settings.base import UNRESOLVED
from bastide.settings.images import ImageSettings, ImagesSettings
from bastide.settings.weights import NodeWeights

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def unused_images(settings: Settings) -> set[str]:
    """Fields of `images` of which the stack runs nothing: of pools and engines that it has not, of other kinds of
    engines, of volumes that no pool has, and of a gateway that is off."""
    unused = {"vllm", "sglang", "tensorrt_llm"}
    unused -= {engine.kind.replace("-", "_") for engine in settings.engines}
    if not settings.engines:
        unused |= {"artifact_agent", "proxy"}
    if not settings.pools:
        unused.add("nvidia_device_plugin")
    if not any(isinstance(pool.weights, NodeWeights) for pool in settings.pools):
        unused |= {"local_volume_provisioner", "local_volume_node_cleanup"}
    if not settings.gateway.enabled:
        unused |= {"gateway", "pii"}
    return unused


def paths(settings: Settings) -> list[str]:
    """Paths of the digests and versions that are still `unresolved`."""
    return [
        *_images(settings),
        *_addons(settings),
        *(
            f"models[{index}].sha256"
            for index, each in enumerate(settings.models)
            if each.sha256 == UNRESOLVED
        ),
        *_releases_of_nodes(settings),
        *_controllers(settings),
    ]


def _images(settings: Settings) -> Iterator[str]:
    unused = unused_images(settings)
    if not any(pool.efa for pool in settings.pools):
        unused.add("efa_device_plugin")
    for field, info in ImagesSettings.model_fields.items():
        if field not in unused and getattr(settings.images, field).digest == UNRESOLVED:
            yield f"images.{info.alias}.digest"


def _addons(settings: Settings) -> Iterator[str]:
    managed = settings.cluster.managed()
    for field, info in type(settings.cluster.addons).model_fields.items():
        if managed.get(field.replace("_", "-")) == UNRESOLVED:
            yield f"cluster.addons.{info.alias}"


def _releases_of_nodes(settings: Settings) -> Iterator[str]:
    for index, pool in enumerate(settings.pools):
        if pool.ami_release == UNRESOLVED:
            yield f"pools[{index}].amiRelease"
    if settings.system_pool.ami_release == UNRESOLVED:
        yield "systemPool.amiRelease"


def _controllers(settings: Settings) -> Iterator[str]:
    """Of controllers by charts of their own, as far as the stack has them: some have several images, others one."""
    gateway = settings.gateway.enabled
    several: dict[str, Mapping[str, ImageSettings]] = {
        "certificates": settings.certificates.image_settings() if settings.certificates.internal else {},
        "scaling": settings.scaling.image_settings() if settings.scaling.enabled else {},
    }
    one = {
        "karpenter": settings.karpenter.image
        if any(pool.provisioner == "karpenter" for pool in settings.pools)
        else None,
        "multiNode": settings.multi_node.image if settings.multi_node.enabled else None,
        "secrets": settings.secrets.image if gateway else None,
        "edge": settings.edge.image if gateway and settings.edge is not None else None,
    }
    for part, images in several.items():
        yield from (
            f"{part}.images.{name}.digest" for name, each in images.items() if each.digest == UNRESOLVED
        )
    for part, image in one.items():
        if image is not None and image.digest == UNRESOLVED:
            yield f"{part}.image.digest"
