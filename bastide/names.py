"""Names, labels and ARNs that more than one part relies on, all computed purely.

Names that we choose are known before anything exists, so policies and a first preview can judge them. Each
has the length limit of its service in mind: the longest is an engine's IAM role, and `MAX_*` below keep it
within 64."""

from __future__ import annotations

import json
from typing import Any, Final

MAX_NAME: Final = 12
MAX_POOL: Final = 20
MAX_ENGINE: Final = 20
"""IAM role names take 64 characters (IAM quotas): 12 (name) + 1 + 7 (environment) + 1 + 14 (the longest
region, `ap-southeast-1`) + 8 (`-engine-`) + 20 = 63."""

GPU_TAINT_KEY: Final = "nvidia.com/gpu"
GPU_TAINT_VALUE: Final = "present"

POOL_LABEL: Final = "bastide.dev/pool"
"""Node label and selector: the name of the pool that a node belongs to."""
ROLE_LABEL: Final = "bastide.dev/role"
"""gateway, engine or monitoring: by it the network policies tell pods apart."""

SYSTEM_POOL: Final = "system"
"""The system pool's name: no GPU pool may take it."""

ROLE_MONITORING: Final = "monitoring"
ROLE_GATEWAY: Final = "gateway"
ROLE_ENGINE: Final = "engine"

GATEWAY: Final = "gateway"
"""Name of the gateway's Helm release, Deployment, Service and service account."""
GATEWAY_JOBS: Final = "gateway-jobs"
"""Service account of the gateway's migrations and of its teams."""
GATEWAY_SECRETS: Final = "gateway-secrets"
"""Secret in the gateway's namespace that holds its secrets, a file each."""
SECRET_STORE: Final = "bastide"  # noqa: S105 -- a name
"""SecretStore of External Secrets in each namespace that has secrets."""
SECRETS_READER: Final = "secrets-reader"
"""Service account in such a namespace by whose tokens stores outside AWS are signed in to."""

_NAMESPACES: Final = {
    "system": "bastide-system",
    "serving": "bastide-serving",
    "gateway": "bastide-gateway",
    "certificates": "bastide-certificates",
    "pki": "bastide-pki",
    "scaling": "bastide-scaling",
    "groups": "bastide-groups",
    "edge": "bastide-edge",
    "secrets": "bastide-secrets",
}


def namespace(purpose: str) -> str:
    """The namespace for `system` (node agents), `serving` (engines), `gateway`, `certificates` (cert-manager), `pki`
    (the private CA's root), `scaling` (KEDA), `groups` (LeaderWorkerSet), `secrets` (External Secrets) or `edge` (the
    load balancer's controller); KeyError for any other."""
    return _NAMESPACES[purpose]


def prefix(name: str, environment: str, region: str) -> str:
    """What every AWS name of one region's installation starts with. IAM and S3 names are global to an
    account (S3's to the whole partition), so the region is part of it."""
    return f"{name}-{environment}-{region}"


def cluster(name: str, environment: str, region: str) -> str:
    """The EKS cluster's name."""
    return prefix(name, environment, region)


def model_bucket(name: str, environment: str, region: str, account_id: str) -> str:
    """The model bucket's name; the account id makes it unique in the partition. At most 55 of S3's 63
    characters."""
    return f"{prefix(name, environment, region)}-models-{account_id}"


def model_log_bucket(name: str, environment: str, region: str, account_id: str) -> str:
    """Name of the bucket that takes the model bucket's access logs and inventories. At most 60 of S3's 63
    characters."""
    return f"{prefix(name, environment, region)}-models-logs-{account_id}"


def audit_bucket(installation: str, account_id: str) -> str:
    """Name of the bucket of the gateway's audit trail. `installation` is what `prefix` gives. At most 54 of S3's 63
    characters."""
    return f"{installation}-audit-{account_id}"


