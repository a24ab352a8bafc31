"""Charts made from their authors' sources are the pinned ones or none; what pods would serve is left out whole."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from bastide.settings.certificates import CERT_MANAGER
from bastide.settings.controllers import KEDA, LEADER_WORKER_SET
from bastide.settings.karpenter import KARPENTER
from bastide.settings.secrets import EXTERNAL_SECRETS
from sandbox.plugins.kubernetes import unserved, upstream

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]


def test_every_version_that_the_settings_pin_is_known() -> None:
    wanted = {
        ("cert-manager", CERT_MANAGER),
        ("karpenter", KARPENTER),
        ("karpenter-crd", KARPENTER),
        ("lws", LEADER_WORKER_SET),
    }
    assert set(upstream.SOURCES) == wanted
    assert set(upstream.DEFINITIONS) == {("keda", KEDA), ("external-secrets", EXTERNAL_SECRETS)}


@pytest.mark.parametrize(("name", "version"), sorted(upstream.SOURCES))
def test_a_chart_bears_the_version_that_was_asked_for(name: str, version: str, tmp_path: Path) -> None:
    kept = tmp_path / f"{name}-{version}.tgz"
    assert upstream.package(name, version, kept) == ""
    with tarfile.open(kept) as archive:
        member = archive.extractfile(f"{name}/Chart.yaml")
        assert member is not None
        about = yaml.safe_load(member.read())
    assert (about["name"], about["version"], about["appVersion"]) == (name, version, version)


def test_sources_with_another_hash_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = ("karpenter", KARPENTER)
    other = dataclasses.replace(upstream.SOURCES[key], total="h1:" + "A" * 43 + "=")
    monkeypatch.setitem(upstream.SOURCES, key, other)
    told = upstream.package(*key, tmp_path / "karpenter.tgz")
    assert "has the hash h1:WGtIQTQ" in told
    assert "not the pinned h1:AAAA" in told
    assert list(tmp_path.iterdir()) == []


def test_without_go_or_without_the_module_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = ("karpenter", KARPENTER)
    gone = dataclasses.replace(upstream.SOURCES[key], version="v0.0.1-none")
    monkeypatch.setitem(upstream.SOURCES, key, gone)
    assert "could not be had either" in upstream.package(*key, tmp_path / "k.tgz")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setenv("BASTIDE_CACHE", str(tmp_path))
    assert "there is no Go" in upstream.package(*key, tmp_path / "k.tgz")


SERVED = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: by-a-pod}
webhooks: [{name: a.b.c, clientConfig: {service: {name: x, namespace: y}}}]
"""
BY_URL = """\
apiVersion: admissionregistration.k8s.io/v1
kind: "MutatingWebhookConfiguration"
metadata: {name: by-url}
webhooks: [{name: a.b.c, clientConfig: {url: "https://somewhere.else"}}]
"""
TALKS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: talks}
data:
  text: |
    kind: ValidatingWebhookConfiguration
"""
AGGREGATED = """\
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.metrics}
spec: {service: {name: x, namespace: y}, group: metrics, version: v1, groupPriorityMinimum: 1, versionPriority: 1}
"""
LOCAL = """\
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.local}
spec: {group: local, version: v1, groupPriorityMinimum: 1, versionPriority: 1}
"""


def test_only_what_a_pod_would_answer_is_left_out(tmp_path: Path) -> None:
    manifest = "---\n".join([SERVED, BY_URL, TALKS, AGGREGATED, LOCAL])
    report = tmp_path / "report"
    done = subprocess.run(
        [sys.executable, "-I", unserved.__file__, str(report)],
        input=manifest,
        capture_output=True,
        text=True,
        check=True,
    )
    left = [each for each in yaml.safe_load_all(done.stdout) if each]
    assert left == [yaml.safe_load(each) for each in (BY_URL, TALKS, LOCAL)]
    assert report.read_text().splitlines() == [
        "ValidatingWebhookConfiguration by-a-pod",
        "APIService v1.metrics",
    ]
