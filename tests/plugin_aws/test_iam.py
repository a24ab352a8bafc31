from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver, Made

ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
CLUSTER_POLICY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
VIEW_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def trust(service: str | list[str]) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(action: str | list[str]) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def iam(aws_endpoint: str) -> Any:
    return aws_client("iam", "us-east-1", aws_endpoint)


@pytest.fixture
def role(driver: Driver) -> Iterator[Made]:
    made = driver.create(
        ROLE, "node", assumeRolePolicy=trust("ec2.amazonaws.com"), name="node", tags={"team": "a"}
    )
    yield made
    made.driver.provider.delete(made.resource, made.id, {**made.state, "forceDetachPolicies": True}, {}, 30)


def test_role_lives_through_creation_update_refresh_and_deletion(driver: Driver, iam: Any) -> None:
    inputs = {
        "assumeRolePolicy": trust("ec2.amazonaws.com"),
        "name": "life",
        "path": "/bastide/",
        "tags": {"a": "1"},
    }
    made = driver.create(ROLE, **inputs)
    assert made.state["arn"] == "arn:aws:iam::123456789012:role/bastide/life"
    assert made.state["uniqueId"].startswith("AROA")
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}

    changed = {**inputs, "description": "nodes", "maxSessionDuration": 7200, "tags": {"b": "2"}}
    assert made.diff(**changed).replaces == []
    made.update(**changed)
    seen = iam.get_role(RoleName="life")["Role"]
    assert (seen["Description"], seen["MaxSessionDuration"]) == ("nodes", 7200)
    assert seen["Tags"] == [{"Key": "b", "Value": "2"}]

    made.delete()
    assert made.refresh() is None
    made.delete()


def test_preview_knows_the_arn_before_the_role_exists(driver: Driver) -> None:
    shown = driver.preview(ROLE, assumeRolePolicy=trust("ec2.amazonaws.com"), name="soon")
    assert shown["arn"] == "arn:aws:iam::123456789012:role/soon"


def test_another_path_replaces_a_role_and_the_old_one_goes_first_where_the_name_stays(role: Made) -> None:
    inputs = {"assumeRolePolicy": trust("ec2.amazonaws.com"), "name": "node", "tags": {"team": "a"}}
    diff = role.diff(**inputs, path="/other/")
    assert diff.replaces == ["path"]
    assert diff.delete_before_replace
    assert not role.diff(**{**inputs, "name": "other"}).delete_before_replace


def test_policies_that_mean_the_same_are_no_change(role: Made) -> None:
    spaced = json.dumps(json.loads(trust(["ec2.amazonaws.com"])), indent=2)
    assert role.diff(assumeRolePolicy=spaced, name="node", tags={"team": "a"}).properties == {}


def test_refresh_finds_a_trust_that_someone_changed(role: Made, iam: Any) -> None:
    iam.update_assume_role_policy(RoleName="node", PolicyDocument=trust("eks.amazonaws.com"))
    assert role.refresh().properties == {"assumeRolePolicy": "update"}


