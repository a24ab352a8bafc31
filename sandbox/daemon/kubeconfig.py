"""The kubeconfig of a world: one context for each cluster, in the form that `aws eks update-kubeconfig`
writes."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.state import ACCOUNT_ID, World, aws_env


@dataclass(frozen=True)
class Access:
    """Where a cluster is reached."""

    region: str
    name: str
    endpoint: str
    ca_pem: bytes


def document(clusters: Sequence[Access], world: World, current: str) -> dict[str, Any]:
    """The kubeconfig; `current` is kept as the current context where it still exists.

    The token comes from `aws eks get-token`, which needs no environment of the caller's: the plugin carries
    it.
    """
    names = [cluster.name for cluster in clusters]
    contexts = [c.name if names.count(c.name) == 1 else f"{c.name}@{c.region}" for c in clusters]
    environment = [{"name": key, "value": value} for key, value in sorted(aws_env(world).items())]
    aws = Path(sys.executable).parent / "aws"
    result: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [],
        "users": [],
        "contexts": [],
    }
    for cluster, context in zip(clusters, contexts, strict=True):
        arn = f"arn:aws:eks:{cluster.region}:{ACCOUNT_ID}:cluster/{cluster.name}"
        authority = base64.b64encode(cluster.ca_pem).decode()
        result["clusters"].append(
            {"name": arn, "cluster": {"server": cluster.endpoint, "certificate-authority-data": authority}}
        )
        arguments = ["eks", "get-token", "--cluster-name", cluster.name, "--region", cluster.region]
        result["users"].append(
            {
                "name": arn,
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": str(aws),
                        "args": [*arguments, "--output", "json"],
                        "env": environment,
                        "interactiveMode": "Never",
                    }
                },
            }
        )
        result["contexts"].append({"name": context, "context": {"cluster": arn, "user": arn}})
    result["current-context"] = current if current in contexts else (contexts[0] if contexts else "")
    return result


def write(path: Path, clusters: Sequence[Access], world: World) -> None:
    """Writes the file at once and whole, readable by its owner only."""
    try:
        current = (yaml.safe_load(path.read_text()) or {}).get("current-context", "")
    except (FileNotFoundError, yaml.YAMLError):
        current = ""
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(yaml.safe_dump(document(clusters, world, current), sort_keys=False))
    os.replace(temporary, path)
