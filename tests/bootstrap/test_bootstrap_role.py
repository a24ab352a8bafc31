from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bastide.bootstrap.account import Account, connect
from bastide.bootstrap.errors import BootstrapError
from bastide.bootstrap.parts import Line, Mode, Outcome
from bastide.bootstrap.rights import bound, policies
from bastide.bootstrap.role import MAX_VERSIONS, bootstrap_role, boundary_arn, policy_names
from bastide.bootstrap.trust import Trust
from bastide.cli import main
from bastide.settings import Settings
from sandbox.aws.client import Aws
from tests.bootstrap.conftest import STACKS, writes

ROLE = "deploy-bastide-sandbox-us-east-1"
CI = Trust(principals=["arn:aws:iam::123456789012:role/ci"])
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"


def run(account: Account, trust: Trust = CI, mode: Mode = Mode.APPLY) -> tuple[dict[str, Outcome], str]:
    told: list[str] = []
    lines: list[Line] = bootstrap_role(account, trust, mode, lambda _: None, told.append)
    return {each.name.strip(): each.outcome for each in lines}, "\n".join(told)


def test_the_role_has_exactly_the_rights_that_are_printed(account: Account) -> None:
    outcomes, _ = run(account)
    assert set(outcomes.values()) == {Outcome.MADE}
    iam = account.client("iam")
    attached = iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    found = {}
    for each in attached:
        version = iam.get_policy(PolicyArn=each["PolicyArn"])["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=each["PolicyArn"], VersionId=version)
        found[each["PolicyName"]] = document["PolicyVersion"]["Document"]
    wanted = policies(account.settings)
    assert found == {f"{ROLE}-{topic}": json.loads(text) for topic, text in wanted.items()}
    role = iam.get_role(RoleName=ROLE)["Role"]
    assert role["MaxSessionDuration"] == 4 * 3600
    assert role["AssumeRolePolicyDocument"] == json.loads(CI.document())
    version = iam.get_policy(PolicyArn=boundary_arn(account))["Policy"]["DefaultVersionId"]
    there = iam.get_policy_version(PolicyArn=boundary_arn(account), VersionId=version)
    assert there["PolicyVersion"]["Document"] == json.loads(bound(account.settings))


def test_run_again_it_changes_nothing(account: Account, world: Aws) -> None:
    run(account)
    before = writes(world)
    assert set(run(account)[0].values()) == {Outcome.THERE}
    assert set(run(account, Trust())[0].values()) == {Outcome.THERE}
    assert writes(world) == before


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.CHECK])
def test_a_dry_run_and_a_check_change_nothing(account: Account, world: Aws, mode: Mode) -> None:
    outcomes, _ = run(account, mode=mode)
    assert len(set(outcomes.values())) == 1
    assert writes(world) == {}


