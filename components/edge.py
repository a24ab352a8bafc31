"""The gateway's entrance: an application load balancer with its certificate, logs, firewall and name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.plans import edge
from bastide.settings import EdgeSettings, Settings
from components.bucket import close_bucket
from components.edge_firewall import Firewall
from components.identity import PodIdentity, PodIdentityArgs


@dataclass(frozen=True)
class EdgeArgs:
    """The stack's settings, and where the entrance is."""

    settings: Settings
    wanted: EdgeSettings
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Subnets of the load balancer by zone: public or private ones, as its scheme asks."""
    pod_group_id: pulumi.Input[str]
    """Security group of the nodes, which pods have too."""
    cluster_name: pulumi.Input[str]
    certificate_arn: pulumi.Input[str]
    domain: str
    zone_id: str


class Edge(pulumi.ComponentResource):
    """A load balancer that takes HTTPS and forwards the settings' paths to the gateway's pods by HTTPS; everything else
    is 404. Who the pods are is told by the controller (`components.edge_controller`), whose rights are here."""

    target_group_arn: pulumi.Output[str]
    url: str
    """Base URL for callers."""

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:gateway:Edge", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        settings, wanted = args.settings, args.wanted
        bucket, written = self._logs()
        group = self._network()
        balancer = aws.lb.LoadBalancer(
            f"{name}-balancer",
            name=edge.name(settings),
            load_balancer_type="application",
            internal=wanted.scheme == "internal",
            subnets=list(args.subnet_ids.values()),
            security_groups=[group.id],
            idle_timeout=edge.idle_seconds(settings),
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            # A firewall that cannot be asked lets nobody in.
            enable_waf_fail_open=False,
            enable_deletion_protection=settings.protection,
            access_logs=aws.lb.LoadBalancerAccessLogsArgs(bucket=bucket.bucket, enabled=True),
            # AWS's default, said here so that nobody changes it unseen: the address that the load balancer saw is put
            # after whatever the caller wrote into X-Forwarded-For, so that the last address alone is true (ELB user
            # guide, 'HTTP headers and Application Load Balancers'). The gateway believes none: its server takes no
            # proxy's headers, and its edge hands none on to LiteLLM (bastide_gateway/servers.py, edge.py).
            xff_header_processing_mode="append",
            opts=pulumi.ResourceOptions(parent=self, protect=settings.protection, depends_on=written),
        )
        targets = self._targets()
        self._listener(balancer, targets)
        Firewall(f"{name}-firewall", settings, wanted.firewall, balancer.arn, opts=self._child)
        aws.route53.Record(
            f"{name}-name",
            zone_id=args.zone_id,
            name=args.domain,
            type="A",
            aliases=[
                aws.route53.RecordAliasArgs(
                    name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=True
                )
            ],
            opts=self._child,
        )
        PodIdentity(
            f"{name}-controller",
            PodIdentityArgs(
                settings=settings,
                cluster_name=args.cluster_name,
                role_name=edge.controller_role(settings),
                namespace=names.namespace("edge"),
                service_account=edge.RELEASE,
                policy=edge.controller_policy(settings),
            ),
            opts=self._child,
        )
        self.target_group_arn = targets.arn
        self.url = f"https://{args.domain}"
        self.register_outputs({"url": self.url})

    def _logs(self) -> tuple[aws.s3.Bucket, list[pulumi.Resource]]:
        """The bucket of access logs, and what has to be there before ELB tries it."""
        name, settings, child = self._name, self._args.settings, self._child
        bucket = aws.s3.Bucket(
            f"{name}-logs",
            bucket=edge.log_bucket(settings),
            force_destroy=settings.sandbox,
            opts=pulumi.ResourceOptions(
                parent=self, protect=settings.protection, retain_on_delete=settings.protection
            ),
        )
        # ELB writes with S3's own key alone (ELB user guide, 'Enable access logs').
        closed = close_bucket(f"{name}-logs", bucket.bucket, None, child)
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-logs-lifecycle",
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="end",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(
                        days=self._args.wanted.log_days
                    ),
                    abort_incomplete_multipart_upload=(
                        aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                            days_after_initiation=7
                        )
                    ),
                )
            ],
            opts=child,
        )
        policy = aws.s3.BucketPolicy(
            f"{name}-logs-policy",
            bucket=bucket.bucket,
            policy=edge.log_policy(settings),
            # S3 refuses two changes of a bucket's access at once.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        return bucket, [policy]

    def _network(self) -> aws.ec2.SecurityGroup:
        name, args, child = self._name, self._args, self._child
        settings = args.settings
        group = aws.ec2.SecurityGroup(
            f"{name}-access",
            description="HTTPS from callers to the load balancer of the gateway",
            vpc_id=args.vpc_id,
            tags={"Name": f"{settings.prefix}-edge"},
            opts=child,
        )
        for index, block in enumerate(edge.clients(settings, args.wanted)):
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-access-{index}",
                security_group_id=group.id,
                cidr_ipv4=block,
                ip_protocol="tcp",
                from_port=edge.LISTENER_PORT,
                to_port=edge.LISTENER_PORT,
                description="HTTPS from callers",
                opts=child,
            )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-to-pods",
            security_group_id=group.id,
            referenced_security_group_id=args.pod_group_id,
            ip_protocol="tcp",
            from_port=edge.TARGET_PORT,
            to_port=edge.TARGET_PORT,
            description="To pods of the gateway",
            opts=child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-into-pods",
            security_group_id=args.pod_group_id,
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=edge.TARGET_PORT,
            to_port=edge.TARGET_PORT,
            description="From the load balancer of the gateway",
            opts=child,
        )
        return group

    def _targets(self) -> aws.lb.TargetGroup:
        settings = self._args.settings
        return aws.lb.TargetGroup(
            f"{self._name}-targets",
            name=edge.name(settings),
            target_type="ip",
            protocol="HTTPS",
            port=edge.TARGET_PORT,
            vpc_id=self._args.vpc_id,
            # The pod with the fewest open requests: answers take from a second to minutes.
            load_balancing_algorithm_type="least_outstanding_requests",
            deregistration_delay=settings.gateway.drain.shutdown_seconds,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                protocol="HTTPS",
                path=edge.HEALTH_PATH,
                port="traffic-port",
                matcher="200",
                interval=10,
                timeout=5,
                healthy_threshold=2,
                unhealthy_threshold=2,
            ),
            opts=self._child,
        )

    def _listener(self, balancer: aws.lb.LoadBalancer, targets: aws.lb.TargetGroup) -> None:
        name, args, child = self._name, self._args, self._child
        listener = aws.lb.Listener(
            f"{name}-https",
            load_balancer_arn=balancer.arn,
            port=edge.LISTENER_PORT,
            protocol="HTTPS",
            ssl_policy=edge.TLS_POLICY,
            certificate_arn=args.certificate_arn,
            default_actions=[
                aws.lb.ListenerDefaultActionArgs(
                    type="fixed-response",
                    fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
                        content_type="application/json",
                        message_body='{"error":{"message":"not found","type":"not_found"}}',
                        status_code="404",
                    ),
                )
            ],
            routing_http_response_server_enabled=False,
            routing_http_response_strict_transport_security_header_value=edge.STRICT_TRANSPORT,
            opts=child,
        )
        for index, paths in enumerate(edge.path_rules(args.wanted)):
            aws.lb.ListenerRule(
                f"{name}-paths-{index}",
                listener_arn=listener.arn,
                priority=index + 1,
                conditions=[
                    aws.lb.ListenerRuleConditionArgs(
                        path_pattern=aws.lb.ListenerRuleConditionPathPatternArgs(values=paths)
                    )
                ],
                actions=[aws.lb.ListenerRuleActionArgs(type="forward", target_group_arn=targets.arn)],
                opts=child,
            )
