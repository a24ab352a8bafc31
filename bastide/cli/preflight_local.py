"""What of a run can be told without a network: digests and versions, commands, the version's support."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

from bastide.catalogues import eks_versions
from bastide.cli.preflight_line import FAIL, NOTE, OK, Line
from bastide.plans import secrets
from bastide.settings import CreatedCluster, Settings, SettingsError, refuse_unresolved
from bastide.settings.stack_files import given_keys

COMMANDS: Final = {
    "pulumi": ("version", "https://www.pulumi.com/docs/install/"),
    "aws": ("--version", "`pip install awscli`; the kubeconfig calls `aws eks get-token`"),
}
"""Commands that a run calls, how each tells its version, and where it is had."""


def look(settings: Settings, path: Path) -> Iterator[Line]:
    """The lines, in order; `path` is the stack's own file."""
    yield _unresolved(settings)
    yield from given_secrets(settings, path)
    yield from _support(settings)
    for command, (flag, where) in COMMANDS.items():
        yield _command(command, flag, where)


def _unresolved(settings: Settings) -> Line:
    paths = settings.unresolved()
    if not paths:
        return Line("digests", OK, "every digest and version is resolved")
    try:
        refuse_unresolved(settings)
    except SettingsError as error:
        return Line("digests", FAIL, "; ".join(f"{each.path}: {each.message}" for each in error.problems))
    return Line("digests", NOTE, f"still unresolved, which only a sandbox accepts: {', '.join(paths)}")


def given_secrets(settings: Settings, path: Path) -> Iterator[Line]:
    """Whether the stack file gives the secrets that it has to give, and no others; nothing where there is none."""
    given = given_keys(path, secrets.CONFIG)
    problems = secrets.given_problems(settings, given)
    if problems:
        yield Line("secrets", FAIL, "; ".join(f"{each.path}: {each.message}" for each in problems))
    elif given:
        yield Line("secrets", OK, f"given and encrypted: {', '.join(sorted(given))}")


def _support(settings: Settings) -> Iterator[Line]:
    cluster = settings.cluster
    if not isinstance(cluster, CreatedCluster):
        return
    verdict = eks_versions.judge(cluster.kubernetes_version, cluster.upgrade_policy, date.today())
    said = verdict.refusal or verdict.warning or verdict.note
    if not said:
        support = eks_versions.CALENDAR[cluster.kubernetes_version]
        said = (
            f"Kubernetes {cluster.kubernetes_version} is in standard support until {support.standard_until}"
        )
        yield Line("kubernetes", OK, said)
    else:
        yield Line("kubernetes", FAIL if verdict.refusal and not settings.sandbox else NOTE, said)


def _command(command: str, flag: str, where: str) -> Line:
    if shutil.which(command) is None:
        return Line(command, FAIL, f"there is no `{command}` on the PATH; install it: {where}")
    done = subprocess.run([command, flag], capture_output=True, text=True, check=False)
    said = (done.stdout or done.stderr).strip().splitlines()
    if done.returncode != 0:
        return Line(
            command, FAIL, f"`{command} {flag}` ends with {done.returncode}: {said[-1:] or ''}; mend it"
        )
    return Line(command, OK, said[0] if said else "there")
