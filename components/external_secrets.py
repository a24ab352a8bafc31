"""External Secrets by its own chart, the store of the gateway's namespace, and what is read from it."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import secret_delivery as plan
from bastide.settings import Settings
from components.controller_release import ControllerChart, controller

VERSION_ANNOTATION = "bastide.dev/secrets-version"
"""When it changes, External Secrets looks into the store at once and not only after its interval."""


class ExternalSecrets(pulumi.ComponentResource):
    """Secrets as files: the operator, one SecretStore, one ExternalSecret."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        version: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("bastide:secrets:ExternalSecrets", name, None, opts)
        wanted = settings.secrets
        release = controller(
            name,
            settings,
            ControllerChart(
                purpose="secrets",
                release=plan.RELEASE,
                chart="external-secrets",
                version=wanted.chart_version,
                repository=wanted.chart_repository,
                values=plan.release_values(settings),
                policies=plan.network_policies(settings),
            ),
            self,
        )
        before: list[pulumi.Resource] = [release]
        account = plan.service_account(settings)
        if account is not None:
            before.append(
                kubernetes.core.v1.ServiceAccount(
                    f"{name}-reader",
                    metadata=account,
                    automount_service_account_token=False,
                    opts=pulumi.ResourceOptions(parent=self),
                )
            )
        store = self._custom(name, plan.store(settings), before)
        found = plan.external_secret(settings)
        found["metadata"]["annotations"] = {VERSION_ANNOTATION: version}
        self._custom(name, found, [store])
        self.register_outputs({"secret": names.GATEWAY_SECRETS})

    def _custom(self, name: str, item: dict[str, Any], after: list[pulumi.Resource]) -> pulumi.Resource:
        made: pulumi.Resource = kubernetes.apiextensions.CustomResource(
            f"{name}-{item['kind'].lower()}-{item['metadata']['name']}",
            api_version=item["apiVersion"],
            kind=item["kind"],
            metadata=item["metadata"],
            spec=item["spec"],
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        return made
