"""What the gateway's pods may do in AWS: a role for LiteLLM, and one for the migration of its database."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from bastide import names
from bastide.plans import gateway_rights
from bastide.settings import ExistingDatabase, Settings
from components.database import Database
from components.identity import PodIdentity, PodIdentityArgs


@dataclass(frozen=True)
class GatewayAccessArgs:
    """The stack's settings, its cluster, and its database where the stack makes it."""

    settings: Settings
    cluster_name: pulumi.Input[str]
    database: Database | None


class GatewayAccess(pulumi.ComponentResource):
    """Roles for the service accounts `gateway` and `gateway-jobs`; none for who uses nothing of AWS."""

    def __init__(
        self, name: str, args: GatewayAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("bastide:gateway:GatewayAccess", name, None, opts)
        self._args = args
        settings, made = args.settings, args.database
        existing = settings.database.resource_id if isinstance(settings.database, ExistingDatabase) else None
        resource = made.resource_id if made else pulumi.Output.from_input(existing)
        if gateway_rights.serves_with_rights(settings):
            policy = resource.apply(
                lambda each: gateway_rights.document(gateway_rights.serving(settings, each))
            )
            self._role(f"{name}-role", names.gateway_role(settings.prefix), names.GATEWAY, policy)
        if gateway_rights.migrates_with_rights(settings):
            known = pulumi.Output.all(
                resource, made.administrator_secret_arn if made else None, made.key_arn if made else None
            )
            policy = known.apply(
                lambda each: gateway_rights.document(gateway_rights.migrating(settings, *each))
            )
            self._role(
                f"{name}-jobs-role", names.gateway_jobs_role(settings.prefix), names.GATEWAY_JOBS, policy
            )
        self.register_outputs({})

    def _role(self, name: str, role: str, account: str, policy: pulumi.Output[str]) -> None:
        PodIdentity(
            name,
            PodIdentityArgs(
                settings=self._args.settings,
                cluster_name=self._args.cluster_name,
                role_name=role,
                namespace=names.namespace("gateway"),
                service_account=account,
                policy=policy,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
