"""From settings to Karpenter's rights, its chart's values and its own objects. Pure.

Karpenter never moves a running engine to save money (only empty nodes are consolidated), never ends a node for its
age (expiry does not heed budgets, NodePool API, `expireAfter`), and replaces drifted nodes no more at a time than the
pool's `maxUnavailable`, within the engines' disruption budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bastide import instances, names, pool_plan
from bastide.serving import image_values
from bastide.settings import UNRESOLVED, PoolSettings, Settings
from bastide.settings.capacity import Spot

Object = dict[str, Any]

NAMESPACE: Final = "kube-system"
"""Karpenter's own advice: API Priority and Fairness serves its requests before those of ordinary namespaces."""

RELEASE: Final = "karpenter"
CRD_RELEASE: Final = "karpenter-crd"
SERVICE_ACCOUNT: Final = "karpenter"

API: Final = "karpenter.sh/v1"
CLASS_API: Final = "karpenter.k8s.aws/v1"

QUEUE_SECONDS: Final = 300
"""Retention of the queue of interruptions: a Spot notice is two minutes ahead (Karpenter's CloudFormation)."""

EVENTS: Final[Mapping[str, Mapping[str, list[str]]]] = {
    "health": {"source": ["aws.health"], "detail-type": ["AWS Health Event"]},
    "spot": {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]},
    "rebalance": {"source": ["aws.ec2"], "detail-type": ["EC2 Instance Rebalance Recommendation"]},
    "state": {"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]},
}
"""What Karpenter listens to (its CloudFormation template), by the last part of the rule's name."""


def pools(settings: Settings) -> list[PoolSettings]:
    """The pools whose nodes Karpenter makes."""
    return [pool for pool in settings.pools if pool.provisioner == "karpenter"]


def name(settings: Settings) -> str:
    """Name of Karpenter's role, queue and rules."""
    return f"{settings.prefix}-karpenter"


def node_role(settings: Settings) -> str:
    """Name of the role, and of the instance profile, of the nodes that Karpenter makes."""
    return f"{settings.prefix}-karpenter-node"


def instance_types(pool: PoolSettings) -> list[str]:
    """Types that its nodes may have."""
    return [pool.instance_type, *pool.fallback_instance_types]


def capacity_types(pool: PoolSettings) -> list[str]:
    """Karpenter takes the cheapest that AWS has: Spot before on-demand."""
    return ["spot", "on-demand"] if isinstance(pool.capacity, Spot) else ["on-demand"]


