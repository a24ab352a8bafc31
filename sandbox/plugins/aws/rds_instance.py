"""RDS instances.

Blind spots: no database runs unless the world is live; a change of class or a failover takes no time.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    Named,
    compact,
    is_absent,
    register,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, tags, update
from sandbox.plugins.aws.tagging import retag_store, store_tags
from sandbox.plugins.protocol import Plain, PluginError, Unknown

_IN_PLACE = (
    "ModifyDBInstance takes it for an instance of PostgreSQL; AWS's schema replaces only members of clusters, replicas "
    "and instances that come from a snapshot"
)
_PASSWORD = refused("RDS manages the password, so that no state has it; use manageMasterUserPassword")
_DOMAIN = refused("the kit's database knows no Active Directory")
_RESTORE = refused(
    "the kit makes new databases; restore one with the AWS CLI and bring it along as `existing`"
)
_OTHER = refused("it concerns other engines than PostgreSQL")

_WIRE = {
    "allocatedStorage": "AllocatedStorage",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "backupWindow": "PreferredBackupWindow",
    "caCertIdentifier": "CACertificateIdentifier",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "deletionProtection": "DeletionProtection",
    "engineVersion": "EngineVersion",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "instanceClass": "DBInstanceClass",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "manageMasterUserPassword": "ManageMasterUserPassword",
    "masterUserSecretKmsKeyId": "MasterUserSecretKmsKeyId",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "multiAz": "MultiAZ",
    "networkType": "NetworkType",
    "parameterGroupName": "DBParameterGroupName",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
    "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "publiclyAccessible": "PubliclyAccessible",
    "storageType": "StorageType",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
}
"""Inputs that CreateDBInstance and ModifyDBInstance call alike."""

_AT_CREATION = {
    "availabilityZone": "AvailabilityZone",
    "dbName": "DBName",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "engine": "Engine",
    "identifier": "DBInstanceIdentifier",
    "kmsKeyId": "KmsKeyId",
    "port": "Port",
    "storageEncrypted": "StorageEncrypted",
    "username": "MasterUsername",
}


@register
class Instance(Named):
    """One instance of PostgreSQL, with or without a standby."""

    token = "aws:rds/instance:Instance"  # noqa: S105 - a type token
    sdk = "rds.Instance"
    cfn = "AWS::RDS::DBInstance"
    named_by = "identifier"
    arn_form = ("rds", "db:{}")
    inputs = {
        "allocatedStorage": judged("AllocatedStorage", encode=lambda value: str(value)),
        "allowMajorVersionUpgrade": judged("AllowMajorVersionUpgrade"),
        "applyImmediately": judged("ApplyImmediately", default=False),
        "autoMinorVersionUpgrade": judged(
            "AutoMinorVersionUpgrade", conditional="update", source=_IN_PLACE, default=True
        ),
        "availabilityZone": judged(
            "AvailabilityZone",
            conditional="replace",
            source="ModifyDBInstance has no such parameter",
            computed=True,
        ),
        "backupRetentionPeriod": judged(
            "BackupRetentionPeriod", conditional="update", source=_IN_PLACE, computed=True
        ),
        "backupTarget": refused("the kit's database is in the region, and its backups with it"),
        "backupWindow": judged("PreferredBackupWindow", computed=True),
        "blueGreenUpdate": refused("the sandbox's RDS has no second instance to switch to"),
        "caCertIdentifier": judged("CACertificateIdentifier", computed=True),
        "characterSetName": _OTHER,
        "copyTagsToSnapshot": judged("CopyTagsToSnapshot", default=False),
        "customIamInstanceProfile": _OTHER,
        "customerOwnedIpEnabled": refused("the kit's database is in the region and not on an Outpost"),
        "databaseInsightsMode": refused(
            "its advanced mode is for Aurora; performanceInsights* say what is kept"
        ),
        "dbName": judged("DBName"),
        "dbSubnetGroupName": judged("DBSubnetGroupName", computed=True),
        "dedicatedLogVolume": refused(
            "the kit's database has gp3 storage, and the volume needs provisioned IOPS"
        ),
        "deleteAutomatedBackups": update(
            cfn="DeleteAutomatedBackups", source="a parameter of DeleteDBInstance", default=True
        ),
        "deletionProtection": judged("DeletionProtection"),
        "domain": _DOMAIN,
        "domainAuthSecretArn": _DOMAIN,
        "domainDnsIps": _DOMAIN,
        "domainFqdn": _DOMAIN,
        "domainIamRoleName": _DOMAIN,
        "domainOu": _DOMAIN,
        "enabledCloudwatchLogsExports": judged("EnableCloudwatchLogsExports", unordered=True),
        "engine": judged(
            "Engine",
            conditional="replace",
            source="ModifyDBInstance takes it for Oracle's editions alone",
            computed=True,
        ),
        "engineLifecycleSupport": refused("the kit upgrades before a version's support ends"),
        "engineVersion": judged("EngineVersion", computed=True),
        "finalSnapshotIdentifier": update(source="a parameter of DeleteDBInstance, used when it is deleted"),
        "iamDatabaseAuthenticationEnabled": judged("EnableIAMDatabaseAuthentication"),
        "identifier": judged("DBInstanceIdentifier", autoname=63),
        "identifierPrefix": refused(
            "the kit computes its names, so that ARNs are known at the first preview"
        ),
        "instanceClass": judged("DBInstanceClass", required=True),
        "iops": refused("gp3 has what it has by its size; the kit asks for no more"),
        "kmsKeyId": judged("KmsKeyId", computed=True),
        "licenseModel": _OTHER,
        "maintenanceWindow": judged(
            "PreferredMaintenanceWindow", conditional="update", source=_IN_PLACE, computed=True
        ),
        "manageMasterUserPassword": judged("ManageMasterUserPassword"),
        "masterUserSecretKmsKeyId": judged("MasterUserSecret/KmsKeyId", computed=True),
        "maxAllocatedStorage": judged("MaxAllocatedStorage"),
        "monitoringInterval": refused(
            "enhanced monitoring needs a role of its own; Performance Insights says enough"
        ),
        "monitoringRoleArn": refused(
            "enhanced monitoring needs a role of its own; Performance Insights says enough"
        ),
        "multiAz": judged("MultiAZ", conditional="update", source=_IN_PLACE, computed=True),
        "ncharCharacterSetName": _OTHER,
        "networkType": judged("NetworkType", computed=True),
        "optionGroupName": refused("PostgreSQL has no options; its settings are in the parameter group"),
        "parameterGroupName": judged(
            "DBParameterGroupName", conditional="update", source=_IN_PLACE, computed=True
        ),
        "password": _PASSWORD,
        "passwordWo": _PASSWORD,
        "passwordWoVersion": _PASSWORD,
        "performanceInsightsEnabled": judged("EnablePerformanceInsights", default=False),
        "performanceInsightsKmsKeyId": judged(
            "PerformanceInsightsKMSKeyId",
            conditional="replace",
            source="RDS keeps the key with which insights were first switched on (RDS API, ModifyDBInstance)",
            computed=True,
        ),
        "performanceInsightsRetentionPeriod": judged("PerformanceInsightsRetentionPeriod", computed=True),
        "port": judged("Port", computed=True, encode=lambda value: str(value)),
        "publiclyAccessible": judged("PubliclyAccessible", default=False),
        "replicaMode": _OTHER,
        "replicateSourceDb": refused("the kit's standby is by multiAz; it makes no read replicas"),
        "restoreToPointInTime": _RESTORE,
        "s3Import": _OTHER,
        "skipFinalSnapshot": update(
            source="a parameter of DeleteDBInstance, used when it is deleted", default=False
        ),
        "snapshotIdentifier": _RESTORE,
        "storageEncrypted": judged("StorageEncrypted"),
        "storageThroughput": refused("gp3 has what it has by its size; the kit asks for no more"),
        "storageType": judged("StorageType", computed=True),
        "timezone": _OTHER,
        "upgradeStorageConfig": refused("it concerns replicas of an old file system"),
        "username": judged("MasterUsername", computed=True),
        "vpcSecurityGroupIds": judged("VPCSecurityGroups", unordered=True, computed=True),
        "warningEventCategories": refused("the sandbox's RDS sends no events"),
        **tags("Tags"),
        **REGION,
    }
    outputs = (
        "address",
        "arn",
        "endpoint",
        "engineVersionActual",
        "hostedZoneId",
        "latestRestorableTime",
        "listenerEndpoints",
        "masterUserSecrets",
        "replicas",
        "resourceId",
        "status",
        "upgradeRolloutOrder",
    )
    identity = ("identifier",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """What RDS and the official provider refuse, and no schema says."""
        found: list[tuple[str, str]] = []
        if not inputs.get("skipFinalSnapshot") and not inputs.get("finalSnapshotIdentifier"):
            found.append(
                (
                    "finalSnapshotIdentifier",
                    "is needed unless skipFinalSnapshot is true: DeleteDBInstance would be refused",
                )
            )
        if inputs.get("username") and not inputs.get("manageMasterUserPassword"):
            found.append(
                ("manageMasterUserPassword", "must be true: CreateDBInstance needs a password or this")
            )
        most, least = inputs.get("maxAllocatedStorage"), inputs.get("allocatedStorage")
        if isinstance(most, int) and isinstance(least, int) and most < least:
            found.append(("maxAllocatedStorage", f"{most} is less than allocatedStorage, {least}"))
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateDBInstance."""
        wire = {**_WIRE, **_AT_CREATION}
        params = compact(
            **{wire[name]: inputs.get(name) for name in wire if inputs.get(name) is not None},
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("rds", "CreateDBInstance", params)]

    def volatile(self, changed: set[str]) -> tuple[str, ...]:
        """Another version is another actual version; a password that RDS takes over is another secret."""
        found = ("engineVersionActual",) if "engineVersion" in changed else ()
        secret = {"manageMasterUserPassword", "masterUserSecretKmsKeyId"} & changed
        return (*found, "masterUserSecrets") if secret else found

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the identifier as RDS keeps it, in small letters.

        With the official provider it is the resource id; the kit reads neither.
        """
        return str(ctx.send(self.request(ctx, inputs))["DBInstance"]["DBInstanceIdentifier"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Until it is available."""
        ctx.wait(
            f"{resource_id} to be available",
            lambda: _described(ctx, resource_id)["DBInstanceStatus"] == "available",
            lambda: str(_described(ctx, resource_id)["DBInstanceStatus"]),
        )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeDBInstances."""
        found = _described(ctx, resource_id)
        if found["DBInstanceStatus"] == "deleting":
            return None
        version, wanted = found["EngineVersion"], inputs.get("engineVersion")
        endpoint = found.get("Endpoint") or {}
        state: dict[str, Plain] = {
            "address": endpoint.get("Address"),
            "arn": found["DBInstanceArn"],
            "endpoint": f"{endpoint.get('Address')}:{endpoint.get('Port')}",
            "hostedZoneId": endpoint.get("HostedZoneId"),
            "port": endpoint.get("Port"),
            "engineVersionActual": version,
            # A major version stands for whichever minor one AWS has put on.
            "engineVersion": wanted if wanted and f"{version}.".startswith(f"{wanted}.") else version,
            "masterUserSecrets": _secrets(found.get("MasterUserSecret")),
            "resourceId": found["DbiResourceId"],
            "status": found["DBInstanceStatus"],
            "dbSubnetGroupName": (found.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
            "parameterGroupName": next(
                (each["DBParameterGroupName"] for each in found.get("DBParameterGroups", [])), None
            ),
            "enabledCloudwatchLogsExports": found.get("EnabledCloudwatchLogsExports", []),
            "iamDatabaseAuthenticationEnabled": found.get("IAMDatabaseAuthenticationEnabled", False),
            "identifier": found["DBInstanceIdentifier"],
            "performanceInsightsEnabled": found.get("PerformanceInsightsEnabled", False),
            "username": found.get("MasterUsername"),
            "vpcSecurityGroupIds": [
                each["VpcSecurityGroupId"] for each in found.get("VpcSecurityGroups", [])
            ],
            "tagsAll": store_tags(ctx, found["DBInstanceArn"]),
        }
        for name, wire in {**_WIRE, **_AT_CREATION}.items():
            if name not in state and wire in found:
                state[name] = found[wire]
        return state

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyDBInstance with what changed, at once or in the window, as applyImmediately says."""
        params: dict[str, Any] = {_WIRE[name]: new.get(name) for name in changed if name in _WIRE}
        if "enabledCloudwatchLogsExports" in changed:
            before = set(old.get("enabledCloudwatchLogsExports") or [])
            after = set(new.get("enabledCloudwatchLogsExports") or [])
            params["CloudwatchLogsExportConfiguration"] = compact(
                EnableLogTypes=sorted(after - before), DisableLogTypes=sorted(before - after)
            )
        if "port" in changed:
            params["DBPortNumber"] = new.get("port")
        if params:
            if "engineVersion" in changed:
                params["AllowMajorVersionUpgrade"] = bool(new.get("allowMajorVersionUpgrade"))
            now = bool(new.get("applyImmediately"))
            ctx.client("rds").modify_db_instance(
                DBInstanceIdentifier=resource_id,
                ApplyImmediately=now,
                **{name: value for name, value in params.items() if value is not None},
            )
        retag_store(ctx, self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteDBInstance with its last snapshot, unless that is not wanted; waits until it is gone."""
        rds = ctx.client("rds")
        snapshot = None if state.get("skipFinalSnapshot") else state.get("finalSnapshotIdentifier")
        if state.get("deletionProtection"):
            raise PluginError(
                f"{resource_id} is protected against deletion: set deletionProtection to false, run `up`, then delete"
            )
        rds.delete_db_instance(
            **compact(
                DBInstanceIdentifier=resource_id,
                SkipFinalSnapshot=snapshot is None,
                FinalDBSnapshotIdentifier=snapshot,
                DeleteAutomatedBackups=bool(state.get("deleteAutomatedBackups", True)),
            )
        )
        ctx.wait(f"{resource_id} to be gone", lambda: is_absent(lambda: _described(ctx, resource_id)))


def _described(ctx: Context, identifier: str) -> dict[str, Any]:
    found: dict[str, Any] = ctx.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)[
        "DBInstances"
    ][0]
    return found


def _secrets(secret: Plain) -> Plain:
    if not secret or isinstance(secret, Unknown):
        return []
    return [
        {
            "kmsKeyId": secret.get("KmsKeyId"),
            "secretArn": secret.get("SecretArn"),
            "secretStatus": secret.get("SecretStatus"),
        }
    ]
