"""`kubernetes:helm.sh/v3:Release` by the real helm: `helm list`, `helm history` and rollback work as
usual.

The content of a local chart is an input of its own (`checksum`), so a changed template is an update even
where the chart's version stayed; the kit does not rely on the official provider to notice that. A preview
renders the chart and has the API server judge every object of it. helm's bare "context deadline exceeded"
is answered by what pods and events say. What the API server would ask a pod about is left out and said
(`unserved`). Objects of a release that somebody edits by hand are put right by
the next upgrade, but a refresh does not see them: helm compares values and revisions only.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sandbox.plugins.kubernetes import charts, fields, ledger, unserved, waits
from sandbox.plugins.kubernetes.client import Client
from sandbox.plugins.kubernetes.helm import Helm, HelmError
from sandbox.plugins.kubernetes.kubeconfig import Kubeconfig
from sandbox.plugins.kubernetes.manifest import (
    judge,
    resource_names,
    still_there,
    value_documents,
    with_placeholders,
)
from sandbox.plugins.kubernetes.objects import CRD_PATIENCE_S
from sandbox.plugins.kubernetes.preview import Say, ask
from sandbox.plugins.kubernetes.release_watch import Watch
from sandbox.plugins.protocol import (
    UNKNOWN,
    Diff,
    PartialError,
    PluginError,
    Resource,
    has_unknown,
)
from sandbox.toolchain.recipes import KUBERNETES

Object = dict[str, Any]

INPUTS: Final = {
    "atomic",
    "chart",
    "cleanupOnFail",
    "createNamespace",
    "dependencyUpdate",
    "maxHistory",
    "name",
    "namespace",
    "repositoryOpts",
    "skipAwait",
    "skipCrds",
    "timeout",
    "valueYamlFiles",
    "values",
    "version",
    "waitForJobs",
}
FLAGS: Final = {
    "atomic": "--atomic",
    "cleanupOnFail": "--cleanup-on-fail",
    "createNamespace": "--create-namespace",
    "dependencyUpdate": "--dependency-update",
    "skipCrds": "--skip-crds",
    "waitForJobs": "--wait-for-jobs",
}

DEFAULT_S: Final = 300
"""helm's own `--timeout`."""

PENDING: Final = {"pending-install", "pending-upgrade", "pending-rollback"}

MANAGER: Final = "pulumi-kubernetes-release"


