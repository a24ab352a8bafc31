"""Kubernetes objects of any kind: check, diff, create, read, update, delete by server-side apply.

The API server judges everything, at preview too (dry-run, strict field validation). Ownership is
Kubernetes' own: each resource applies under a field manager of its own, made from its URN, so an object
that somebody else made is never taken over silently, and one that a killed run had already made is
recognised as ours.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from typing import Any, Final

from sandbox.plugins.kubernetes import fields, ledger, waits
from sandbox.plugins.kubernetes.client import ApiError, Client, Kind, NoAccessError, NoKindError
from sandbox.plugins.kubernetes.preview import Say, ask
from sandbox.plugins.kubernetes.tokens import api_version_kind
from sandbox.plugins.protocol import (
    Diff,
    PartialError,
    Plain,
    PluginError,
    Resource,
    Unknown,
    has_unknown,
)

Object = dict[str, Any]

AUTONAMED: Final = "pulumi.com/autonamed"
PATCH_FORCE: Final = "pulumi.com/patchForce"

CRD_PATIENCE_S: Final = 30.0
"""A CRD is served within a second of being established (measured: 0.2 to 1 s); busy machines need more."""

IMMUTABLE: Final = re.compile(
    r"immutable|updates? to .* (is|are) forbidden|updates may not|may not (be )?change|cannot (be )?change|"
    r"can ?not be updated",
    re.IGNORECASE | re.DOTALL,
)
"""How API servers say that a field cannot be changed in place; there is no machine-readable reason for
it. Seen with 1.34: "field is immutable" (selectors, Job templates, ConfigMaps), "updates to statefulset
spec for fields other than ... are forbidden", "pod updates may not change fields other than", "may not
change once set" (clusterIPs), "cannot change roleRef"."""

STRICT: Final = re.compile(
    r"not declared in schema|unknown field|duplicate field|expected .*, got", re.DOTALL
)
"""Complaints that filling in an unknown value cannot cure."""

FOREGROUND: Final = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"}
"""Deleted with their pods, so that `destroy` does not go on to what the pods still use."""


