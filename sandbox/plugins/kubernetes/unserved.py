"""Leaves out of a release what the API server would ask a pod about: helm's post-renderer, and its report.

No pod runs here. An admission webhook that fails closed would refuse everything that it guards, and an aggregated API
would take its group away. Each is judged at preview like any other object, and not installed; the run and
`bastide sandbox status` say so.

As a program it reads rendered documents from stdin, prints those that stay, and writes the names of the others into
the file that is its argument, one a line. It imports nothing of the sandbox, so that it starts quickly.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Final

import yaml

Object = dict[str, Any]

WEBHOOKS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")

_SUSPECT: Final = re.compile(rf"^kind: *[\"']?({'|'.join(WEBHOOKS)}|APIService)\b", re.MULTILINE)
"""A look at the text first: parsing a megabyte of CustomResourceDefinitions takes seconds."""

_SEPARATOR: Final = re.compile(r"^---[ \t]*$", re.MULTILINE)


def served_by_pods(item: Object) -> bool:
    """Whether the API server would call a Service for this object."""
    if item.get("kind") in WEBHOOKS:
        return any("service" in (each.get("clientConfig") or {}) for each in item.get("webhooks") or [])
    return item.get("kind") == "APIService" and bool((item.get("spec") or {}).get("service"))


def split(manifest: str) -> tuple[str, list[str]]:
    """The manifest without what pods would serve, and the names (`Kind name`) of what was left out."""
    kept, left = [], []
    for document in _SEPARATOR.split(manifest):
        if _SUSPECT.search(document):
            item = yaml.safe_load(document)
            if isinstance(item, dict) and served_by_pods(item):
                left.append(f"{item['kind']} {item['metadata']['name']}")
                continue
        kept.append(document)
    return "---".join(kept), left


def arguments(report: Path) -> list[str]:
    """Helm's arguments by which this file is its post-renderer."""
    return [
        f"--post-renderer={sys.executable}",
        *(f"--post-renderer-args={each}" for each in ("-I", __file__, str(report))),
    ]


if __name__ == "__main__":
    stays, gone = split(sys.stdin.read())
    Path(sys.argv[1]).write_text("".join(f"{each}\n" for each in gone))
    sys.stdout.write(stays)
