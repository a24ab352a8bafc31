"""The scanner finds a value in every form in which one gets out, and nothing where there is none."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from tests.secret_scan import SecretScanner, cluster_places

VALUE = 'sk-Canary/7+"q9'
SCANNER = SecretScanner({"gateway-master-key": VALUE})


def helm_release(text: str) -> dict[str, object]:
    """A release as Helm keeps it: gzip in base64, as data of a Secret in base64 again."""
    packed = base64.b64encode(gzip.compress(json.dumps({"config": {"key": text}}).encode()))
    data = {"release": base64.b64encode(packed).decode()}
    return {
        "kind": "Secret",
        "metadata": {"name": "sh.helm.release.v1.gateway.v1", "namespace": "n"},
        "data": data,
    }


PLANTED = {
    "environment": {"kind": "Pod", "spec": {"containers": [{"env": [{"name": "KEY", "value": VALUE}]}]}},
    "arguments": {"kind": "Pod", "spec": {"containers": [{"args": [f"--key={VALUE}"]}]}},
    "ConfigMap": {"kind": "ConfigMap", "data": {"config.yaml": f"master_key: {VALUE}\n"}},
    "annotation": {"metadata": {"annotations": {"last-applied": json.dumps({"a": VALUE})}}},
    "URL": f"postgres://gateway:{VALUE.replace('/', '%2F').replace('+', '%2B').replace(chr(34), '%22')}@host/db",
    "data of a Secret": {"data": {"key": base64.b64encode(VALUE.encode()).decode()}},
    "inside of other data": {"data": {"env": base64.b64encode(f"KEY={VALUE}\n".encode()).decode()}},
    "basic authentication": "Authorization: Basic " + base64.b64encode(f"me:{VALUE}".encode()).decode(),
    "log": f"2026-11-21 key is {VALUE}\n".encode(),
    "Helm release": helm_release(VALUE),
}


@pytest.mark.parametrize("place", PLANTED)
def test_what_is_planted_is_found_and_the_finding_has_not_the_value(place: str) -> None:
    found = SCANNER.scan({place: PLANTED[place]})
    assert found, place
    assert {each.secret for each in found} == {"gateway-master-key"}
    assert VALUE not in str(list(map(str, found)))


@pytest.mark.parametrize("place", PLANTED)
def test_the_same_place_with_another_value_is_clean(place: str) -> None:
    assert SecretScanner({"other": "sk-Somebody-elses"}).scan({place: PLANTED[place]}) == []


def test_folders_and_lists_of_objects_are_looked_through_by_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.log").write_text(f"x {VALUE}")
    (tmp_path / "clean.log").write_text("nothing")
    pods = [
        {"kind": "Pod", "metadata": {"namespace": "n", "name": "good"}},
        {"kind": "Pod", "metadata": {"namespace": "n", "name": "bad"}, "x": VALUE},
    ]
    found = SCANNER.scan({"logs": tmp_path, "objects": pods})
    assert sorted({each.place for each in found}) == ["logs deep/a.log", "objects Pod n/bad"]


def test_of_a_cluster_only_the_data_of_the_secrets_own_holder_are_left_out() -> None:
    data = {"key": base64.b64encode(VALUE.encode()).decode()}
    holder = {"kind": "Secret", "metadata": {"namespace": "n", "name": "gateway-secrets"}, "data": data}
    other = {"kind": "Secret", "metadata": {"namespace": "n", "name": "copy"}, "data": data}
    told = {"kind": "Secret", "metadata": {**holder["metadata"], "annotations": {"x": VALUE}}, "data": data}  # type: ignore[dict-item]

    def objects(*secrets: object) -> list[str]:
        def get(*args: str) -> dict[str, object]:
            return {"items": list(secrets) if "secrets" in args[1].split(",") else []}

        return sorted({each.place for each in SCANNER.scan(cluster_places(get))})

    assert objects(holder) == []
    assert objects(holder, other) == ["cluster Secret n/copy"]
    assert objects(told) == ["cluster Secret n/gateway-secrets"]


def test_a_value_too_short_to_mean_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="proves nothing"):
        SecretScanner({"x": "abc"})
