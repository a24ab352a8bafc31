"""Under which id a cloud has a resource whose creation was interrupted, so that the stack can adopt it.

Pulumi learns an id when the create call returns; a run that was killed before that knows only the inputs.
For most types the id that an import takes follows from them. For the others the cloud is asked for what
carries the same tags or says the same. The import forms are those in the documentation of the two providers
("Import" section of each resource).

Blind spot: a type that is in no table here is left to the operator, who is told so.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Cloud:
    """How to reach the account that the resource's own provider works in: that provider's inputs."""

    provider: Inputs

    def client(self, service: str) -> Any:
        """A boto3 client in the provider's region, with the caller's credentials and endpoint."""
        import boto3

        return boto3.client(service, region_name=self.provider.get("region"))

    @cached_property
    def default_tags(self) -> dict[str, str]:
        """The tags that the provider puts on everything."""
        return dict((self.provider.get("defaultTags") or {}).get("tags") or {})


Finder = Callable[[Inputs, Cloud], list[str]]
"""All ids that fit the inputs: none if it was not made. A name that follows from the inputs is always one id;
the refresh that comes after drops it if it does not exist."""


class UnidentifiableError(Exception):
    """The inputs do not say enough to find the resource; the text says what is missing."""


def _named(form: str) -> Finder:
    """An id that is put together from inputs, such as `{clusterName}:{addonName}`."""

    def find(inputs: Inputs, cloud: Cloud) -> list[str]:
        parts = re.findall(r"{(\w+)}", form)
        missing = [part for part in parts if not isinstance(inputs.get(part), str)]
        if missing:
            raise UnidentifiableError(f"its inputs have no plain {', '.join(missing)}")
        return [form.format_map(inputs)]

    return find


def _tagged(resource_type: str) -> Finder:
    """An EC2 resource that carries every tag which the program and its provider asked for."""

    def find(inputs: Inputs, cloud: Cloud) -> list[str]:
        own = inputs.get("tags") or {}
        if not own:
            raise UnidentifiableError("it has no tags of its own, so it cannot be told from its siblings")
        found: set[str] | None = None
        pages = cloud.client("ec2").get_paginator("describe_tags")
        for key, value in {**cloud.default_tags, **own}.items():
            filters = {"resource-type": resource_type, "key": key, "value": value}
            query = [{"Name": name, "Values": [text]} for name, text in filters.items()]
            ids = {tag["ResourceId"] for page in pages.paginate(Filters=query) for tag in page["Tags"]}
            found = ids if found is None else found & ids
        return sorted(found or ())

    return find


def _security_group_rule(egress: bool) -> Finder:
    """A rule is known by what it says: AWS refuses a second that says the same."""

    def find(inputs: Inputs, cloud: Cloud) -> list[str]:
        group = inputs.get("securityGroupId")
        if not isinstance(group, str):
            raise UnidentifiableError("its inputs have no plain securityGroupId")
        rules = cloud.client("ec2").describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [group]}]
        )["SecurityGroupRules"]
        return [
            rule["SecurityGroupRuleId"]
            for rule in rules
            if rule["IsEgress"] == egress
            and rule["IpProtocol"] == str(inputs.get("ipProtocol"))
            # All protocols (-1) have no ports: AWS answers -1, the program leaves them out.
            and rule.get("FromPort", -1) == inputs.get("fromPort", -1)
            and rule.get("ToPort", -1) == inputs.get("toPort", -1)
            and rule.get("CidrIpv4") == inputs.get("cidrIpv4")
            and rule.get("PrefixListId") == inputs.get("prefixListId")
            and (rule.get("ReferencedGroupInfo") or {}).get("GroupId")
            == inputs.get("referencedSecurityGroupId")
        ]

    return find


def _route_table_association(inputs: Inputs, cloud: Cloud) -> list[str]:
    """A subnet has one route table."""
    table, subnet = inputs.get("routeTableId"), inputs.get("subnetId")
    listed = cloud.client("ec2").describe_route_tables(
        Filters=[{"Name": "route-table-id", "Values": [str(table)]}]
    )
    return [
        association["RouteTableAssociationId"]
        for found in listed["RouteTables"]
        for association in found["Associations"]
        if subnet and association.get("SubnetId") == subnet
    ]


def _launch_template(inputs: Inputs, cloud: Cloud) -> list[str]:
    """A name is given to one template only."""
    name = inputs.get("name")
    if not isinstance(name, str):
        raise UnidentifiableError("its inputs have no plain name")
    listed = cloud.client("ec2").describe_launch_templates(
        Filters=[{"Name": "launch-template-name", "Values": [name]}]
    )
    return [found["LaunchTemplateId"] for found in listed["LaunchTemplates"]]


def _kms_key(inputs: Inputs, cloud: Cloud) -> list[str]:
    """KMS has no search by tag; an account has few keys."""
    own = inputs.get("tags") or {}
    if not own and not inputs.get("description"):
        raise UnidentifiableError("it has neither tags of its own nor a description")
    wanted = {**cloud.default_tags, **own}.items()
    kms = cloud.client("kms")
    found = []
    for page in kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            about = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
            if about["KeyManager"] != "CUSTOMER" or about["KeyState"] == "PendingDeletion":
                continue
            if about.get("Description", "") != (inputs.get("description") or ""):
                continue
            tags = kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]
            if wanted <= {tag["TagKey"]: tag["TagValue"] for tag in tags}.items():
                found.append(key["KeyId"])
    return found


def _pod_identity(inputs: Inputs, cloud: Cloud) -> list[str]:
    """One exists per cluster, namespace and service account. Imported as `cluster,association`."""
    cluster = inputs["clusterName"]
    listed = cloud.client("eks").list_pod_identity_associations(
        clusterName=cluster, namespace=inputs["namespace"], serviceAccount=inputs["serviceAccount"]
    )
    return [f"{cluster},{found['associationId']}" for found in listed["associations"]]


def _kubernetes(inputs: Inputs, cloud: Cloud) -> list[str]:
    """`namespace/name`, or the name of what has no namespace."""
    about = inputs.get("metadata") or {}
    if not isinstance(about.get("name"), str):
        raise UnidentifiableError("its metadata has no name")
    return [f"{about['namespace']}/{about['name']}" if about.get("namespace") else about["name"]]


_BUCKET_PARTS: Final = (
    "bucketVersioning:BucketVersioning",
    "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "bucketPublicAccessBlock:BucketPublicAccessBlock",
    "bucketOwnershipControls:BucketOwnershipControls",
    "bucketPolicy:BucketPolicy",
    "bucketLifecycleConfiguration:BucketLifecycleConfiguration",
)

FINDERS: Final[dict[str, Finder]] = {
    "aws:s3/bucket:Bucket": _named("{bucket}"),
    **{f"aws:s3/{part}": _named("{bucket}") for part in _BUCKET_PARTS},
    "aws:iam/role:Role": _named("{name}"),
    "aws:iam/rolePolicy:RolePolicy": _named("{role}:{name}"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _named("{role}/{policyArn}"),
    "aws:cloudwatch/logGroup:LogGroup": _named("{name}"),
    "aws:kms/alias:Alias": _named("{name}"),
    "aws:kms/key:Key": _kms_key,
    "aws:eks/cluster:Cluster": _named("{name}"),
    "aws:eks/addon:Addon": _named("{clusterName}:{addonName}"),
    "aws:eks/accessEntry:AccessEntry": _named("{clusterName}:{principalArn}"),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _named(
        "{clusterName}#{principalArn}#{policyArn}"
    ),
    "aws:eks/nodeGroup:NodeGroup": _named("{clusterName}:{nodeGroupName}"),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": _pod_identity,
    "aws:ec2/route:Route": _named("{routeTableId}_{destinationCidrBlock}"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _route_table_association,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _security_group_rule(egress=False),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _security_group_rule(egress=True),
    # The group is the VPC's own and is there already: declaring it again takes it over, it makes none.
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": lambda inputs, cloud: [],
    "aws:ec2/vpc:Vpc": _tagged("vpc"),
    "aws:ec2/subnet:Subnet": _tagged("subnet"),
    "aws:ec2/internetGateway:InternetGateway": _tagged("internet-gateway"),
    "aws:ec2/eip:Eip": _tagged("elastic-ip"),
    "aws:ec2/natGateway:NatGateway": _tagged("natgateway"),
    "aws:ec2/routeTable:RouteTable": _tagged("route-table"),
    "aws:ec2/securityGroup:SecurityGroup": _tagged("security-group"),
    "aws:ec2/flowLog:FlowLog": _tagged("vpc-flow-log"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _tagged("vpc-endpoint"),
    "aws:ec2/launchTemplate:LaunchTemplate": _launch_template,
    "kubernetes:helm.sh/v3:Release": _named("{namespace}/{name}"),
}
"""By type token. Kubernetes objects that are not named here are found by their metadata."""


def finder(type_token: str, finders: Mapping[str, Finder] = FINDERS) -> Finder | None:
    """How a resource of this type is found, or None if nothing here knows."""
    if type_token in finders:
        return finders[type_token]
    return _kubernetes if type_token.startswith("kubernetes:") else None


READ_BY_OWN_ID: Final = frozenset({"aws:ec2/routeTableAssociation:RouteTableAssociation"})
"""Types whose import takes another form than their id (a subnet and a table here), which their read does not
know. They are adopted with their inputs as outputs, which makes the refresh a read and no import."""

WAITERS: Final[dict[str, tuple[str, str, Callable[[str], dict[str, Any]]]]] = {
    "aws:eks/cluster:Cluster": ("eks", "cluster_active", lambda one: {"name": one}),
    "aws:eks/nodeGroup:NodeGroup": (
        "eks",
        "nodegroup_active",
        lambda one: dict(zip(("clusterName", "nodegroupName"), one.split(":"), strict=True)),
    ),
    "aws:ec2/natGateway:NatGateway": ("ec2", "nat_gateway_available", lambda one: {"NatGatewayIds": [one]}),
}
"""Types that AWS goes on making after the call: service, boto3's waiter, and its arguments for an id. What
depends on one cannot be made before it is done, and a refresh does not wait."""


def wait_until_made(type_token: str, resource_id: str, cloud: Cloud) -> None:
    """Returns when AWS has finished the resource, has failed to, or does not have it.

    Raises `UnidentifiableError` if AWS cannot be asked.
    """
    from botocore.exceptions import BotoCoreError, WaiterError

    if type_token not in WAITERS:
        return
    service, name, arguments = WAITERS[type_token]
    try:
        with contextlib.suppress(WaiterError):  # the refresh that follows says what became of it
            cloud.client(service).get_waiter(name).wait(**arguments(resource_id))
    except BotoCoreError as error:
        raise UnidentifiableError(f"the cloud could not be asked: {error}") from None
    except ValueError:  # an id that the operator gave, in another form than this type's
        raise UnidentifiableError(f"{resource_id!r} is not the form of its id") from None
