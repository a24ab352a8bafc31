"""How the tools are chosen, kept and handed on; nothing here builds with Go."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import environment
from sandbox.toolchain import ToolsMissingError, build, choice, found, paths, pulumi_home, recipes


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty home and cache, and a folder of commands as its whole PATH."""
    commands = tmp_path / "usr" / "bin"
    commands.mkdir(parents=True)
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BASTIDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(commands))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return commands


def install(folder: Path, name: str, says: str = "") -> Path:
    path = folder / name
    pulumi_home.write_executable(path, f"#!/bin/sh\necho {says}\n")
    return path


def pretend_built(*wanted: recipes.Recipe) -> None:
    for recipe in wanted:
        install(recipe.built.parent, recipe.built.name)


def test_missing_tools_are_an_error_that_says_how_to_make_them(machine: Path) -> None:
    with pytest.raises(ToolsMissingError, match="make up"):
        paths()


def test_what_was_built_before_is_used_without_building(machine: Path) -> None:
    pretend_built(recipes.KUBE, recipes.HELM, recipes.ENGINE)
    tools = paths()
    assert (tools.bin_dir / "kubectl").resolve() == recipes.KUBE.built
    assert tools.language_host == tools.bin_dir
    assert os.access(tools.bin_dir / "pulumi-language-python", os.X_OK)


def test_a_good_pulumi_with_its_language_host_is_used(machine: Path) -> None:
    mine = install(machine, "pulumi", "v3.210.1")
    install(machine, "pulumi-language-python")
    pretend_built(recipes.KUBE, recipes.HELM)
    tools = paths()
    assert tools.pulumi.resolve() == mine
    assert tools.language_host == machine
    assert not (tools.bin_dir / "pulumi-language-python").exists()


@pytest.mark.parametrize(
    ("version", "host", "reason"),
    [
        ("v3.100.0", True, "3.200 or later"),
        ("v4.0.0", True, "3.200 or later"),
        ("v3.250.0", False, "beside it"),
    ],
)
def test_a_pulumi_that_will_not_do_is_refused_with_the_reason(
    machine: Path, version: str, host: bool, reason: str
) -> None:
    install(machine, "pulumi", version)
    if host:
        install(machine, "pulumi-language-python")
    verdict = found.pulumi()
    assert verdict.path is None
    assert reason in verdict.reason


def test_helm_3_is_used_and_helm_4_is_not(machine: Path) -> None:
    install(machine, "helm", "v3.17.0")
    assert found.helm().path == machine / "helm"
    install(machine, "helm", "v4.0.1")
    assert found.helm().path is None


def test_a_control_plane_without_scheduler_is_named_incomplete(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine))
    for name in ("kube-apiserver", "etcd", "kubectl"):
        install(machine, name, "Kubernetes v1.34.1")
    verdict = found.control_plane()
    assert verdict.path is None
    assert "kube-scheduler" in verdict.reason


def test_a_whole_control_plane_is_used_through_one_command(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine))
    for name in found.CONTROL_PLANE.values():
        install(machine, name, f"{name} Kubernetes v1.34.1")
    pretend_built(recipes.HELM, recipes.ENGINE)
    kube = paths().kube
    said = subprocess.run([kube, "scheduler"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("kube-scheduler")
    assert subprocess.run([kube, "cook"], capture_output=True, check=False).returncode == 2


def test_the_sandboxs_own_commands_on_path_are_not_taken_for_the_machines(
    machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "home" / "bin"
    install(own, "helm", "v3.17.0")
    monkeypatch.setenv("PATH", f"{own}{os.pathsep}{machine}")
    assert found.helm().path is None


def test_a_change_of_any_source_is_another_build(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipes.KUBE.built
    monkeypatch.setattr(recipes, "BUILD_FLAGS", (*recipes.BUILD_FLAGS, "-race"))
    assert recipes.KUBE.built != before
    assert recipes.HELM.built.parent != recipes.KUBE.built.parent


def test_a_failed_build_shows_its_last_lines_and_the_command_to_repeat(machine: Path) -> None:
    pulumi_home.write_executable(
        machine / "go",
        '#!/bin/sh\n[ "$1" = env ] && echo go1.26.0 && exit\necho "main.go:7: undefined: x" >&2\nexit 1\n',
    )
    with build.lock(), pytest.raises(build.BuildError) as caught:
        build.build([recipes.ENGINE])
    assert "undefined: x" in str(caught.value)
    assert "go build -mod=readonly" in str(caught.value)
    assert not recipes.ENGINE.built.exists()


def test_a_build_appears_whole_and_under_its_name(machine: Path) -> None:
    pulumi_home.write_executable(
        machine / "go",
        '#!/bin/sh\n[ "$1" = env ] && echo go1.26.0 && exit\n'
        'while [ "$1" != -o ]; do shift; done\necho kube >"$2/kube"; echo helm >"$2/helm"\n',
    )
    with build.lock():
        build.build([recipes.KUBE, recipes.HELM])
    assert recipes.KUBE.built.read_text() == "kube\n"
    assert recipes.HELM.built.read_text() == "helm\n"


def test_a_leftover_of_a_killed_build_is_removed_by_the_next(machine: Path, tmp_path: Path) -> None:
    left = tmp_path / "cache" / "tools" / ".building-kube"
    left.mkdir(parents=True)
    test_a_build_appears_whole_and_under_its_name(machine)
    assert not left.exists()


def test_the_plugins_have_the_versions_that_the_sdks_ask_for(machine: Path) -> None:
    home = pulumi_home.ensure()
    for name, version in pulumi_home.plugin_versions().items():
        plugin = home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"
        assert os.access(plugin, os.X_OK)
        assert sys.executable in plugin.read_text()


def test_the_environment_leads_nowhere_but_to_the_sandbox(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_built(recipes.KUBE, recipes.HELM, recipes.ENGINE)
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    full = environment.full_environment(None)
    assert "AWS_PROFILE" not in full
    assert full["NO_PROXY"] == "inside.example,127.0.0.1,localhost"
    assert full["PATH"].split(os.pathsep)[0] == str(choice.paths().bin_dir)
    assert "unset AWS_PROFILE" in environment.exports().splitlines()


def test_the_exports_survive_a_shell(machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path / "a home with 'quotes'"))
    pretend_built(recipes.KUBE, recipes.HELM, recipes.ENGINE)
    script = (
        f"{environment.exports()}\n{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    )
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(said).items() >= environment.environment(None).items()
