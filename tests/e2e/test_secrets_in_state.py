"""Values of secrets by the real engine: made in the store, brought into the cluster by the
real operator, and in no preview, output, log, state or other object."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.secret_scan import SecretScanner, cluster_places
from tests.waits import until

from .conftest import ROOT, Sandbox, write_project

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("secrets-in-state")]

CANARY = 'canary-Of/the+Database"9'
PREFIX = "bastide-sandbox-us-east-1"
UP = ("up", "--yes")
PROGRAM = f"""
import os
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import pulumi
from bastide.settings import Settings, read_stack_file
from components import secret_values
from components.external_secrets import ExternalSecrets
from components.namespaces import Namespaces, NamespacesArgs
from components.providers import aws_provider, kubernetes_provider
from components.secrets import Secrets, SecretsArgs

raw = read_stack_file(Path({str(ROOT)!r}) / "stacks/Pulumi.sandbox.yaml")
settings = Settings.load({{
    **raw,
    "gateway": {{"enabled": True}},
    "routes": [{{"name": "chat", "deployments": [{{"name": "chat"}}]}}],
    "database": {{"kind": "existing", "host": "db.example.com"}},
}})
secret_values.refuse(settings)
provider = aws_provider("aws", settings)
made = Secrets(
    "s",
    SecretsArgs(settings, settings.secrets.store, settings.cluster_name),
    pulumi.ResourceOptions(provider=provider),
)
inside = pulumi.ResourceOptions(
    provider=kubernetes_provider("k", settings, os.environ["ENDPOINT"], os.environ["AUTHORITY"])
)
spaces = Namespaces("n", NamespacesArgs(settings), inside)
ExternalSecrets(
    "e",
    settings,
    made.version,
    pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[made, spaces])),
)
pulumi.export("version", made.version)
"""


def pulumi(sandbox: Sandbox, folder: Path, *args: str) -> str:
    found = sandbox.run("pulumi", *args, "--non-interactive", cwd=folder)
    assert found.code == 0, found.text
    return found.text


def values(sandbox: Sandbox) -> dict[str, str]:
    manager = sandbox.aws("secretsmanager")
    names = ("gateway-master-key", "gateway-salt-key", "database-password")
    return {name: manager.get_secret_value(SecretId=f"{PREFIX}/{name}")["SecretString"] for name in names}


@pytest.fixture
def cluster(sandbox: Sandbox) -> None:
    """The stack's cluster, without its region."""
    eks, ec2, iam = (sandbox.aws(service) for service in ("eks", "ec2", "iam"))
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")
        for number, zone in enumerate("ab")
    ]
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    eks.create_cluster(
        name=PREFIX,
        version="1.34",
        roleArn=iam.create_role(RoleName="eks", AssumeRolePolicyDocument=document)["Role"]["Arn"],
        resourcesVpcConfig={"subnetIds": [each["Subnet"]["SubnetId"] for each in subnets]},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
    )
    found = until(lambda: active(eks.describe_cluster(name=PREFIX)["cluster"]))
    sandbox.env |= {"ENDPOINT": found["endpoint"], "AUTHORITY": found["certificateAuthority"]["data"]}


def active(found: dict[str, Any]) -> dict[str, Any] | None:
    return found if found["status"] == "ACTIVE" else None


@pytest.fixture
def project(sandbox: Sandbox, cluster: None, tmp_path: Path) -> Path:
    folder = tmp_path / "secrets-only"
    folder.mkdir()
    return write_project(sandbox, folder, "sandbox-secrets", "sandbox", PROGRAM)


def give(sandbox: Sandbox, folder: Path, *, secret: bool) -> None:
    kind = "--secret" if secret else "--plaintext"
    done = subprocess.run(
        ["pulumi", "config", "set", kind, "secret:database-password"],
        cwd=folder,
        env=sandbox.env,
        input=CANARY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_values_are_in_the_store_and_nowhere_else(sandbox: Sandbox, project: Path) -> None:
    give(sandbox, project, secret=False)
    plain = sandbox.run("pulumi", "preview", "--non-interactive", cwd=project)
    assert plain.code != 0
    assert "in plain text" in plain.text
    assert CANARY not in plain.text

    give(sandbox, project, secret=True)
    assert CANARY not in (project / "Pulumi.sandbox-secrets.yaml").read_text()
    said = [pulumi(sandbox, project, "preview", "--json")]
    assert not manager_has(sandbox, "gateway-master-key"), "a preview makes nothing"
    said.append(pulumi(sandbox, project, *UP))
    found = values(sandbox)
    assert found["database-password"] == CANARY
    assert all(found[name].startswith("sk-") for name in ("gateway-master-key", "gateway-salt-key"))

    # The operator has brought them into the cluster, and there they are in one Secret alone.
    until(lambda: delivered(sandbox) == found)
    said.append(pulumi(sandbox, project, "preview", "--json"))
    said.append(pulumi(sandbox, project, "stack", "output", "--json"))
    state = pulumi(sandbox, project, "stack", "export")
    scanner = SecretScanner(found)
    assert scanner.scan({"said": said, "state": state, "files": sandbox.home / "pulumi-state"}) == []
    assert scanner.scan({"logs": sandbox.home / "logs"}) == []
    assert scanner.scan(cluster_places(sandbox.kubectl)) == []
    assert "ciphertext" in state, "the given value is there, encrypted"

    # What is given stands in the state encrypted; what is made does not at all: its secret has no version there.
    opened = json.loads(pulumi(sandbox, project, "stack", "export", "--show-secrets"))
    there = {each.secret for each in scanner.scan({"opened": json.dumps(opened)})}
    assert there == {"database-password"}

    # Planted on purpose: found.
    planted = json.dumps({"checkpoint": state, "leak": found["gateway-master-key"]})
    assert [each.secret for each in scanner.scan({"planted": planted})] != []
    assert values(sandbox) == found, "nothing of it has changed a value"


def delivered(sandbox: Sandbox) -> dict[str, str]:
    items = sandbox.kubectl("get", "secrets", "-n", "bastide-gateway")["items"]
    found = next((each for each in items if each["metadata"]["name"] == "gateway-secrets"), {})
    data = found.get("data") or {}
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def manager_has(sandbox: Sandbox, name: str) -> Any:
    listed = sandbox.aws("secretsmanager").list_secrets()["SecretList"]
    return [each for each in listed if each["Name"] == f"{PREFIX}/{name}"]
