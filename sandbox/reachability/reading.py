"""A cluster's pods, namespaces and policies, from its API server; the networks around it, from AWS."""

from __future__ import annotations

import json
import subprocess
from ipaddress import ip_address
from typing import Any, Final

import yaml

from sandbox import state
from sandbox.environment import full_environment
from sandbox.reachability.objects import Cluster, NamedPort, Pod
from sandbox.reachability.places import METADATA, POD_IDENTITY, Place, internet, place
from sandbox.reachability.table import View
from sandbox.state import World
from sandbox.toolchain import paths

_ENDED: Final = ("Succeeded", "Failed")

_KUBECTL_S: Final = 60


class ReadingError(Exception):
    """The cluster could not be read; the text says why and what to do."""


def view(world: World, context: str | None) -> View:
    """The cluster behind a context of the sandbox's kubeconfig, or behind the current one."""
    region, name, chosen = _cluster(context)
    found = _objects(world, chosen)
    namespaces = {
        each["metadata"]["name"]: each["metadata"].get("labels") or {}
        for each in found
        if each["kind"] == "Namespace"
    }
    policies = tuple(each for each in found if each["kind"] == "NetworkPolicy")
    owners = {each["metadata"]["uid"]: _controller(each) for each in found if each["kind"] == "ReplicaSet"}
    pods = tuple(
        pod_of(each, owners)
        for each in found
        if each["kind"] == "Pod" and each.get("status", {}).get("phase") not in _ENDED
    )
    return View(Cluster(namespaces, policies), pods, _places(world, region, name))


def _cluster(context: str | None) -> tuple[str, str, str]:
    """Region and name of the EKS cluster of a context, and the context."""
    try:
        config = yaml.safe_load((state.home() / "kubeconfig").read_text()) or {}
    except FileNotFoundError:
        config = {}
    contexts = {each["name"]: each["context"]["cluster"] for each in config.get("contexts") or ()}
    chosen = context or config.get("current-context") or ""
    if chosen not in contexts:
        there = ", ".join(sorted(contexts))
        raise ReadingError(
            f"--cluster: there is no cluster {chosen!r}; there are: {there}"
            if contexts
            else "there is no EKS cluster in this world; `make up` or `pulumi up` makes one"
        )
    region, name = contexts[chosen].split(":")[3], contexts[chosen].rsplit("/", 1)[-1]
    return region, name, chosen


def _objects(world: World, context: str) -> list[dict[str, Any]]:
    kinds = "namespaces,pods,networkpolicies.networking.k8s.io,replicasets.apps"
    done = subprocess.run(
        [str(paths().kube), "kubectl", f"--context={context}", "get", kinds, "-A", "-o", "json"],
        env=full_environment(world),
        capture_output=True,
        text=True,
        timeout=_KUBECTL_S,
    )
    if done.returncode != 0:
        raise ReadingError(f"the API server of {context} did not answer: {done.stderr.strip()}")
    return list(json.loads(done.stdout)["items"])


def _controller(item: dict[str, Any]) -> dict[str, Any]:
    owners = item["metadata"].get("ownerReferences") or ()
    return next((each for each in owners if each.get("controller")), {})


def pod_of(item: dict[str, Any], owners: dict[str, dict[str, Any]] | None = None) -> Pod:
    """A pod as the API server gives it; `owners` has the controller of each ReplicaSet by its uid."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    owner = _controller(item)
    owner = (owners or {}).get(owner.get("uid", "")) or owner
    addresses = status.get("podIPs") or ([{"ip": status["podIP"]}] if status.get("podIP") else [])
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        named_ports=tuple(
            NamedPort(port["name"], port.get("protocol") or "TCP", port["containerPort"])
            for container in spec["containers"]
            for port in container.get("ports") or ()
            if port.get("name")
        ),
        addresses=tuple(ip_address(each["ip"]) for each in addresses if each.get("ip")),
        host_network=bool(spec.get("hostNetwork")),
        owner=f"{owner['kind']}/{owner['name']}" if owner else "",
    )


def _places(world: World, region: str, name: str) -> tuple[Place, ...]:
    found = state.aws_client("eks", region, world.aws_endpoint).describe_cluster(name=name)["cluster"]
    services = found["kubernetesNetworkConfig"]["serviceIpv4Cidr"]
    ec2 = state.aws_client("ec2", region, world.aws_endpoint)
    vpc = ec2.describe_vpcs(VpcIds=[found["resourcesVpcConfig"]["vpcId"]])["Vpcs"][0]
    blocks = [each["CidrBlock"] for each in vpc.get("CidrBlockAssociationSet") or ()] or [vpc["CidrBlock"]]
    return (
        internet((*blocks, services)),
        place(f"VPC {', '.join(blocks)} (nodes, endpoints, API server, every pod's address)", blocks),
        place(f"Services {services} (the API server's is one)", [services]),
        place(f"instance metadata {METADATA}", [METADATA]),
        place(f"Pod Identity agent {POD_IDENTITY}", [POD_IDENTITY]),
    )
