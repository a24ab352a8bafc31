import base64
import datetime
from collections.abc import Callable

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.cluster.authenticator import TokenError, authenticate, review
from sandbox.cluster.spec import AccessPolicy
from sandbox.state import ACCESS_KEY_ID, OPERATOR_ARN, SECRET_ACCESS_KEY
from tests.sandbox_cluster.samples import ROLE, cluster, entry

VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
SESSION = "arn:aws:sts::123456789012:assumed-role/operators/ada@example.com"


def token(
    name: str = "serving",
    secret: str = SECRET_ACCESS_KEY,
    key: str = ACCESS_KEY_ID,
    url: str = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
    header: str = "x-k8s-aws-id",
) -> str:
    """Signed by botocore, as `aws eks get-token` does."""
    request = AWSRequest("GET", url, headers={header: name})
    SigV4QueryAuth(Credentials(key, secret), "sts", "us-east-1", expires=60).add_auth(request)
    return "k8s-aws-v1." + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("=")


def as_caller(arn: str | None) -> Callable[[str], str | None]:
    return lambda query: arn


def test_the_operator_is_who_the_access_entry_says_with_its_policies_groups() -> None:
    where = cluster(entry(OPERATOR_ARN, AccessPolicy(ADMIN), AccessPolicy(VIEW, ("team-a",)), username="op"))
    found = authenticate(token(), where, as_caller(OPERATOR_ARN))
    assert found.username == "op"
    assert found.groups == (
        "bastide:eks-access-policy:AmazonEKSClusterAdminPolicy",
        "bastide:eks-access-policy:AmazonEKSViewPolicy:team-a",
    )


def test_a_session_of_a_role_with_a_path_enters_by_the_roles_entry() -> None:
    template = "arn:aws:sts::{{AccountID}}:assumed-role/operators/{{SessionName}}"
    found = authenticate(token(), cluster(entry(ROLE, username=template)), as_caller(SESSION))
    assert found.username == "arn:aws:sts::123456789012:assumed-role/operators/ada-example.com"


def test_no_access_entry_no_entrance() -> None:
    with pytest.raises(TokenError, match=r"sandbox-operator has no access entry in cluster 'serving'"):
        authenticate(token(), cluster(), as_caller(OPERATOR_ARN))


def test_a_token_for_another_cluster_opens_nothing() -> None:
    with pytest.raises(TokenError, match="made for another one"):
        authenticate(token(name="other"), cluster(entry(OPERATOR_ARN)), as_caller(OPERATOR_ARN))


def test_a_token_with_a_wrong_secret_opens_nothing() -> None:
    with pytest.raises(TokenError, match="signature does not hold"):
        authenticate(token(secret="wrong"), cluster(entry(OPERATOR_ARN)), as_caller(OPERATOR_ARN))


def test_a_token_that_signs_no_cluster_opens_nothing() -> None:
    with pytest.raises(TokenError, match="x-k8s-aws-id"):
        authenticate(token(header="x-other"), cluster(entry(OPERATOR_ARN)), as_caller(OPERATOR_ARN))


def test_an_old_token_has_expired() -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=16)
    with pytest.raises(TokenError, match="expired"):
        authenticate(token(), cluster(entry(OPERATOR_ARN)), as_caller(OPERATOR_ARN), later)


def test_credentials_that_sts_does_not_know_open_nothing() -> None:
    with pytest.raises(TokenError, match="STS does not know"):
        authenticate(token(key="AKIAUNKNOWN"), cluster(entry(OPERATOR_ARN)), as_caller(None))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("plain", "does not begin with"),
        ("k8s-aws-v1.%%%", "no base64"),
        (token(url="https://sts.amazonaws.com/?Action=AssumeRole"), "not GetCallerIdentity"),
        (token(url="https://sts.amazonaws.com/?Action=GetCallerIdentity&RoleArn=x"), "rolearn"),
        (token(url="https://sts.amazonaws.com/elsewhere?Action=GetCallerIdentity"), "not a presigned call"),
    ],
    # A token has the time in it: two workers must give a test one name.
    ids=["plain", "no-base64", "assume-role", "role-arn", "elsewhere"],
)
def test_other_things_are_no_tokens(given: str, reason: str) -> None:
    with pytest.raises(TokenError, match=reason):
        authenticate(given, cluster(entry(OPERATOR_ARN)), as_caller(OPERATOR_ARN))


def test_the_url_of_a_token_is_never_called_only_its_query_is_replayed() -> None:
    replayed: list[str] = []

    def caller(query: str) -> str:
        replayed.append(query)
        return OPERATOR_ARN

    url = "https://evil.example/?Action=GetCallerIdentity&Version=2011-06-15"
    authenticate(token(url=url), cluster(entry(OPERATOR_ARN)), caller)
    assert len(replayed) == 1
    assert replayed[0].startswith("Action=GetCallerIdentity")
    assert "evil" not in replayed[0]


def test_a_refused_review_says_why_and_never_the_token() -> None:
    given = token(name="other")
    answer, line = review({"spec": {"token": given}}, cluster(entry(OPERATOR_ARN)), as_caller(OPERATOR_ARN))
    assert answer["status"]["authenticated"] is False
    assert "another one" in answer["status"]["error"]
    assert given not in line
