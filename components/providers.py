"""The explicit providers. Default providers are disabled in every stack, so nothing reaches an account or a
cluster except through one of these."""

from __future__ import annotations

import json
from typing import Final

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from bastide.settings import Settings


def aws_provider(name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> aws.Provider:
    """The AWS provider of a stack's region. It refuses to work in any other account, and tags what it
    makes."""
    return aws.Provider(
        name,
        region=settings.region,
        allowed_account_ids=[settings.account_id],
        default_tags=aws.ProviderDefaultTagsArgs(tags=settings.all_tags),
        opts=opts,
    )


NO_CLUSTER: Final = "https://cluster-is-not-created.invalid"
"""Server of a run with --target that leaves out a cluster that does not exist yet. It cannot resolve (RFC 2606); an
empty kubeconfig would let the official provider fall back to whatever cluster the machine's own points at."""


def kubeconfig(cluster_name: str, region: str, endpoint: str, certificate_authority: str) -> str:
    """A kubeconfig without a credential: the AWS CLI makes a short-lived token at each use.

    `certificate_authority` is PEM in base64, as EKS gives it.
    """
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": cluster_name,
                    "cluster": {"server": endpoint, "certificate-authority-data": certificate_authority},
                }
            ],
            "contexts": [{"name": cluster_name, "context": {"cluster": cluster_name, "user": cluster_name}}],
            "current-context": cluster_name,
            "users": [
                {
                    "name": cluster_name,
                    "user": {
                        "exec": {
                            "apiVersion": "client.authentication.k8s.io/v1beta1",
                            "command": "aws",
                            "args": [
                                *("eks", "get-token", "--cluster-name", cluster_name),
                                *("--region", region, "--output", "json"),
                            ],
                            "interactiveMode": "Never",
                        }
                    },
                }
            ],
        },
        sort_keys=True,
    )


def kubernetes_provider(
    name: str,
    settings: Settings,
    endpoint: pulumi.Input[str],
    certificate_authority: pulumi.Input[str],
    opts: pulumi.ResourceOptions | None = None,
) -> kubernetes.Provider:
    """The Kubernetes provider of the stack's cluster; its kubeconfig is known when the cluster is."""
    config = pulumi.Output.all(endpoint, certificate_authority).apply(
        lambda known: kubeconfig(settings.cluster_name, settings.region, known[0] or NO_CLUSTER, known[1])
    )
    return kubernetes.Provider(name, kubeconfig=config, enable_server_side_apply=True, opts=opts)