def state_bucket(installation: str, account_id: str) -> str:
    """Name of the bucket of Pulumi state. `installation` is what `prefix` gives. It does not start with it, so
    that rights over everything of the installation never reach its state. At most 54 of S3's 63 characters."""
    return f"state-{installation}-{account_id}"


def state_alias(installation: str) -> str:
    """Alias of the key that encrypts an installation's Pulumi state and secrets."""
    return f"alias/state-{installation}"


def deploy_role(installation: str) -> str:
    """Name of the role under which `pulumi up` runs; it is outside what that role may change."""
    return f"deploy-{installation}"


def break_glass_role(installation: str) -> str:
    """Name of the emergency role. `installation` is what `prefix` gives."""
    return f"{installation}-break-glass"


def engine_role(installation: str, engine: str) -> str:
    """Name of the IAM role of an engine's pods. `installation` is what `prefix` gives."""
    return f"{installation}-engine-{engine}"


def gateway_role(installation: str) -> str:
    """Name of the IAM role of the gateway's pods. `installation` is what `prefix` gives."""
    return f"{installation}-gateway"


def secrets_reader_role(installation: str) -> str:
    """Name of the IAM role by which External Secrets reads the store. `installation` is what `prefix` gives."""
    return f"{installation}-secrets-reader"


def gateway_jobs_role(installation: str) -> str:
    """Name of the IAM role of the gateway's migrations."""
    return f"{installation}-gateway-jobs"


def boundary_policy(installation: str) -> str:
    """Name of the policy that bounds every role of the installation; outside what the deploy role may change."""
    return f"boundary-{installation}"


def policy_arn(account_id: str, policy: str) -> str:
    """The ARN of an IAM policy of this account."""
    return arn("iam", "", account_id, f"policy/{policy}")


def signing_alias(installation: str) -> str:
    """Alias of the KMS key that signs an installation's models. `installation` is what `prefix` gives."""
    return f"alias/{installation}-model-signing"


def model_prefix(name: str, version: str) -> str:
    """Key prefix under which the one immutable version of a model lies, slash included."""
    return f"models/{name}/{version}/"


def model_path(name: str, version: str) -> str:
    """Folder in an engine's pod that has the model's files, and from which the engine loads them."""
    return f"/models/{name}/{version}"


def engine_release(engine: str) -> str:
    """Name of an engine's Helm release, of its Service and of its StatefulSet."""
    return f"vllm-{engine}"


def service_account(engine: str) -> str:
    """Kubernetes service account of an engine; its Pod Identity is bound to this name."""
    return engine_release(engine)


def labels(
    name: str, instance: str, component: str, *, role: str | None = None, managed_by: str = "pulumi"
) -> dict[str, str]:
    """The recommended Kubernetes labels, and `bastide.dev/role` where the object has one."""
    found = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": instance,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "bastide",
        "app.kubernetes.io/managed-by": managed_by,
    }
    if role is not None:
        found[ROLE_LABEL] = role
    return found


def arn(service: str, region: str, account_id: str, resource: str, partition: str = "aws") -> str:
    """An ARN; region and account are empty strings for services whose ARNs have none."""
    return f"arn:{partition}:{service}:{region}:{account_id}:{resource}"


def of_principal(arn: str) -> str:
    """A resource's name from a principal's ARN, so that it keeps its name when its place in a list changes:
    `123456789012-role-admin`."""
    return arn.split("::")[1].replace(":", "-").replace("/", "-")


def role_arn(account_id: str, role: str) -> str:
    """The ARN of an IAM role of this account."""
    return arn("iam", "", account_id, f"role/{role}")


def cluster_arn(region: str, account_id: str, cluster_name: str) -> str:
    """The ARN of an EKS cluster."""
    return arn("eks", region, account_id, f"cluster/{cluster_name}")


def policy_document(*statements: dict[str, Any]) -> str:
    """An IAM policy document as JSON with a stable key order, so that equal policies compare equal."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)
