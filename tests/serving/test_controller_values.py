"""Values of KEDA's and LeaderWorkerSet's charts: known to the chart, hardened, and few ways for their pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bastide.plans import keda, leader_worker_set
from bastide.settings import Settings, SettingsError, read_stack_file
from sandbox.reachability.objects import Cluster, Outside, Pod
from sandbox.reachability.places import ip_network
from sandbox.reachability.policies import one_way
from sandbox.reachability.ports import NONE, ports

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
KEDA_VALUES = Path(__file__).parent / "keda-2.20.2-values.txt"
DIGEST = "sha256:" + "ab" * 32
BOTH = {"scaling": {"enabled": True}, "multiNode": {"enabled": True}}


def settings_with(**changes: Any) -> Settings:
    return Settings.load({**read_stack_file(STACK), **changes})


def known() -> dict[str, str]:
    lines = (line for line in KEDA_VALUES.read_text().splitlines() if not line.startswith("#"))
    return dict(line.split(": ", 1) for line in lines)


def paths(values: dict[str, Any], accepted: dict[str, str], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{before}.{key}" if before else key
        if isinstance(value, dict) and accepted.get(path) == "map":
            yield from paths(value, accepted, path)
        else:
            yield path, value


@pytest.mark.parametrize("changes", [{"scaling": {"enabled": True}}, BOTH])
def test_kedas_chart_knows_every_value_that_it_is_given(changes: dict[str, Any]) -> None:
    accepted = known()
    kinds = {"str": str, "int": int, "bool": bool, "list": list, "map (free)": dict}
    given = dict(paths(keda.release_values(settings_with(**changes)), accepted))
    for path, value in given.items():
        if path.startswith("podSecurityContext.") and path.endswith(".seccompProfile"):
            continue  # the chart writes these maps into the pod whole (manager/deployment.yaml)
        assert path in accepted, path
        assert accepted[path] == "any" or isinstance(value, kinds[accepted[path]]), path


def test_a_wrong_value_would_be_found() -> None:
    accepted = known()
    assert "operator.replicas" not in accepted
    assert dict(paths({"operator": {"replicas": 1}}, accepted)) == {"operator.replicas": 1}


def test_keda_may_scale_our_engines_only_and_reads_no_secret() -> None:
    for changes, kinds in (
        ({"scaling": {"enabled": True}}, []),
        (BOTH, [{"apiGroup": "leaderworkerset.x-k8s.io", "kind": "leaderworkersets"}]),
    ):
        values = keda.release_values(settings_with(**changes))
        assert values["watchNamespace"] == "bastide-serving"
        assert values["rbac"]["scaledRefKinds"] == kinds
        assert values["rbac"]["enabledCustomScaledRefKinds"] is bool(kinds)
        assert values["rbac"]["aggregateToDefaultRoles"] is False
        restrict = values["permissions"]
        assert restrict["operator"]["restrict"]["secret"]
        assert restrict["metricServer"]["restrict"]["secret"]
        assert values["crds"]["additionalAnnotations"] == {"helm.sh/resource-policy": "keep"}


def test_a_digest_reaches_charts_that_know_only_tags() -> None:
    image = {"repository": "mirror.example.com/keda", "tag": "2.20.2", "digest": DIGEST}
    other = {"repository": "mirror.example.com/lws", "tag": "v0.8.0", "digest": DIGEST}
    settings = settings_with(
        scaling={"enabled": True, "images": {"operator": image}},
        multiNode={"enabled": True, "image": other},
    )
    operator = keda.release_values(settings)["image"]["keda"]
    assert operator == {"registry": "", "repository": image["repository"], "tag": f"2.20.2@{DIGEST}"}
    manager = leader_worker_set.release_values(settings)["image"]["manager"]
    assert manager["tag"] == f"v0.8.0@{DIGEST}"
    told = [each for each in settings.unresolved() if each.startswith(("scaling", "multiNode"))]
    assert told == ["scaling.images.metricsServer.digest", "scaling.images.webhooks.digest"]
    off = settings_with()
    assert not [each for each in off.unresolved() if each.startswith(("scaling", "multiNode"))]


NAMESPACES = {
    "bastide-scaling": {"app.kubernetes.io/part-of": "bastide"},
    "bastide-groups": {"app.kubernetes.io/part-of": "bastide"},
    "bastide-monitoring": {"app.kubernetes.io/part-of": "bastide"},
    "bastide-serving": {"app.kubernetes.io/part-of": "bastide"},
    "kube-system": {"kubernetes.io/metadata.name": "kube-system"},
}
PROMETHEUS = Pod("bastide-monitoring", "prometheus", {"bastide.dev/role": "monitoring"})
ENGINE = Pod("bastide-serving", "engine", {"bastide.dev/role": "engine"})
DNS = Pod("kube-system", "dns", {"k8s-app": "kube-dns"})
OPERATOR, METRICS, WEBHOOKS = (
    Pod("bastide-scaling", name, labels)
    for name, labels in (("o", keda.OPERATOR), ("m", keda.METRICS_SERVER), ("w", keda.WEBHOOKS))
)
LWS = Pod("bastide-groups", "l", leader_worker_set.PODS)


def cluster(settings: Settings) -> Cluster:
    found = {
        "bastide-scaling": keda.network_policies(settings),
        "bastide-groups": leader_worker_set.network_policies(settings),
    }
    return Cluster(
        NAMESPACES,
        tuple(
            {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
            for namespace, policies in found.items()
            for name, spec in policies.items()
        ),
    )


def test_each_pod_of_a_controller_has_only_the_ways_it_needs() -> None:
    settings = settings_with(**BOTH)
    found = cluster(settings)
    vpc = Outside(ip_network(str(settings.network.cidr))[10])
    services = Outside(ip_network(str(settings.cluster.service_cidr))[1])
    internet, metadata = (Outside(ip_network(each)[0]) for each in ("8.8.8.8/32", "169.254.169.254/32"))

    def tcp(port: int) -> Any:
        return ports([("TCP", port, port)])

    dns = ports([("TCP", 53, 53), ("UDP", 53, 53)])
    inwards = {
        "operator": {"metrics": tcp(9666), "prometheus": tcp(8080)},
        "metrics": {"vpc": tcp(6443), "prometheus": tcp(8080)},
        "webhooks": {"vpc": tcp(9443), "prometheus": tcp(8080)},
        "lws": {"vpc": tcp(9443)},
    }
    everyone = {"dns": dns, "vpc": tcp(443), "services": tcp(443)}
    outwards = {
        "operator": {**everyone, "prometheus": tcp(9090)},
        "metrics": {**everyone, "operator": tcp(9666)},
        "webhooks": everyone,
        "lws": everyone,
    }
    controllers = {"operator": OPERATOR, "metrics": METRICS, "webhooks": WEBHOOKS, "lws": LWS}
    others = {"prometheus": PROMETHEUS, "engine": ENGINE, "dns": DNS}
    places = {"vpc": vpc, "services": services, "internet": internet, "metadata": metadata}
    for name, pod in controllers.items():
        for peer_name, peer in {**controllers, **others, **places}.items():
            if peer_name == name:
                continue
            into, out = (one_way(found, pod, way, peer).ports for way in ("Ingress", "Egress"))  # type: ignore[arg-type]
            assert into == inwards[name].get(peer_name, NONE), (name, peer_name)
            assert out == outwards[name].get(peer_name, NONE), (name, peer_name)


def test_an_engine_over_several_nodes_needs_the_controller() -> None:
    raw = read_stack_file(STACK)
    engine = {**raw["engines"][0], "nodes": 2}
    with pytest.raises(SettingsError) as refused:
        settings_with(engines=[engine])
    (told,) = [each for each in str(refused.value).splitlines() if "multiNode.enabled is off" in each]
    assert "engines[0].nodes: 2 while multiNode.enabled is off; allowed: 1, or any with" in told
