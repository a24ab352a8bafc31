from __future__ import annotations

from component_recording import Recording, region_of, stack

BOUNDARY = "arn:aws:iam::123456789012:policy/boundary-bastide-sandbox-us-east-1"


def test_every_role_has_the_stacks_boundary_and_keeps_its_own_inputs(sandbox: Recording) -> None:
    cloud = {
        "kind": "aws",
        "region": "us-east-1",
        "accountId": "123456789012",
        "permissionsBoundary": BOUNDARY,
    }
    bounded = region_of(stack("sandbox", cloud=cloud))
    roles = {each.name: each.inputs for each in bounded.of("iam/role:Role")}
    assert len(roles) > 4
    assert {each.pop("permissionsBoundary") for each in roles.values()} == {BOUNDARY}
    assert roles == {each.name: each.inputs for each in sandbox.of("iam/role:Role")}


def test_without_a_boundary_nothing_changes(sandbox: Recording) -> None:
    assert all("permissionsBoundary" not in each.inputs for each in sandbox.of("iam/role:Role"))
