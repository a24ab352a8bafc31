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

    model_fetcher: ImageSettings = ImageSettings(repository="public.ecr.aws/aws-cli/aws-cli", tag="2.32.9")
    """Init container that copies the model from S3 and checks it: the AWS CLI."""

    nvidia_device_plugin: ImageSettings = ImageSettings(
        repository="nvcr.io/nvidia/k8s-device-plugin", tag="v0.18.2"
    )
    """NVIDIA's device plugin: announces nvidia.com/gpu on nodes."""

    efa_device_plugin: ImageSettings = ImageSettings(
        repository="public.ecr.aws/eks/aws-efa-k8s-device-plugin", tag="v0.5.7"
    )
    """AWS's EFA device plugin: announces vpc.amazonaws.com/efa on nodes."""
