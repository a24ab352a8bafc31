"""What the engine refuses before anything is made: names that AWS or Kubernetes do not know, stacks not marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Sandbox, write_project

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("refusals")]

PROGRAM = """
import pulumi, pulumi_aws, pulumi_kubernetes
aws = pulumi_aws.Provider("aws", region="us-east-1", allowed_account_ids=["123456789012"])
{body}
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            'pulumi.CustomResource("aws:ec2/vpc:Vpc", "net", {"cidrBlok": "10.0.0.0/16"}, '
            "pulumi.ResourceOptions(provider=aws))",
            ["cidrBlok", "cidrBlock"],
            id="misspelt-aws-property",
        ),
        pytest.param(
            'pulumi_aws.kms.Key("key", key_usage="ENCRYPT", opts=pulumi.ResourceOptions(provider=aws))',
            ["keyUsage", "ENCRYPT_DECRYPT"],
            id="value-outside-the-schema-enum",
        ),
        pytest.param(
            'pulumi_aws.ec2.Vpc("net", cidr_block="10.0.0.0/16", ipv4_ipam_pool_id="ipam-1", '
            "opts=pulumi.ResourceOptions(provider=aws))",
            ["ipv4IpamPoolId"],
            id="property-that-is-not-emulated",
        ),
    ],
)
def test_what_awss_models_do_not_know_is_refused_by_name(
    sandbox: Sandbox, tmp_path: Path, body: str, expected: list[str]
) -> None:
    folder = write_project(sandbox, tmp_path, "sandbox-refused", "sandbox", PROGRAM.format(body=body))
    seen = sandbox.run("pulumi", "preview", "--non-interactive", cwd=folder)
    assert seen.code != 0
    for word in expected:
        assert word in seen.text, seen.text


def test_a_stack_that_is_not_marked_as_sandbox_is_refused_by_the_sandboxs_plugins(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    body = (
        'pulumi_aws.ec2.Vpc("net", cidr_block="10.0.0.0/16", opts=pulumi.ResourceOptions(provider=aws))\n'
        'pulumi_kubernetes.core.v1.Namespace("ns", opts=pulumi.ResourceOptions('
        'provider=pulumi_kubernetes.Provider("k8s", kubeconfig="{}")))'
    )
    folder = write_project(sandbox, tmp_path, "prod", "prod", PROGRAM.format(body=body))
    seen = sandbox.run("pulumi", "up", "--yes", "--non-interactive", cwd=folder)
    assert seen.code != 0
    assert "not marked as a sandbox" in seen.text
    exported = sandbox.json("pulumi", "stack", "export", cwd=folder)
    made = [r for r in exported["deployment"].get("resources", []) if r["type"] != "pulumi:pulumi:Stack"]
    assert made == []
