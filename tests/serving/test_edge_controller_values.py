"""Values of AWS Load Balancer Controller's chart: known to the chart, and nothing that makes load balancers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bastide.plans import edge
from bastide.settings import EdgeSettings, Settings, read_stack_file

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
KNOWN = Path(__file__).parent / "aws-load-balancer-controller-3.5.0-values.txt"


def settings() -> Settings:
    certified = {"internal": True, "domain": "gw.example.com", "zoneId": "Z1"}
    changes = {"certificates": certified, "gateway": {"enabled": True}, "edge": {}}
    return Settings.load({**read_stack_file(STACK), **changes})


def known() -> dict[str, str]:
    lines = (line for line in KNOWN.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split(": ", 1) for line in lines)


def paths(values: dict[str, Any], accepted: dict[str, str], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{before}.{key}" if before else key
        if isinstance(value, dict) and accepted.get(path) == "map":
            yield from paths(value, accepted, path)
        else:
            yield path, value


def test_the_chart_knows_every_value_that_it_is_given() -> None:
    accepted = known()
    kinds = {"str": str, "int": int, "bool": bool, "list": list, "map (free)": dict}
    given = dict(paths(edge.release_values(settings(), EdgeSettings(), "vpc-1"), accepted))
    assert len(given) > 25
    for path, value in given.items():
        # The chart writes these two maps into the pod whole.
        if path.startswith(("podSecurityContext.", "securityContext.")):
            continue
        assert path in accepted, path
        assert accepted[path] == "any" or isinstance(value, kinds[accepted[path]]), path
    assert "ingressClass.create" not in accepted


def test_only_the_binding_is_served() -> None:
    given = edge.release_values(settings(), EdgeSettings(), "vpc-1")
    for name in ("enableServiceMutatorWebhook", "createIngressClassResource", "enableWafv2", "enableShield"):
        assert given[name] is False
    assert given["watchNamespace"] == "bastide-gateway"
    assert given["securityContext"]["readOnlyRootFilesystem"] is True
    assert given["podSecurityContext"]["runAsNonRoot"] is True


def test_the_controller_reaches_aws_and_little_else() -> None:
    (policy,) = edge.network_policies(settings()).values()
    ports = {each["port"] for rule in policy["egress"] for each in rule["ports"]}
    assert ports == {53, 443, 80}
    (agent,) = [rule for rule in policy["egress"] if rule["ports"][0]["port"] == 80]
    assert agent["to"] == [{"ipBlock": {"cidr": "169.254.170.23/32"}}]
