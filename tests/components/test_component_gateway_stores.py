"""The gateway's database, cache and entrance, as they are registered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from component_recording import Recording, record, stack

from bastide.plans import cache, database, edge
from bastide.settings import Settings
from components.cache import Cache, CacheArgs
from components.database import Database, DatabaseArgs
from components.edge import Edge, EdgeArgs
from components.edge_controller import EdgeController, EdgeControllerArgs

CERTIFIED = {"internal": True, "domain": "gw.example.com", "zoneId": "Z1"}
SUBNETS = {"us-east-1a": "subnet-a", "us-east-1b": "subnet-b"}
PLACE: tuple[Any, ...] = ("vpc-1", SUBNETS, "sg-nodes")


def wanted(**changes: Any) -> Settings:
    return stack(
        "sandbox", certificates=CERTIFIED, gateway={"enabled": True}, edge={"scheme": "public"}, **changes
    )


def program(settings: Settings, parts: str = "database cache edge") -> None:
    if "database" in parts:
        Database("database", DatabaseArgs(settings, settings.database, *PLACE))  # type: ignore[arg-type]
    if "cache" in parts:
        Cache("cache", CacheArgs(settings, settings.cache, *PLACE))  # type: ignore[arg-type]
    if "edge" in parts:
        assert settings.edge is not None
        place = ("vpc-1", SUBNETS, "sg-nodes", "cluster", "arn:of:certificate", "gw.example.com", "Z1")
        Edge("edge", EdgeArgs(settings, settings.edge, *place))  # type: ignore[arg-type]
        EdgeController("controller", EdgeControllerArgs(settings, settings.edge, "vpc-1", "arn:of:targets"))


@pytest.fixture(scope="module")
def open_() -> Recording:
    settings = wanted()
    return record(lambda: program(settings))


@pytest.fixture(scope="module")
def kept() -> Recording:
    settings = wanted(protection=True)
    return record(lambda: program(settings))


def one(found: Recording, kind: str, name: str) -> dict[str, Any]:
    (only,) = [each for each in found.of(kind) if each.name == name]
    return only.inputs


def test_a_stack_without_a_gateway_has_none_of_it(sandbox: Recording) -> None:
    for kind in (
        ":Database",
        ":Cache",
        ":Edge",
        ":EdgeController",
        "rds/instance:Instance",
        "lb/loadBalancer:LoadBalancer",
    ):
        assert not sandbox.of(kind)


def test_the_database_is_private_encrypted_and_without_a_password(open_: Recording) -> None:
    found = open_.one("rds/instance:Instance").inputs
    assert found["publiclyAccessible"] is False
    assert found["storageEncrypted"] is True
    assert found["kmsKeyId"] == found["masterUserSecretKmsKeyId"] == found["performanceInsightsKmsKeyId"]
    assert found["multiAz"] is True
    assert found["backupRetentionPeriod"] == 14
    assert found["manageMasterUserPassword"] is True
    assert found["iamDatabaseAuthenticationEnabled"] is True
    assert "password" not in found
    assert found["enabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert found["autoMinorVersionUpgrade"] is True
    parameters = {
        each["name"]: each["value"]
        for each in open_.one("rds/parameterGroup:ParameterGroup").inputs["parameters"]
    }
    assert parameters == {"rds.force_ssl": "1", "log_statement": "none", "log_error_verbosity": "terse"}


def test_protection_keeps_the_database_its_backups_and_its_last_snapshot(
    open_: Recording, kept: Recording
) -> None:
    free, bound = (each.one("rds/instance:Instance") for each in (open_, kept))
    assert (free.protect, bound.protect) == (False, True)
    assert free.inputs["deletionProtection"] is False
    assert free.inputs["skipFinalSnapshot"] is True
    assert bound.inputs["deletionProtection"] is True
    assert bound.inputs["skipFinalSnapshot"] is False
    assert bound.inputs["finalSnapshotIdentifier"] == "bastide-sandbox-us-east-1-gateway-final"
    assert bound.inputs["deleteAutomatedBackups"] is False
    assert bound.inputs["applyImmediately"] is False


def test_log_groups_are_there_before_the_server_writes_to_them(open_: Recording) -> None:
    instance = open_.one("rds/instance:Instance")
    groups = [each for each in open_.of("logGroup:LogGroup") if each.name.startswith("database")]
    assert {each.inputs["name"] for each in groups} == set(database.log_groups(wanted()))
    assert {each.urn for each in groups} <= instance.depends_on


@pytest.mark.parametrize(("name", "port"), [("database-access-pods", 5432), ("cache-access-pods", 6379)])
def test_only_pods_of_the_cluster_reach_a_store(open_: Recording, name: str, port: int) -> None:
    found = one(open_, ":SecurityGroupIngressRule", name)
    assert found["referencedSecurityGroupId"] == "sg-nodes"
    assert found["fromPort"] == found["toPort"] == port
    group = found["securityGroupId"]
    rules = [
        each.inputs
        for each in open_.of(":SecurityGroupIngressRule")
        if each.inputs["securityGroupId"] == group
    ]
    assert rules == [found]
    egress = [
        each for each in open_.of(":SecurityGroupEgressRule") if each.inputs["securityGroupId"] == group
    ]
    assert egress == []


def test_the_cache_signs_in_by_iam_and_throws_no_counter_away(open_: Recording) -> None:
    found = open_.one(":ReplicationGroup").inputs
    assert found["transitEncryptionEnabled"] is True
    assert found["transitEncryptionMode"] == "required"
    assert found["atRestEncryptionEnabled"] is True
    assert found["automaticFailoverEnabled"] is found["multiAzEnabled"] is True
    assert found["snapshotRetentionLimit"] == 0
    assert "authToken" not in found
    (parameter,) = open_.one("elasticache/parameterGroup:ParameterGroup").inputs["parameters"]
    assert parameter == {"name": "maxmemory-policy", "value": "noeviction"}
    users = {each.inputs["userName"]: each.inputs for each in open_.of("elasticache/user:User")}
    gateway = users["bastide-sandbox-us-east-1-gw"]
    assert gateway["userId"] == gateway["userName"]
    assert gateway["authenticationMode"] == {"type": "iam"}
    assert "-@admin" in gateway["accessString"]
    assert users["default"]["accessString"].startswith("off ")


def test_one_node_has_nobody_to_fail_over_to() -> None:
    settings = wanted(cache={"nodes": 1})
    found = record(lambda: program(settings)).one(":ReplicationGroup").inputs
    assert found["automaticFailoverEnabled"] is found["multiAzEnabled"] is False


def test_no_password_is_in_what_is_registered(open_: Recording) -> None:
    text = json.dumps([each.inputs for each in open_.found]).lower()
    for word in ('"password"', '"authtoken"', '"passwords"'):
        assert word not in text


def test_the_entrance_takes_tls_alone_and_answers_404_to_all_but_its_paths(open_: Recording) -> None:
    found = open_.one("lb/listener:Listener").inputs
    assert (found["port"], found["protocol"]) == (443, "HTTPS")
    assert found["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    (default,) = found["defaultActions"]
    assert default["fixedResponse"]["statusCode"] == "404"
    (rule,) = open_.of("lb/listenerRule:ListenerRule")
    paths = rule.inputs["conditions"][0]["pathPattern"]["values"]
    assert "/v1/chat/completions" in paths
    assert not any(
        path.startswith(("/key", "/team", "/bastide", "/metrics")) or path == "/*" for path in paths
    )
    balancer = open_.one("lb/loadBalancer:LoadBalancer").inputs
    assert balancer["internal"] is False
    assert balancer["dropInvalidHeaderFields"] is True
    assert balancer["enableWafFailOpen"] is False
    assert balancer["idleTimeout"] == 660, "a minute above what clients wait"
    assert balancer["accessLogs"]["enabled"] is True


def test_many_paths_are_spread_over_rules_that_elb_takes() -> None:
    settings = wanted()
    assert settings.edge is not None
    many = settings.edge.model_copy(update={"paths": tuple(f"/v1/{number}" for number in range(12))})
    assert [len(each) for each in edge.path_rules(many)] == [5, 5, 2]


def test_pods_are_reached_by_https_from_the_load_balancer_alone(open_: Recording) -> None:
    targets = open_.one("lb/targetGroup:TargetGroup").inputs
    assert (targets["protocol"], targets["port"], targets["targetType"]) == ("HTTPS", 4000, "ip")
    assert targets["healthCheck"]["path"] == "/bastide/ready"
    into = one(open_, ":SecurityGroupIngressRule", "edge-into-pods")
    assert into["securityGroupId"] == "sg-nodes"
    assert into["referencedSecurityGroupId"] == "edge-access-id"
    (out,) = open_.of(":SecurityGroupEgressRule")
    assert out.inputs["referencedSecurityGroupId"] == "sg-nodes"
    assert "cidrIpv4" not in out.inputs


def test_callers_come_from_where_the_settings_say(open_: Recording) -> None:
    assert one(open_, ":SecurityGroupIngressRule", "edge-access-0")["cidrIpv4"] == "0.0.0.0/0"
    inside = stack(
        "sandbox",
        certificates=CERTIFIED,
        gateway={"enabled": True},
        edge={"clients": ["10.0.0.0/8", "192.0.2.0/24"]},
    )
    found = record(lambda: program(inside))
    blocks = [one(found, ":SecurityGroupIngressRule", f"edge-access-{index}")["cidrIpv4"] for index in (0, 1)]
    assert blocks == ["10.0.0.0/8", "192.0.2.0/24"]
    assert found.one("lb/loadBalancer:LoadBalancer").inputs["internal"] is True


def test_the_firewall_is_there_before_the_first_caller_and_its_log_has_no_key(open_: Recording) -> None:
    acl = open_.one(":WebAcl").inputs
    assert [each["priority"] for each in acl["rules"]] == list(range(len(acl["rules"])))
    logging = open_.one(":WebAclLoggingConfiguration")
    hidden = {each["singleHeader"]["name"] for each in logging.inputs["redactedFields"]}
    assert "authorization" in hidden
    assert logging.urn in open_.one(":WebAclAssociation").depends_on


def test_logs_are_kept_in_a_closed_bucket_that_elb_may_write_to_first(open_: Recording) -> None:
    balancer = open_.one("lb/loadBalancer:LoadBalancer")
    policy = open_.one(":BucketPolicy")
    assert policy.urn in balancer.depends_on
    allow, deny = json.loads(policy.inputs["policy"])["Statement"]
    assert allow["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_controller_registers_pods_of_one_group_and_makes_nothing(open_: Recording) -> None:
    policy = one(open_, ":RolePolicy", "edge-controller-policy")["policy"]
    look, register = json.loads(policy)["Statement"]
    assert all(each.split(":")[1].startswith("Describe") for each in look["Action"])
    assert register["Action"] == [
        "elasticloadbalancing:DeregisterTargets",
        "elasticloadbalancing:RegisterTargets",
    ]
    assert register["Resource"] == [
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/bastide-sandbox-gw/*"
    ]
    release = open_.one(":Release").inputs
    assert release["version"] == "3.5.0"
    assert release["namespace"] == "bastide-edge"
    values = release["values"]
    assert values["watchNamespace"] == "bastide-gateway"
    assert values["enableServiceMutatorWebhook"] is False
    binding = open_.one(":TargetGroupBinding").inputs
    assert binding["spec"]["serviceRef"] == {"name": "gateway", "port": 443}


def test_names_fit_their_services_for_the_longest_settings() -> None:
    settings = wanted(name="abcdefghijkl")
    longest = settings.model_copy(update={"environment": "staging"})
    region = len("ap-southeast-1") - len("us-east-1")
    assert len(cache.identifier(longest)) + region <= 40
    assert len(cache.nobody(longest)) + region <= 40
    assert len(database.final_snapshot(longest)) + region <= 63
    assert len(edge.name(longest)) <= 32
    assert len(edge.log_bucket(longest)) + region <= 63


COUNTS: dict[str, dict[str, Any]] = {
    "database": {
        "version": "18",
        "instanceClass": "db.m7g.xlarge",
        "storageGib": 200,
        "maxStorageGib": 1000,
        "multiAz": False,
        "backupDays": 30,
        "backupWindow": "01:00-02:00",
        "maintenanceWindow": "mon:03:30-mon:04:30",
        "insightsDays": 31,
        "logDays": 30,
        "database": "other",
        "auth": "password",
    },
    "cache": {
        "engine": "redis",
        "nodeType": "cache.m7g.xlarge",
        "nodes": 3,
        "maintenanceWindow": "mon:03:30-mon:04:30",
    },
    "edge": {
        "scheme": "internal",
        "clients": ["192.0.2.0/24"],
        "paths": ["/v1/models"],
        "idleTimeoutSeconds": 900,
        "logDays": 30,
        "firewall": {"requestsPerKey": 77},
        "chartRepository": "https://charts.example.com",
        "chartVersion": "3.4.2",
        "image": {"repository": "mine/controller", "tag": "1"},
    },
}
"""A value of each setting that components read; `user` and `ca` go to the gateway's pods."""

