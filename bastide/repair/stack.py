"""Makes a stack usable again after `pulumi up` was killed: `bastide stack repair`.

The lock is lifted if its process is gone, orphans are ended, and every operation that was under way is
settled with the cloud's help. A create that may have come about is adopted and then refreshed, so what exists
is kept and what does not is dropped; the next `up` makes nothing twice. Pulumi's own `pulumi refresh
--import-pending-creates` does not do this: with engine 3.250 it forgets the resource, and the next `up` makes
it again (measured: its refresh drops the very operations that it was to carry out).

Nothing in the cloud is changed. The state is edited by `pulumi stack export` and `import`, with secrets
encrypted as they are.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from bastide.repair.ids import (
    FINDERS,
    READ_BY_OWN_ID,
    Cloud,
    Finder,
    UnidentifiableError,
    finder,
    wait_until_made,
)
from bastide.repair.run import Lock, end, mend_files, orphans

REPAIRED: Final = 0
LEFT_TO_YOU: Final = 1
REFUSED: Final = 2


class RefusedError(Exception):
    """The stack must not be touched, or Pulumi would not; the text says why and what to do."""


@dataclass
class Verdicts:
    """What is to be done with the stack's pending operations."""

    deployment: dict[str, Any]
    refresh: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stack:
    """A stack and how to run Pulumi on it: the project's folder and the environment of the call."""

    name: str
    folder: Path
    environment: Mapping[str, str]

    def pulumi(self, *arguments: str, text: str | None = None) -> str:
        """Runs Pulumi and returns what it printed; a failure is refused with Pulumi's own words."""
        command = ["pulumi", *arguments, "--stack", self.name, "--non-interactive", "--color", "never"]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=dict(self.environment),
                input=text,
                capture_output=True,
                text=True,
            )
        except FileNotFoundError:
            raise RefusedError(
                'there is no `pulumi` on PATH; for the sandbox: eval "$(make -s env)"'
            ) from None
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise RefusedError(f"`pulumi {' '.join(arguments)}` failed:\n{said}")
        return done.stdout

    @property
    def project(self) -> Mapping[str, Any]:
        """Pulumi.yaml."""
        path = self.folder / "Pulumi.yaml"
        try:
            content = yaml.safe_load(path.read_text())
        except FileNotFoundError:
            raise RefusedError(f"there is no {path}: run this in the project's folder") from None
        except yaml.YAMLError as error:
            raise RefusedError(f"{path} is no valid YAML: {error}") from None
        if not isinstance(content, dict) or not isinstance(content.get("name"), str):
            raise RefusedError(f"{path} names no project: give it a `name`")
        return content

    @property
    def file_backend(self) -> Path | None:
        """The folder of the state, where it is kept in files; else None."""
        url = self.environment.get("PULUMI_BACKEND_URL") or (self.project.get("backend") or {}).get("url")
        if not url or not url.startswith("file://"):
            return None
        return Path(url.removeprefix("file://")).expanduser()


def repair(
    stack: Stack,
    *,
    ids: Mapping[str, str] | None = None,
    absent: frozenset[str] = frozenset(),
    lock_of_dead_host: bool = False,
    finders: Mapping[str, Finder] = FINDERS,
    say: Callable[[str], None] = print,
) -> int:
    """Repairs the stack and returns the exit status.

    `ids` gives ids by URN for resources that cannot be found here, `absent` the URNs of those that were not
    made. 0: repaired, or nothing was wrong. 1: what is left needs the operator, and was said. 2: refused.
    """
    try:
        _unlock(stack, lock_of_dead_host, say)
        deployment = json.loads(stack.pulumi("stack", "export"))
        pending = deployment["deployment"].get("pending_operations") or []
        _refuse_unknown({*(ids or {}), *absent}, pending)
        if not pending:
            say("no operation was under way: `pulumi up` can go on")
            return REPAIRED
        verdicts = _settle(deployment, dict(ids or {}), absent, finders, say)
        if verdicts.left:
            # An import forgets what is under way, so the state is changed for all of it or not at all.
            say(
                "the state is as it was; not settled: "
                + ", ".join(verdicts.left)
                + "\nlook in the cloud; then repeat with `--id URN=ID` for what is there and `--absent URN` "
                "for what is not"
            )
            return LEFT_TO_YOU
        stack.pulumi("stack", "import", text=json.dumps(verdicts.deployment))
        try:
            _refresh(stack, verdicts.refresh, say)
        except RefusedError as error:
            say(
                f"error: {error}\nthe state is edited, but what was under way could not be read back: when the "
                "cause is mended run `pulumi refresh`, which drops what does not exist, and then `pulumi up`"
            )
            return LEFT_TO_YOU
    except RefusedError as error:
        say(f"error: {error}")
        return REFUSED
    say("repaired: `pulumi up` can go on")
    return REPAIRED


def _refuse_unknown(named: set[str], pending: list[dict[str, Any]]) -> None:
    """Refuses an id or an absence of something that is not under way: a misspelt URN would settle nothing."""
    making = sorted(each["resource"]["urn"] for each in pending if each["type"] == "creating")
    unknown = sorted(named.difference(making))
    if unknown:
        raise RefusedError(
            f"{', '.join(unknown)}: no creation of it is under way, so there is nothing to say of it; under way: "
            + (", ".join(making) or "none")
        )


