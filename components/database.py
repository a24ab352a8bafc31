"""The gateway's Postgres: RDS of the stack's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide.plans import database
from bastide.settings import CreatedDatabase, Settings
from components.key import Key, KeyArgs, logs_statement
from components.store_access import StoreAccess, access_from_pods


@dataclass(frozen=True)
class DatabaseArgs:
    """The stack's settings, and where its pods are."""

    settings: Settings
    wanted: CreatedDatabase
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by zone."""
    client_group_id: pulumi.Input[str]
    """Security group of the nodes, which pods have too: it alone may connect."""


class Database(pulumi.ComponentResource):
    """One instance of PostgreSQL with its key, subnets, parameters, logs and network group. Who may sign in is the
    gateway's."""

    host: pulumi.Output[str]
    resource_id: pulumi.Output[str]
    """By which rights to sign in name it."""
    administrator_secret_arn: pulumi.Output[str]
    """Secret that RDS made for the first user."""
    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:gateway:Database", name, None, opts)
        self._name, self._args = name, args
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        groups = database.log_groups(settings)
        statement = logs_statement(settings.region, settings.account_id, groups)
        key = Key(
            f"{name}-key",
            KeyArgs(
                settings,
                "database",
                "Encryption of the gateway's database, its backups and logs",
                [statement],
            ),
            opts=child,
        )
        logs = [
            aws.cloudwatch.LogGroup(
                f"{name}-logs-{kind}",
                name=group,
                retention_in_days=args.wanted.log_days,
                kms_key_id=key.arn,
                opts=child,
            )
            for kind, group in zip(database.LOGS, groups, strict=True)
        ]
        instance = self._instance(key, self._network(), logs)
        self.host, self.resource_id, self.key_arn = instance.address, instance.resource_id, key.arn
        self.administrator_secret_arn = instance.master_user_secrets.apply(
            lambda found: str(found[0].secret_arn)
        )
        self.register_outputs({"host": self.host})

    def _network(self) -> aws.ec2.SecurityGroup:
        args = self._args
        access = StoreAccess(
            protocol="PostgreSQL",
            store="database",
            port=database.PORT,
            vpc_id=args.vpc_id,
            client_group_id=args.client_group_id,
            prefix=args.settings.prefix,
        )
        return access_from_pods(self._name, access, pulumi.ResourceOptions(parent=self))

    def _instance(
        self, key: Key, group: aws.ec2.SecurityGroup, logs: list[aws.cloudwatch.LogGroup]
    ) -> aws.rds.Instance:
        name, args, child = self._name, self._args, pulumi.ResourceOptions(parent=self)
        settings, wanted = args.settings, args.wanted
        identifier = database.identifier(settings)
        subnets = aws.rds.SubnetGroup(
            f"{name}-subnets",
            name=identifier,
            description="Private subnets of the gateway's database",
            subnet_ids=list(args.subnet_ids.values()),
            opts=child,
        )
        parameters = aws.rds.ParameterGroup(
            f"{name}-parameters",
            # The family is part of the name: an upgrade needs the new group beside the old one.
            name=f"{identifier}-{wanted.version}",
            family=f"postgres{wanted.version}",
            description="TLS alone, and no statements in the log",
            parameters=[
                aws.rds.ParameterGroupParameterArgs(name=each, value=value)
                for each, value in database.PARAMETERS.items()
            ],
            opts=child,
        )
        return aws.rds.Instance(
            f"{name}-instance",
            identifier=identifier,
            engine="postgres",
            engine_version=wanted.version,
            allow_major_version_upgrade=True,
            auto_minor_version_upgrade=True,
            instance_class=wanted.instance_class,
            allocated_storage=wanted.storage_gib,
            max_allocated_storage=wanted.max_storage_gib
            if wanted.max_storage_gib > wanted.storage_gib
            else None,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key.arn,
            multi_az=wanted.multi_az,
            db_name=wanted.database,
            port=database.PORT,
            username=database.ADMINISTRATOR,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=key.arn,
            iam_database_authentication_enabled=wanted.auth == "iam",
            ca_cert_identifier=database.CA,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            backup_retention_period=wanted.backup_days,
            backup_window=wanted.backup_window,
            maintenance_window=wanted.maintenance_window,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not settings.protection,
            deletion_protection=settings.protection,
            skip_final_snapshot=not settings.protection,
            final_snapshot_identifier=database.final_snapshot(settings) if settings.protection else None,
            enabled_cloudwatch_logs_exports=list(database.LOGS),
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key.arn,
            performance_insights_retention_period=wanted.insights_days,
            # A change of class waits for the window, in which a failover hurts least.
            apply_immediately=not settings.protection,
            opts=pulumi.ResourceOptions(parent=self, protect=settings.protection, depends_on=logs),
        )
