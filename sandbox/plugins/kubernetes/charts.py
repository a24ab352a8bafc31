"""Where a release's chart comes from, and what is said when it cannot be had.

A local chart is a folder or an archive, relative to the program. Any other chart is fetched once into the
chart cache (`state.cache()/charts/<name>-<version>.tgz`, where a mirror or a person may put it as well).
One that cannot be reached is made from its authors' Go module where that is known (`upstream`); any other
is recorded as not rendered, so that nobody believes it was judged.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox import state
from sandbox.plugins.kubernetes import ledger, upstream
from sandbox.plugins.kubernetes.helm import Helm, HelmError
from sandbox.plugins.protocol import PluginError, Resource

PULL_S: Final = 20.0
"""Limit of fetching a chart: an archive is tens of kilobytes, a network without a way out may never
answer."""

UNREACHABLE: Final = re.compile(
    r"no such host|dial tcp|connection (refused|reset)|timeout|timed out|did not end within|"
    r"TLS handshake|proxyconnect|network is unreachable|Proxy Authentication|lookup .* on|EOF|"
    r"\b40[37] |response status code 40[37]|\b50[234] ",
    re.IGNORECASE,
)
"""How Go's network code, and proxies that let nothing out (403, 407, 5xx), say that a repository cannot
be reached."""

_unreachable: dict[str, str] = {}
_pulling: Final = threading.Lock()


@dataclass(frozen=True)
class Chart:
    """A chart that was found (`path`, and `digest` of its content), or not (`missing` says why)."""

    name: str
    version: str
    path: Path | None = None
    digest: str = ""
    missing: str = ""


def resolve(chart: str, version: str, repo: str) -> Chart:
    """The chart, local or from the cache or its repository. Raises `PluginError` for one that cannot
    exist."""
    local = Path(chart)
    if not repo and local.exists():
        return _local(chart, local)
    if not repo and not chart.startswith("oci://"):
        raise PluginError(
            f"chart: there is no chart at {chart!r}, seen from the program's folder; a chart of a repository "
            f"needs repositoryOpts.repo, or oci:// before its name"
        )
    if not version:
        raise PluginError(
            f"version: {chart} comes from a repository and has no version; the newest of a day is "
            f"not a version that can be reviewed: give the exact one"
        )
    name = chart.rstrip("/").rsplit("/", 1)[-1]
    kept = state.cache() / "charts" / f"{name}-{version}.tgz"
    missing = "" if kept.exists() else _pull(chart, version, repo, kept)
    if missing:
        return Chart(name, version, missing=missing)
    return Chart(name, version, kept, hashlib.sha256(kept.read_bytes()).hexdigest())


def _local(chart: str, path: Path) -> Chart:
    if path.is_file():
        return Chart(path.name, "", path, hashlib.sha256(path.read_bytes()).hexdigest())
    try:
        about = yaml.safe_load((path / "Chart.yaml").read_text())
    except FileNotFoundError:
        raise PluginError(f"chart: {chart!r} is a folder without a Chart.yaml") from None
    except yaml.YAMLError as error:
        raise PluginError(f"chart: {chart}/Chart.yaml is no valid YAML: {error}") from None
    digest = hashlib.sha256()
    for file in sorted(item for item in path.rglob("*") if item.is_file()):
        relative = file.relative_to(path)
        if any(part.startswith(".") and part != ".helmignore" for part in relative.parts):
            continue  # editors' and version control's files: helm does not package them either
        content = file.read_bytes()
        digest.update(f"{relative}\0{len(content)}\0".encode() + content)
    return Chart(str(about.get("name", path.name)), str(about.get("version", "")), path, digest.hexdigest())


def _pull(chart: str, version: str, repo: str, kept: Path) -> str:
    """Fetches the chart into the cache; returns why it could not be reached, or nothing."""
    with _pulling:
        if kept.exists():
            return ""
        key = f"{repo} {chart} {version}"
        if key in _unreachable:
            return _unreachable[key]
        with tempfile.TemporaryDirectory() as folder:
            source = ["--repo", repo] if repo else []
            try:
                Helm(None, threading.Event()).run(
                    ["pull", chart, *source, "--version", version, "--destination", folder], limit_s=PULL_S
                )
            except HelmError as error:
                if not UNREACHABLE.search(str(error)):
                    raise PluginError(f"chart: {chart} {version}: {error}") from None
                other = upstream.package(chart.rstrip("/").rsplit("/", 1)[-1], version, kept)
                if not other:
                    return ""
                _unreachable[key] = f"{str(error).splitlines()[-1]}, {other}"
                return _unreachable[key]
            kept.parent.mkdir(parents=True, exist_ok=True)
            archives = list(Path(folder).glob("*.tgz"))
            shutil.copy(archives[0], kept.with_suffix(".part"))
            kept.with_suffix(".part").replace(kept)
        return ""


def note(
    resource: Resource,
    chart: Chart | None,
    left_out: Sequence[str] = (),
    custom: Mapping[str, int] | None = None,
) -> None:
    """Writes down that this release's chart was not rendered, or what of it was left out, and which custom resources
    it has; with None, that it is no longer so."""
    if chart is None:
        ledger.write(resource, None)
        return
    about = {"chart": chart.name, "version": chart.version}
    if chart.missing:
        ledger.write(resource, {**about, "reason": chart.missing})
        return
    ledger.write(
        resource,
        {
            **about,
            **({"leftOut": list(left_out)} if left_out else {}),
            **({"unattendedOfChart": dict(custom)} if custom else {}),
        },
    )


def definitions(chart: Chart) -> tuple[list[dict[str, Any]], str]:
    """The CustomResourceDefinitions of a chart that cannot be had, and where they come from."""
    files, source = upstream.definitions(chart.name, chart.version)
    documents = [item for file in files for item in yaml.safe_load_all(file.read_text())]
    return [item for item in documents if item and item.get("kind") == "CustomResourceDefinition"], source
