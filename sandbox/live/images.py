"""How an image's containers run on a live node: from which programs of this machine, with which environment.

An image that is not in the table has no program here; its containers count as running by decree, as on emulated
nodes. docs/sandbox.md has the list, and what each differs in from the real image.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sandbox.state import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from sandbox.toolchain import environments, prisma_client
from sandbox.toolchain.build import BuildError

ROOT: Final = Path(__file__).resolve().parents[2]

GATEWAY: Final = "169.254.1.1"
"""Where a pod finds everything outside it; the VPC CNI gives pods the same (sandbox/toolchain/node/config.go)."""

AWS_ENDPOINT: Final = f"http://{GATEWAY}:4566"
"""AWS as a pod reaches it."""

AWS: Final = {
    "AWS_ENDPOINT_URL": AWS_ENDPOINT,
    # In the place of EKS Pod Identity's agent, which is not here.
    "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
}

ENGINE: Final = {
    # Where a GPU's memory is the bound on a real node, a CPU's cache is asked for: 1 GiB.
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # Two cores for everything: threads that are bound to cores, or that spin, starve one another.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "KMP_BLOCKTIME": "0",
    "BASTIDE_SPIN_SECONDS": "0.0003",
    "VLLM_HOST_IP": "$POD_IP",
    "PYTHONPATH": str(Path(__file__).with_name("engine")),
}


LITELLM_IMAGE: Final = "berriai/litellm-non_root"


@dataclass(frozen=True)
class Image:
    """One line of the table. `repository` is the end of the image's name, so that a mirror's path may precede it."""

    repository: str
    path: tuple[Path, ...]
    env: dict[str, str] = field(default_factory=dict)
    visible: tuple[Path, ...] = ()

    def document(self) -> dict[str, Any]:
        """As the node agent reads it."""
        return {
            "repository": self.repository,
            "path": [str(folder) for folder in self.path],
            "env": self.env,
            "visible": [str(folder) for folder in self.visible],
        }


def _gateway(litellm: Path, seen: tuple[Path, ...]) -> Image:
    """LiteLLM with its database client; a world without the client has no gateway."""
    try:
        node = prisma_client.programs()
    except BuildError:
        return Image(LITELLM_IMAGE, (litellm / "bin",), AWS, (litellm, *seen))
    # Two cores for everything: what takes a millisecond may wait for a second.
    env = AWS | prisma_client.environment() | {"BASTIDE_REDIS_BOUND_MS": "3000"}
    return Image(LITELLM_IMAGE, (litellm / "bin", node), env, (litellm, *prisma_client.visible(), *seen))


def table() -> list[Image]:
    """Every image that has a program here."""
    own = Path(sys.prefix)
    seen = (ROOT, own, Path(sys.base_prefix).resolve())
    vllm, litellm, pii = (each.folder for each in (environments.VLLM, environments.LITELLM, environments.PII))
    return [
        Image("vllm/vllm-openai", (vllm / "bin",), ENGINE, (vllm, *seen)),
        Image("artifact-agent", (own / "bin",), AWS | {"PYTHONPATH": str(ROOT)}, seen),
        Image("envoyproxy/envoy", (own / "bin",), {}, seen),
        _gateway(litellm, seen),
        Image("bastide/pii", (pii / "bin",), {"PYTHONPATH": str(ROOT)}, (pii, *seen)),
    ]
