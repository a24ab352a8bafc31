"""How clusters, node groups and add-ons move from one status to the next. `advance` is called every tick."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.aws.ec2 import reservations
from sandbox.aws.eks import capacity_rules, fleet, network, rollout
from sandbox.aws.eks import nodegroup_rules as rules
from sandbox.aws.eks.store import Addon, Cluster, NodeGroup, Store, Update
from sandbox.aws.eks.tables import ADDONS
from sandbox.aws.settings import Settings

_LOG = logging.getLogger("sandbox.aws")


def advance(store: Store, settings: Settings) -> None:
    """One step for everything that is under way."""
    with _on_its_own("capacity blocks"):
        reservations.end_blocks()
    for cluster in list(store.clusters.values()):
        with _on_its_own(cluster.arn):
            _advance_cluster(store, cluster, settings)


_troubled: dict[str, str] = {}
"""What did not advance at its last step, and why: five steps a second are not to fill the log."""


@contextmanager
def _on_its_own(what: str) -> Iterator[None]:
    """One part's trouble is logged once and stops no other; the next step tries again."""
    try:
        yield
    except Exception as error:
        if _troubled.get(what) != repr(error):
            _troubled[what] = repr(error)
            _LOG.exception("%s did not advance; each step tries again", what)
    else:
        _troubled.pop(what, None)


def _advance_cluster(store: Store, cluster: Cluster, settings: Settings) -> None:
    if cluster.status == "CREATING" and settings.self_sufficient:
        ready(cluster, f"https://{cluster.oidc_id}.gr7.{cluster.region}.eks.amazonaws.com", "c2FuZGJveA==")
    elif cluster.status == "DELETING" and settings.self_sufficient:
        remove(store, cluster)
        return
    elif cluster.status == "UPDATING" and (cluster.target is None or settings.self_sufficient):
        updated(cluster)
    for group in list(cluster.nodegroups.values()):
        with _on_its_own(group.arn):
            _advance_group(cluster, group, settings)
    for addon in list(cluster.addons.values()):
        with _on_its_own(addon.arn):
            _advance_addon(cluster, addon, settings)


def ready(cluster: Cluster, endpoint: str, ca: str) -> None:
    """The control plane answers at `endpoint`; `ca` is base64 of its certificate authority."""
    cluster.endpoint, cluster.ca = endpoint, ca
    if cluster.status == "CREATING":
        cluster.status = "ACTIVE"


def updated(cluster: Cluster) -> None:
    """The change that is under way holds: the control plane runs as it says."""
    cluster.status, cluster.version, cluster.target = "ACTIVE", cluster.target or cluster.version, None
    for update in cluster.updates.values():
        if update.nodegroup is None and update.addon is None and update.status == "InProgress":
            update.status = "Successful"


def remove(store: Store, cluster: Cluster) -> None:
    """The control plane is gone: so are the cluster and what it put into the VPC."""
    network.detach(cluster.region, cluster.vpc_config["clusterSecurityGroupId"], cluster.interfaces)
    store.clusters.pop((cluster.region, cluster.name), None)


def _issue(code: str, message: str, resources: list[str]) -> dict[str, Any]:
    return {"code": code, "message": message, "resourceIds": resources}


def _advance_group(cluster: Cluster, group: NodeGroup, settings: Settings) -> None:
    live = [instance.id for instance in fleet.instances(cluster, group)]
    if group.status == "DELETING":
        fleet.terminate(cluster, group, live)
        fleet.delete_profile(group)
        del cluster.nodegroups[group.name]
        return
    if group.update is not None and group.update.kind == "VersionUpdate":
        rollout.step(cluster, group, live, settings)
        return
    _end_with_block(cluster, group)
    wanted = group.scaling["desiredSize"]
    if len(live) > wanted or group.drains:
        rollout.scale_in(cluster, group, live, wanted, settings)
    reason = fleet.launch(cluster, group, wanted - len(live)) if len(live) < wanted else None
    if settings.self_sufficient:
        group.joined |= set(group.instances)
    _settle(group, wanted, reason, settings)


def _end_with_block(cluster: Cluster, group: NodeGroup) -> None:
    """EKS scales a group of a Capacity Block to 0 before EC2 ends its instances."""
    if group.request.get("capacityType") == capacity_rules.BLOCK and group.scaling["desiredSize"]:
        data = rules.template_of(cluster.region, fleet.named(group))[1]
        if capacity_rules.block_ends(cluster.region, data):
            group.scaling = {**group.scaling, "minSize": 0, "desiredSize": 0}


def _settle(group: NodeGroup, wanted: int, reason: str | None, settings: Settings) -> None:
    unjoined = sorted(set(group.instances) - group.joined)
    waited = time.monotonic() - group.since
    issues = [_issue("AsgInstanceLaunchFailures", reason, [group.asg])] if reason else []
    healthy = not reason and len(group.instances) == wanted and not unjoined
    if group.status == "CREATING":
        if healthy:
            group.status, group.issues = "ACTIVE", []
        elif reason and waited > settings.launch_patience:
            group.status, group.issues = "CREATE_FAILED", issues
        elif unjoined and waited > settings.join_patience:
            missing = _issue(
                "NodeCreationFailure", "Instances failed to join the kubernetes cluster", unjoined
            )
            group.status, group.issues = "CREATE_FAILED", [*issues, missing]
    elif group.status == "UPDATING":
        # EKS ends a configuration update when the Auto Scaling group has the new numbers, not when nodes are
        # there.
        rollout.finish(group, "Successful", [])
        group.status, group.issues = ("DEGRADED", issues) if reason else ("ACTIVE", [])
    elif group.status in ("ACTIVE", "DEGRADED"):
        group.status, group.issues = ("DEGRADED", issues) if reason else ("ACTIVE", [])


def _advance_addon(cluster: Cluster, addon: Addon, settings: Settings) -> None:
    if addon.status == "DELETING":
        del cluster.addons[addon.name]
        return
    if cluster.status not in ("ACTIVE", "UPDATING"):
        return
    has_node = any(group.joined for group in cluster.nodegroups.values())
    if has_node or not ADDONS[addon.name].needs_nodes:
        addon.status, addon.issues = "ACTIVE", []
        _end_addon_update(addon.update)
        addon.update = None
    elif addon.status != "DEGRADED" and time.monotonic() - addon.since > settings.addon_patience:
        message = "The add-on is unhealthy because it doesn't have the desired number of replicas."
        addon.status, addon.issues = "DEGRADED", [_issue("InsufficientNumberOfReplicas", message, [])]


def _end_addon_update(update: Update | None) -> None:
    if update is not None:
        update.status = "Successful"