def test_permissions_boundary_is_put_on_and_taken_off(role: Made, iam: Any) -> None:
    inputs = {"assumeRolePolicy": trust("ec2.amazonaws.com"), "name": "node", "tags": {"team": "a"}}
    role.update(**inputs, permissionsBoundary=VIEW_ONLY)
    boundary = iam.get_role(RoleName="node")["Role"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == VIEW_ONLY
    role.update(**inputs)
    assert "PermissionsBoundary" not in iam.get_role(RoleName="node")["Role"]


def test_role_with_default_tags_of_the_provider_bears_both(aws_endpoint: str, iam: Any) -> None:
    driver = Driver(defaultTags={"tags": {"team": "b", "stack": "sandbox"}})
    made = driver.create(ROLE, assumeRolePolicy=trust("ec2.amazonaws.com"), name="tagged", tags={"team": "a"})
    assert made.state["tagsAll"] == {"team": "a", "stack": "sandbox"}
    assert made.refresh().properties == {}
    made.delete()


def test_import_of_a_role_finds_its_inputs(driver: Driver, role: Made) -> None:
    found = driver.find(ROLE, "node")
    assert found is not None
    inputs = found[2]
    assert json.loads(inputs["assumeRolePolicy"]) == json.loads(trust("ec2.amazonaws.com"))
    assert (inputs["path"], inputs["tags"]) == ("/", {"team": "a"})
    assert driver.failures(ROLE, **inputs) == []
    assert driver.find(ROLE, "nobody") is None


def test_misspelt_input_is_refused_with_the_nearest_name(driver: Driver) -> None:
    [(path, reason)] = driver.failures(
        ROLE, assumeRolePolicy=trust("ec2.amazonaws.com"), maxSessionDurations=3600
    )
    assert path == "maxSessionDurations"
    assert "did you mean 'maxSessionDuration'" in reason


def test_session_duration_beyond_aws_limit_is_refused_with_the_limit(driver: Driver) -> None:
    [(path, reason)] = driver.failures(
        ROLE, assumeRolePolicy=trust("ec2.amazonaws.com"), maxSessionDuration=60
    )
    assert path == "maxSessionDuration"
    assert "3600" in reason


def test_inline_lists_on_a_role_point_to_their_resources(driver: Driver) -> None:
    reasons = dict(
        driver.failures(
            ROLE,
            assumeRolePolicy=trust("ec2.amazonaws.com"),
            managedPolicyArns=[VIEW_ONLY],
            inlinePolicies=[{}],
        )
    )
    assert "aws.iam.RolePolicyAttachment" in reasons["managedPolicyArns"]
    assert "aws.iam.RolePolicy" in reasons["inlinePolicies"]


def test_inline_policy_changes_in_place_and_is_found_by_its_import_id(driver: Driver, role: Made) -> None:
    made = driver.create(POLICY, policy=allow("s3:GetObject"), role="node", name="read")
    assert made.id == "node:read"
    assert made.diff(policy=allow(["s3:GetObject"]), role="node", name="read").properties == {}
    assert made.diff(policy=allow("s3:PutObject"), role="other", name="read").replaces == ["role"]
    made.update(policy=allow("s3:PutObject"), role="node", name="read")
    found = driver.find(POLICY, "node:read")
    assert found is not None
    assert json.loads(found[2]["policy"]) == json.loads(allow("s3:PutObject"))
    made.delete()
    assert made.refresh() is None


def test_inline_policy_never_overwrites_one_that_it_did_not_make(
    driver: Driver, role: Made, iam: Any
) -> None:
    iam.put_role_policy(RoleName="node", PolicyName="theirs", PolicyDocument=allow("s3:*"))
    with pytest.raises(Exception, match="import it as node:theirs"):
        driver.create(POLICY, policy=allow("s3:GetObject"), role="node", name="theirs")


def test_attachment_is_replaced_never_changed_and_drift_shows_as_gone(
    driver: Driver, role: Made, iam: Any
) -> None:
    made = driver.create(ATTACHMENT, role="node", policyArn=CLUSTER_POLICY)
    assert made.id == f"node/{CLUSTER_POLICY}"
    assert made.diff(role="node", policyArn=VIEW_ONLY).replaces == ["policyArn"]
    assert driver.find(ATTACHMENT, made.id) is not None
    iam.detach_role_policy(RoleName="node", PolicyArn=CLUSTER_POLICY)
    assert made.refresh() is None
    made.delete()


def test_role_with_policies_goes_only_when_it_may_detach_them(driver: Driver) -> None:
    inputs = {"assumeRolePolicy": trust("ec2.amazonaws.com"), "name": "held", "forceDetachPolicies": True}
    made = driver.create(ROLE, **inputs)
    driver.create(ATTACHMENT, role="held", policyArn=CLUSTER_POLICY)
    driver.create(POLICY, policy=allow("s3:GetObject"), role="held", name="read")
    kind = driver.provider.types[ROLE]
    context = driver.provider._context(made.resource)
    assert kind.dependants(context, "held") == [CLUSTER_POLICY, "inline policy read"]
    made.delete()
    assert made.refresh() is None


def test_id_of_the_wrong_form_says_which_form_it_has(driver: Driver) -> None:
    with pytest.raises(Exception, match="role:policy"):
        driver.find(POLICY, "node")
