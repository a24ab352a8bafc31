"""charts/gateway and charts/vllm together: who reaches whom, by the sandbox's evaluation of NetworkPolicies."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
import yaml

from sandbox.reachability.objects import Cluster, Outside, Peer, Pod
from sandbox.reachability.policies import reach
from tests.charts.conftest import ROOT, helm
from tests.charts.test_gateway_chart import values_of, with_defaults

GATEWAY, SERVING = "bastide-gateway", "bastide-serving"
OURS = {"app.kubernetes.io/part-of": "bastide"}
NAMESPACES = {
    GATEWAY: {**OURS, "kubernetes.io/metadata.name": GATEWAY},
    SERVING: {**OURS, "kubernetes.io/metadata.name": SERVING},
    "bastide-monitoring": {**OURS, "kubernetes.io/metadata.name": "bastide-monitoring"},
    "kube-system": {"kubernetes.io/metadata.name": "kube-system"},
    "apps": {"kubernetes.io/metadata.name": "apps"},
    "platform": {"kubernetes.io/metadata.name": "platform"},
}


def objects(chart: str, release: str, namespace: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    done = helm(
        "template", release, str(ROOT / "charts" / chart), "-n", namespace, "-f", "-", given=yaml.safe_dump(values)
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def shut(namespace: str) -> dict[str, Any]:
    """What the kit's namespaces begin with."""
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


class World:
    """Both charts applied, and the pods that they would make."""

    def __init__(self, values: dict[str, Any]) -> None:
        made = objects("gateway", "gateway", GATEWAY, values)
        engine = yaml.safe_load((ROOT / "charts/vllm/ci/sandbox-values.yaml").read_text())
        made += objects("vllm", "vllm-chat", SERVING, engine)
        policies = [each for each in made if each["kind"] == "NetworkPolicy"]
        self.cluster = Cluster(NAMESPACES, (shut(GATEWAY), shut(SERVING), *policies))
        self.pods = {
            each["metadata"]["name"]: Pod(
                each["metadata"]["namespace"],
                each["metadata"]["name"],
                (each["spec"].get("template") or each)["metadata"]["labels"],
            )
            for each in made
            if each["kind"] in ("Deployment", "StatefulSet", "Job", "Pod")
        }

    def way(self, source: Peer | str, target: Peer | str) -> str:
        """Ports on which the first reaches the second."""
        from_, to = (self.pods[each] if isinstance(each, str) else each for each in (source, target))
        return str(reach(self.cluster, from_, to).ports)


@pytest.fixture(scope="module")
def whole() -> World:
    return World(with_defaults(values_of("whole")))


@pytest.fixture(scope="module")
def plain() -> World:
    return World(with_defaults(values_of("plain")))


def pod(namespace: str, **labels: str) -> Pod:
    return Pod(namespace, "", {key.replace("_", "/", 1): value for key, value in labels.items()})


def at(address: str) -> Outside:
    return Outside(ip_address(address))


MONITORING = Pod("bastide-monitoring", "", {"bastide.dev/role": "monitoring"})
DNS = Pod("kube-system", "", {"k8s-app": "kube-dns"})


def test_who_reaches_the_gateway(whole: World) -> None:
    assert whole.way(at("10.32.96.17"), "gateway") == "TCP 4000"  # the load balancer
    assert whole.way(pod("apps", app="assistant"), "gateway") == "TCP 4000"
    assert whole.way("gateway-test", "gateway") == "TCP 4000"
    assert whole.way(MONITORING, "gateway") == "TCP 4001"
    # Management calls.
    assert whole.way("gateway-teams", "gateway") == "TCP 4002"
    assert whole.way(pod("platform", app="jump-host"), "gateway") == "TCP 4002"


def test_who_does_not(whole: World, plain: World) -> None:
    for source in (
        at("10.32.0.5"),
        at("203.0.113.9"),
        pod("apps", app="another"),
        pod("platform", app="assistant"),
        pod(GATEWAY, app="assistant"),
        "pii",
        "vllm-chat",
        "gateway-migrate",
        Pod("apps", "", {"bastide.dev/role": "monitoring"}),
    ):
        assert whole.way(source, "gateway") == "none", source
    for source in (at("10.32.96.17"), pod("apps", app="assistant"), pod("platform", app="jump-host")):
        assert plain.way(source, "gateway") == "none", source


def test_whom_the_gateway_reaches(whole: World, plain: World) -> None:
    for world in (whole, plain):
        assert world.way("gateway", "vllm-chat") == "TCP 8000"
        assert world.way("gateway", DNS) == "TCP 53, UDP 53"
        assert world.way("gateway", at("169.254.170.23")) == "TCP 80"
        assert world.way("gateway", at("169.254.169.254")) == "none"
        assert world.way("gateway", pod("apps", app="assistant")) == "none"
        assert world.way("gateway", MONITORING) == "none"
    assert whole.way("gateway", "pii") == "TCP 8443"
    assert whole.way("gateway", at("10.32.32.9")) == "TCP 443, TCP 5432, TCP 6379"
    assert plain.way("gateway", at("10.20.1.9")) == "TCP 5432, TCP 6379"


def test_the_internet_is_open_where_something_is_hosted_and_on_its_ports_alone(
    whole: World, plain: World
) -> None:
    assert whole.way("gateway", at("203.0.113.9")) == "TCP 443, TCP 8443"
    assert whole.way("gateway", at("10.99.3.3")) == "TCP 443, TCP 8443"
    assert whole.way("gateway", at("10.98.3.3")) == "none"
    assert plain.way("gateway", at("203.0.113.9")) == "none"
    assert plain.way("gateway", at("10.99.3.3")) == "none"


def test_an_engine_and_the_pii_service_have_no_way_out_whatever_is_hosted(whole: World) -> None:
    """What a regulated text passes through beside the gateway: its pool, and the service that reads it."""
    for address in ("203.0.113.9", "10.99.3.3", "10.32.96.17", "169.254.169.254"):
        assert whole.way("vllm-chat", at(address)) == "none"
        assert whole.way("pii", at(address)) == "none"
    assert whole.way("pii", DNS) == "none"
    assert whole.way("pii", "vllm-chat") == "none"


def test_jobs_reach_what_they_are_for(whole: World) -> None:
    assert whole.way("gateway-migrate", at("10.32.0.5")) == "TCP 443, TCP 5432"
    assert whole.way("gateway-migrate", "vllm-chat") == "none"
    assert whole.way("gateway-migrate", at("203.0.113.9")) == "none"
    assert whole.way("gateway-teams", at("10.32.0.5")) == "none"
    assert whole.way("gateway-teams", "vllm-chat") == "none"
    assert whole.way("gateway-test", "vllm-chat") == "none"
    for job in ("gateway-migrate", "gateway-teams", "gateway-test"):
        assert whole.way("gateway", job) == "none"
        assert whole.way(at("203.0.113.9"), job) == "none"


def test_only_the_gateway_reaches_the_pii_service(whole: World) -> None:
    for source in (
        "gateway-teams",
        "gateway-migrate",
        "gateway-test",
        "vllm-chat",
        MONITORING,
        at("10.32.96.17"),
    ):
        assert whole.way(source, "pii") == "none", source