class Releases:
    """Helm releases of one cluster; without one (a first preview) charts are rendered offline."""

    def __init__(
        self, config: Kubeconfig | None, client: Client | None, namespace: str, cancelled: threading.Event
    ) -> None:
        self.client, self.default_namespace, self.cancelled = client, namespace, cancelled
        self.helm = Helm(config, cancelled)

    def check(
        self, resource: Resource, old: Object, new: Object, random_seed: bytes
    ) -> tuple[Object, list[tuple[str, str]]]:
        """Fills in name and namespace, reads the chart's content, refuses what is not done here."""
        inputs = fields.clean(new)
        for derived in ("compat", "checksum", "status", "resourceNames"):
            inputs.pop(derived, None)
        known = f"the sandbox does not do it; of a Release it does: {', '.join(sorted(INPUTS))}"
        failures = [(key, known) for key in sorted(inputs.keys() - INPUTS)]
        options = inputs.get("repositoryOpts") or {}
        failures += [
            (f"repositoryOpts.{key}", "the sandbox uses public repositories only: `repo`")
            for key in sorted(options.keys() - {"repo"})
        ]
        if "chart" not in inputs:
            failures.append(("chart", "is required: a folder, an archive, a chart's name, or oci://..."))
        if failures:
            return inputs, failures
        inputs.setdefault(
            "name", old.get("name") or f"{resource.name[:44]}-{(random_seed or os.urandom(4))[:4].hex()}"
        )
        inputs.setdefault("namespace", self.default_namespace)
        try:
            if (
                not has_unknown([inputs["chart"], inputs.get("version"), options])
                and (found := _chart(inputs)).digest
            ):
                inputs["checksum"] = found.digest
            value_documents(inputs)
        except PluginError as error:
            name, _, reason = str(error).partition(": ")
            failures.append((name, reason))
        return inputs, failures

    def diff(self, old_state: Object, old: Object, new: Object) -> Diff:
        """A changed name or namespace replaces; everything else, also a release that is not whole, is an
        upgrade."""
        found = Diff(fields.changes(old, new))
        for path in ("name", "namespace"):
            if path in found.properties:
                found.properties[path] = "update-replace"
        status = old_state.get("status") or {}
        if not old_state.get("notRendered") and status.get("status") != "deployed":
            found.properties["status.status"] = "update"
        # Cluster-wide objects of the chart would belong to the old release still.
        found.delete_before_replace = bool(found.replaces)
        return found

    def create(
        self, resource: Resource, inputs: Object, preview: bool, timeout: float, say: Say
    ) -> tuple[str, Object]:
        """Installs; at preview renders and has every object judged."""
        if preview:
            self._preview(inputs, say)
            return "", {**inputs, "status": UNKNOWN, "resourceNames": UNKNOWN}
        return _id(inputs), self._deploy(resource, inputs, timeout, say)

    def update(
        self, resource: Resource, old_state: Object, new: Object, preview: bool, timeout: float, say: Say
    ) -> Object:
        """Upgrades to a new revision."""
        if preview:
            self._preview(new, say)
            return {**new, "status": UNKNOWN, "resourceNames": UNKNOWN}
        return self._deploy(resource, new, timeout, say)

    def read(self, resource_id: str, state: Object, inputs: Object) -> tuple[str, Object, Object] | None:
        """The release as helm has it: values that differ, and revisions made by others, are drift."""
        if state.get("notRendered"):
            return resource_id, state, inputs
        namespace, _, name = resource_id.rpartition("/")
        place = ["--namespace", namespace or self.default_namespace]
        found = self._status(name, place)
        if found is None:
            return None
        values = self.helm.json(["get", "values", name, *place]) or {}
        if not inputs:
            about = found["status"]
            inputs = {
                "name": name,
                "namespace": about["namespace"],
                "chart": about["chart"],
                "version": about["version"],
                "values": values,
            }
            return resource_id, {**inputs, **found}, inputs
        if values != _merged_values(inputs):
            inputs = {**inputs, "values": values}
        kept = (state.get("status") or {}).get("revision")
        if kept is not None and found["status"]["revision"] != kept:
            inputs = {
                **inputs,
                "checksum": f"revision {found['status']['revision']} was made by someone else",
            }
        return resource_id, {**inputs, **found}, inputs

    def delete(self, resource: Resource, resource_id: str, state: Object, timeout: float) -> None:
        """Uninstalls and waits until the release's objects are gone; says what of them stays, and why."""
        if state.get("notRendered"):
            charts.note(resource, None)
            return
        namespace, _, name = resource_id.rpartition("/")
        limit = timeout or waits.DEFAULT_S
        client, manifest = self._client(), ""
        try:
            # It is gone with the release, also where objects stay.
            manifest = (
                self._known(lambda: self.helm.run(["get", "manifest", name, "--namespace", namespace])) or ""
            )
            self.helm.run(
                [
                    *("uninstall", name, "--namespace", namespace, "--ignore-not-found", "--wait"),
                    *("--cascade", "foreground", "--timeout", f"{limit:.0f}s"),
                ],
                limit_s=2 * limit + 60,
                long=True,
            )
        except HelmError as error:
            left = still_there(client, manifest, namespace)
            raise PluginError("; ".join([f"release {resource_id}: {error}", *left])) from None
        charts.note(resource, None)

    def _preview(self, inputs: Object, say: Say) -> None:
        if has_unknown([inputs["chart"], inputs["name"], inputs["namespace"], inputs.get("version")]):
            say("its chart or place is not known yet: not rendered at preview", "debug")
            return
        chart = _chart(inputs)
        if chart.path is None:
            say(_not_rendered(chart), "warning")
            return
        arguments = ["template", inputs["name"], str(chart.path), "--namespace", inputs["namespace"]]
        arguments += ["--skip-tests", *(["--include-crds"] if not inputs.get("skipCrds") else [])]
        if inputs.get("dependencyUpdate"):
            arguments.append("--dependency-update")
        # Without a cluster yet, a chart that asks for a version is held against the sandbox's own.
        told = ask(self.client, lambda client: client.get("/version"), say)
        arguments += ["--kube-version", told["gitVersion"] if told else f"v{KUBERNETES}"]
        values = [with_placeholders(document) for document in value_documents(inputs)]
        unsure = has_unknown(inputs)
        try:
            rendered = self.helm.run(arguments, values)
        except HelmError as error:
            if unsure:
                say(f"not judged at preview, since values are not known yet: {error}", "debug")
                return
            raise PluginError(f"chart {chart.name} does not render with these values: {error}") from None
        ask(
            self.client,
            lambda client: judge(client, rendered, inputs["name"], inputs["namespace"], unsure),
            say,
        )

    def _deploy(self, resource: Resource, inputs: Object, timeout: float, say: Say) -> Object:
        client = self._client()
        chart = _chart(inputs)
        if chart.path is None:
            return self._without_chart(resource, client, inputs, chart, say)
        place = ["--namespace", inputs["namespace"]]
        revision = self._repair(inputs["name"], place, say)
        limit = int(inputs.get("timeout") or timeout or DEFAULT_S)
        arguments = ["upgrade", "--install", inputs["name"], str(chart.path), *place]
        # Without `--reset-values` helm keeps the last revision's values when there are none now.
        arguments += ["--timeout", f"{limit}s", "--output", "json", "--reset-values"]
        arguments += [flag for key, flag in FLAGS.items() if inputs.get(key)]
        if not inputs.get("skipAwait"):
            arguments.append("--wait")
        if "maxHistory" in inputs:
            arguments += ["--history-max", str(inputs["maxHistory"])]
        watch = Watch(self.helm, client, inputs, revision + 1, say)
        watch.start()
        try:
            with tempfile.TemporaryDirectory() as folder:
                report = Path(folder) / "left-out"
                # `--atomic` may take the timeout once more to roll back; a minute is for rendering and hooks'
                # deletion.
                self.helm.run(
                    [*arguments, *unserved.arguments(report)],
                    value_documents(inputs),
                    limit_s=2 * limit + 60,
                    long=True,
                )
                left_out = report.read_text().splitlines()
        except HelmError as error:
            watch.finish()
            reasons = [*watch.reasons(fresh=not inputs.get("atomic")), str(error)]
            found = self._status(inputs["name"], place)
            if found is None:
                raise PluginError("; ".join(reasons)) from None
            raise PartialError(_id(inputs), {**inputs, **found}, inputs, reasons) from None
        finally:
            watch.finish()
        found = self._status(inputs["name"], place) or {}
        _say_left_out(resource, chart, left_out, found.get("resourceNames") or {}, say)
        return {**inputs, **found}

    def _repair(self, name: str, place: list[str], say: Say) -> int:
        """Clears away a revision that a killed helm left pending; returns the number of the last revision."""
        history = self._history(name, place)
        if not history:
            return 0
        last = history[-1]
        if last["status"] not in PENDING | {"uninstalling"}:
            return int(last["revision"])
        good = [item for item in history if item["status"] in ("deployed", "superseded")]
        what = f"revision {last['revision']} of {name} is {last['status']}, left by a run that was killed"
        if good and last["status"] != "uninstalling":
            back = max(good, key=lambda item: (item["status"] == "deployed", item["revision"]))["revision"]
            say(f"{what}: rolling back to revision {back} first", "warning")
            self.helm.run(["rollback", name, str(back), *place], limit_s=DEFAULT_S, long=True)
        else:
            say(f"{what}: nothing was deployed before, so it is uninstalled first", "warning")
            self.helm.run(["uninstall", name, *place, "--wait"], limit_s=2 * DEFAULT_S, long=True)
        history = self._history(name, place)
        return int(history[-1]["revision"]) if history else 0

    def _history(self, name: str, place: list[str]) -> list[Object]:
        found = self._known(lambda: self.helm.json(["history", name, *place]))
        return sorted(found or [], key=lambda item: int(item["revision"]))

    def _known(self, ask: Callable[[], Any]) -> Any:
        """What helm says of a release; None where it knows none of this name."""
        try:
            return ask()
        except HelmError as error:
            if "not found" in str(error):
                return None
            raise

    def _status(self, name: str, place: list[str]) -> Object | None:
        self._client()
        found = self._known(lambda: self.helm.json(["status", name, *place]))
        about = found and self._known(lambda: self.helm.json(["get", "metadata", name, *place]))
        if not about:
            return None
        return {
            "status": {
                "name": name,
                "namespace": found["namespace"],
                "revision": int(found["version"]),
                "status": found["info"]["status"],
                "chart": about["chart"],
                "version": about["version"],
                "appVersion": about.get("appVersion", ""),
            },
            "resourceNames": resource_names(found.get("manifest", ""), found["namespace"]),
        }

    def _without_chart(
        self, resource: Resource, client: Client, inputs: Object, chart: charts.Chart, say: Say
    ) -> Object:
        say(_not_rendered(chart), "warning")
        charts.note(resource, chart)
        definitions, source = ([], "") if inputs.get("skipCrds") else charts.definitions(chart)
        for definition in definitions:
            self._define(client, definition)
        if definitions:
            say(f"{chart.name}: its definitions come from {source}, and judge objects of its kinds", "info")
        status = {"name": inputs["name"], "namespace": inputs["namespace"], "status": "not-rendered"}
        return {**inputs, "notRendered": chart.missing, "status": status, "resourceNames": {}}

    def _define(self, client: Client, definition: Object) -> None:
        kind = client.kind(definition["apiVersion"], definition["kind"])
        live = client.apply(kind, "", definition, MANAGER, force=True)[1]
        path = kind.path(None, definition["metadata"]["name"])
        waits.until_ready(
            client, live, lambda: client.find(path), lambda _: None, CRD_PATIENCE_S, self.cancelled
        )

    def _client(self) -> Client:
        if self.client is None:
            raise PluginError("the provider's kubeconfig is not known yet, so its cluster cannot be asked")
        return self.client


def _chart(inputs: Object) -> charts.Chart:
    repo = (inputs.get("repositoryOpts") or {}).get("repo", "")
    return charts.resolve(inputs["chart"], inputs.get("version", ""), repo)


def _say_left_out(
    resource: Resource, chart: charts.Chart, left_out: list[str], names: dict[str, list[str]], say: Say
) -> None:
    custom = ledger.custom(names)
    charts.note(resource, chart if left_out or custom else None, left_out, custom)
    if left_out:
        say(
            f"{chart.name}: not installed, since no pod runs that would answer: {', '.join(left_out)}", "info"
        )


def _merged_values(inputs: Object) -> Object:
    found: Object = {}
    for document in value_documents(inputs):
        found = fields.merged(found, document)
    return found


def _not_rendered(chart: charts.Chart) -> str:
    return (
        f"chart {chart.name} {chart.version} was NOT rendered or installed: {chart.missing}. Its objects are "
        f"judged by nobody here; put the archive into the chart cache "
        f"(charts/{chart.name}-{chart.version}.tgz) to have it"
    )


def _id(inputs: Object) -> str:
    return f"{inputs['namespace']}/{inputs['name']}"
