"""The objects that a chart renders: judged at preview, looked up while waiting, counted for the state;
and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.plugins.kubernetes import waits
from sandbox.plugins.kubernetes.client import ApiError, Client, NoAccessError, NoKindError
from sandbox.plugins.kubernetes.objects import STRICT
from sandbox.plugins.kubernetes.reasons import MOST, WORKLOADS
from sandbox.plugins.protocol import Plain, PluginError, Unknown

Object = dict[str, Any]

JUDGE: Final = "pulumi-kubernetes-preview"
PLACEHOLDER: Final = "not-known-yet"


def parse(manifest: str) -> list[Object]:
    """The objects of a rendered manifest, lists unfolded."""
    found: list[Object] = []
    # libyaml's parser where there is one: a chart's CustomResourceDefinitions can be a megabyte.
    for document in yaml.load_all(manifest, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(document, dict) and document.get("kind"):
            found += document["items"] if document["kind"] == "List" else [document]
    return found


def judge(client: Client, manifest: str, release: str, namespace: str, unsure: bool) -> None:
    """Has the API server judge every object (dry-run). Raises `PluginError` with all that it refuses.

    An object whose kind or namespace only comes with this run is judged in another namespace or not at
    all; with `unsure` (values that are not known yet) only refusals that no value could cure count.
    """
    try:
        objects = parse(manifest)
    except yaml.YAMLError as error:
        raise PluginError(f"the chart renders to what is no YAML: {error}") from None
    refused = []
    for item in objects:
        try:
            code, answer = _dry_run(client, item, namespace)
        except NoKindError:
            continue
        except NoAccessError:
            raise
        except ApiError as error:
            if not unsure or STRICT.search(error.message):
                refused.append(f"{error}")
            continue
        owner = (answer["metadata"].get("annotations") or {}).get("meta.helm.sh/release-name")
        hook = "helm.sh/hook" in (answer["metadata"].get("annotations") or {})
        if code == 200 and owner != release and not hook and item["kind"] != "CustomResourceDefinition":
            refused.append(
                f"{item['kind']} {item['metadata']['name']} exists already and is not part of release "
                f"{release}: delete it, or let the chart name it otherwise"
            )
    if refused:
        more = [f"and {len(refused) - MOST} more"] if len(refused) > MOST else []
        raise PluginError(
            "the cluster would refuse what the chart renders: " + "; ".join(refused[:MOST] + more)
        )


def _dry_run(client: Client, item: Object, namespace: str) -> tuple[int, Object]:
    kind = client.kind(item["apiVersion"], item["kind"])
    own = item["metadata"].get("namespace") or namespace
    what = f"{item['kind']} {item['metadata'].get('name')}"
    try:
        return client.apply(kind, own, item, JUDGE, dry=True, force=True, what=what)
    except ApiError as error:
        if not error.namespace_missing:
            raise
        return client.apply(kind, "default", item, JUDGE, dry=True, force=True, what=what)


def live_objects(client: Client, manifest: str, namespace: str) -> list[Object]:
    """The live workloads and claims of a manifest, for the reasons why they are not ready."""
    found = []
    for item in parse(manifest):
        if item["kind"] not in WORKLOADS | {"PersistentVolumeClaim"}:
            continue
        kind = client.kind(item["apiVersion"], item["kind"])
        own = item["metadata"].get("namespace") or namespace
        live = client.find(kind.path(own, item["metadata"]["name"]))
        if live is not None:
            found.append(live)
    return found


def still_there(client: Client, manifest: str, namespace: str) -> list[str]:
    """What of a manifest is still there and why, one line each."""
    found = []
    for item in parse(manifest):
        name = item["metadata"]["name"]
        try:
            kind = client.kind(item["apiVersion"], item["kind"])
            live = client.find(kind.path(item["metadata"].get("namespace") or namespace, name))
        except PluginError:
            continue  # its definition is gone, and so is the object; or nobody answers, and helm has said so
        if live is not None:
            found.append(f"{item['kind']} {name} is still there: {waits.why_not_gone(live)}")
    return found


def resource_names(manifest: str, namespace: str) -> dict[str, list[str]]:
    """Names per kind and version, in the official provider's form: `Deployment.apps/apps/v1` to
    `namespace/name`."""
    found: dict[str, list[str]] = {}
    for item in parse(manifest):
        version, kind = item["apiVersion"], item["kind"]
        group = version.split("/")[0] if "/" in version else ""
        key = f"{kind}.{group}/{version}" if group else f"{kind}/{version}"
        own = item["metadata"].get("namespace") or namespace
        found.setdefault(key, []).append(f"{own}/{item['metadata']['name']}")
    return {key: sorted(names) for key, names in sorted(found.items())}


def value_documents(inputs: Object) -> list[Object]:
    """The values in the order in which helm lays them over one another: files first, `values` last."""
    found = []
    for number, asset in enumerate(inputs.get("valueYamlFiles") or []):
        if isinstance(asset, Unknown):
            continue
        name = f"valueYamlFiles[{number}]"
        try:
            text = asset["text"] if "text" in asset else Path(asset["path"]).read_text()
            document = yaml.safe_load(text)
        except (KeyError, TypeError):
            raise PluginError(f"{name}: must be a FileAsset or a StringAsset") from None
        except OSError as error:
            raise PluginError(f"{name}: cannot read it: {error.strerror}: {asset['path']}") from None
        except yaml.YAMLError as error:
            raise PluginError(f"{name}: no valid YAML: {str(error).splitlines()[0]}") from None
        if document is not None and not isinstance(document, dict):
            raise PluginError(f"{name}: holds a {type(document).__name__}; values are a mapping")
        found.append(document or {})
    values = inputs.get("values")
    return [*found, values] if isinstance(values, dict) and values else found


def with_placeholders(value: Plain) -> Plain:
    """The values with a text in place of what is not known yet, so that the chart can be rendered."""
    if isinstance(value, Unknown):
        return PLACEHOLDER
    if isinstance(value, dict):
        return {key: with_placeholders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_placeholders(item) for item in value]
    return value
