"""What holds for every resource of a region, and the order in which they stand."""

from __future__ import annotations

from collections import Counter

import pytest
from component_recording import Recording, Registered, region_of, stack


@pytest.fixture(params=["sandbox", "prod"])
def region(request: pytest.FixtureRequest) -> Recording:
    found: Recording = request.getfixturevalue(request.param)
    return found


def test_everything_has_a_parent_and_only_the_region_is_at_the_top(region: Recording) -> None:
    urns = {each.urn for each in region.found}
    assert [each.name for each in region.found if each.parent not in urns] == ["bastide"]


def test_no_resource_uses_a_default_provider(region: Recording) -> None:
    for each in region.found:
        if each.custom and not each.type.startswith("pulumi:providers:"):
            kind = each.type.split(":")[0]
            assert f"pulumi:providers:{kind}::bastide-{kind}" in each.provider, each.name


def test_no_two_resources_share_a_urn(region: Recording) -> None:
    assert max(Counter(each.urn for each in region.found).values()) == 1


def test_components_have_our_type_tokens(region: Recording) -> None:
    for each in region.found:
        assert each.custom or each.type.startswith("bastide:"), each.type


def test_children_are_named_after_their_parent(region: Recording) -> None:
    by_urn = {each.urn: each for each in region.found}
    for each in region.found:
        if each.parent in by_urn and each.type.startswith(("aws:", "bastide:")):
            assert each.name.startswith(f"{by_urn[each.parent].name}-"), each.name


def test_the_provider_refuses_other_accounts_and_tags_what_it_makes(region: Recording) -> None:
    provider = region.one("pulumi:providers:aws")
    assert provider.inputs["region"] == "us-east-1"
    assert "123456789012" in str(provider.inputs) or "111122223333" in str(provider.inputs)
    assert "bastide:environment" in str(provider.inputs["defaultTags"])


def test_the_kubeconfig_holds_a_command_and_no_credential(region: Recording) -> None:
    config = region.one("pulumi:providers:kubernetes").inputs["kubeconfig"]
    assert '"eks", "get-token", "--cluster-name"' in config
    assert "token:" not in config
    assert '"client-key-data"' not in config


def named(region: Recording, kind: str, name: str) -> Registered:
    return next(each for each in region.of(kind) if each.name == name)


def test_kubernetes_objects_come_after_nodes_and_so_are_deleted_before_them(sandbox: Recording) -> None:
    objects = [each for each in sandbox.found if each.type.startswith("kubernetes:")]
    assert objects
    for each in objects:
        for group in sandbox.of(":NodeGroup"):
            assert sandbox.reaches(each, group), f"{each.name} does not wait for {group.name}"
        for access in sandbox.of(":AccessPolicyAssociation"):
            assert sandbox.reaches(each, access), f"{each.name} does not wait for its rights"


def test_engines_come_after_namespaces_agents_models_and_their_identity(sandbox: Recording) -> None:
    engine = named(sandbox, ":VllmRelease", "bastide-vllm-chat")
    for kind, name in [
        (":Namespaces", "bastide-namespaces"),
        (":NodeAgents", "bastide-node-agents"),
        (":BucketPolicy", "bastide-models-policy"),
        (":PodIdentityAssociation", "bastide-engine-chat-association"),
    ]:
        assert sandbox.reaches(engine, named(sandbox, kind, name)), name


def test_daemonset_addons_come_before_nodes_and_coredns_after(sandbox: Recording) -> None:
    system = named(sandbox, "nodeGroup:NodeGroup", "bastide-system-pool-group-nodes")
    for addon in sandbox.of(":Addon"):
        if addon.inputs["addonName"] == "coredns":
            assert sandbox.reaches(addon, system)
        else:
            assert sandbox.reaches(system, addon)


def test_nodes_come_after_every_route_and_endpoint(sandbox: Recording) -> None:
    for group in sandbox.of("nodeGroup:NodeGroup"):
        for kind in ("route:Route", ":VpcEndpoint", ":RouteTableAssociation"):
            for needed in sandbox.of(kind):
                assert sandbox.reaches(group, needed), needed.name


def test_what_must_survive_is_protected_in_production_only(sandbox: Recording, prod: Recording) -> None:
    protected = {each.type.split(":")[-1] for each in prod.found if each.protect}
    of_the_gateway = {"Instance", "LoadBalancer", "Secret"}
    assert protected == {"Key", "Bucket", "BucketObjectLockConfiguration", "Cluster"} | of_the_gateway
    assert {each.inputs["deletionWindowInDays"] for each in prod.of("kms/key:Key")} == {30}
    kept = {each.name: each.inputs["forceDestroy"] for each in prod.of("s3/bucket:Bucket")}
    assert kept == dict.fromkeys(
        (
            "bastide-audit-bucket",
            "bastide-entrance-logs",
            "bastide-models-bucket",
            "bastide-models-logs-bucket",
        ),
        False,
    )
    assert not [each.name for each in sandbox.found if each.protect]
    assert {each.inputs["deletionWindowInDays"] for each in sandbox.of("kms/key:Key")} == {7}
    assert [each.inputs["forceDestroy"] for each in sandbox.of("s3/bucket:Bucket")] == [True, True]


def test_two_installations_in_one_account_share_no_aws_name(sandbox: Recording) -> None:
    other = region_of(stack("sandbox", name="second"))

    def chosen(recording: Recording) -> set[str]:
        keys = ("name", "bucket")
        return {
            f"{each.type}/{each.inputs[key]}"
            for each in recording.found
            if each.type.startswith("aws:")
            and each.type.split(":")[-1] in ("Role", "Bucket", "Cluster", "Alias", "LogGroup")
            for key in keys
            if key in each.inputs
        }

    assert not chosen(sandbox) & chosen(other)
