"""One row for each node group, made from what the world says of it: EKS, EC2 and the API server."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .conftest import Sandbox


@dataclass(frozen=True)
class Row:
    """A node group as the world has it. Sets are written as sorted, joined text."""

    pool: str
    eks: str
    """Capacity type, AMI type, sizes, strategy of updates."""
    template: str
    """Market, reservation, placement group, IMDS of the launch template."""
    instances: str
    """Count, type, zones, lifecycle, reservation, placement group."""
    interfaces: str
    """Interfaces of one instance: count by type, and cards."""
    nodes: str
    """Ready nodes and what each offers."""


def pool_table(sandbox: Sandbox, cluster: str, region: str) -> list[Row]:
    """All node groups of a cluster, by pool and capacity type."""
    eks, ec2 = sandbox.aws("eks", region), sandbox.aws("ec2", region)
    nodes = sandbox.kubectl("get", "nodes")["items"]
    rows = []
    for name in eks.list_nodegroups(clusterName=cluster)["nodegroups"]:
        group = eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
        reference = group["launchTemplate"]
        template = ec2.describe_launch_template_versions(
            LaunchTemplateId=reference["id"], Versions=[reference["version"]]
        )["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        found = ec2.describe_instances(
            Filters=[
                {"Name": "tag:eks:nodegroup-name", "Values": [name]},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
        )
        instances = [each for item in found["Reservations"] for each in item["Instances"]]
        own = [n for n in nodes if n["metadata"]["labels"]["eks.amazonaws.com/nodegroup"] == name]
        rows.append(
            Row(
                group["labels"]["bastide.dev/pool"],
                _eks(group),
                _template(template),
                _instances(instances),
                _interfaces(instances),
                _nodes(own),
            )
        )
    return sorted(rows, key=lambda row: (row.pool, row.eks))


def _eks(group: dict[str, Any]) -> str:
    size, update = group["scalingConfig"], group["updateConfig"]
    return (
        f"{group['capacityType']} {group['amiType']} {size['minSize']}/{size['desiredSize']}/{size['maxSize']} "
        f"{update['updateStrategy']} by {update['maxUnavailable']}"
    )


def _template(data: dict[str, Any]) -> str:
    metadata = data["MetadataOptions"]
    said = [f"IMDS {metadata['HttpTokens']} {metadata['HttpPutResponseHopLimit']}"]
    if market := data.get("InstanceMarketOptions"):
        said.append(f"market {market['MarketType']}")
    if target := data.get("CapacityReservationSpecification", {}).get("CapacityReservationTarget"):
        said.append(f"reservation {next(iter(target.values()))}")
    if placement := data.get("Placement"):
        said.append(f"placed {placement['GroupName']}")
    said += [
        f"{each['DeviceName']} {each['Ebs']['VolumeType']}{' encrypted' if each['Ebs']['Encrypted'] else ''}"
        for each in data["BlockDeviceMappings"]
    ]
    return ", ".join(said)


def _instances(instances: list[dict[str, Any]]) -> str:
    def all_of(value: Any) -> str:
        return "+".join(sorted({str(value(each)) for each in instances if value(each)}))

    said = [
        f"{len(instances)} {all_of(lambda each: each['InstanceType'])}".strip(),
        all_of(lambda each: each["Placement"]["AvailabilityZone"]),
        all_of(lambda each: each.get("InstanceLifecycle", "")),
        all_of(lambda each: each.get("CapacityReservationId", "")),
        all_of(lambda each: each["Placement"].get("GroupName", "")),
    ]
    return " ".join(part for part in said if part)


def _interfaces(instances: list[dict[str, Any]]) -> str:
    """The interfaces that all instances have; several kinds of instance are told one after the other."""
    told = set()
    for instance in instances:
        counted: dict[str, int] = {}
        for each in instance["NetworkInterfaces"]:
            counted[each.get("InterfaceType", "interface")] = (
                counted.get(each.get("InterfaceType", "interface"), 0) + 1
            )
        cards = {each["Attachment"].get("NetworkCardIndex", 0) for each in instance["NetworkInterfaces"]}
        told.add(
            ", ".join(f"{count} {kind}" for kind, count in sorted(counted.items()))
            + f" on {len(cards)} cards"
        )
    return "; ".join(sorted(told))


def _nodes(nodes: list[dict[str, Any]]) -> str:
    told = set()
    for node in nodes:
        offered = node["status"]["allocatable"]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
        devices = [
            f"{offered[k]} {k.split('/')[1]}" for k in sorted(offered) if "nvidia.com" in k or "/efa" in k
        ]
        taints = [each["key"] for each in node["spec"].get("taints", [])]
        told.add(
            ("Ready" if ready else "NotReady")
            + f", {', '.join(devices) or 'no devices'}, tainted {'+'.join(sorted(taints)) or 'not'}"
        )
    return f"{len(nodes)} " + "; ".join(sorted(told)) if nodes else "0"


def print_table(rows: list[Row]) -> None:
    """Prints the rows, one fact a line under its pool: they are too long for columns."""
    for row in rows:
        print(f"\n{row.pool}")
        for name, value in list(asdict(row).items())[1:]:
            print(f"  {name:11} {value}")