def controller_policy(settings: Settings) -> str:
    """What the controller may do: after Karpenter's own template, without the right to make roles' instance profiles,
    which the stack makes itself. Writing EC2 calls are bound to tags of this cluster and of a node pool."""
    region, account, cluster = settings.region, settings.account_id, settings.cluster_name
    own_tag, pool_tag = f"kubernetes.io/cluster/{cluster}", "karpenter.sh/nodepool"

    def ec2(owner: str, *kinds: str) -> list[str]:
        return [names.arn("ec2", region, owner, f"{kind}/*") for kind in kinds]

    requested = {
        "StringEquals": {
            f"aws:RequestTag/{own_tag}": "owned",
            "aws:RequestTag/eks:eks-cluster-name": cluster,
        },
        "StringLike": {f"aws:RequestTag/{pool_tag}": "*"},
    }
    owned = {
        "StringEquals": {f"aws:ResourceTag/{own_tag}": "owned"},
        "StringLike": {f"aws:ResourceTag/{pool_tag}": "*"},
    }
    made = ec2(
        account,
        "fleet",
        "instance",
        "volume",
        "network-interface",
        "launch-template",
        "spot-instances-request",
    )

    def allow(
        sid: str, action: str | list[str], resource: str | list[str], condition: Object | None = None
    ) -> Object:
        statement: Object = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}
        return statement | ({"Condition": condition} if condition else {})

    launch = ["ec2:RunInstances", "ec2:CreateFleet"]
    return names.policy_document(
        allow(
            "LaunchFrom", launch, [*ec2("", "image", "snapshot"), *ec2(account, "security-group", "subnet")]
        ),
        allow("LaunchFromOwnTemplates", launch, ec2(account, "launch-template"), owned),
        allow("LaunchTagged", [*launch, "ec2:CreateLaunchTemplate"], made, requested),
        allow(
            "TagWhatIsLaunched",
            "ec2:CreateTags",
            made,
            {
                **requested,
                "StringEquals": {
                    **requested["StringEquals"],
                    "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"],
                },
            },
        ),
        allow(
            "TagOwnInstances",
            "ec2:CreateTags",
            ec2(account, "instance"),
            {
                **owned,
                "ForAllValues:StringEquals": {
                    "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]
                },
            },
        ),
        allow(
            "EndOwn",
            ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
            ec2(account, "instance", "launch-template"),
            owned,
        ),
        allow(
            "Look",
            [
                f"ec2:Describe{kind}"
                for kind in (
                    *("CapacityReservations", "Images", "InstanceStatus", "InstanceTypeOfferings"),
                    *("InstanceTypes", "Instances", "LaunchTemplates", "PlacementGroups", "SecurityGroups"),
                    *("SpotPriceHistory", "Subnets"),
                )
            ],
            # EC2's Describe calls know no resources (service authorization reference).
            "*",
            {"StringEquals": {"aws:RequestedRegion": region}},
        ),
        allow("FindImages", "ssm:GetParameter", names.arn("ssm", region, "", "parameter/aws/service/*")),
        # These three know no resources either.
        allow("SeePrices", "pricing:GetProducts", "*"),
        allow("ListProfiles", "iam:ListInstanceProfiles", "*"),
        allow(
            "SeeOwnProfile",
            "iam:GetInstanceProfile",
            names.arn("iam", "", account, f"instance-profile/{node_role(settings)}"),
        ),
        allow(
            "GiveNodesTheirRole",
            "iam:PassRole",
            names.role_arn(account, node_role(settings)),
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        allow(
            "HearOfInterruptions",
            ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
            names.arn("sqs", region, account, name(settings)),
        ),
        allow("FindTheApiServer", "eks:DescribeCluster", names.cluster_arn(region, account, cluster)),
    )


