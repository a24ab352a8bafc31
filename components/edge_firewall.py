"""The web application firewall before the gateway's load balancer, and its log."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from bastide.plans import edge, firewall
from bastide.settings import Settings
from bastide.settings.edge import FirewallSettings
from components.key import Key, KeyArgs, logs_statement


class Firewall(pulumi.ComponentResource):
    """A web ACL, what it guards, and its log without keys."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        wanted: FirewallSettings,
        balancer_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("bastide:gateway:Firewall", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = edge.firewall_log_group(settings)
        key = Key(
            f"{name}-key",
            KeyArgs(
                settings,
                "edge-logs",
                "Encryption of the firewall log",
                [logs_statement(settings.region, settings.account_id, [group])],
            ),
            opts=child,
        )
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs", name=group, retention_in_days=wanted.log_days, kms_key_id=key.arn, opts=child
        )
        acl = aws.wafv2.WebAcl(
            f"{name}-acl",
            name=edge.name(settings),
            description="Before the gateway",
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=firewall.rules(wanted),
            visibility_config=firewall.visibility(edge.name(settings)),
            opts=child,
        )
        # Before it guards anything: what it blocks first is in the log.
        logged = aws.wafv2.WebAclLoggingConfiguration(
            f"{name}-logging",
            resource_arn=acl.arn,
            log_destination_configs=[logs.arn],
            redacted_fields=firewall.redacted(),
            opts=child,
        )
        aws.wafv2.WebAclAssociation(
            f"{name}-guards",
            resource_arn=balancer_arn,
            web_acl_arn=acl.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[logged]),
        )
        self.register_outputs({})
