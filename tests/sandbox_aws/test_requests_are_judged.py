from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from sandbox.aws.client import AwsError
from sandbox.state import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.sandbox_aws.conftest import REGION, Account
from tests.waits import PATIENCE_S


def raw(
    aws: Account, service: str, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
) -> requests.Response:
    """A signed request that no SDK has checked."""
    asked = AWSRequest(method, aws.endpoint + path, data=body, headers=headers or {})
    SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), service, REGION).add_auth(asked)
    return requests.request(
        method, aws.endpoint + path, data=body, headers=dict(asked.headers), timeout=PATIENCE_S
    )


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (
            '{"name": "one", "roleArn": "x", "resourcesVpcConfig": {"subnetId": ["a"]}}',
            "subnetId",
        ),
        ('{"name": "one", "rolArn": "x", "resourcesVpcConfig": {}}', "rolArn"),
        ('{"name": "one", "roleArn": "x"}', "resourcesVpcConfig"),
        (
            '{"name": "one", "roleArn": "x", "resourcesVpcConfig": {},'
            ' "accessConfig": {"authenticationMode": "IAM"}}',
            "API_AND_CONFIG_MAP",
        ),
        ('{"name": "-bad-", "roleArn": "x", "resourcesVpcConfig": {}}', "pattern"),
        ('{"name": ', "not JSON"),
    ],
)
def test_eks_refuses_what_its_model_does_not_have(any_aws: Account, body: str, word: str) -> None:
    answer = raw(any_aws, "eks", "POST", "/clusters", body, {"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["__type"] in ("ValidationException", "SerializationException")
    assert word in answer.json()["message"]


def test_ec2_refuses_an_unknown_parameter(any_aws: Account) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = raw(
        any_aws, "ec2", "POST", "/", "Action=CreateVpc&Version=2016-11-15&CidrBlok=10.0.0.0%2F16", form
    )
    assert answer.status_code == 400
    assert "<Code>UnknownParameter</Code>" in answer.text
    assert "CidrBlok" in answer.text


def test_iam_refuses_an_unknown_parameter(any_aws: Account) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = raw(any_aws, "iam", "POST", "/", "Action=CreateUser&Version=2010-05-08&UserNam=x", form)
    assert answer.status_code == 400
    assert "UserNam" in answer.text


def test_kms_refuses_an_unknown_parameter(any_aws: Account) -> None:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.CreateKey"}
    answer = raw(any_aws, "kms", "POST", "/", '{"Descripton": "x"}', headers)
    assert answer.status_code == 400
    assert "Descripton" in answer.json()["message"]


def test_an_operation_that_is_not_emulated_says_so_by_name(any_aws: Account) -> None:
    with pytest.raises(ClientError, match=r"does not emulate eks\.ListInsights"):
        any_aws("eks").list_insights(clusterName="one")


def test_an_injected_error_comes_as_often_as_asked(aws: Account) -> None:
    fault = {"code": "ClientException", "message": "slow down", "status": 400, "times": 2}
    aws.control.set_faults({"error": {"eks.ListClusters": fault}})
    for _ in range(2):
        with pytest.raises(ClientError, match="slow down"):
            aws("eks").list_clusters()
    assert aws("eks").list_clusters()["clusters"] == []


@pytest.mark.parametrize(
    "operation",
    ["ec2.DescribeVpcs", "iam.ListRoles", "kms.ListKeys", "s3.ListBuckets", "s3.PutBucketVersioning"],
)
def test_an_injected_error_has_the_form_of_its_service(aws: Account, operation: str) -> None:
    aws("s3").create_bucket(Bucket="a-bucket")
    aws.control.set_faults(
        {"error": {operation: {"code": "Broken", "message": "on purpose", "status": 418, "times": 1}}}
    )
    calls: dict[str, Any] = {
        "ec2.DescribeVpcs": lambda: aws("ec2").describe_vpcs(),
        "iam.ListRoles": lambda: aws("iam").list_roles(),
        "kms.ListKeys": lambda: aws("kms").list_keys(),
        "s3.ListBuckets": lambda: aws("s3").list_buckets(),
        "s3.PutBucketVersioning": lambda: aws("s3").put_bucket_versioning(
            Bucket="a-bucket", VersioningConfiguration={"Status": "Enabled"}
        ),
    }
    with pytest.raises(ClientError) as caught:
        calls[operation]()
    assert caught.value.response["Error"]["Code"] == "Broken"
    assert caught.value.response["Error"]["Message"] == "on purpose"


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"capacty": {}}, "capacty"),
        ({"capacity": {"p5": -1}}, "0 or more"),
        ({"capacity": 3}, "capacity"),
        ({"capacity": {"p55": 1}}, "no such family or type"),
        ({"error": {"eks.CreateNodeGroup": {"code": "X"}}}, "did you mean CreateNodegroup"),
        ({"error": {"ekss.CreateCluster": {"code": "X"}}}, "no service 'ekss'"),
        ({"error": {"CreateCluster": {"code": "x"}}}, "service.Operation"),
        ({"error": {"eks.CreateCluster": {}}}, "at least a code"),
        ({"error": {"eks.CreateCluster": {"code": "x", "status": 200}}}, "400 to 599"),
    ],
)
def test_a_wrong_fault_is_refused_and_changes_nothing(
    any_aws: Account, table: dict[str, Any], word: str
) -> None:
    any_aws.control.limit_capacity({"p5": 2})
    with pytest.raises(AwsError, match=word):
        any_aws.control.set_faults(table)
    assert any_aws.control.faults()["capacity"] == {"p5": 2}
    any_aws.control.set_faults({})