def queue_policy(settings: Settings) -> str:
    """EventBridge's rules of this stack may send to the queue, and nothing is sent or read without TLS."""
    queue = names.arn("sqs", settings.region, settings.account_id, name(settings))
    rules = [
        names.arn("events", settings.region, settings.account_id, f"rule/{rule_name(settings, event)}")
        for event in EVENTS
    ]
    return names.policy_document(
        {
            "Sid": "EventsOfOurRules",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": rules}},
        },
        {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": queue,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )


def rule_name(settings: Settings, event: str) -> str:
    """Name of an EventBridge rule; `event` is a key of `EVENTS`."""
    return f"{name(settings)}-{event}"


def has_internet(settings: Settings) -> bool:
    """Whether pods reach AWS's services that have no interface endpoint (prices, IAM). Of an adopted network that is
    not known; Karpenter then keeps to the prices that it was built with."""
    return getattr(settings.network, "nat", "none") != "none"


def release_values(settings: Settings) -> Object:
    """Values of Karpenter's own chart."""
    image = {key: part for key, part in image_values(settings.karpenter.image).items() if part != UNRESOLVED}
    return {
        "settings": {
            "clusterName": settings.cluster_name,
            "interruptionQueue": name(settings),
            "isolatedVPC": not has_internet(settings),
        },
        "serviceAccount": {"name": SERVICE_ACCOUNT},
        "controller": {
            # The chart names a digest of its own where none is given here.
            "image": {"digest": "", **image},
            # Karpenter's getting-started guide: 1 CPU and 1 GiB.
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        },
        # It must not run on nodes that it may take away.
        "nodeSelector": {"kubernetes.io/os": "linux", names.POOL_LABEL: names.SYSTEM_POOL},
    }


def ami_alias(pool: PoolSettings) -> str:
    """The pinned AMI release as Karpenter names it; the newest where none is pinned. The GPU variant follows from
    the instance type."""
    family = "bottlerocket" if pool.os == "bottlerocket" else "al2023"
    release = pool.ami_release
    if release is None or release == UNRESOLVED:
        return f"{family}@latest"
    version, _, date = str(release).partition("-")
    return f"{family}@v{version if family == 'bottlerocket' else date}"


def node_class(
    settings: Settings,
    pool: PoolSettings,
    subnet_ids: Sequence[Any],
    security_group_id: Any,
    disk_throughput_mib: int,
    disk_iops: int,
) -> Object:
    """The EC2NodeClass of a pool: what its instances are like. Ids may be outputs that are not known yet."""

    def disk(device: str, gib: int) -> Object:
        ebs = {
            "volumeSize": f"{gib}Gi",
            "volumeType": "gp3",
            "throughput": disk_throughput_mib,
            "iops": disk_iops,
            "encrypted": True,
            "deleteOnTermination": True,
        }
        return {"deviceName": device, "ebs": ebs}

    bottlerocket = pool.os == "bottlerocket"
    disks = [disk("/dev/xvda", pool.disk_gib)]
    if bottlerocket:
        small = disk("/dev/xvda", pool_plan.BOTTLEROCKET_OS_GIB)
        # Its disk for the operating system needs no more than gp3 has by itself.
        small["ebs"] = {key: part for key, part in small["ebs"].items() if key not in ("throughput", "iops")}
        disks = [small, disk("/dev/xvdb", pool.disk_gib)]
    spec: Object = {
        "amiFamily": "Bottlerocket" if bottlerocket else "AL2023",
        "amiSelectorTerms": [{"alias": ami_alias(pool)}],
        "instanceProfile": node_role(settings),
        "subnetSelectorTerms": [{"id": each} for each in subnet_ids],
        "securityGroupSelectorTerms": [{"id": security_group_id}],
        "associatePublicIPAddress": False,
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpProtocolIPv6": "disabled",
            "httpTokens": "required",
            # One hop is the node itself: a pod's packet would need two.
            "httpPutResponseHopLimit": 1,
        },
        "blockDeviceMappings": disks,
        "tags": {**settings.all_tags, "Name": f"{settings.prefix}-{pool.name}"},
    }
    if pool_plan.uses_instance_store(pool):
        spec["instanceStorePolicy"] = "RAID0"
    if bottlerocket and (data := pool_plan.user_data(pool)):
        spec["userData"] = data
    return spec


_EFFECTS: Final = {
    "noSchedule": "NoSchedule",
    "preferNoSchedule": "PreferNoSchedule",
    "noExecute": "NoExecute",
}


def node_pool(settings: Settings, pool: PoolSettings, zones: Sequence[str]) -> Object:
    """The NodePool of a pool: which instances, how many, and when they may be taken away."""
    gpus = instances.CATALOGUE[pool.instance_type].gpus

    def one_of(key: str, values: Sequence[str]) -> Object:
        return {"key": key, "operator": "In", "values": list(values)}

    own = [{"key": each.key, "value": each.value, "effect": _EFFECTS[each.effect]} for each in pool.taints]
    return {
        "template": {
            "metadata": {"labels": {names.POOL_LABEL: pool.name, **pool.labels}},
            "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": pool.name},
                "requirements": [
                    one_of("node.kubernetes.io/instance-type", instance_types(pool)),
                    one_of("karpenter.sh/capacity-type", capacity_types(pool)),
                    one_of("topology.kubernetes.io/zone", zones),
                    one_of("kubernetes.io/arch", ["amd64"]),
                    one_of("kubernetes.io/os", ["linux"]),
                ],
                "taints": [
                    {"key": names.GPU_TAINT_KEY, "value": names.GPU_TAINT_VALUE, "effect": "NoSchedule"},
                    *own,
                ],
                "expireAfter": "Never",
            },
        },
        # Every type of the pool has as many GPUs, so GPUs count nodes.
        "limits": {"nvidia.com/gpu": str(gpus * pool.size.max)},
        "disruption": {
            "consolidationPolicy": "WhenEmpty",
            "consolidateAfter": f"{settings.karpenter.empty_minutes}m",
            "budgets": [
                {"nodes": "100%", "reasons": ["Empty"]},
                {"nodes": "0", "reasons": ["Underutilized"]},
                {"nodes": str(pool.max_unavailable), "reasons": ["Drifted"]},
            ],
        },
    }
