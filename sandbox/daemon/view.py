"""What AWS has now, as the Kubernetes side needs it.

The AWS process's own list says what changed; the rest is asked of AWS's public API once for each change and
kept, so that a world at rest makes no AWS calls and injected faults are not used up by the daemon.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from dataclasses import replace
from typing import Any, Final

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.client import Aws
from sandbox.cluster.spec import (
    AccessEntry,
    AccessPolicy,
    Addon,
    Cluster,
    Instance,
    NodeGroup,
    Shape,
    Taint,
)
from sandbox.daemon import user_data
from sandbox.state import aws_client

DEFAULT_DISK_GIB: Final = 20
"""Root volume of a managed node when nothing else is said (EKS API reference, CreateNodegroup, diskSize)."""

_EFFECTS: Final = {
    "NO_SCHEDULE": "NoSchedule",
    "PREFER_NO_SCHEDULE": "PreferNoSchedule",
    "NO_EXECUTE": "NoExecute",
}

_SELF_MANAGED: Final = ("vpc-cni", "kube-proxy", "coredns")
"""Installed in a new cluster unless `bootstrapSelfManagedAddons` is false (EKS API reference,
CreateCluster)."""

_BOTTLEROCKET_DATA: Final = "/dev/xvdb"
"""Bottlerocket keeps images and pods' files on its second volume (bottlerocket-os/bottlerocket, README)."""

_LOG = logging.getLogger(__name__)