def test_the_journal_counts_calls_and_keeps_refusals(aws: Account) -> None:
    aws("ec2").describe_vpcs()
    with pytest.raises(ClientError):
        aws("eks").describe_cluster(name="absent")
    with pytest.raises(ClientError):
        aws("ec2").delete_vpc(VpcId="vpc-0123456789abcdef0")
    seen = aws.control.requests()
    assert seen["byOperation"] == {"ec2.DescribeVpcs": 1, "eks.DescribeCluster": 1, "ec2.DeleteVpc": 1}
    assert [(r["operation"], r["code"]) for r in seen["refused"]] == [
        ("DescribeCluster", "ResourceNotFoundException"),
        ("DeleteVpc", "InvalidVpcID.NotFound"),
    ]


def test_a_hundred_requests_at_once_are_all_answered(aws: Account) -> None:
    def one(number: int) -> str:
        if number % 2:
            return str(aws("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])
        aws("s3").create_bucket(Bucket=f"bucket-{number}")
        return f"bucket-{number}"

    with ThreadPoolExecutor(100) as workers:
        names = list(workers.map(one, range(100)))
    assert len(set(names)) == 100
    assert len(aws("s3").list_buckets()["Buckets"]) == 50


@pytest.mark.parametrize(
    ("name", "gpus", "memory", "efa", "vcpu", "pods"),
    [
        ("p5.48xlarge", {"count": 8, "name": "H100", "memoryMiB": 81920}, 2097152, 32, 192, 100),
        ("p5en.48xlarge", {"count": 8, "name": "H200", "memoryMiB": 144384}, 2097152, 16, 192, None),
        ("m7i.2xlarge", None, 32768, 0, 8, 58),
    ],
)
def test_the_catalogue_says_what_a_node_has(
    any_aws: Account,
    name: str,
    gpus: dict[str, Any] | None,
    memory: int,
    efa: int,
    vcpu: int,
    pods: int | None,
) -> None:
    facts = any_aws.control.instance_type(name)
    assert facts["gpus"] == gpus
    assert (facts["memoryMiB"], facts["efaInterfaces"], facts["vcpu"]) == (memory, efa, vcpu)
    assert pods is None or facts["maxPods"] == pods


def test_an_instance_type_that_aws_does_not_have_is_not_found(any_aws: Account) -> None:
    with pytest.raises(AwsError, match=r"no instance type 'p9\.huge'"):
        any_aws.control.instance_type("p9.huge")
