"""LaunchTemplate: what an instance of a node group is made from. An update makes a new version.

The table's paths are the names of EC2's own request, so requests and answers are translated by the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.plugins.aws.framework import Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, Prop, judged, refused, tag_list, tags, update
from sandbox.plugins.protocol import Plain, Unknown, has_unknown

_DATA: Final = "LaunchTemplateData/"
_NO_IPV6: Final = refused("the kit's networks are IPv4 only")
_BY_AWS: Final = refused("AWS picks the addresses of nodes from their subnet")
_NOT_NODES: Final = refused("nodes of a node group do not take it")

NAME_LIMIT: Final = 128
"""EC2's limit for a launch template's name (CreateLaunchTemplate)."""


def _flag(value: Plain) -> Plain:
    """The SDK's class has these as strings, so that "not set" differs from false."""
    if value not in ("true", "false"):
        raise ValueError('the SDK\'s class takes the string "true" or "false" here')
    return value == "true"


_BLOCK_DEVICES: Final[Mapping[str, Prop]] = {
    "deviceName": judged("DeviceName"),
    "noDevice": judged("NoDevice"),
    "virtualName": judged("VirtualName"),
    "ebs": judged(
        "Ebs",
        fields={
            "deleteOnTermination": judged("DeleteOnTermination", encode=_flag),
            "encrypted": judged("Encrypted", encode=_flag),
            "iops": judged("Iops"),
            "kmsKeyId": judged("KmsKeyId"),
            "snapshotId": judged("SnapshotId"),
            "throughput": judged("Throughput"),
            "volumeInitializationRate": judged("VolumeInitializationRate"),
            "volumeSize": judged("VolumeSize"),
            "volumeType": judged("VolumeType"),
        },
    ),
}

_NETWORK_INTERFACES: Final[Mapping[str, Prop]] = {
    "associatePublicIpAddress": judged("AssociatePublicIpAddress", encode=_flag),
    "deleteOnTermination": judged("DeleteOnTermination", encode=_flag),
    "description": judged("Description"),
    "deviceIndex": judged("DeviceIndex"),
    "interfaceType": judged("InterfaceType"),
    "networkCardIndex": judged("NetworkCardIndex"),
    "securityGroups": judged("Groups", unordered=True),
    "subnetId": refused("EKS refuses one in a template: a node group has its subnets"),
    "associateCarrierIpAddress": refused("the kit runs in regions, not in Wavelength Zones"),
    "connectionTrackingSpecification": refused("the kit leaves connection tracking at AWS's defaults"),
    "enaQueueCount": refused("the kit leaves queues at AWS's defaults"),
    "enaSrdSpecification": refused("the kit's fast path between nodes is EFA"),
    "ipv4AddressCount": _BY_AWS,
    "ipv4Addresses": _BY_AWS,
    "ipv4PrefixCount": _BY_AWS,
    "ipv4Prefixes": _BY_AWS,
    "ipv6AddressCount": _NO_IPV6,
    "ipv6Addresses": _NO_IPV6,
    "ipv6PrefixCount": _NO_IPV6,
    "ipv6Prefixes": _NO_IPV6,
    "primaryIpv6": _NO_IPV6,
    "networkInterfaceId": refused("a template makes many nodes; one interface belongs to one"),
    "privateIpAddress": refused("a template makes many nodes; one address belongs to one"),
}

_TEMPLATE_DATA: Final[Mapping[str, Prop]] = {
    "blockDeviceMappings": judged(f"{_DATA}BlockDeviceMappings", fields=_BLOCK_DEVICES),
    "capacityReservationSpecification": judged(
        f"{_DATA}CapacityReservationSpecification",
        fields={
            "capacityReservationPreference": judged("CapacityReservationPreference"),
            "capacityReservationTarget": judged(
                "CapacityReservationTarget",
                fields={
                    "capacityReservationId": judged("CapacityReservationId"),
                    "capacityReservationResourceGroupArn": refused(
                        "the sandbox has no resource groups: a pool names one reservation by its id"
                    ),
                },
            ),
        },
    ),
    "ebsOptimized": judged(f"{_DATA}EbsOptimized", encode=_flag),
    "iamInstanceProfile": judged(
        f"{_DATA}IamInstanceProfile", fields={"arn": judged("Arn"), "name": judged("Name")}
    ),
    "imageId": judged(f"{_DATA}ImageId"),
    "instanceMarketOptions": judged(
        f"{_DATA}InstanceMarketOptions",
        fields={
            "marketType": judged("MarketType"),
            "spotOptions": refused("a node group asks for Spot by its capacityType"),
        },
    ),
    "instanceType": judged(f"{_DATA}InstanceType"),
    "metadataOptions": judged(
        f"{_DATA}MetadataOptions",
        fields={
            "httpEndpoint": judged("HttpEndpoint"),
            "httpProtocolIpv6": judged("HttpProtocolIpv6"),
            "httpPutResponseHopLimit": judged("HttpPutResponseHopLimit"),
            "httpTokens": judged("HttpTokens"),
            "instanceMetadataTags": judged("InstanceMetadataTags"),
        },
    ),
    "monitoring": judged(f"{_DATA}Monitoring", fields={"enabled": judged("Enabled")}),
    "networkInterfaces": judged(f"{_DATA}NetworkInterfaces", fields=_NETWORK_INTERFACES),
    "placement": judged(
        f"{_DATA}Placement",
        fields={
            "availabilityZone": judged("AvailabilityZone"),
            "groupId": judged("GroupId"),
            "groupName": judged("GroupName"),
            "partitionNumber": judged("PartitionNumber"),
            "tenancy": judged("Tenancy"),
            "affinity": refused("the kit has no dedicated hosts"),
            "hostId": refused("the kit has no dedicated hosts"),
            "hostResourceGroupArn": refused("the kit has no dedicated hosts"),
            "spreadDomain": refused("EC2 keeps the name and has no use for it"),
        },
    ),
    "tagSpecifications": judged(
        f"{_DATA}TagSpecifications",
        fields={"resourceType": judged("ResourceType"), "tags": judged("Tags", encode=tag_list)},
    ),
    "userData": judged(f"{_DATA}UserData"),
    "vpcSecurityGroupIds": judged(f"{_DATA}SecurityGroupIds", unordered=True),
}