FIREWALL = {
    "managedRules": ["AWSManagedRulesAnonymousIpList"],
    "maxBodyBytes": 4096,
    "requestsPerKey": 77,
    "requestsPerAddress": 77,
    "logDays": 30,
}


def registered(settings: Settings, part: str) -> list[tuple[str, str]]:
    found = record(lambda: program(settings, part)).found
    return sorted((each.name, json.dumps(each.inputs, sort_keys=True)) for each in found)


@pytest.fixture(scope="module")
def usual() -> dict[str, list[tuple[str, str]]]:
    return {part: registered(wanted(), part) for part in COUNTS}


@pytest.mark.parametrize(
    ("root", "change"),
    [(root, {name: value}) for root, values in COUNTS.items() for name, value in values.items()]
    + [("edge", {"firewall": {name: value}}) for name, value in FIREWALL.items()],
)
def test_every_setting_counts(
    usual: dict[str, list[tuple[str, str]]], root: str, change: dict[str, Any]
) -> None:
    base = {"edge": {"scheme": "public"}}.get(root, {})
    changed = stack(
        "sandbox",
        **{
            "certificates": CERTIFIED,
            "gateway": {"enabled": True},
            "edge": {"scheme": "public"},
            root: {**base, **change},
        },
    )
    assert registered(changed, root) != usual[root]


def test_no_setting_is_forgotten_here() -> None:
    settings = wanted()
    assert settings.edge is not None
    for model, known in (
        (settings.database, {*COUNTS["database"], "kind", "user", "ca"}),
        (settings.cache, {*COUNTS["cache"], "kind", "ca"}),
        (settings.edge, set(COUNTS["edge"])),
        (settings.edge.firewall, set(FIREWALL)),
    ):
        assert {info.alias for info in type(model).model_fields.values()} == known