class View:
    """Reads clusters from one AWS process; not for use by several threads."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._kept: dict[tuple[Any, ...], Any] = {}
        self._seen: dict[str, Cluster] = {}

    def clusters(self) -> list[Cluster]:
        """Every cluster of every region.

        One whose details cannot be read now is as it was seen last, but for its status: what is left out counts
        as deleted, and its control plane would be ended. One that was never seen is left out until it can be
        read.
        """
        seen = {}
        for document in self._aws.clusters():
            issuer = document["oidcIssuer"]  # of one cluster only, also of one made anew under the same name
            try:
                seen[issuer] = self._cluster(document)
            except (ClientError, BotoCoreError) as error:
                _LOG.warning("cluster %s of %s waits: %s", document["name"], document["region"], error)
                if issuer in self._seen:
                    seen[issuer] = replace(self._seen[issuer], status=document["status"])
        self._seen = seen
        return list(seen.values())

    def caller(self, query: str) -> str | None:
        """The ARN behind a presigned `GetCallerIdentity`, or None when STS refuses it."""
        try:
            answer = urllib3.request("GET", f"{self._aws.endpoint}/?{query}", timeout=10, retries=False)
        except urllib3.exceptions.HTTPError as error:
            # Its text may hold the URL, which is the caller's token, and this is written to a log.
            raise ConnectionError(f"STS gave no answer ({type(error).__name__})") from None
        match = re.search(r"<Arn>([^<]+)</Arn>", answer.data.decode(errors="replace"))
        return match.group(1) if answer.status == 200 and match else None

    def _once(self, key: tuple[Any, ...], ask: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = ask()
        return self._kept[key]

    def _ask(self, service: str, region: str, operation: str, **given: Any) -> Any:
        return getattr(aws_client(service, region, self._aws.endpoint), operation)(**given)

    def _cluster(self, document: dict[str, Any]) -> Cluster:
        region, name, status = document["region"], document["name"], document["status"]
        # A change of logging passes through UPDATING, so the status tells when to ask again.
        key = ("cluster", document["arn"], document["oidcIssuer"], status, document["version"])
        detail = self._once(key, lambda: self._ask("eks", region, "describe_cluster", name=name)["cluster"])
        for other in [k for k in self._kept if k[:3] == key[:3] and k != key]:
            del self._kept[other]
        logged = [
            kind
            for setup in detail.get("logging", {}).get("clusterLogging", [])
            if setup.get("enabled")
            for kind in setup.get("types", [])
        ]
        addons = {a["name"]: self._addon(region, name, a) for a in document["addons"]}
        if document.get("bootstrapSelfManagedAddons", True):
            addons = {kind: Addon(kind) for kind in _SELF_MANAGED} | addons
        return Cluster(
            region=region,
            name=name,
            status=status,
            version=document.get("targetVersion") or document["version"],
            service_cidr=detail["kubernetesNetworkConfig"]["serviceIpv4Cidr"],
            issuer=document["oidcIssuer"],
            audit="audit" in logged,
            addons=tuple(addons.values()),
            access_entries=tuple(_access_entry(entry) for entry in document["accessEntries"]),
            node_groups=tuple(self._node_group(region, name, group) for group in document["nodegroups"]),
        )

    def _addon(self, region: str, cluster: str, document: dict[str, Any]) -> Addon:
        name = document["name"]
        if document["status"] in ("CREATING", "UPDATING"):
            self._kept.pop(("addon", region, cluster, name), None)
        detail = self._once(
            ("addon", region, cluster, name),
            lambda: self._ask("eks", region, "describe_addon", clusterName=cluster, addonName=name)["addon"],
        )
        return Addon(name, detail.get("configurationValues") or "")

    def _node_group(self, region: str, cluster: str, document: dict[str, Any]) -> NodeGroup:
        def ask() -> Any:
            return self._ask(
                "eks", region, "describe_nodegroup", clusterName=cluster, nodegroupName=document["name"]
            )["nodegroup"]

        detail = self._once(("group", document["arn"]), ask)
        instances = [
            replace(
                self._once(
                    ("instance", instance["id"]),
                    # Asked anew: a rollout changes the template of the instances that come after it.
                    lambda instance=instance: self._instance(region, ask(), instance),
                ),
                cordon=instance["cordon"],
                drain=instance["drain"],
            )
            for instance in document["instances"]
            if instance["state"] == "running"
        ]
        return NodeGroup(
            name=document["name"],
            ami_type=detail.get("amiType") or "CUSTOM",
            capacity_type=document["capacityType"],
            labels=dict(document["labels"]),
            taints=tuple(
                Taint(t["key"], t.get("value") or "", _EFFECTS[t["effect"]]) for t in document["taints"]
            ),
            instances=tuple(instances),
        )

    def _instance(self, region: str, group: dict[str, Any], document: dict[str, Any]) -> Instance:
        subnet = self._once(
            ("subnet", document["subnet"]),
            lambda: self._ask("ec2", region, "describe_subnets", SubnetIds=[document["subnet"]])["Subnets"][
                0
            ],
        )
        plain = Instance(
            instance_id=document["id"],
            shape=self._shape(document["type"]),
            zone=document["zone"],
            zone_id=subnet.get("AvailabilityZoneId", ""),
            private_ip=document["privateIp"],
            subnet_cidr=str(ipaddress.ip_network(subnet["CidrBlock"])),
            root_volume_gib=group.get("diskSize") or DEFAULT_DISK_GIB,
            efa_interfaces=0,
            local_storage_raid=False,
            image_id=document["imageId"],
            kubelet=document["kubelet"],
            launch_template=tuple(document["template"]) if document["template"] else None,
        )
        template = self._template(region, document["template"])
        return replace(plain, **_template_facts(template, group["amiType"], document["type"]))

    def _template(self, region: str, named: list[str] | None) -> dict[str, Any]:
        """The data of the launch template's version that the instance was made from, or nothing."""
        if not named:
            return {}
        versions = self._ask(
            "ec2",
            region,
            "describe_launch_template_versions",
            LaunchTemplateId=named[0],
            Versions=[named[1]],
        )["LaunchTemplateVersions"]
        data: dict[str, Any] = versions[0]["LaunchTemplateData"]
        return data

    def _shape(self, instance_type: str) -> Shape:
        facts = self._once(("shape", instance_type), lambda: self._aws.instance_type(instance_type))
        return Shape(
            instance_type=instance_type,
            architecture=facts["architectures"][0],
            vcpus=facts["vcpu"],
            memory_mib=facts["memoryMiB"],
            gpus=facts["gpus"]["count"] if facts["gpus"] else 0,
            max_pods=facts["maxPods"],
            local_storage_gb=facts["instanceStoreGB"],
        )


def _template_facts(data: dict[str, Any], ami_type: str, instance_type: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "efa_interfaces": sum(
            interface.get("InterfaceType") in ("efa", "efa-only")
            for interface in data.get("NetworkInterfaces", [])
        )
    }
    sizes = {
        d.get("DeviceName"): d["Ebs"]["VolumeSize"]
        for d in data.get("BlockDeviceMappings", [])
        if "VolumeSize" in d.get("Ebs", {})
    }
    if sizes:
        first = next(iter(sizes.values()))
        bottlerocket = ami_type.startswith("BOTTLEROCKET")
        facts["root_volume_gib"] = sizes.get(_BOTTLEROCKET_DATA, first) if bottlerocket else first
    asked = user_data.read(data.get("UserData") or "", ami_type, instance_type)
    return facts | {
        "local_storage_raid": asked.local_storage,
        "gpu_shares": asked.gpu_shares,
        "mounts": asked.mounts,
    }


def _access_entry(document: dict[str, Any]) -> AccessEntry:
    return AccessEntry(
        principal_arn=document["principalArn"],
        username=document["username"],
        groups=tuple(document["kubernetesGroups"]),
        policies=tuple(
            AccessPolicy(p["policyArn"], tuple(p.get("namespaces") or ())) for p in document["policies"]
        ),
    )
