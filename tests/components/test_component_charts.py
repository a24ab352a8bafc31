"""A changed chart is a changed release, also to a provider that looks at values only."""

from __future__ import annotations

import shutil
from pathlib import Path

from component_recording import Recording

from components.charts import ROOT, digest


def test_every_release_has_its_charts_digest_among_its_values(sandbox: Recording) -> None:
    releases = sandbox.of(":Release")
    assert len(releases) == 2
    for each in releases:
        assert each.inputs["values"]["global"] == {"chartSha256": digest(ROOT / each.inputs["chart"])}


def test_the_digest_follows_what_helm_packs_and_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "vllm"
    shutil.copytree(ROOT / "charts/vllm", copy)
    before = digest(copy)
    assert before == digest(ROOT / "charts/vllm")
    (copy / "ci" / "more.yaml").write_text("a: 1\n")
    assert digest(copy) == before
    (copy / "files" / "fetch-model.sh").write_text("exit 1\n")
    assert digest(copy) != before
