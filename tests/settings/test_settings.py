"""Every mistake in a stack file is reported at once, by its path, with what is allowed and what to do."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from bastide.settings import (
    ImageSettings,
    Settings,
    SettingsError,
    decode,
    read_stack_file,
    refuse_unresolved,
)
from bastide.settings.base import eks_regions
from bastide.settings.load import _salvage
from bastide.settings.schema import stack_file_schema

STACKS = sorted((Path(__file__).parents[2] / "stacks").glob("Pulumi.*.yaml"))
SANDBOX = next(each for each in STACKS if each.name == "Pulumi.sandbox.yaml")
Raw = dict[str, Any]


@pytest.fixture
def raw() -> Raw:
    return copy.deepcopy(read_stack_file(SANDBOX))


def problems(raw: Raw) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(raw)
    return {each.path: each.message for each in caught.value.problems}


@pytest.mark.parametrize("path", STACKS, ids=lambda each: each.name)
def test_every_stack_file_loads_and_disables_default_providers(path: Path) -> None:
    Settings.load(read_stack_file(path))
    assert yaml.safe_load(path.read_text())["config"]["pulumi:disable-default-providers"] == ["*"]


@pytest.mark.parametrize("path", STACKS, ids=lambda each: each.name)
def test_the_json_schema_accepts_every_stack_file(path: Path) -> None:
    jsonschema.validate(read_stack_file(path), Settings.json_schema())


def test_the_json_schema_describes_every_setting_and_refuses_unknown_ones(raw: Raw) -> None:
    schema = Settings.json_schema()
    for owner in [schema, *schema["$defs"].values()]:
        if owner.get("type") == "object":
            assert owner["additionalProperties"] is False
            for name, setting in owner["properties"].items():
                assert setting.get("description"), f"{owner['title']}.{name} has no description"
    raw["regoin"] = "us-east-1"
    with pytest.raises(jsonschema.ValidationError, match="regoin"):
        jsonschema.validate(raw, schema)


def test_five_mistakes_give_exactly_five_errors_with_their_paths(raw: Raw) -> None:
    raw["cloud"]["accountId"] = "1234"
    raw["network"]["zones"][1] = "us-west-2a"
    raw["pools"][0]["instanceType"] = "p5.49xlarge"
    raw["engines"][0]["tensorParalel"] = 8
    raw["engines"][0]["model"] = "tiny-qwen3"
    with pytest.raises(SettingsError) as caught:
        Settings.load(raw)
    assert sorted(each.path for each in caught.value.problems) == [
        "cloud.accountId",
        "engines[0].model",
        "engines[0].tensorParalel",
        "network.zones[1]",
        "pools[0].instanceType",
    ]
    text = str(caught.value)
    assert "5 mistakes; nothing was registered" in text
    assert "bastide:pools[0].instanceType: 'p5.49xlarge' is not an instance type" in text
    assert "did you mean 'tensorParallel'" in text


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda r: r["network"].update(cidr="10.20.0.0/29"), "network.cidr"),
        (lambda r: r["network"].update(cidr="172.16.0.0/12"), "network.cidr"),
        (lambda r: r["network"].update(cidr="10.20.0.0/33"), "network.cidr"),
        (lambda r: r["cluster"].update(serviceCidr="10.0.0.0/8"), "cluster.serviceCidr"),
        (lambda r: r["engines"][0].update(gpus=9, tensorParallel=8), "engines[0].gpus"),
        (
            lambda r: (
                r["network"]["zones"].__setitem__(1, "us-west-2b"),
                r["pools"][0].update(zones=["us-east-1b"]),
            ),
            "network.zones[1]",
        ),
    ],
)
def test_a_check_is_left_out_when_what_it_looks_at_is_itself_mistaken(
    raw: Raw, change: Callable[[Raw], object], path: str
) -> None:
    change(raw)
    with pytest.raises(SettingsError) as caught:
        Settings.load(raw)
    assert [each.path for each in caught.value.problems] == [path]


def test_without_engines_no_endpoint_is_needed(raw: Raw) -> None:
    raw["engines"] = []
    raw["network"]["interfaceEndpoints"] = []
    Settings.load(raw)


MISTAKES: list[tuple[Callable[[Raw], object], str, str]] = [
    (
        lambda r: r.update(
            protection=False, environment="prod", cloud={**r["cloud"], "allowUnboundedRoles": True}
        ),
        "protection",
        "allowed off only in: sandbox, dev",
    ),
    (lambda r: r.update(environment="production"), "environment", "'sandbox', 'dev', 'staging' or 'prod'"),
    (lambda r: r["cloud"].update(region="us-east-9"), "cloud.region", "did you mean 'us-east-2'"),
    (lambda r: r["cloud"].pop("region"), "cloud.region", "is required and was not given"),
    (lambda r: r["cloud"].update(accountId="12345678901"), "cloud.accountId", "exactly 12 digits"),
    (lambda r: r["cloud"].update(accountId="12345678901\u0660"), "cloud.accountId", "exactly 12 digits"),
    (lambda r: r.update(name="Bastide"), "name", "not a DNS label of at most 12 characters"),
    (lambda r: r.update(poools=[]), "poools", "did you mean 'pools'"),
    (lambda r: r.update(tags={"aws:x": "y"}), "tags.aws:x", "reserved prefix"),
    (lambda r: r.update(network=[]), "network", "is not a mapping of settings"),
    (lambda r: r["network"].update(cidr="10.20.0.1/16"), "network.cidr", "has host bits set"),
    (lambda r: r["network"].update(cidr="10.0.0.0/8"), "network.cidr", "allowed: /16 to /28"),
    (
        lambda r: r["network"].update(cidr="10.20.0.0/20"),
        "network.privatePrefix",
        "leaves no room in 10.20.0.0/20",
    ),
    (lambda r: r["network"].update(privatePrefix=18, publicPrefix=18), "network.privatePrefix", "holds 1"),
    (
        lambda r: r["network"]["zones"].__setitem__(1, "us-east-1a"),
        "network.zones[1]",
        "'us-east-1a' is there twice",
    ),
    (
        lambda r: r["network"].update(reservedCidrs=["192.168.0.0/16", "10.20.128.0/24"]),
        "network.reservedCidrs[1]",
        "overlaps bastide:network.cidr '10.20.0.0/16'",
    ),
    (
        lambda r: r["network"].update(flowLogRetentionDays=8),
        "network.flowLogRetentionDays",
        "allowed: 1, 3, 5, 7",
    ),
    (
        lambda r: r["network"].update(interfaceEndpoints=["sts"]),
        "network.interfaceEndpoints",
        "no engine would get its model",
    ),
    (
        lambda r: r["network"].update(interfaceEndpoints=["s3", "sts", "s3"]),
        "network.interfaceEndpoints[2]",
        "'s3' is there twice",
    ),
    (
        lambda r: r["network"].update(interfaceEndpoints=["s3", "STS"]),
        "network.interfaceEndpoints[1]",
        "not the short name of a service",
    ),
    (
        lambda r: r["cluster"].update(adminPrincipals=["arn:aws:iam::123456789012:role/a"] * 2),
        "cluster.adminPrincipals[1]",
        "is there twice",
    ),
    (lambda r: r["cluster"].update(serviceCidr="10.20.0.0/20"), "cluster.serviceCidr", "overlaps"),
    (lambda r: r["cluster"].update(serviceCidr="100.64.0.0/16"), "cluster.serviceCidr", "172.16.0.0/12"),
    (lambda r: r["cluster"].update(publicEndpoint=True), "cluster.publicEndpointCidrs", "whole internet"),
    (
        lambda r: r["cluster"].update(publicEndpointCidrs=["203.0.113.0/24"]),
        "cluster.publicEndpointCidrs",
        "would have no effect",
    ),
    (
        lambda r: r["cluster"].update(publicEndpoint=True, publicEndpointCidrs=["0.0.0.0/0"]),
        "cluster.publicEndpointCidrs[0]",
        "'0.0.0.0/0' is the whole internet",
    ),
    (
        lambda r: r["cluster"].update(publicEndpoint=True, publicEndpointCidrs=["128.0.0.0/1"]),
        "cluster.publicEndpointCidrs[0]",
        "a large part of the internet; allowed: /8 or narrower",
    ),
    (
        lambda r: r["cluster"].update(adminPrincipals=["me"]),
        "cluster.adminPrincipals[0]",
        "'me' is not the ARN",
    ),
    (
        lambda r: r["cluster"].update(kubernetesVersion="1.20"),
        "cluster.kubernetesVersion",
        "of which this kit knows EKS's support",
    ),
    (
        lambda r: r["cluster"].update(addons={"kubeProxy": "v1.33.5-eksbuild.2"}),
        "cluster.addons.kubeProxy",
        "not for",
    ),
    (
        lambda r: r["cluster"].update(addons={"coredns": "1.11"}),
        "cluster.addons.coredns",
        "describe-addon-versions",
    ),
    (lambda r: r["systemPool"].update(instanceType="g6.xlarge"), "systemPool.instanceType", "not used"),
    (lambda r: r["systemPool"].update(maxSize=1), "systemPool.maxSize", "less than size 2"),
    (lambda r: r["pools"][0].update(instanceType="m7i.xlarge"), "pools[0].instanceType", "has no GPU"),
    (lambda r: r["pools"][0].update(maxSize=1), "pools[0].maxSize", "there is no setting of this name"),
    (lambda r: r["pools"][0].update(zones=["us-east-1d"]), "pools[0].zones[0]", "not a zone of the network"),
    (lambda r: r["pools"].append(r["pools"][0]), "pools[1].name", "name of pools[0] too"),
    (
        lambda r: r["pools"].append({**r["pools"][0], "name": "system"}),
        "pools[1].name",
        "name of the system pool",
    ),
    (lambda r: r["models"][0].update(version="1"), "models[0].version", "MAJOR.MINOR.PATCH"),
    (lambda r: r["models"][0].update(sha256="abc"), "models[0].sha256", "64 lower-case hexadecimal"),
    (lambda r: r["models"].append(r["models"][0]), "models[1].name", "name of models[0] too"),
    (lambda r: r["engines"].append(r["engines"][0]), "engines[1].name", "name of engines[0] too"),
    (lambda r: r["engines"][0].update(pool="p6"), "engines[0].pool", "allowed: p5; add it there"),
    (lambda r: r["engines"][0].update(gpus=16), "engines[0].gpus", "at most 8 (p5.48xlarge)"),
    (lambda r: r["engines"][0].update(tensorParallel=3), "engines[0].tensorParallel", "allowed: 1, 2, 4, 8"),
    (lambda r: r["engines"][0].update(name="Chat"), "engines[0].name", "not a DNS label"),
    (lambda r: r["engines"].append("x"), "engines[1]", "is not a mapping of settings"),
    (
        lambda r: r.update(images={"vllm": {"repository": "r", "tag": "t", "digest": "sha256:1"}}),
        "images.vllm.digest",
        "a tag alone can be moved",
    ),
    (
        lambda r: r.update(protection=None),
        "protection",
        "an empty value is refused: input should be a valid bool",
    ),
    (
        lambda r: r.update(pools={"a": 1}),
        "pools",
        "{'a': 1} is not a list (this setting: Pools of GPU nodes)",
    ),
    (lambda r: r.update(pools=3), "pools", "3 is not a list"),
    (
        lambda r: r["cloud"].update(accountId=1402433619),
        "cloud.accountId",
        "1402433619 is what YAML makes of it without quotes, and no text; put it in quotes",
    ),
    (lambda r: r["cluster"].update(kubernetesVersion=1.3), "cluster.kubernetesVersion", "put it in quotes"),
    (lambda r: r.update(tags={"since": date(2026, 1, 2)}), "tags.since", "2026-01-02 is what YAML makes"),
    (lambda r: r.update(tags={"on": True}), "tags.on", "true is what YAML makes"),
    (lambda r: r.update(name="x" * 5000), "name", f"'{'x' * 79}... (5,002 characters) is not a DNS label"),
    (lambda r: r["engines"].append(r["engines"][0]), "engines[1].name", "each engine is found by its name"),
    (
        lambda r: r.update(images={"vllm": {"digest": "sha256:1"}}),
        "images.vllm.digest",
        "a tag alone can be moved",
    ),
    (lambda r: r.update(images={"vllm": {"tag": ""}}), "images.vllm.tag", "at least 1 character"),
    (lambda r: r.update(rolloutTimeoutSeconds=1), "rolloutTimeoutSeconds", "greater than or equal to 30"),
]


@pytest.mark.parametrize(("spoil", "path", "said"), MISTAKES, ids=[f"{m[1]}: {m[2]}" for m in MISTAKES])
def test_a_mistake_is_reported_by_its_path(
    raw: Raw, spoil: Callable[[Raw], object], path: str, said: str
) -> None:
    spoil(raw)
    found = problems(raw)
    assert list(found) == [path]
    assert said in found[path]


def test_checks_across_values_run_beside_a_mistake_in_the_same_value(raw: Raw) -> None:
    raw["engines"][0].update(gpus="many", model="other", tensorParallel=3)
    assert set(problems(raw)) == {"engines[0].gpus", "engines[0].model"}


def test_more_replicas_than_the_pool_has_room_for_are_the_schedulers_matter(raw: Raw) -> None:
    raw["engines"][0]["replicas"] = 3
    assert Settings.load(raw).engines[0].replicas == 3


def test_pulumis_flat_configuration_gives_the_same_settings(raw: Raw) -> None:
    flat = {
        f"bastide:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in raw.items()
    }
    flat["aws:region"] = "eu-west-1"
    flat["pulumi:disable-default-providers"] = '["*"]'
    assert Settings.load(decode(flat)) == Settings.load(raw)


def test_settings_cannot_be_changed(raw: Raw) -> None:
    settings = Settings.load(raw)
    with pytest.raises(ValidationError, match="frozen"):
        settings.region = "eu-west-1"


def test_a_sandbox_runs_unresolved_and_a_real_stack_is_told_how_to_resolve(raw: Raw) -> None:
    refuse_unresolved(Settings.load(raw))
    raw["environment"] = "dev"
    del raw["cluster"]["addons"]
    raw["models"][0].pop("sha256", None)
    with pytest.raises(SettingsError) as caught:
        refuse_unresolved(Settings.load(raw))
    said = {each.path: each.message for each in caught.value.problems}
    assert "imagetools inspect" in said["images.vllm.digest"]
    assert "describe-addon-versions" in said["cluster.addons.vpcCni"]
    assert "bastide model verify" in said["models[0].sha256"]


def test_a_resolved_image_is_named_by_its_digest(raw: Raw) -> None:
    digest = "sha256:" + "0" * 64
    raw["images"] = {"vllm": {"repository": "vllm/vllm-openai", "tag": "v0.32.0", "digest": digest}}
    settings = Settings.load(raw)
    assert settings.images.vllm.reference == f"vllm/vllm-openai:v0.32.0@{digest}"
    assert "images.vllm.digest" not in settings.unresolved()


DIGEST = "sha256:" + "1" * 64


@pytest.mark.parametrize(
    ("path", "reference"),
    [
        ("images.artifactAgent", "bastide/artifact-agent:0.1.0"),
        ("images.vllm", "vllm/vllm-openai:v0.32.0"),
        ("karpenter.image", "public.ecr.aws/karpenter/controller:1.14.1"),
        ("certificates.images.startupCheck", "quay.io/jetstack/cert-manager-startupapicheck:v1.21.2"),
    ],
)
def test_an_image_given_in_part_is_its_default_with_that_part(raw: Raw, path: str, reference: str) -> None:
    def image(given: Raw) -> ImageSettings:
        changed, node = copy.deepcopy(raw), given
        for part in reversed(path.split(".")):
            node = {part: node}
        found: Any = Settings.load({**changed, **node})
        jsonschema.validate(
            {"config": {f"bastide:{key}": value for key, value in node.items()}}, stack_file_schema()
        )
        jsonschema.validate({**changed, **node}, Settings.json_schema())
        for part in path.split("."):
            found = getattr(found, to_snake(part))
        assert isinstance(found, ImageSettings)
        return found

    assert image({"digest": DIGEST}).reference == f"{reference}@{DIGEST}"
    assert image({"repository": "mirror/x"}).reference == f"mirror/x:{reference.rpartition(':')[2]}"
    assert image({"tag": "t"}).reference == f"{reference.rpartition(':')[0]}:t"


def test_an_image_given_in_part_is_usable_by_checks_beside_a_mistake(raw: Raw) -> None:
    raw.update(images={"vllm": {"digest": DIGEST}}, protection="perhaps")
    assert _salvage(Settings, raw).images.vllm.reference == f"vllm/vllm-openai:v0.32.0@{DIGEST}"


def test_the_regions_are_known_whatever_the_users_aws_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = eks_regions()
    (tmp_path / "endpoints.json").write_text("{}")
    monkeypatch.setenv("AWS_PROFILE", "there-is-none")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    eks_regions.cache_clear()
    try:
        assert eks_regions() == known
    finally:
        eks_regions.cache_clear()
    assert {"us-east-1", "eu-central-1"} <= set(known)


@pytest.mark.parametrize(
    ("content", "said"), [("config: [", "cannot read"), ("name: x", "no `config:` mapping")]
)
def test_a_stack_file_that_is_none_is_refused_with_its_name(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=said) as caught:
        read_stack_file(path)
    assert "Pulumi.x.yaml" in str(caught.value)
