"""What `bastide sandbox status` prints."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

from sandbox.aws.client import Aws
from sandbox.daemon import lifecycle
from sandbox.state import World, home

REAL: Final = (
    "the Pulumi engine; etcd, API server, controllers and scheduler of each EKS cluster; Helm and kubectl;",
    "AWS's request models (botocore) and resource schemas; AWS's catalogue of instance types",
)
EMULATED: Final = (
    "AWS itself (moto, and the calls it lacks); nodes but for live ones (no kubelet), and their pods (ready by",
    "decree, nothing runs); GPUs and EFA devices (announced when their device plugin's pod stands);",
    "EKS access policies (as RBAC)",
)
LIVE: Final = (
    "nodes marked live: the kubelet, and containers as processes of this machine with probes, logs, exec, drains",
    "and Services; images with a program here: vLLM on a CPU, the artifact agent, Envoy",
)
ABSENT: Final = (
    "networks and load balancers, volumes, logs and exec of pods that are not live, IAM evaluation, bills;",
    "controllers that are pods: Karpenter's objects make no node, cert-manager's no certificate, KEDA's scale",
    "nothing, LeaderWorkerSet's make no pod",
)


def print_status(world: World) -> None:
    """Prints what runs and what it is worth."""
    told = lifecycle.status(world)
    live = any(node.get("live") for cluster in told["clusters"] for node in cluster["nodes"])
    print(f"AWS          {world.aws_endpoint}")
    real = (REAL[0], f"{REAL[1]};", *LIVE) if live else REAL
    for name, lines in (("real", real), ("emulated", EMULATED), ("absent", ABSENT)):
        for number, line in enumerate(lines):
            print(f"{name if number == 0 else '':12} {line}")
    print("             (docs/sandbox.md says how each difference could mislead)")
    _print_processes(told["processes"])
    for cluster in told["clusters"]:
        _print_cluster(cluster)
    if not told["clusters"]:
        print("\nno EKS cluster")
    faults = lifecycle.fault_lines(Aws(world.aws_endpoint).faults())
    print("\nfaults       " + ("\n             ".join(faults) or "none"))
    print_noted()


def _print_processes(found: list[dict[str, Any]]) -> None:
    print(f"\n{'process':44} {'pid':>8} {'MiB':>6}")
    for process in found:
        gone = "" if process["running"] else "  ENDED BY ITSELF (bastide sandbox logs)"
        print(f"{process['part']:44} {process['pid']:>8} {process['mib']:>6}{gone}")
    print(f"{'together':44} {'':>8} {sum(process['mib'] for process in found):>6}")


def _print_cluster(cluster: dict[str, Any]) -> None:
    ready = f"ready after {cluster['ready_seconds']:.1f} s" if cluster["ready_seconds"] else "starting"
    where = f"{cluster['region']}, {cluster['version']}"
    print(f"\ncluster {cluster['name']} ({where}), {cluster['aws_status']}, {ready}")
    if cluster["endpoint"]:
        print(f"  {cluster['endpoint']}")
    if cluster["problem"]:
        print(f"  PROBLEM: {cluster['problem']}")
    if cluster["addons_without_workload"]:
        print(f"  add-ons that bring nothing here: {', '.join(cluster['addons_without_workload'])}")
    for node in cluster["nodes"]:
        devices = ", ".join(f"{count} {kind}" for kind, count in node["devices"].items()) or "no devices"
        state = "Ready" if node["ready"] else "NotReady"
        place = f"{node['name']:44} {node['type']:14} {node['zone']:12}"
        live = ", live" if node.get("live") else ""
        print(f"  {place} {state:9} {node['pods']:3} pods, {devices}{live}")


def print_noted() -> None:
    """Prints what of the stacks was not done as a real cluster would."""
    noted = not_rendered()
    unattended = Counter(each["unattended"] for each in noted if "unattended" in each)
    for each in noted:
        unattended.update(each.get("unattendedOfChart", {}))
    if unattended:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(unattended.items()))
        print(f"unattended   {kinds}: their controllers are pods, and no pod runs")
    for chart in (each for each in noted if "unattended" not in each):
        name = f"{chart.get('chart', '?')} {chart.get('version', '')}".strip()
        if chart.get("leftOut"):
            print(f"left out     {name}: {', '.join(chart['leftOut'])} (no pod runs that would answer)")
        if "reason" not in chart and (chart.get("leftOut") or "unattendedOfChart" in chart):
            continue
        print(f"not rendered {name}: {chart.get('reason', 'its chart could not be had')}")


def not_rendered() -> list[dict[str, Any]]:
    """Charts that the Kubernetes plugin could not get, as it recorded them."""
    try:
        lines = (home() / lifecycle.NOT_RENDERED).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.strip()]
