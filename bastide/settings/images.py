"""Container images, each with its default in this one place.

Tags were read from public manifests in 2026; no digest could be resolved where this was written, so each
default is `unresolved` and a run outside a sandbox asks for it."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from bastide.settings.base import UNRESOLVED, Digest, Strict


def _in_part(schema: dict[str, Any]) -> None:
    """In a stack file nothing is required, as every image has a default."""
    del schema["required"]


class ImageSettings(Strict):
    """One image: repository, tag and digest. One given in part, such as its digest alone, has repository and tag of
    the image's default."""

    model_config = ConfigDict(json_schema_extra=_in_part)

    repository: str = Field(min_length=1)
    """Registry and repository, without a tag."""

    tag: str = Field(min_length=1, max_length=128)
    """Tag, for people to read; where a digest is given it decides."""

    digest: Digest = UNRESOLVED
    """`sha256:...`, or `unresolved` in a sandbox."""

    @property
    def reference(self) -> str:
        """`repository:tag@digest`; without the digest while it is unresolved."""
        named = f"{self.repository}:{self.tag}"
        return named if self.digest == UNRESOLVED else f"{named}@{self.digest}"


class ImagesSettings(Strict):
    """The images that run in the cluster."""

    vllm: ImageSettings = ImageSettings(repository="vllm/vllm-openai", tag="v0.32.0")
    """The engine. 0.32.0 is the oldest without a known vulnerability."""

    artifact_agent: ImageSettings = ImageSettings(repository="bastide/artifact-agent", tag="0.1.0")
    """Init container that brings the model from S3 and verifies it: the kit's own (images/artifact-agent). Nobody
    publishes it: build it, push it to your registry, and name that here."""

    sglang: ImageSettings = ImageSettings(repository="lmsysorg/sglang", tag="v0.5.23")
    """SGLang, for engines of that kind."""

    tensorrt_llm: ImageSettings = ImageSettings(repository="nvcr.io/nvidia/tensorrt-llm/release", tag="1.2.1")
    """TensorRT-LLM, for engines of that kind."""

    proxy: ImageSettings = ImageSettings(repository="envoyproxy/envoy", tag="distroless-v1.40.0")
    """Envoy, which stands before each engine in its pod and lets through only what clients may call."""

    nvidia_device_plugin: ImageSettings = ImageSettings(
        repository="nvcr.io/nvidia/k8s-device-plugin", tag="v0.18.2"
    )
    """NVIDIA's device plugin: announces nvidia.com/gpu on nodes."""

    efa_device_plugin: ImageSettings = ImageSettings(
        repository="public.ecr.aws/eks/aws-efa-k8s-device-plugin", tag="v0.5.7"
    )
    """AWS's EFA device plugin: announces vpc.amazonaws.com/efa on nodes."""

    local_volume_provisioner: ImageSettings = ImageSettings(
        repository="registry.k8s.io/sig-storage/local-volume-provisioner", tag="v2.8.0"
    )
    """sig-storage's local static provisioner: volumes on nodes that keep weights."""

    local_volume_node_cleanup: ImageSettings = ImageSettings(
        repository="registry.k8s.io/sig-storage/local-volume-node-cleanup", tag="v2.8.0"
    )
    """sig-storage's node cleanup controller: takes away volumes and claims of nodes that are gone."""

    gateway: ImageSettings = ImageSettings(repository="ghcr.io/berriai/litellm-non_root", tag="v1.106.2")
    """LiteLLM, for the gateway: its makers' image for users other than root, which carries Prisma's engines (their
    Dockerfile.non_root). Versions 1.82.7 and 1.82.8 were published by a thief and are refused."""

    pii: ImageSettings = ImageSettings(repository="bastide/pii", tag="0.1.0")
    """Service that finds personal data: the kit's own (images/pii). Nobody publishes it: build it, push it to your
    registry, and name that here."""
