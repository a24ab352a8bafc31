"""Who can do what on which resource, from the policies that a stack applied.

Input is the stack's state, as `pulumi stack export` gives it. A row says who, by which way, and what a statement
allows or denies; nothing is evaluated against anything else, so that a Deny stands beside the Allow it limits.

Blind spots: policies of the account that the stack did not make; what an AWS managed policy says, where its text is
not given; Kubernetes objects that a Helm release brings, and EKS's own access policies, which are named only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bastide.identity.policies import Statement, statements

ROLE: Final = "aws:iam/role:Role"
ROLE_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT: Final = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
POLICY: Final = "aws:iam/policy:Policy"
ASSOCIATION: Final = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ENTRY: Final = "aws:eks/accessEntry:AccessEntry"
ENTRY_POLICY: Final = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
KEY: Final = "aws:kms/key:Key"
ALIAS: Final = "aws:kms/alias:Alias"
BUCKET_POLICY: Final = "aws:s3/bucketPolicy:BucketPolicy"
TOPIC_POLICY: Final = "aws:sns/topicPolicy:TopicPolicy"
SECRET_POLICY: Final = "aws:secretsmanager/secretPolicy:SecretPolicy"  # noqa: S105 - a type token
_RBAC: Final = "kubernetes:rbac.authorization.k8s.io/v1:"

NODE_GROUPS: Final = ("EC2_LINUX", "EC2_WINDOWS", "EC2")
"""Types of access entries that are nodes'."""


@dataclass(frozen=True, order=True)
class Row:
    """One thing that somebody may do, or may not."""

    principal: str
    """Who: pods of a service account, a person's IAM role, an AWS service."""
    via: str
    """By which way: a role, a resource's own policy, an access entry."""
    effect: str
    """Allow or Deny."""
    action: str
    resource: str
    condition: str = ""
    policy: str = ""
    """Where it stands: the policy's name."""


@dataclass(frozen=True)
class Resource:
    """A resource of the state: its type and what it is."""

    type: str
    values: Mapping[str, Any]


def from_state(deployment: Mapping[str, Any]) -> list[Resource]:
    """The resources of `pulumi stack export`. What is being deleted is left out."""
    listed = (deployment.get("deployment") or {}).get("resources") or []
    return [
        Resource(each["type"], {**each.get("inputs", {}), **each.get("outputs", {})})
        for each in listed
        if not each.get("delete")
    ]


def managed_policies(resources: Sequence[Resource]) -> list[str]:
    """ARNs of the AWS managed policies that roles of the stack have."""
    arns = {each.values["policyArn"] for each in resources if each.type == ATTACHMENT}
    return sorted(arn for arn in arns if arn.startswith("arn:aws:iam::aws:policy/"))


def table(resources: Sequence[Resource], managed: Mapping[str, str] | None = None) -> list[Row]:
    """Every row, sorted. `managed`: texts of AWS managed policies by ARN; the others are named only."""
    documents = managed or {}
    found = {
        *_roles(resources, documents),
        *_resource_policies(resources),
        *_entries(resources),
        *_service_accounts(resources),
    }
    return sorted(found)


def _of(resources: Iterable[Resource], kind: str) -> list[Mapping[str, Any]]:
    return [each.values for each in resources if each.type == kind]


# --- AWS roles ----------------------------------------------------------------------------------------------


def _roles(resources: Sequence[Resource], managed: Mapping[str, str]) -> Iterator[Row]:
    own = {each["arn"]: each["policy"] for each in _of(resources, POLICY)}
    for role in _of(resources, ROLE):
        who = list(_holders(role, resources))
        via = f"role {role['name']}"
        for principal, condition in who:
            yield Row(principal, via, "Allow", "take the role", role["arn"], condition, "trust")
        for name, document in _documents(role["name"], resources, {**managed, **own}):
            for principal, _ in who:
                if document is None:
                    yield Row(principal, via, "Allow", f"what {name} allows", "as it says", "", name)
                else:
                    yield from _rows(principal, via, statements(document), name)


