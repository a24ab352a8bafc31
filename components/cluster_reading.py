"""What is there before the run: the cluster as EKS describes it, read before the first resource is registered.

The provider's own functions read it, so that preview and run see the same account. A run that would break a rule
ends here, with the reason, and nothing was changed.
"""

from __future__ import annotations

from datetime import date

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.adopted.cluster import ClusterFacts, examine
from bastide.catalogues import eks_versions
from bastide.plans import upgrades
from bastide.settings import AdoptedCluster, CreatedCluster, Settings
from bastide.settings.network import AdoptedNetwork


def read_cluster(settings: Settings, provider: aws.Provider) -> ClusterFacts | None:
    """Reads the stack's cluster and holds it against the settings; None when it is not there yet.

    Raises RunError where a run would be refused. Says warnings, and the steps of an upgrade.
    """
    options = pulumi.InvokeOptions(provider=provider)
    names_there = aws.eks.get_clusters(opts=options).names
    facts = _facts(settings.cluster_name, options) if settings.cluster_name in names_there else None
    if isinstance(settings.cluster, AdoptedCluster):
        if facts is None:
            raise pulumi.RunError(
                f"bastide:cluster.name: there is no cluster {settings.cluster_name!r} in {settings.region} of "
                f"account {settings.account_id}; there {_listed(names_there)}; nothing was registered"
            )
        _adopt(settings, settings.cluster, facts, options)
    else:
        _own(settings, settings.cluster)
    if facts is not None:
        _upgrade(settings, facts, options)
    return facts


def _listed(found: list[str]) -> str:
    return f"are: {', '.join(sorted(found))}" if found else "is none"


def _facts(name: str, options: pulumi.InvokeOptions) -> ClusterFacts:
    found = aws.eks.get_cluster(name=name, opts=options)
    network, vpc = found.kubernetes_network_configs[0], found.vpc_config
    return ClusterFacts(
        name=name,
        status=found.status,
        version=found.version,
        endpoint=found.endpoint,
        certificate_authority=found.certificate_authorities[0].data,
        vpc_id=vpc.vpc_id,
        security_group_id=vpc.cluster_security_group_id,
        private_access=vpc.endpoint_private_access,
        public_access=vpc.endpoint_public_access,
        public_cidrs=vpc.public_access_cidrs,
        authentication_mode=found.access_configs[0].authentication_mode,
        service_cidr=network.service_ipv4_cidr,
        ip_family=network.ip_family,
        upgrade_policy=found.upgrade_policies[0].support_type,
        deletion_protection=found.deletion_protection,
        log_types=found.enabled_cluster_log_types,
    )


def _own(settings: Settings, cluster: CreatedCluster) -> None:
    """The version's support; in a sandbox nothing is out of support, and the reason is said all the same."""
    verdict = eks_versions.judge(cluster.kubernetes_version, cluster.upgrade_policy, _today())
    if verdict.refusal and not settings.sandbox:
        raise pulumi.RunError(f"bastide:cluster.kubernetesVersion: {verdict.refusal}; nothing was registered")
    if verdict.warning or verdict.refusal:
        pulumi.log.warn(verdict.warning or f"refused outside a sandbox: {verdict.refusal}")
    if verdict.note:
        pulumi.log.info(verdict.note)


def _today() -> date:
    return date.today()


def _adopt(
    settings: Settings, cluster: AdoptedCluster, facts: ClusterFacts, options: pulumi.InvokeOptions
) -> None:
    agent = "eks-pod-identity-agent"
    judgement = examine(
        facts,
        wanted_version=cluster.kubernetes_version,
        service_cidr=str(cluster.service_cidr),
        vpc_id=settings.network.vpc_id if isinstance(settings.network, AdoptedNetwork) else None,
        pod_identity=agent in cluster.managed_addons or bool(_addon_version(facts.name, agent, options)),
        today=_today(),
    )
    for warning in judgement.warnings:
        pulumi.log.warn(f"the adopted cluster {facts.name}: {warning}")
    if judgement.refusals:
        lines = "\n".join(f"  {number}. {each}" for number, each in enumerate(judgement.refusals, 1))
        raise pulumi.RunError(
            f"bastide:cluster.name: the cluster {facts.name!r} cannot be adopted; nothing was registered:\n{lines}"
        )


def _upgrade(settings: Settings, facts: ClusterFacts, options: pulumi.InvokeOptions) -> None:
    """Reads the rest only where there is something to say: each look is a request of its own."""
    cluster = settings.cluster
    owned = isinstance(cluster, CreatedCluster)
    if owned and facts.version == cluster.kubernetes_version:
        return
    managed = cluster.managed()
    running = upgrades.Running(
        facts.version,
        {name: version for name in managed if (version := _addon_version(facts.name, name, options))},
        _pools(facts.name, options),
    )
    wanted = upgrades.Wanted(cluster.kubernetes_version, managed, _wanted_pools(settings), owned)
    reason = upgrades.refusal(running, wanted)
    if reason:
        raise pulumi.RunError(f"bastide:cluster.kubernetesVersion: {reason}; nothing was registered")
    steps = upgrades.explain(running, wanted)
    if steps:
        pulumi.log.info(steps)


def _addon_version(cluster: str, addon: str, options: pulumi.InvokeOptions) -> str:
    """'' where it is not installed, which EKS answers as an error."""
    try:
        return str(aws.eks.get_addon(cluster_name=cluster, addon_name=addon, opts=options).addon_version)
    except Exception as error:
        if "ResourceNotFoundException" in str(error) or "couldn't find resource" in str(error):
            return ""
        raise


def _pools(cluster: str, options: pulumi.InvokeOptions) -> dict[str, str]:
    oldest: dict[str, str] = {}
    for name in aws.eks.get_node_groups(cluster_name=cluster, opts=options).names:
        group = aws.eks.get_node_group(cluster_name=cluster, node_group_name=name, opts=options)
        pool = group.labels.get(names.POOL_LABEL)
        if pool:
            oldest[pool] = min(oldest.get(pool, group.version), group.version, key=eks_versions.minor)
    return oldest


def _wanted_pools(settings: Settings) -> list[upgrades.Pool]:
    pools = [(names.SYSTEM_POOL, 1), *((pool.name, pool.max_unavailable) for pool in settings.pools)]
    return [upgrades.Pool(name, _at_once(nodes)) for name, nodes in pools]


def _at_once(nodes: int) -> str:
    return f"{nodes} node{'s' if nodes != 1 else ''}"
