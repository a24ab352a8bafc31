"""How a node group's instances are replaced and ended: drained first, within its update configuration.

Source: EKS user guide, "Understand each phase of node updates", and the API reference of
NodegroupUpdateConfig.
- DEFAULT starts new nodes first, cordons every old one once they are ready, and drains at most maxUnavailable
  at a time. EKS launches up to twice the number of zones more; here one for each zone that has an old node, or
  maxUnavailable where that is more: the least that meets the guide's conditions.
- MINIMAL drains and ends at most maxUnavailable, and starts their replacements then.
- A node that cannot be drained in time fails the update with PodEvictionFailure, unless it is forced. EKS waits
  15 minutes and the sandbox `Settings.drain_patience`.
Evictions are the daemon's (sandbox.cluster.drain): here it is only known which instances have to be drained.
"""

from __future__ import annotations

import time
from typing import Any

from sandbox.aws.eks import fleet
from sandbox.aws.eks.store import Cluster, Drain, NodeGroup
from sandbox.aws.settings import Settings


def finish(group: NodeGroup, status: str, errors: list[dict[str, Any]]) -> None:
    """Ends the group's update."""
    if group.update is not None:
        group.update.status, group.update.errors = status, errors
    group.update, group.before, group.surge, group.cordoned, group.force = None, None, None, False, False


def at_once(group: NodeGroup, wanted: int) -> int:
    """How many nodes an update may make unavailable at a time."""
    percentage = group.update_config.get("maxUnavailablePercentage")
    if percentage:
        return max(1, wanted * int(percentage) // 100)
    return int(group.update_config.get("maxUnavailable", 1))


def drain(group: NodeGroup, ids: list[str]) -> None:
    """Asks for these instances' nodes to be drained."""
    for instance_id in ids:
        group.drains.setdefault(instance_id, Drain(since=time.monotonic()))


def ended_drains(group: NodeGroup, settings: Settings, *, force: bool) -> list[str]:
    """The instances that may be ended now: drained ones, and with `force` those that took too long."""
    if settings.self_sufficient:
        for entry in group.drains.values():
            entry.done = True
    return [
        instance_id
        for instance_id, entry in group.drains.items()
        if instance_id in group.instances and (entry.done or (force and _late(entry, settings)))
    ]


def _late(entry: Drain, settings: Settings) -> bool:
    return time.monotonic() - entry.since > settings.drain_patience


def scale_in(cluster: Cluster, group: NodeGroup, live: list[str], wanted: int, settings: Settings) -> None:
    """Drains and ends what is too many; a node that cannot be drained in time is ended all the same."""
    fleet.terminate(cluster, group, ended_drains(group, settings, force=True))
    leaving = [one for one in group.drains if one in group.instances]
    staying = len([one for one in live if one in group.instances]) - len(leaving)
    for back in leaving[: max(0, wanted - staying)]:  # wanted again meanwhile
        del group.drains[back]
    if staying > wanted:
        drain(group, fleet.surplus(cluster, group, staying - wanted))
        fleet.terminate(cluster, group, ended_drains(group, settings, force=False))


def step(cluster: Cluster, group: NodeGroup, live: list[str], settings: Settings) -> None:
    """One step of a rollout."""
    wanted, present = group.scaling["desiredSize"], group.present()
    fleet.terminate(cluster, group, ended_drains(group, settings, force=group.force))
    live = [one for one in live if one in group.instances]
    stale = [one for one in live if group.instances[one] != present]
    fresh = [one for one in live if group.instances[one] == present]
    if settings.self_sufficient:
        group.joined |= set(fresh)
    if not stale and len(fresh) >= wanted and set(fresh) <= group.joined:
        finish(group, "Successful", [])
        group.status, group.issues = "ACTIVE", []
        return
    late = [one for one, entry in group.drains.items() if one in stale and _late(entry, settings)]
    if late:
        _fail(group, *_eviction_failure(group, late))
        return
    if group.surge is None:
        group.surge = _surge(cluster, group, stale, wanted)
    missing = min(wanted - len(fresh), wanted + group.surge - len(live))
    reason = fleet.launch(cluster, group, missing) if missing > 0 else None
    if settings.self_sufficient:
        group.joined |= set(group.instances)
    waiting = set(fresh) - group.joined
    if reason is None and missing <= 0 and not waiting:
        group.since = time.monotonic()
        group.cordoned = group.surge > 0
        _drain_more(group, stale, live, wanted)
    elif time.monotonic() - group.since > (settings.launch_patience if reason else settings.join_patience):
        _fail(group, *_launch_failure(group, reason, sorted(waiting)))


def _surge(cluster: Cluster, group: NodeGroup, stale: list[str], wanted: int) -> int:
    if group.update_config.get("updateStrategy") == "MINIMAL":
        return 0
    zones = {one.availability_zone for one in fleet.instances(cluster, group) if one.id in stale}
    return min(len(stale), max(len(zones), at_once(group, wanted)))


def _drain_more(group: NodeGroup, stale: list[str], live: list[str], wanted: int) -> None:
    most, draining = at_once(group, wanted), [one for one in stale if one in group.drains]
    available = len([one for one in live if one in group.joined and one not in draining])
    room = min(most - len(draining), most - (wanted - available))
    drain(group, [one for one in stale if one not in group.drains][: max(0, room)])


def _eviction_failure(group: NodeGroup, late: list[str]) -> tuple[str, str, list[str]]:
    why = "; ".join(dict.fromkeys(group.drains[one].refusal for one in late if group.drains[one].refusal))
    message = f"Reached max retries while trying to evict pods from nodes in node group {group.name}"
    return "PodEvictionFailure", f"{message}: {why}" if why else message, late


def _launch_failure(group: NodeGroup, reason: str | None, waiting: list[str]) -> tuple[str, str, list[str]]:
    if reason:
        return "AsgInstanceLaunchFailures", reason, [group.asg]
    message = f"Couldn't proceed with upgrade process as new nodes are not joining node group {group.name}"
    return "NodeCreationFailure", message, waiting or [group.asg]


def _fail(group: NodeGroup, code: str, message: str, resources: list[str]) -> None:
    """The update fails and the group asks for what it asked for before. Old nodes take pods again; new ones that
    are too many now are drained and ended as on any scale-in."""
    for name, value in (group.before or {}).items():
        setattr(group, name, value)
    group.drains.clear()
    finish(group, "Failed", [{"errorCode": code, "errorMessage": message, "resourceIds": resources}])
    group.status, group.issues = "ACTIVE", []
