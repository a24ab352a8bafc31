"""`iam:SimulatePrincipalPolicy`, which moto lacks: what a principal's policies say of an action on a resource.

Evaluated: inline and attached policies of a role or a user, the permissions boundary, explicit denies, wildcards, and
the condition operators below; one that is not known here never holds. Blind spots: groups, service control policies,
policies of resources, and variables in policies. Requests themselves are judged by none of this: the sandbox's IAM
stores policies and lets everything pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from bastide.identity.policies import Statement, statements

Context = Mapping[str, Sequence[str]]

_NS: Final = "https://iam.amazonaws.com/doc/2010-05-08/"


def _like(pattern: str, value: str) -> bool:
    parts = ["." if char == "?" else ".*" if char == "*" else re.escape(char) for char in pattern]
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def _same(wanted: str, value: str) -> bool:
    return wanted == value


_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": _same,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
}


def _holds(operator: str, key: str, wanted: Sequence[str], context: Context) -> bool:
    name = operator.rpartition(":")[2]
    given = {each.lower(): values for each, values in context.items()}.get(key.lower())
    if name.endswith("IfExists"):
        if given is None:
            return True
        name = name.removesuffix("IfExists")
    if name == "Null":
        return (given is None) == (wanted[0].lower() == "true")
    negated = name.replace("Not", "", 1) if "Not" in name else ""
    test = _OPERATORS.get(negated or name)
    if test is None:
        return False
    if given is None:
        # A negated operator holds for a key that is not there (IAM user guide, "Condition operators").
        return bool(negated)
    matches = [any(test(each, value) for each in wanted) for value in given]
    if operator.startswith("ForAllValues:"):
        return all(matches) if not negated else not any(matches)
    return not any(matches) if negated else any(matches)


def applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    """Whether a statement is about this request."""
    actions = [_like(each.lower(), action.lower()) for each in statement.actions or statement.not_actions]
    if any(actions) != bool(statement.actions):
        return False
    resources = [_like(each, resource) for each in statement.resources or statement.not_resources]
    if any(resources) != bool(statement.resources):
        return False
    return all(
        _holds(operator, key, wanted, context)
        for operator, keys in statement.conditions.items()
        for key, wanted in keys.items()
    )


def decide(
    policies: Sequence[str], boundary: str | None, action: str, resource: str, context: Context
) -> str:
    """allowed, explicitDeny or implicitDeny."""

    def effects(found: Sequence[Statement]) -> set[str]:
        return {each.effect for each in found if applies(each, action, resource, context)}

    own = effects([each for document in policies for each in statements(document)])
    bound = effects(statements(boundary)) if boundary is not None else {"Allow"}
    if "Deny" in own | bound:
        return "explicitDeny"
    return "allowed" if "Allow" in own and "Allow" in bound else "implicitDeny"


def _text(policy: Any) -> str:
    """The text of a managed policy's default version."""
    return next(
        str(each.document) for each in policy.versions if each.version_id == policy.default_version_id
    )


def _policies(backend: Any, arn: str) -> tuple[list[str], str | None] | None:
    """Texts of a principal's policies and of its boundary; None when there is no such principal."""
    for holder in (*backend.roles.values(), *backend.users.values()):
        if holder.arn != arn:
            continue
        inline = holder.policies.values()
        texts = [each if isinstance(each, str) else json.dumps(each) for each in inline]
        texts += [_text(each) for each in holder.managed_policies.values()]
        boundary = getattr(holder, "permissions_boundary_arn", None)
        limit = _text(backend.managed_policies[boundary]) if boundary else None
        return [text for text in texts if text], limit
    return None


def _pairs(request: Any) -> dict[str, list[str]]:
    return {
        entry["ContextKeyName"]: [str(each) for each in entry.get("ContextKeyValues") or []]
        for entry in request._get_params().get("ContextEntries") or []
    }


def apply() -> None:
    """Adds the operation to moto's IAM."""
    from moto.iam.exceptions import NotFoundException
    from moto.iam.responses import IamResponse

    def simulate_principal_policy(self: Any) -> str:
        given = self._get_params()
        arn = given["PolicySourceArn"]
        found = _policies(self.backend, arn)
        if found is None:
            raise NotFoundException(f"The entity with ARN {arn} cannot be found.")
        texts, boundary = found
        context = _pairs(self)
        results = "".join(
            "<member>"
            f"<EvalActionName>{escape(action)}</EvalActionName>"
            f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
            f"<EvalDecision>{decide(texts, boundary, action, resource, context)}</EvalDecision>"
            "</member>"
            for action in given["ActionNames"]
            for resource in given.get("ResourceArns") or ["*"]
        )
        return (
            f'<SimulatePrincipalPolicyResponse xmlns="{_NS}"><SimulatePrincipalPolicyResult>'
            f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"
            "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        )

    IamResponse.simulate_principal_policy = simulate_principal_policy
