"""A node group's instances: what its Auto Scaling group does on AWS, on moto's EC2."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from sandbox.aws import catalogue, identity
from sandbox.aws.eks import network
from sandbox.aws.eks import nodegroup_rules as rules
from sandbox.aws.eks.store import Cluster, NodeGroup
from sandbox.aws.errors import ApiError
from sandbox.state import ACCOUNT_ID

IMAGE = "ami-ekslinux"
"""moto's own stand-in for the EKS AMI, for a template that names none; no real image has this id."""

_NOUNS: Final = {"SPOT": "Spot", "CAPACITY_BLOCK": "Capacity Block"}


def create_profile(group: NodeGroup) -> None:
    """EKS puts the node role into an instance profile, which keeps the role from being deleted meanwhile."""
    iam = _iam()
    iam.create_instance_profile(_profile(group), "/", [])
    iam.add_role_to_instance_profile(_profile(group), group.request["nodeRole"].rpartition("/")[2])


def delete_profile(group: NodeGroup) -> None:
    """Takes the profile away with the group."""
    _iam().delete_instance_profile(_profile(group), ignore_attached_roles=True)


def _iam() -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[ACCOUNT_ID][identity.PARTITION]


def _profile(group: NodeGroup) -> str:
    return f"eks-{group.arn.rpartition('/')[2]}"


def instances(cluster: Cluster, group: NodeGroup) -> list[Any]:
    """The group's live EC2 instances in the order in which they were launched; forgets those that ended."""
    if not group.instances:
        return []
    wanted = set(group.instances)
    live = {
        i.id: i
        for i in network.ec2(cluster.region).all_instances()
        if i.id in wanted and i.state == "running"
    }
    for gone in wanted - set(live):
        _forget(group, gone)
    return [live[i] for i in group.instances]


def launch(cluster: Cluster, group: NodeGroup, count: int) -> str | None:
    """Launches up to `count` instances of what the group asks for now; gives AWS's reason for the first that
    failed."""
    for _ in range(count):
        reason = _launch_one(cluster, group)
        if reason is not None:
            return reason
    return None


def _launch_one(cluster: Cluster, group: NodeGroup) -> str | None:
    from moto.core.exceptions import ServiceException

    noun = _NOUNS.get(group.request.get("capacityType") or "", "On-Demand")
    crowd = Counter(instance.subnet_id for instance in instances(cluster, group))
    reason = None
    for instance_type in group.instance_types:
        try:
            subnet = _subnet(cluster, group, instance_type, crowd)
            made = _run(cluster, group, instance_type, subnet)
        except (ServiceException, ApiError) as error:
            # Also a subnet or a template that somebody deleted: AWS goes on trying, and says why it cannot.
            said = f"{error.code} - {error.message}"
            reason = f"Could not launch {noun} Instances. {said} Launching EC2 instance failed."
            continue
        group.instances[made.id] = group.present()
        return None
    return reason


def _subnet(cluster: Cluster, group: NodeGroup, instance_type: str, crowd: Counter[str]) -> Any:
    """The emptiest subnet in a zone that offers the type, the first of several."""
    subnets = network.subnets(cluster.region, group.request["subnets"])
    offered = catalogue.zones(cluster.region, instance_type)
    fitting = [subnet for subnet in subnets if subnet.availability_zone in offered]
    if not fitting:
        zones = ", ".join(sorted({subnet.availability_zone for subnet in subnets}))
        raise ApiError(
            "Unsupported",
            f"Your requested instance type ({instance_type}) is not supported in your requested "
            f"Availability Zone ({zones}).",
        )
    return min(fitting, key=lambda subnet: crowd[subnet.id])


def _run(cluster: Cluster, group: NodeGroup, instance_type: str, subnet: Any) -> Any:
    data: dict[str, Any] = {}
    if group.template:
        data = rules.template_of(cluster.region, named(group))[1]
    own = [cluster.vpc_config["clusterSecurityGroupId"]]
    # Where the template has interfaces, each has its groups, and there are none beside them.
    interfaces = [{**one, "Groups": one.get("Groups") or own} for one in data.get("NetworkInterfaces") or []]
    groups = [] if interfaces else list(data.get("SecurityGroupIds") or own)
    extra: dict[str, Any] = {}
    if group.template:
        extra["launch_template"] = {
            "LaunchTemplateId": group.template["id"],
            "Version": group.template["version"],
        }
    if data.get("BlockDeviceMappings"):
        # Given again: moto would add a root device of its own beside those of the template.
        extra["block_device_mappings"] = data["BlockDeviceMappings"]
    else:
        size = group.request.get("diskSize") or rules.DEFAULT_DISK_GIB
        extra["block_device_mappings"] = [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {
                    "VolumeSize": size,
                    "VolumeType": "gp3",
                    "Encrypted": False,
                    "DeleteOnTermination": True,
                },
            }
        ]
    if group.request.get("capacityType") == "SPOT":
        extra["instance_market_options"] = "spot"
    backend = network.ec2(cluster.region)
    made = backend.run_instances(
        data.get("ImageId") or IMAGE,
        1,
        data.get("UserData"),
        [],
        instance_type=instance_type,
        is_instance_type_default=False,
        region_name=cluster.region,
        subnet_id=subnet.id,
        security_group_ids=groups,
        nics=interfaces,
        associate_public_ip=None,
        tags={
            "instance": {
                "eks:cluster-name": cluster.name,
                "eks:nodegroup-name": group.name,
                f"kubernetes.io/cluster/{cluster.name}": "owned",
                "aws:autoscaling:groupName": group.asg,
            }
        },
        **extra,
    ).instances[0]
    backend.associate_iam_instance_profile(instance_id=made.id, iam_instance_profile_name=_profile(group))
    return made


def named(group: NodeGroup) -> dict[str, str]:
    """The group's launch template as a request names it; only for a group that has one."""
    template = group.template or {}
    return {"id": template["id"], "version": template["version"]}


def terminate(cluster: Cluster, group: NodeGroup, ids: list[str]) -> None:
    """Ends instances and forgets them."""
    if ids:
        network.ec2(cluster.region).terminate_instances(ids)
    for instance_id in ids:
        _forget(group, instance_id)


def _forget(group: NodeGroup, instance_id: str) -> None:
    group.instances.pop(instance_id, None)
    group.drains.pop(instance_id, None)
    group.joined.discard(instance_id)


def surplus(cluster: Cluster, group: NodeGroup, count: int) -> list[str]:
    """Which `count` to end on scale-in: what the group no longer asks for, from the fullest subnet, the oldest
    first.

    That is the default termination policy of Auto Scaling: the oldest template, balanced zones, then age.
    """
    live = [one for one in instances(cluster, group) if one.id not in group.drains]
    present, chosen = group.present(), []
    for _ in range(min(count, len(live))):
        crowd = Counter(i.subnet_id for i in live)
        victim = max(
            live, key=lambda i: (group.instances[i.id] != present, crowd[i.subnet_id], -live.index(i))
        )
        live.remove(victim)
        chosen.append(victim.id)
    return chosen