@register
class LaunchTemplate(ResourceType):
    """A template and its versions."""

    token = "aws:ec2/launchTemplate:LaunchTemplate"  # noqa: S105 - a type token
    sdk = "ec2.LaunchTemplate"
    cfn = "AWS::EC2::LaunchTemplate"
    identity = ("name",)
    inputs = {
        "name": judged("LaunchTemplateName", autoname=NAME_LIMIT),
        "description": judged("VersionDescription"),
        "updateDefaultVersion": update(
            source="steers ModifyLaunchTemplate after a new version; EC2 keeps no such property"
        ),
        "defaultVersion": update(
            source="ModifyLaunchTemplate sets it in place; AWS's resource schema has it read-only",
            computed=True,
        ),
        **_TEMPLATE_DATA,
        "namePrefix": refused("names are computed; use name, or leave it out for an automatic one"),
        "cpuOptions": refused("the kit takes an instance type's cores as they are"),
        "creditSpecification": refused("the kit uses no burstable instances"),
        "disableApiStop": _NOT_NODES,
        "disableApiTermination": _NOT_NODES,
        "enclaveOptions": refused("the kit uses no enclaves"),
        "hibernationOptions": _NOT_NODES,
        "instanceInitiatedShutdownBehavior": _NOT_NODES,
        "instanceRequirements": refused("a pool has one instance type: its GPUs are what is planned for"),
        "kernelId": refused("belongs to paravirtual images, which no GPU instance boots"),
        "keyName": refused("nodes are reached by Session Manager; the kit hands out no SSH keys"),
        "licenseSpecifications": refused("the kit runs no licensed images"),
        "maintenanceOptions": _NOT_NODES,
        "networkPerformanceOptions": refused("the kit leaves bandwidth weighting at AWS's default"),
        "privateDnsNameOptions": refused("nodes register by the names that EC2 gives them by default"),
        "ramDiskId": refused("belongs to paravirtual images, which no GPU instance boots"),
        "secondaryInterfaces": refused("the kit's interfaces are networkInterfaces"),
        "securityGroupNames": refused("names only work in EC2-Classic; use vpcSecurityGroupIds"),
        **tags("TagSpecifications", as_map=True, source="CreateTags on the template changes them in place"),
        **REGION,
    }
    outputs = ("arn", "latestVersion")

    def volatile(self, changed: set[str]) -> tuple[str, ...]:
        """A change of the content makes a new version; one of the tags does not."""
        if changed & {*_TEMPLATE_DATA, "description"}:
            return ("latestVersion", "defaultVersion")
        return ("defaultVersion",) if changed & {"updateDefaultVersion", "defaultVersion"} else ()

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """What EC2 refuses in combination."""
        found = []
        if inputs.get("updateDefaultVersion") and inputs.get("defaultVersion") is not None:
            found.append(
                ("defaultVersion", "defaultVersion and updateDefaultVersion exclude one another; set one")
            )
        if inputs.get("networkInterfaces") and inputs.get("vpcSecurityGroupIds"):
            found.append(
                (
                    "vpcSecurityGroupIds",
                    "with networkInterfaces each interface has its securityGroups; EC2 refuses both",
                )
            )
        return [*found, *_market_problems(inputs), *_interface_problems(inputs.get("networkInterfaces"))]

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateLaunchTemplate."""
        return [
            (
                "ec2",
                "CreateLaunchTemplate",
                compact(
                    LaunchTemplateName=inputs.get("name"),
                    VersionDescription=inputs.get("description"),
                    LaunchTemplateData=to_wire(_TEMPLATE_DATA, inputs),
                    TagSpecifications=ctx.ec2_tags("launch-template", inputs),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the template's id."""
        return str(ctx.send(self.request(ctx, inputs))["LaunchTemplate"]["LaunchTemplateId"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """The template and its latest version."""
        ec2 = ctx.client("ec2")
        template = first(ec2.describe_launch_templates(LaunchTemplateIds=[resource_id])["LaunchTemplates"])
        if template is None:
            return None
        latest = first(
            ec2.describe_launch_template_versions(LaunchTemplateId=resource_id, Versions=["$Latest"])[
                "LaunchTemplateVersions"
            ]
        )
        return {
            "name": template["LaunchTemplateName"],
            "defaultVersion": template["DefaultVersionNumber"],
            **(
                {"description": latest["VersionDescription"]}
                if latest and latest.get("VersionDescription")
                else {}
            ),
            **from_wire(_TEMPLATE_DATA, _content(latest or {})),
            "tagsAll": tag_map(
                ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource_id]}])["Tags"]
            ),
            "arn": ctx.arn("ec2", f"launch-template/{resource_id}"),
            "latestVersion": template["LatestVersionNumber"],
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """A new version where the content changed, the default version, and tags."""
        ec2, latest = ctx.client("ec2"), None
        if changed & {*_TEMPLATE_DATA, "description"}:
            answer = ec2.create_launch_template_version(
                LaunchTemplateId=resource_id,
                LaunchTemplateData=to_wire(_TEMPLATE_DATA, new),
                **compact(VersionDescription=new.get("description")),
            )
            latest = answer["LaunchTemplateVersion"]["VersionNumber"]
        if new.get("updateDefaultVersion"):
            template = (
                first(ec2.describe_launch_templates(LaunchTemplateIds=[resource_id])["LaunchTemplates"]) or {}
            )
            wanted = latest or template.get("LatestVersionNumber")
            if template.get("DefaultVersionNumber") != wanted:
                ec2.modify_launch_template(LaunchTemplateId=resource_id, DefaultVersion=str(wanted))
        elif "defaultVersion" in changed:
            ec2.modify_launch_template(
                LaunchTemplateId=resource_id, DefaultVersion=str(new["defaultVersion"])
            )
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes the template with all its versions."""
        ctx.client("ec2").delete_launch_template(LaunchTemplateId=resource_id)


def _market_problems(inputs: Inputs) -> list[tuple[str, str]]:
    market = (inputs.get("instanceMarketOptions") or {}).get("marketType")
    if market is None or isinstance(market, Unknown) or market == "capacity-block":
        return []
    return [
        (
            "instanceMarketOptions.marketType",
            f"it is {market!r}; allowed: capacity-block. EKS refuses any other in a template, for a node group's "
            "capacityType says SPOT or ON_DEMAND",
        )
    ]


def _interface_problems(interfaces: Plain) -> list[tuple[str, str]]:
    """What EC2 would say at the first launch only, when the pool is already there."""
    if not isinstance(interfaces, list) or has_unknown(interfaces):
        return []
    found, seen = [], set()
    for number, interface in enumerate(interfaces):
        place = (interface.get("networkCardIndex") or 0, interface.get("deviceIndex") or 0)
        where = f"networkInterfaces[{number}]"
        if place in seen:
            card, device = place
            found.append((f"{where}.deviceIndex", f"device {device} of network card {card} is there already"))
        seen.add(place)
        if place == (0, 0) and interface.get("interfaceType") == "efa-only":
            found.append(
                (
                    f"{where}.interfaceType",
                    "the primary interface cannot be efa-only, which has no IP address",
                )
            )
    if len(interfaces) > 1 and any(one.get("associatePublicIpAddress") == "true" for one in interfaces):
        found.append(
            ("networkInterfaces", "EC2 gives no public address to an instance with several interfaces")
        )
    return found


def _content(version: Mapping[str, Any]) -> dict[str, Any]:
    """A version's content. moto also puts the template's own tags in there, which EC2 keeps apart."""
    data = dict(version.get("LaunchTemplateData", {}))
    data["TagSpecifications"] = [
        item for item in data.get("TagSpecifications", []) if item.get("ResourceType") != "launch-template"
    ]
    return {name: item for name, item in data.items() if item != []}


def _wire_name(prop: Prop) -> str:
    return prop.cfn.rpartition("/")[2]


def to_wire(table: Mapping[str, Prop], value: Plain) -> Plain:
    """Inputs as EC2's request has them."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, list):
        return [to_wire(table, item) for item in value]
    result = {}
    for name, prop in table.items():
        item = value.get(name)
        if item is not None and prop.verdict != "refused":
            result[_wire_name(prop)] = to_wire(prop.fields, item) if prop.fields else prop.to_cfn(item)
    return result


def from_wire(table: Mapping[str, Prop], value: Plain) -> Plain:
    """What EC2 answers as inputs."""
    if isinstance(value, list):
        return [from_wire(table, item) for item in value]
    result = {}
    for name, prop in table.items():
        item = value.get(_wire_name(prop)) if prop.verdict != "refused" else None
        if item is None:
            continue
        if prop.fields:
            result[name] = from_wire(prop.fields, item)
        elif prop.encode is _flag:
            result[name] = str(item).lower()
        elif prop.encode is tag_list:
            result[name] = {pair["Key"]: pair["Value"] for pair in item}
        else:
            result[name] = item
    return result