def test_other_rights_are_shown_as_a_difference_and_set_right(account: Account) -> None:
    run(account)
    iam = account.client("iam")
    arn = f"arn:aws:iam::123456789012:policy/{ROLE}-state"
    for number in range(MAX_VERSIONS + 1):
        document = json.loads(policies(account.settings)["state"])
        document["Statement"][0]["Action"] = ["s3:*", f"s3:GetObject{number * '?'}"]
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(versions) == MAX_VERSIONS:
            spare = next(each for each in versions if not each["IsDefaultVersion"])
            iam.delete_policy_version(PolicyArn=arn, VersionId=spare["VersionId"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)
    checked, told = run(account, mode=Mode.CHECK)
    assert checked[f"policy {ROLE}-state"] is Outcome.DIFFERS
    assert '-    "s3:*"' in told
    mended, _ = run(account)
    assert mended[f"policy {ROLE}-state"] is Outcome.MENDED
    assert set(run(account, mode=Mode.CHECK)[0].values()) == {Outcome.THERE}


def test_what_somebody_attached_besides_is_said_and_left(account: Account) -> None:
    run(account)
    iam = account.client("iam")
    iam.attach_role_policy(RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.put_role_policy(RoleName=ROLE, PolicyName="mine", PolicyDocument=bound(account.settings))
    lines = bootstrap_role(account, CI, Mode.APPLY, lambda _: None, lambda _: None)
    last = lines[-1]
    assert last.outcome is Outcome.DIFFERS
    assert "it also has AdministratorAccess, mine" in last.detail
    attached = iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    assert "AdministratorAccess" in {each["PolicyName"] for each in attached}


SUBJECT = "token.actions.githubusercontent.com:sub"
AUDIENCE = {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}


@pytest.mark.parametrize(
    ("principal", "condition"),
    [
        ({"AWS": "*"}, {}),
        ({"AWS": "arn:aws:iam::123456789012:root"}, {}),
        ({"AWS": "123456789012"}, {}),
        ({"Service": "ec2.amazonaws.com"}, {}),
        ({"Federated": PROVIDER}, {}),
        ({"Federated": PROVIDER}, {"StringEquals": AUDIENCE}),
        ({"Federated": PROVIDER}, {"StringEquals": AUDIENCE, "StringLike": {SUBJECT: "repo:acme/*"}}),
    ],
)
def test_a_trust_that_lets_in_more_than_is_named_fails_the_check(
    account: Account, principal: dict[str, str], condition: dict[str, Any]
) -> None:
    run(account)
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    statement |= {"Condition": condition} if condition else {}
    account.client("iam").update_assume_role_policy(
        RoleName=ROLE, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    assert run(account, Trust(), Mode.CHECK)[0]["trust"] is Outcome.DIFFERS
    assert run(account)[0]["trust"] is Outcome.MENDED


def test_a_role_needs_somebody_who_may_take_it(account: Account) -> None:
    with pytest.raises(BootstrapError, match="give --principal ARN, or --oidc-provider"):
        run(account, Trust())


def test_jobs_of_a_ci_are_named_by_their_whole_subject() -> None:
    trust = Trust(oidc_provider=PROVIDER, oidc_subjects=["repo:acme/infra:environment:prod"])
    (statement,) = json.loads(trust.document())["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": ["repo:acme/infra:environment:prod"],
        }
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"principals": ["*"]}, "is no role or user"),
        ({"principals": ["arn:aws:iam::123456789012:root"]}, "is no role or user"),
        ({"oidc_provider": PROVIDER}, "go together"),
        ({"oidc_subjects": ["repo:acme/infra:ref:refs/heads/main"]}, "go together"),
        (
            {"oidc_provider": "https://token.example.com", "oidc_subjects": ["a:b"]},
            "is no OIDC provider of IAM",
        ),
        ({"oidc_provider": PROVIDER, "oidc_subjects": ["repo:acme/*"]}, "a wildcard would let in"),
    ],
)
def test_a_trust_that_is_too_wide_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BootstrapError, match=message):
        Trust(**given)


def test_with_a_bound_the_role_is_told_apart(world: Aws, varied: Callable[..., Settings]) -> None:
    plain = connect(varied())
    run(plain)
    bounded = connect(varied(cloud={"permissionsBoundary": boundary_arn(plain)}))
    checked, told = run(bounded, mode=Mode.CHECK)
    assert checked[f"policy {ROLE}-identity"] is Outcome.DIFFERS
    assert "iam:PermissionsBoundary" in told
    assert set(policy_names(bounded)) == set(policy_names(plain))


def test_the_policies_are_printed_without_credentials(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(STACKS.parent)
    assert main(["bootstrap", "role", "--stack", "prod-us-east-1", "--print"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"state", "network", "cluster", "identity", "storage", "boundary"} <= set(printed)
    assert "111122223333" in json.dumps(printed)


def test_the_command_says_how_to_bound_the_stacks_roles(
    world: Aws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(STACKS.parent)
    argv = ["bootstrap", "role", "--stack", "sandbox", "--principal", "arn:aws:iam::123456789012:role/ci"]
    assert main(argv) == 0
    output = capsys.readouterr().out
    assert "role: arn:aws:iam::123456789012:role/deploy-bastide-sandbox-us-east-1" in output
    assert (
        "permissionsBoundary: arn:aws:iam::123456789012:policy/boundary-bastide-sandbox-us-east-1" in output
    )
