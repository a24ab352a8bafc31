"""Others' networks and buckets: each thing that makes one unusable is said by its own sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bastide.adopted import network as adopted_network
from bastide.adopted import store as adopted_store
from bastide.adopted.network import EndpointFacts, RouteFacts, SubnetFacts, TableFacts, VpcFacts
from bastide.adopted.store import BucketFacts, KeyFacts
from bastide.plans.endpoints import NEEDED_WITHOUT_NAT
from bastide.settings import AdoptedModelStore, AdoptedNetwork, Settings, read_stack_file

SANDBOX = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
A, B = "subnet-0123456789abcdefa", "subnet-0123456789abcdefb"
VPC = "vpc-0123456789abcdef0"
NETWORK = {
    "kind": "adopt",
    "vpcId": VPC,
    "cidr": "10.60.0.0/16",
    "privateSubnetIds": {"us-east-1a": A, "us-east-1b": B},
}
S3 = EndpointFacts(private_dns=True, subnet_ids=[A, B], own=False)
NAT = TableFacts("rtb-1", main=True, subnet_ids=[], routes=[RouteFacts("0.0.0.0/0", "nat-1")])


def subnet(zone: str, cidr: str) -> SubnetFacts:
    return SubnetFacts(VPC, zone, cidr, free_addresses=8000, public_addresses=False)


FIT = VpcFacts(
    cidrs=["10.60.0.0/16"],
    dns_support=True,
    dns_hostnames=True,
    subnets={A: subnet("us-east-1a", "10.60.0.0/19"), B: subnet("us-east-1b", "10.60.32.0/19")},
    tables=[NAT],
    endpoints={"s3": S3},
)


def judged(facts: VpcFacts, **network: Any) -> list[str]:
    settings = Settings.load({**read_stack_file(SANDBOX), "network": {**NETWORK, **network}})
    assert isinstance(settings.network, AdoptedNetwork)
    return [str(each) for each in adopted_network.examine(settings, settings.network, facts)]


def with_subnet(**changes: Any) -> VpcFacts:
    return replace(FIT, subnets={**FIT.subnets, A: replace(FIT.subnets[A], **changes)})


def test_a_fit_vpc_is_accepted() -> None:
    assert judged(FIT) == []
    assert judged(replace(FIT, cidrs=["10.1.0.0/16", "10.60.0.0/16"])) == []


@pytest.mark.parametrize(
    ("facts", "path", "said"),
    [
        (replace(FIT, cidrs=["10.61.0.0/16"]), "network.cidr", f"not a block of {VPC}; it has: 10.61.0.0/16"),
        (replace(FIT, dns_support=False), "network.vpcId", "has enableDnsSupport off"),
        (replace(FIT, dns_hostnames=False), "network.vpcId", "has enableDnsHostnames off"),
        (with_subnet(vpc_id="vpc-other"), "privateSubnetIds.us-east-1a", "is in vpc-other and not in"),
        (with_subnet(zone="us-east-1d"), "privateSubnetIds.us-east-1a", "is in zone us-east-1d"),
        (with_subnet(free_addresses=15), "privateSubnetIds.us-east-1a", "has 15 free addresses"),
        (with_subnet(cidr="10.61.0.0/19"), "privateSubnetIds.us-east-1a", "outside network.cidr"),
        (with_subnet(public_addresses=True), "privateSubnetIds.us-east-1a", "mapPublicIpOnLaunch"),
        (
            replace(FIT, tables=[NAT, TableFacts("rtb-2", False, [A], [RouteFacts("0.0.0.0/0", "igw-1")])]),
            "privateSubnetIds.us-east-1a",
            "is public: its route table rtb-2 leads 0.0.0.0/0 to the internet gateway igw-1",
        ),
        (replace(FIT, endpoints={}), "network.vpcId", "has no interface endpoint for 's3'; engines may only"),
        (
            replace(FIT, endpoints={"s3": replace(S3, private_dns=False)}),
            "network.vpcId",
            "has an endpoint without private DNS for 's3'",
        ),
    ],
)
def test_an_unfit_vpc_is_refused_by_its_own_sentence(facts: VpcFacts, path: str, said: str) -> None:
    found = judged(facts)
    assert [each for each in found if path in each and said in each], found
    assert len(found) == 1


def test_a_subnets_own_table_counts_before_the_main_one() -> None:
    public_main = TableFacts("rtb-0", True, [], [RouteFacts("0.0.0.0/0", "igw-1")])
    own = TableFacts("rtb-2", False, [A, B], [RouteFacts("0.0.0.0/0", "tgw-1")])
    assert judged(replace(FIT, tables=[public_main, own])) == []
    assert len(judged(replace(FIT, tables=[public_main]))) == 2


def test_subnets_without_a_way_out_need_every_endpoint_theirs_or_made() -> None:
    closed = replace(FIT, tables=[TableFacts("rtb-1", True, [], [RouteFacts("10.0.0.0/8", "tgw-1")])])
    found = judged(closed)
    assert len(found) == len(NEEDED_WITHOUT_NAT) - 1
    assert "subnets of us-east-1a, us-east-1b have no other way to it" in found[0]
    rest = sorted(NEEDED_WITHOUT_NAT.keys() - {"s3"})
    assert judged(closed, manageEndpoints=True, interfaceEndpoints=rest) == []


def test_an_endpoint_that_is_there_is_not_made_a_second_time_and_the_stacks_own_is_no_stranger() -> None:
    [said] = judged(FIT, manageEndpoints=True, interfaceEndpoints=["sts", "s3"])
    assert "network.interfaceEndpoints[1]" in said
    own = replace(FIT, endpoints={"s3": replace(S3, own=True)})
    assert judged(own, manageEndpoints=True, interfaceEndpoints=["sts", "s3"]) == []


PROPERTIES: dict[str, Any] = {
    "VersioningConfiguration": {"Status": "Enabled"},
    "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    },
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [
            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}}
        ]
    },
}


def encrypted(**default: str) -> dict[str, Any]:
    rule = {"ServerSideEncryptionByDefault": default}
    return {**PROPERTIES, "BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]}}


def store_judged(bucket: BucketFacts | None, key: KeyFacts | None) -> list[str]:
    store = {"kind": "adopt", "bucket": "their-models", "keyArn": KEY}
    settings = Settings.load({**read_stack_file(SANDBOX), "modelStore": store})
    assert isinstance(settings.model_store, AdoptedModelStore)
    return [str(each) for each in adopted_store.examine(settings, settings.model_store, bucket, key)]


GOOD_KEY = KeyFacts(KEY, enabled=True, manager="CUSTOMER")


def test_a_fit_bucket_is_accepted_by_key_arn_or_id() -> None:
    assert store_judged(BucketFacts("us-east-1", PROPERTIES), GOOD_KEY) == []
    by_id = encrypted(SSEAlgorithm="aws:kms", KMSMasterKeyID=KEY.partition("/")[2])
    assert store_judged(BucketFacts("us-east-1", by_id), GOOD_KEY) == []
    assert store_judged(None, None) == []


@pytest.mark.parametrize(
    ("region", "properties", "key", "said"),
    [
        ("eu-west-1", {}, GOOD_KEY, "is in eu-west-1; allowed: a bucket in us-east-1"),
        ("us-east-1", {**PROPERTIES, "VersioningConfiguration": {}}, GOOD_KEY, "has versioning never set"),
        (
            "us-east-1",
            {
                **PROPERTIES,
                "PublicAccessBlockConfiguration": {
                    **PROPERTIES["PublicAccessBlockConfiguration"],
                    "BlockPublicPolicy": False,
                },
            },
            GOOD_KEY,
            "does not block public access: BlockPublicPolicy off",
        ),
        (
            "us-east-1",
            {**PROPERTIES, "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
            GOOD_KEY,
            "has object ownership ObjectWriter",
        ),
        ("us-east-1", encrypted(SSEAlgorithm="AES256"), GOOD_KEY, "encrypts with AES256"),
        ("us-east-1", encrypted(SSEAlgorithm="aws:kms"), GOOD_KEY, "which is the AWS managed key aws/s3"),
        ("us-east-1", PROPERTIES, replace(GOOD_KEY, enabled=False), "is not enabled"),
        ("us-east-1", PROPERTIES, replace(GOOD_KEY, manager="AWS"), "is a key that AWS manages"),
    ],
)
def test_an_unfit_bucket_or_key_is_refused_by_its_own_sentence(
    region: str, properties: dict[str, Any], key: KeyFacts, said: str
) -> None:
    [found] = store_judged(BucketFacts(region, properties), key)
    assert said in found