def _holders(role: Mapping[str, Any], resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """Who may take a role: the pods that are associated with it, else whom its trust names."""
    pods = [each for each in _of(resources, ASSOCIATION) if each["roleArn"] == role["arn"]]
    for each in pods:
        yield f"pods of {each['namespace']}/{each['serviceAccount']}", f"in cluster {each['clusterName']}"
    for statement in statements(role["assumeRolePolicy"]):
        for kind, value in statement.principals:
            if pods and value == "pods.eks.amazonaws.com":
                continue
            yield _principal(kind, value), _condition(statement)


def _documents(
    role: str, resources: Sequence[Resource], known: Mapping[str, str]
) -> Iterator[tuple[str, str | None]]:
    for each in _of(resources, ROLE_POLICY):
        if each["role"] == role:
            yield each["name"], each["policy"]
    for each in _of(resources, ATTACHMENT):
        if each["role"] == role:
            yield each["policyArn"].rpartition("/")[2], known.get(each["policyArn"])


def _principal(kind: str, value: str) -> str:
    if kind == "Service":
        return f"AWS service {value}"
    if value == "*":
        return "everybody"
    if kind == "AWS" and value.endswith(":root"):
        return f"account {value.split(':')[4]}, as its IAM policies decide"
    return value if kind == "AWS" else f"{kind} {value}"


def _condition(statement: Statement) -> str:
    return "; ".join(
        f"{key} {operator} {', '.join(values)}"
        for operator, keys in statement.conditions.items()
        for key, values in keys.items()
    )


def _rows(principal: str, via: str, found: Sequence[Statement], policy: str, own: str = "") -> Iterator[Row]:
    """`own`: the resource whose policy it is, which `*` then means."""
    for statement in found:
        actions = statement.actions or tuple(f"everything but {each}" for each in statement.not_actions)
        resources = statement.resources or tuple(f"all but {each}" for each in statement.not_resources)
        for action in actions:
            for resource in resources or (own,):
                named = own if own and resource == "*" else resource
                yield Row(principal, via, statement.effect, action, named, _condition(statement), policy)


# --- policies of resources ----------------------------------------------------------------------------------


def _resource_policies(resources: Sequence[Resource]) -> Iterator[Row]:
    owned = [(each.get("policy"), each["arn"], "key policy") for each in _of(resources, KEY)]
    owned += [
        (each["policy"], f"arn:aws:s3:::{each['bucket']}", "bucket policy")
        for each in _of(resources, BUCKET_POLICY)
    ]
    owned += [(each["policy"], each["arn"], "topic policy") for each in _of(resources, TOPIC_POLICY)]
    owned += [(each["policy"], each["secretArn"], "secret policy") for each in _of(resources, SECRET_POLICY)]
    for document, arn, kind in owned:
        if not document:
            continue
        for statement in statements(document):
            named = [_principal(*each) for each in statement.principals]
            named += [f"everybody but {_principal(*each)}" for each in statement.not_principals]
            for principal in named:
                yield from _rows(principal, f"{kind} of {arn}", [statement], statement.sid or kind, arn)


# --- Kubernetes ---------------------------------------------------------------------------------------------


def _entries(resources: Sequence[Resource]) -> Iterator[Row]:
    for entry in _of(resources, ENTRY):
        if entry.get("type") in NODE_GROUPS:
            continue
        principal, cluster = entry["principalArn"], entry["clusterName"]
        for each in _of(resources, ENTRY_POLICY):
            if (each["principalArn"], each["clusterName"]) == (principal, cluster):
                scope = each["accessScope"]
                where = ", ".join(sorted(scope.get("namespaces") or [])) or "everywhere"
                name = each["policyArn"].rpartition("/")[2]
                yield Row(
                    principal,
                    f"access entry of {cluster}",
                    "Allow",
                    f"what {name} allows",
                    f"Kubernetes {cluster}: {where}",
                    "",
                    name,
                )
        for group in entry.get("kubernetesGroups") or []:
            yield from _bound(
                resources, "Group", group, "", principal, f"access entry of {cluster}, group {group}"
            )


def _service_accounts(resources: Sequence[Resource]) -> Iterator[Row]:
    """Subjects of bindings that are pods, not people."""
    subjects = {
        (each.get("namespace", ""), each["name"])
        for kind in ("ClusterRoleBinding", "RoleBinding")
        for binding in _of(resources, _RBAC + kind)
        for each in binding.get("subjects") or []
        if each["kind"] == "ServiceAccount"
    }
    for namespace, name in subjects:
        yield from _bound(
            resources, "ServiceAccount", name, namespace, f"pods of {namespace}/{name}", "service account"
        )


def _bound(
    resources: Sequence[Resource], kind: str, name: str, namespace: str, principal: str, via: str
) -> Iterator[Row]:
    for binding_kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in _of(resources, _RBAC + binding_kind):
            subjects = binding.get("subjects") or []
            if not any(
                each["kind"] == kind and each["name"] == name and each.get("namespace", "") == namespace
                for each in subjects
            ):
                continue
            where = binding["metadata"].get("namespace", "") if binding_kind == "RoleBinding" else ""
            reference = binding["roleRef"]
            for rule in _rules(resources, reference, where):
                yield from _rule_rows(rule, principal, via, reference["name"], where)


def _rules(
    resources: Sequence[Resource], reference: Mapping[str, Any], namespace: str
) -> list[Mapping[str, Any]]:
    for role in _of(resources, _RBAC + reference["kind"]):
        metadata = role["metadata"]
        if metadata["name"] == reference["name"] and (
            reference["kind"] == "ClusterRole" or metadata.get("namespace") == namespace
        ):
            rules: list[Mapping[str, Any]] = role.get("rules") or []
            return rules
    return []


def _rule_rows(rule: Mapping[str, Any], principal: str, via: str, role: str, namespace: str) -> Iterator[Row]:
    verbs = ", ".join(rule["verbs"])
    where = f"in {namespace}" if namespace else "everywhere"
    names = rule.get("resourceNames") or []
    condition = f"only {', '.join(names)}" if names else ""
    for group in rule.get("apiGroups") or [""]:
        for resource in rule.get("resources") or []:
            kind = f"{resource}.{group}" if group else resource
            yield Row(principal, via, "Allow", verbs, f"Kubernetes {kind} {where}", condition, role)
    for url in rule.get("nonResourceURLs") or []:
        yield Row(principal, via, "Allow", verbs, f"Kubernetes {url}", condition, role)


# --- as text ------------------------------------------------------------------------------------------------


def as_json(rows: Sequence[Row]) -> str:
    """The rows as a JSON list."""
    return json.dumps([asdict(row) for row in rows], indent=2)


def key_names(resources: Sequence[Resource]) -> dict[str, str]:
    """Aliases of keys by the key's ARN: a key's ARN says nothing to a reader."""
    aliases = {each["targetKeyId"]: each["name"] for each in _of(resources, ALIAS)}
    return {
        each["arn"]: f"key {aliases[each['keyId']]}"
        for each in _of(resources, KEY)
        if each["keyId"] in aliases
    }


def as_markdown(rows: Sequence[Row], short: Mapping[str, str] | None = None) -> str:
    """A heading for each principal, and a table of what it may do; actions that differ in nothing else share a
    line, and so do resources. `short`: names to print in the place of ARNs."""
    lines: list[str] = []
    for principal in dict.fromkeys(row.principal for row in rows):
        actions: dict[tuple[str, ...], list[str]] = {}
        for row in rows:
            if row.principal == principal:
                key = (row.via, row.effect, row.condition, row.policy, row.resource)
                actions.setdefault(key, []).append(row.action)
        resources: dict[tuple[str, ...], list[str]] = {}
        for (*rest, resource), found in actions.items():
            resources.setdefault((*rest, ", ".join(found)), []).append(resource)
        lines += [f"### {principal}", "", "| by | effect | action | resource | condition | policy |"]
        lines.append("|---|---|---|---|---|---|")
        for (via, effect, condition, policy, action), found in resources.items():
            cells = (via, effect, action, ", ".join(found), condition, policy)
            lines.append("| " + " | ".join(_cell(cell, short or {}) for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str, short: Mapping[str, str]) -> str:
    for arn, name in short.items():
        text = text.replace(arn, name)
    return text.replace("|", "\\|").replace("\n", " ")