class Objects:
    """Objects of one cluster. `client` is None while the cluster is not known (a first preview)."""

    def __init__(self, client: Client | None, default_namespace: str, cancelled: threading.Event) -> None:
        self.client, self.default_namespace, self.cancelled = client, default_namespace, cancelled

    def check(
        self, resource: Resource, old: Object, new: Object, random_seed: bytes
    ) -> tuple[Object, list[tuple[str, str]]]:
        """Fills in apiVersion, kind and the name; refuses what would contradict the resource's type."""
        api_version, kind = api_version_kind(resource.type)
        inputs = fields.clean(new)
        failures = [
            (key, f"is {inputs[key]!r}, but the resource is a {api_version} {kind}")
            for key, fixed in (("apiVersion", api_version), ("kind", kind))
            if inputs.get(key, fixed) != fixed and not isinstance(inputs[key], Unknown)
        ]
        meta = inputs.get("metadata", {})
        if isinstance(meta, dict):
            if "generateName" in meta:
                failures.append(
                    ("metadata.generateName", "is not done: leave the name out, and one is made and kept")
                )
            meta = _named(meta, old.get("metadata"), resource.name, random_seed)
        return {**inputs, "apiVersion": api_version, "kind": kind, "metadata": meta}, failures

    def diff(self, resource: Resource, old_state: Object, old: Object, new: Object, say: Say) -> Diff:
        """Compares inputs; asks the API server only about a change, and only whether it can be made in
        place."""
        found = Diff(fields.changes(old, new))
        if not found.properties:
            return found
        if (old.get("apiVersion"), old.get("kind")) != (new["apiVersion"], new["kind"]):
            _replace(found, ["apiVersion", "kind"])
        meta = new["metadata"]
        if isinstance(meta, Unknown) or isinstance(meta.get("name"), Unknown):
            _replace(found, ["metadata"])
            return found
        old_place, new_place = self._place(old), self._place(new)
        if old_place != new_place:
            _replace(found, ["metadata.name", "metadata.namespace"])
        elif not found.replaces:
            ask(self.client, lambda client: self._ask_in_place(client, resource, old_state, new, found), say)
        found.delete_before_replace = bool(found.replaces) and old_place == new_place
        return found

    def _ask_in_place(
        self, client: Client, resource: Resource, old_state: Object, new: Object, found: Diff
    ) -> None:
        try:
            kind = client.kind(new["apiVersion"], new["kind"])
            self._apply(kind, _known(new), _manager(resource, old_state), dry=True, force=True)
        except NoKindError:
            return
        except NoAccessError:
            raise
        except ApiError as error:
            if error.code in (403, 422) and IMMUTABLE.search(error.message):
                _replace(found, error.fields)
            elif not (error.code == 404 or (has_unknown(new) and not STRICT.search(error.message))):
                raise

    def create(
        self, resource: Resource, inputs: Object, preview: bool, timeout: float, say: Say
    ) -> tuple[str, Object]:
        """Applies a new object and waits for it; at preview has the API server judge it."""
        manager = _manager(resource, {})
        if preview:
            ask(self.client, lambda client: self._judge(client, resource, inputs, manager, say), say)
            return self._id(inputs), fields.previewed(inputs)
        client = self._client()
        kind = client.kind(inputs["apiVersion"], inputs["kind"], CRD_PATIENCE_S)
        existing = client.find(self._path(kind, inputs))
        if existing is not None:
            self._require_ours(resource, existing, inputs, manager)
        live = self._apply(kind, inputs, manager, force=existing is not None)[1]
        # By a stand-in, and by the real operator (sandbox.cluster.cert_manager, external_secrets).
        attended = kind.api_version.startswith(("cert-manager.io/", "external-secrets.io/"))
        if ledger.is_custom(kind.api_version) and not live.get("status") and not attended:
            ledger.write(resource, {"unattended": kind.kind})
        return self._id(inputs), self._await(kind, live, inputs, manager, timeout, say)

    def update(
        self,
        resource: Resource,
        old_state: Object,
        new: Object,
        preview: bool,
        timeout: float,
        say: Say,
    ) -> Object:
        """Applies a changed object and waits for it. Takes back fields that others changed meanwhile."""
        manager = _manager(resource, old_state)
        if preview:
            return fields.previewed(new, old_state)  # `diff` had the API server judge it
        kind = self._client().kind(new["apiVersion"], new["kind"], CRD_PATIENCE_S)
        live = self._apply(kind, new, manager, force=True)[1]
        return self._await(kind, live, new, manager, timeout, say)

    def read(
        self, resource: Resource, resource_id: str, state: Object, inputs: Object
    ) -> tuple[str, Object, Object] | None:
        """The live object and the inputs that would make it; None if there is none. No state: an import."""
        api_version, kind_name = api_version_kind(resource.type)
        client = self._client()
        namespace, _, name = resource_id.rpartition("/")
        try:
            kind = client.kind(api_version, kind_name)
        except NoKindError:
            return None
        live = client.find(kind.path(namespace or self.default_namespace, name))
        if live is None:
            return None
        manager = _manager(resource, state)
        inputs = self._with_drift(kind, inputs, live, manager) if inputs else fields.owned_by_people(live)
        return resource_id, fields.state_of(live, inputs, manager), inputs

    def _with_drift(self, kind: Kind, inputs: Object, live: Object, manager: str) -> Object:
        try:
            desired = self._apply(kind, inputs, manager, dry=True, force=True)[1]
        except ApiError:
            desired = inputs  # it could not be applied any more: whatever differs from the inputs is shown
        found = dict(fields.drifted(inputs, desired, live))
        if (
            live.get("kind") == "Secret"
            and "stringData" in inputs
            and desired.get("data") != live.get("data")
        ):
            found["stringData"] = _decoded(inputs["stringData"], live.get("data") or {})
        return {**found, "apiVersion": inputs["apiVersion"], "kind": inputs["kind"]}

    def delete(self, resource: Resource, resource_id: str, state: Object, timeout: float) -> None:
        """Deletes the object and waits until it is gone; one that is already gone, or not ours any more,
        is fine."""
        api_version, kind_name = api_version_kind(resource.type)
        client = self._client()
        try:
            kind = client.kind(api_version, kind_name)
        except NoKindError:
            return  # with its definition went every object
        namespace, _, name = resource_id.rpartition("/")
        path = kind.path(namespace or self.default_namespace, name)
        uid = (state.get("metadata") or {}).get("uid")
        options: Object = {"propagationPolicy": "Foreground" if kind_name in FOREGROUND else "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            client.request("DELETE", path, body=options, what=f"deleting {kind_name} {resource_id}")
        except ApiError as error:
            if error.code == 404 or (error.code == 409 and "uid" in error.message.lower()):
                return
            raise
        left = waits.until_gone(path, client, uid, timeout, self.cancelled)
        if left is not None:
            raise PluginError(
                f"{kind_name} {resource_id} is still there after {timeout or waits.DEFAULT_S:.0f} s: "
                f"{waits.why_not_gone(left)}"
            )

    def _await(
        self, kind: Kind, live: Object, inputs: Object, manager: str, timeout: float, say: Say
    ) -> Object:
        client, path = self._client(), self._path(kind, inputs)
        try:
            live = waits.until_ready(
                client,
                live,
                lambda: client.find(path),
                lambda line: say(line, "progress"),
                timeout,
                self.cancelled,
            )
        except waits.NotReadyError as error:
            raise PartialError(
                self._id(inputs), fields.state_of(error.live, inputs, manager), inputs, error.reasons
            ) from None
        return fields.state_of(live, inputs, manager)

    def _judge(self, client: Client, resource: Resource, inputs: Object, manager: str, say: Say) -> None:
        body = _known(inputs)
        try:
            kind = client.kind(inputs["apiVersion"], inputs["kind"])
        except NoKindError as error:
            say(f"not judged at preview: {error}", "debug")
            return
        try:
            code, _ = self._apply(kind, body, manager, dry=True, force=True)
            existing = client.find(self._path(kind, body)) if code == 200 else None
        except NoAccessError:
            raise
        except ApiError as error:
            existing = None if error.code != 422 else client.find(self._path(kind, body))
            if error.namespace_missing or (error.code == 422 and existing and _ours(existing, manager)):
                # The namespace comes with this run, or the old object goes first: the schema can be judged
                # anyway.
                self._judge_elsewhere(kind, body, manager, error.namespace_missing)
            elif has_unknown(inputs) and not STRICT.search(error.message):
                say(f"not judged at preview, since values in it are not known yet: {error.message}", "debug")
            else:
                raise
        if existing is not None:
            self._require_ours(resource, existing, inputs, manager)

    def _judge_elsewhere(self, kind: Kind, body: Object, manager: str, other_namespace: bool) -> None:
        meta = {**body["metadata"], "name": f"{body['metadata']['name'][:54]}-{os.urandom(4).hex()}"}
        if other_namespace:
            meta["namespace"] = "default"
        self._apply(kind, {**body, "metadata": meta}, manager, dry=True, force=True)

    def _apply(
        self, kind: Kind, inputs: Object, manager: str, dry: bool = False, force: bool = False
    ) -> tuple[int, Object]:
        body = {key: item for key, item in inputs.items() if not key.startswith("__")}
        what = f"{kind.kind} {self._id(inputs)}"
        try:
            return self._client().apply(kind, self._place(inputs)[0], body, manager, dry, force, what)
        except ApiError as error:
            if kind.kind == "Secret":
                raise _redacted(error, inputs, what) from None
            raise

    def _require_ours(self, resource: Resource, existing: Object, inputs: Object, manager: str) -> None:
        annotations = inputs["metadata"].get("annotations") or {}
        if _ours(existing, manager) or str(annotations.get(PATCH_FORCE)).lower() == "true":
            return
        owners = {entry["manager"] for entry in existing["metadata"].get("managedFields") or []}
        where = self._id(inputs)
        raise PluginError(
            f"{inputs['kind']} {where} exists already and belongs to "
            f"{', '.join(sorted(owners)) or 'someone else'}. To take it into this stack: `pulumi import "
            f"{resource.type} {resource.name} {where}`; to overwrite the fields given here, annotate it "
            f'{PATCH_FORCE}: "true"; else choose another name'
        )

    def _client(self) -> Client:
        if self.client is None:
            raise PluginError(
                "the provider's kubeconfig is not known yet, so its cluster cannot be asked; "
                "does the resource depend on the cluster?"
            )
        return self.client

    def _place(self, inputs: Object) -> tuple[str, str]:
        meta = inputs.get("metadata") or {}
        return meta.get("namespace") or self.default_namespace, meta.get("name", "")

    def _path(self, kind: Kind, inputs: Object) -> str:
        return kind.path(*self._place(inputs))

    def _id(self, inputs: Object) -> str:
        meta = inputs.get("metadata")
        if not isinstance(meta, dict) or has_unknown([meta.get("name"), meta.get("namespace")]):
            return ""
        if meta.get("namespace"):
            return f"{meta['namespace']}/{meta['name']}"
        if self.client is not None and self.client.no_access is None:
            try:
                if self.client.kind(inputs["apiVersion"], inputs["kind"]).namespaced:
                    return f"{self.default_namespace}/{meta['name']}"
            except (NoKindError, NoAccessError):
                pass
        return str(meta["name"])


def _named(meta: Object, old_meta: Plain, base: str, seed: bytes) -> Object:
    if "name" in meta:
        return meta
    old = old_meta if isinstance(old_meta, dict) else {}
    if (old.get("annotations") or {}).get(AUTONAMED) == "true":
        name = old["name"]
    else:
        # 63 is the longest name of a Service (RFC 1123 label): nine of them are the dash and the suffix.
        name = f"{base[:54]}-{(seed or os.urandom(4))[:4].hex()}"
    annotations = meta.get("annotations", {})
    if isinstance(annotations, dict):
        annotations = {**annotations, AUTONAMED: "true"}
    return {**meta, "name": name, "annotations": annotations}


def _manager(resource: Resource, state: Object) -> str:
    kept = state.get("__fieldManager")
    return str(kept) if kept else f"pulumi-kubernetes-{hashlib.sha256(resource.urn.encode()).hexdigest()[:8]}"


def _ours(existing: Object, manager: str) -> bool:
    return any(entry["manager"] == manager for entry in existing["metadata"].get("managedFields") or [])


def _known(inputs: Object) -> Object:
    body = dict(fields.without_unknown(inputs))
    body["metadata"] = {"name": "name-not-known-yet", **body.get("metadata", {})}
    return body


def _replace(diff: Diff, blamed: list[str]) -> None:
    """Marks as replacing the changed paths that lie at, above or below a blamed one; all when none does."""
    hit = [
        path
        for path in diff.properties
        if any(path.startswith(field) or field.startswith(path) for field in blamed)
    ]
    for path in hit or list(diff.properties):
        kind = diff.properties[path]
        if kind in ("add", "update", "delete"):
            diff.properties[path] = {
                "add": "add-replace",
                "update": "update-replace",
                "delete": "delete-replace",
            }[kind]  # type: ignore[assignment]


def _decoded(given: Object, data: Object) -> Object:
    return {key: base64.b64decode(data[key]).decode(errors="replace") for key in given if key in data}


def _redacted(error: ApiError, inputs: Object, what: str) -> ApiError:
    message = error.message
    for part in ("data", "stringData"):
        for value in (inputs.get(part) or {}).values():
            if isinstance(value, str) and value:
                message = message.replace(value, "[secret]")
    status = {"reason": error.reason, "message": message, "details": error.details}
    return ApiError(error.code, status, what)
