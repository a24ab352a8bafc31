"""Load balancers, target groups, listeners and rules; web ACLs and their logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bastide.plans import firewall
from bastide.settings.edge import FirewallSettings
from sandbox.plugins.protocol import UNKNOWN, PluginError
from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver, Made

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
RULE = "aws:lb/listenerRule:ListenerRule"
ACL = "aws:wafv2/webAcl:WebAcl"
ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"


@pytest.fixture
def elb(aws_endpoint: str) -> Any:
    return aws_client("elbv2", "us-east-1", aws_endpoint)


@pytest.fixture(scope="module")
def vpc(aws_endpoint: str) -> tuple[str, list[str], str]:
    ec2 = aws_client("ec2", "us-east-1", aws_endpoint)
    found = ec2.create_vpc(CidrBlock="10.72.0.0/16")["Vpc"]["VpcId"]
    blocks = {"us-east-1a": "10.72.0.0/24", "us-east-1b": "10.72.1.0/24"}
    subnets = [
        ec2.create_subnet(VpcId=found, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for zone, block in blocks.items()
    ]
    group = ec2.create_security_group(GroupName="edge", Description="edge", VpcId=found)["GroupId"]
    return found, subnets, group


@pytest.fixture
def certificate(aws_endpoint: str) -> str:
    acm = aws_client("acm", "us-east-1", aws_endpoint)
    return str(acm.request_certificate(DomainName="gw.example.com", ValidationMethod="DNS")["CertificateArn"])


@pytest.fixture
def balancer(driver: Driver, vpc: tuple[str, list[str], str]) -> Iterator[Made]:
    _, subnets, group = vpc
    made = driver.create(
        BALANCER,
        name="edge",
        internal=True,
        subnets=subnets,
        securityGroups=[group],
        idleTimeout=600,
        dropInvalidHeaderFields=True,
        tags={"a": "1"},
    )
    yield made
    if made.refresh() is not None:
        made.delete()


def test_a_load_balancer_lives_through_creation_update_refresh_and_deletion(
    driver: Driver, elb: Any, balancer: Made
) -> None:
    assert balancer.state["dnsName"].startswith(("edge-", "internal-edge-"))
    assert balancer.refresh().properties == {}
    same = balancer.inputs
    balancer.update(**{**same, "idleTimeout": 900, "tags": {"b": "2"}})
    found = elb.describe_load_balancer_attributes(LoadBalancerArn=balancer.id)["Attributes"]
    by_key = {each["Key"]: each["Value"] for each in found}
    assert by_key["idle_timeout.timeout_seconds"] == "900"
    assert by_key["routing.http.drop_invalid_header_fields.enabled"] == "true"
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer.id, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "60"}]
    )
    assert balancer.refresh().properties == {"idleTimeout": "update"}
    assert balancer.diff(**{**same, "internal": False}).replaces == ["internal"]
    assert balancer.diff(**{**same, "name": "other"}).replaces == ["name"]
    assert balancer.diff(**{**same, "subnets": list(reversed(same["subnets"]))}).properties.keys() <= {
        "idleTimeout",
        "tags",
        "tagsAll",
    }


def test_a_protected_load_balancer_stays(driver: Driver, elb: Any, balancer: Made) -> None:
    balancer.update(**{**balancer.inputs, "enableDeletionProtection": True})
    with pytest.raises(PluginError, match="protected"):
        balancer.delete()
    balancer.update(**{**balancer.inputs, "enableDeletionProtection": False})


def test_a_listener_forwards_paths_and_answers_the_rest(
    driver: Driver, elb: Any, balancer: Made, vpc: tuple[str, list[str], str], certificate: str
) -> None:
    targets = driver.create(
        TARGETS,
        name="pods",
        targetType="ip",
        protocol="HTTPS",
        port=4000,
        vpcId=vpc[0],
        healthCheck={"protocol": "HTTPS", "path": "/ready", "interval": 10, "timeout": 5, "matcher": "200"},
    )
    fixed = {"type": "fixed-response", "fixedResponse": {"contentType": "text/plain", "statusCode": "404"}}
    inputs = {
        "loadBalancerArn": balancer.id,
        "port": 443,
        "protocol": "HTTPS",
        "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "certificateArn": certificate,
        "defaultActions": [fixed],
        "routingHttpResponseServerEnabled": False,
    }
    listener = driver.create(LISTENER, **inputs)
    paths = {
        "listenerArn": listener.id,
        "priority": 1,
        "conditions": [{"pathPattern": {"values": ["/v1/models", "/v1/chat/completions"]}}],
        "actions": [{"type": "forward", "targetGroupArn": targets.id}],
    }
    rule = driver.create(RULE, **paths)
    for each in (targets, listener, rule):
        assert each.diff(**each.inputs).properties == {}
        assert each.refresh().properties == {}
    rule.update(**{**paths, "conditions": [{"pathPattern": {"values": ["/v1/models"]}}]})
    (found,) = elb.describe_rules(RuleArns=[rule.id])["Rules"]
    assert found["Conditions"][0]["PathPatternConfig"]["Values"] == ["/v1/models"]
    listener.update(**{**inputs, "sslPolicy": "ELBSecurityPolicy-TLS13-1-3-2021-06"})
    assert elb.describe_listeners(ListenerArns=[listener.id])["Listeners"][0]["SslPolicy"].endswith(
        "1-3-2021-06"
    )
    targets.update(**{**targets.inputs, "healthCheck": {**targets.inputs["healthCheck"], "path": "/other"}})
    assert targets.diff(**{**targets.inputs, "port": 4001}).replaces == ["port"]
    assert rule.diff(**{**paths, "listenerArn": "arn:other"}).replaces == ["listenerArn"]
    for each in (rule, listener, targets):
        each.delete()
        assert each.refresh() is None


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        (BALANCER, {"name": "x", "connectionLogs": {"bucket": "b"}}, "connectionLogs"),
        (BALANCER, {"name": "x", "subnetMappings": [{"subnetId": "subnet-1"}]}, "subnetMappings"),
        (TARGETS, {"name": "x", "stickiness": {"type": "lb_cookie"}}, "stickiness"),
        (
            LISTENER,
            {
                "loadBalancerArn": "arn",
                "defaultActions": [{"type": "redirect", "redirect": {"statusCode": "HTTP_301"}}],
            },
            "defaultActions[0].redirect",
        ),
        (ACL, {"scope": "REGIONAL", "ruleJson": "[]"}, "ruleJson"),
    ],
)
def test_what_is_refused_names_the_input(
    driver: Driver, token: str, inputs: dict[str, Any], path: str
) -> None:
    assert path in [each for each, _ in driver.failures(token, **inputs)]


def acl_inputs(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "scope": "REGIONAL",
        "defaultAction": {"allow": {}},
        "rules": firewall.rules(FirewallSettings()),
        "visibilityConfig": firewall.visibility(name),
        **changes,
    }


def test_a_web_acl_with_the_kits_rules_guards_and_logs(
    driver: Driver, aws_endpoint: str, balancer: Made
) -> None:
    logs = aws_client("logs", "us-east-1", aws_endpoint)
    logs.create_log_group(logGroupName="aws-waf-logs-edge")
    group = "arn:aws:logs:us-east-1:123456789012:log-group:aws-waf-logs-edge"
    inputs = acl_inputs("edge", tags={"a": "1"})
    acl = driver.create(ACL, **inputs)
    logging = driver.create(
        LOGGING,
        resourceArn=acl.state["arn"],
        logDestinationConfigs=[group],
        redactedFields=[{"singleHeader": {"name": "authorization"}}],
    )
    guard = driver.create(ASSOCIATION, resourceArn=balancer.id, webAclArn=acl.state["arn"])
    for each in (acl, logging, guard):
        assert each.diff(**each.inputs).properties == {}
        assert each.refresh().properties == {}
    fewer = acl_inputs("edge", rules=firewall.rules(FirewallSettings())[:2], tags={"b": "2"})
    assert set(acl.diff(**fewer).properties) == {"rules", "tags", "tagsAll"}
    acl.update(**fewer)
    waf = aws_client("wafv2", "us-east-1", aws_endpoint)
    found = waf.get_web_acl(Name="edge", Scope="REGIONAL", Id=acl.id)["WebACL"]
    assert [each["Name"] for each in found["Rules"]] == ["body-without-length", "body-too-long"]
    assert acl.diff(**{**fewer, "scope": "CLOUDFRONT"}).replaces == ["scope"]
    for each in (guard, logging, acl):
        each.delete()
        assert each.refresh() is None


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"statement": {"rateBasedStatement": {"limit": 1, "aggregateKeyType": "IP"}}}, "limit"),
        ({"statement": {"regexMatchStatement": {"regexString": "x"}}}, "FieldToMatch"),
        ({"statement": {"noSuchStatement": {}}}, "NoSuchStatement"),
        ({"action": None}, "action"),
        ({"priority": 1}, "earlier rule"),
    ],
)
def test_a_rule_that_waf_would_refuse_is_refused_at_the_preview(
    driver: Driver, change: dict[str, Any], part: str
) -> None:
    rules = firewall.rules(FirewallSettings())
    rules[0] = {**rules[0], **change}
    found = driver.failures(ACL, **acl_inputs("refused", rules=rules))
    assert found
    assert part.lower() in " ".join(f"{path} {why}" for path, why in found).lower()


def test_a_log_with_another_name_is_refused_and_an_unknown_one_is_not(driver: Driver) -> None:
    found = driver.failures(
        LOGGING, resourceArn=UNKNOWN, logDestinationConfigs=["arn:aws:logs:::log-group:other"]
    )
    assert [path for path, _ in found] == ["logDestinationConfigs"]
    assert driver.failures(LOGGING, resourceArn=UNKNOWN, logDestinationConfigs=[UNKNOWN]) == []
