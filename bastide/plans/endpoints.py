"""Interface endpoints: which a network needs, why, and who may use them."""

from __future__ import annotations

from typing import Any, Final

from bastide import names

DEFAULT_SERVICES: Final = (
    *("ecr.api", "ecr.dkr", "sts", "ec2", "eks", "eks-auth", "logs", "s3", "kms", "secretsmanager"),
)
"""What is reached inside the VPC when nothing else is said."""

NEEDED_WITHOUT_NAT: Final[dict[str, str]] = {
    "ec2": "nodes look themselves up at boot, and the VPC CNI asks it for pods' addresses",
    "ecr.api": "nodes get their credentials for image pulls from it",
    "ecr.dkr": "nodes pull the manifests of images from it",
    "eks": "nodes ask it for the cluster's endpoint when they boot",
    "eks-auth": "the Pod Identity agent gets pods' credentials from it",
    "logs": "agents on nodes send their logs to it",
    "s3": "ECR keeps the layers of images there, and engines get their models from it",
    "sts": "AWS's SDKs in pods ask it who they are and change roles by it",
}
"""Services that nodes and pods call themselves, and what for (EKS user guide, "Deploy private clusters with limited
internet access"). Without a way to the internet each must have an endpoint."""

BEDROCK: Final = "bedrock-runtime"
"""The service that answers InvokeModel and Converse (Bedrock user guide, "Use interface VPC endpoints (AWS
PrivateLink)"); `bedrock` alone is its management."""

PUBLIC_REGISTRIES: Final = (
    *("docker.io", "gcr.io", "ghcr.io", "nvcr.io", "public.ecr.aws", "quay.io", "registry.k8s.io"),
)
"""Registries on the internet that no endpoint leads to."""

WITH_POLICY: Final = frozenset(
    {
        *("autoscaling", BEDROCK, "ec2", "ecr.api", "ecr.dkr", "eks", "elasticloadbalancing", "kms", "logs"),
        *("monitoring", "s3", "secretsmanager", "sqs", "ssm", "sts"),
    }
)
"""Services whose endpoints take a policy (each service's own PrivateLink page). Of any other, such as eks-auth, it is
not known here, and its endpoint keeps AWS's default, under which IAM alone decides."""


def registry_of(repository: str) -> str:
    """The registry of an image's repository; what names none is on Docker Hub."""
    first, slash, _ = repository.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def is_public(repository: str) -> bool:
    """Whether an image lies in a registry on the internet."""
    registry = registry_of(repository)
    return any(registry == each or registry.endswith(f".{each}") for each in PUBLIC_REGISTRIES)


def policy(service: str, region: str, account_id: str) -> str | None:
    """The endpoint policy that admits this account's principals alone, so that stolen credentials of another
    account cannot carry data out through the endpoint; None where the endpoint takes none."""
    if service not in WITH_POLICY:
        return None
    statements: list[dict[str, Any]] = [
        {
            "Sid": "OwnPrincipals",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "*",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalAccount": account_id}},
        }
    ]
    if service == "s3":
        # ECR signs the links to its layers with its own principal (ECR user guide, "Minimum Amazon S3 Bucket
        # Permissions for Amazon ECR").
        statements.append(
            {
                "Sid": "ImageLayers",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": names.arn("s3", "", "", f"prod-{region}-starport-layer-bucket/*"),
            }
        )
    return names.policy_document(*statements)
