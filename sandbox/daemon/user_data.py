"""What an instance's user data asks of its operating system, as far as the emulated node shows it.

AL2023 takes MIME parts for nodeadm, Bottlerocket TOML settings (its documentation, "Bootstrap Commands" and
`settings.kubelet-device-plugins`)."""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from dataclasses import dataclass
from typing import Any, Final

from bastide.catalogues import mig
from bastide.catalogues.instances import CATALOGUE

_RAID0: Final = re.compile(r"strategy:\s*[\"']?RAID0")

_WEIGHTS: Final = re.compile(r"^FOLDER=(/\S+)$.*?^VOLUMES=(\d+)$", re.MULTILINE | re.DOTALL)
"""What the kit's script mounts (`bastide.plans.node_user_data`)."""


@dataclass(frozen=True)
class Asked:
    """`local_storage`: images and pods lie on the instance store. `gpu_shares`: as how many GPUs the operating
    system's own device plugin announces each. `mounts`: mount points for local volumes."""

    local_storage: bool = False
    gpu_shares: int = 1
    mounts: tuple[str, ...] = ()


def read(encoded: str, ami_type: str, instance_type: str) -> Asked:
    """What base64 user data asks for; what cannot be read asks for nothing, as on a node."""
    try:
        text = base64.b64decode(encoded).decode()
        if not ami_type.startswith("BOTTLEROCKET"):
            return Asked(local_storage=bool(_RAID0.search(text)), mounts=_mounts(text))
        settings = tomllib.loads(text).get("settings", {})
    except (binascii.Error, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return Asked()
    commands = [
        words
        for each in settings.get("bootstrap-commands", {}).values()
        for words in each.get("commands", [])
    ]
    bound = any(words[:3] == ["apiclient", "ephemeral-storage", "bind"] for words in commands)
    plugin = settings.get("kubelet-device-plugins", {}).get("nvidia", {})
    return Asked(bound, _shares(plugin, instance_type))


def _shares(plugin: dict[str, Any], instance_type: str) -> int:
    if plugin.get("device-sharing-strategy") == "time-slicing":
        return int(plugin.get("time-slicing", {}).get("replicas", 1))
    kind = CATALOGUE.get(instance_type)
    if plugin.get("device-partitioning-strategy") == "mig" and kind is not None and mig.profiles(kind):
        profile = plugin.get("mig", {}).get("profile", {}).get(mig.bottlerocket_gpu(kind), "")
        return mig.profiles(kind).get(profile, 1)
    return 1


def _mounts(text: str) -> tuple[str, ...]:
    found = _WEIGHTS.search(text)
    if found is None or "text/x-shellscript" not in text:
        return ()
    return tuple(f"{found[1]}/{number}" for number in range(int(found[2])))