def _unlock(stack: Stack, lock_of_dead_host: bool, say: Callable[[str], None]) -> None:
    """Lifts a stale lock and ends orphans; refuses while a run may live."""
    project, backend = stack.project["name"], stack.file_backend
    locks = Lock.of_stack(backend, project, stack.name) if backend else []
    for lock in locks:
        if not lock.is_of_this_host and not lock_of_dead_host:
            raise RefusedError(
                f"the stack is locked by {lock}; whether that process lives can only be seen there. If that "
                "host is gone for good, repeat with --lock-of-dead-host"
            )
        if lock.is_of_this_host and lock.is_held:
            raise RefusedError(
                f"the stack is locked by {lock}, and that process is running: wait for it, or interrupt it "
                "(Ctrl-C lets it end in order)"
            )
    found = orphans(stack.folder, project, stack.name)
    for process in found:
        say(
            f"ending pid {process.pid}, left over from a run whose engine is gone: "
            f"{_short(process.arguments)}"
        )
    end(found)
    if backend is not None:
        for name in mend_files(backend, project, stack.name):
            say(f"removing {name}, which the killed run left half written")
    if locks:
        for lock in locks:
            say(f"lifting the lock of {lock}: that process is gone")
        stack.pulumi("cancel", "--yes")
    elif backend is None:
        say("the state is not in local files: if it is locked, `pulumi cancel` lifts that")


def _short(arguments: tuple[str, ...]) -> str:
    return " ".join(Path(argument).name if "/" in argument else argument for argument in arguments)[:100]


def _settle(
    exported: dict[str, Any],
    ids: dict[str, str],
    absent: frozenset[str],
    finders: Mapping[str, Finder],
    say: Callable[[str], None],
) -> Verdicts:
    """Edits a copy of the deployment: adopts, forgets, or leaves each pending operation."""
    verdicts = Verdicts(deepcopy(exported))
    body = verdicts.deployment["deployment"]
    resources: list[dict[str, Any]] = body.setdefault("resources", [])
    for operation in body["pending_operations"]:
        resource, kind = operation["resource"], operation["type"]
        urn = resource["urn"]
        if kind != "creating":
            say(f"{_label(urn)} was interrupted while {kind}: reading it back")
            verdicts.refresh.append(urn)
            continue
        if not resource.get("custom"):
            # The stack itself or a component: it stands for others and nothing is made for it.
            continue
        if urn in absent or resource["type"].startswith("pulumi:providers:"):
            say(f"{_label(urn)} was not made: forgotten, the next `up` makes it")
            continue
        cloud = _cloud(resource, resources)
        try:
            found = [ids[urn]] if urn in ids else _find(resource, resources, finders, cloud)
        except UnidentifiableError as error:
            say(f"{_label(urn)} may have been made, but {error}")
            verdicts.left.append(urn)
            continue
        if not found:
            say(f"{_label(urn)} was not made: forgotten, the next `up` makes it")
        elif len(found) > 1:
            say(f"{_label(urn)} may be any of {', '.join(found)}")
            verdicts.left.append(urn)
        else:
            say(f"{_label(urn)} may exist as {found[0]}: adopting it if it does")
            try:
                wait_until_made(resource["type"], found[0], cloud)
            except UnidentifiableError as error:
                say(f"{_label(urn)} may have been made, but {error}")
                verdicts.left.append(urn)
                continue
            _adopt(resource, found[0], resources)
            verdicts.refresh.append(urn)
    body["pending_operations"] = []
    return verdicts


def _label(urn: str) -> str:
    """Type and name, which is what a person knows it by."""
    _, _, types, name = urn.split("::", 3)
    return f"{types.split('$')[-1]} {name}"


def _find(
    resource: dict[str, Any],
    resources: list[dict[str, Any]],
    finders: Mapping[str, Finder],
    cloud: Cloud,
) -> list[str]:
    """The ids that the resource may have.

    One that the stack has already is not among them: it is what this one was to replace, and neither provider
    makes a second of the same name. One that was deleted in order to be replaced is.
    """
    find = finder(resource["type"], finders)
    if find is None:
        raise UnidentifiableError(f"how a {resource['type']} is found is not known here")
    try:
        candidates = find(resource.get("inputs") or {}, cloud)
    except UnidentifiableError:
        raise
    except Exception as error:  # a cloud's own exceptions have no common base but this
        raise UnidentifiableError(f"the cloud could not be asked: {error}") from error
    taken = {
        other.get("id")
        for other in resources
        if other["type"] == resource["type"]
        and other.get("provider") == resource.get("provider")
        and not other.get("pendingReplacement")
    }
    return [candidate for candidate in candidates if candidate not in taken]


def _cloud(resource: dict[str, Any], resources: list[dict[str, Any]]) -> Cloud:
    """The cloud as the resource's own provider is configured."""
    urn = resource.get("provider", "").rpartition("::")[0]
    provider = next((other for other in resources if other["urn"] == urn), {})
    return Cloud(provider.get("inputs") or {})


def _adopt(resource: dict[str, Any], new_id: str, resources: list[dict[str, Any]]) -> None:
    """Puts the resource into the state as if its creation had been reported.

    One of the same URN is what it replaces: deleted before (the engine marked it so), or to be deleted after.
    """
    for other in [other for other in resources if other["urn"] == resource["urn"]]:
        if other.get("pendingReplacement"):
            resources.remove(other)
        else:
            other["delete"] = True
    outputs = resource.get("inputs", {}) if resource["type"] in READ_BY_OWN_ID else {}
    resources.append({**resource, "id": new_id, "outputs": outputs})


def _refresh(stack: Stack, urns: list[str], say: Callable[[str], None]) -> None:
    """Reads the named resources back from the cloud; what does not exist leaves the state."""
    if not urns:
        return
    targets = [argument for urn in urns for argument in ("--target", urn)]
    stack.pulumi("refresh", "--yes", "--skip-preview", *targets)
    exported = json.loads(stack.pulumi("stack", "export"))
    there = {resource["urn"] for resource in exported["deployment"].get("resources") or []}
    for urn in urns:
        say(f"{_label(urn)}: {'in the stack, as the cloud has it' if urn in there else 'does not exist'}")
