"""Settings of the gateway's entrance: an application load balancer with a web application firewall before it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from bastide.settings.base import Cidr, Strict, matching
from bastide.settings.certificates import ChartVersion
from bastide.settings.images import ImageSettings

CONTROLLER: str = "3.5.0"
"""AWS Load Balancer Controller's chart whose values were read (kubernetes-sigs, 2026-08); its image is v3.5.0."""

MOST_IDLE_SECONDS: Final = 4000
"""What an application load balancer waits at most (ELB user guide, 'Connection idle timeout')."""

PathPattern = Annotated[
    str,
    matching(
        r"(?=.{1,128}$)/[A-Za-z0-9_\-.$/~\"'@:+&*?]*",
        "is not a path pattern of a load balancer; allowed: up to 128 characters starting with '/', where * stands for "
        "any number of characters and ? for one",
    ),
]


class FirewallSettings(Strict):
    """AWS WAF before the load balancer. A request that a rule blocks never reaches the gateway."""

    managed_rules: tuple[
        Literal[
            "AWSManagedRulesAmazonIpReputationList",
            "AWSManagedRulesKnownBadInputsRuleSet",
            "AWSManagedRulesAnonymousIpList",
        ],
        ...,
    ] = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")
    """Groups of rules that AWS keeps. The common rule set is not among them: it blocks bodies above 8 KB and text that
    looks like HTML or SQL, which prompts are."""

    max_body_bytes: int = Field(2097152, ge=1024, le=1073741824)
    """Longest body of a request, by its Content-Length; without one a body is refused. WAF reads 8 KB of a body at a
    load balancer, so it cannot count further by itself. Routes have tighter limits of their own."""

    requests_per_key: int = Field(3000, ge=10, le=2000000000)
    """Most requests with one Authorization header in five minutes; 10 is WAF's least. It stops floods early and
    roughly, some seconds late; the limits that teams have are counted exactly in Redis."""

    requests_per_address: int = Field(10000, ge=10, le=2000000000)
    """Most requests from one address in five minutes. Higher than a key's: many callers share a proxy's address."""

    log_days: int = Field(90, ge=1, le=3650)
    """Days for which the firewall's log is kept. It has no keys: headers that carry one are left out."""


class EdgeSettings(Strict):
    """An entrance of the region: load balancer, firewall, certificate and name. It takes HTTPS alone, by TLS 1.2 and
    1.3."""

    scheme: Literal["internal", "public"] = "internal"
    """`internal`: in the private subnets, reached from the VPC and what is joined to it. `public`: in the public
    subnets, reached from the internet."""

    clients: tuple[Cidr, ...] = Field((), max_length=50)
    """Blocks from which callers may come. Empty: the VPC's own where it is internal, everywhere where it is public. 50
    leaves room in a security group, which takes 60 rules."""

    paths: tuple[PathPattern, ...] = Field(
        ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/models/*"),
        min_length=1,
        max_length=25,
    )
    """What callers may ask; everything else is answered with 404 by the load balancer. Administration is reached inside
    the cluster alone."""

    idle_timeout_seconds: int | None = Field(None, ge=60, le=MOST_IDLE_SECONDS)
    """Seconds in which neither side sends anything before a connection is cut. It must be above the longest
    `clientTimeoutSeconds` of a route: a request that waits in a queue or is tried again sends nothing for as long.
    Without a value a minute above it."""

    log_days: int = Field(90, ge=1, le=3650)
    """Days for which access logs are kept: addresses, paths, sizes and times, no headers and no bodies."""

    firewall: FirewallSettings = FirewallSettings()
    """The firewall before it."""

    chart_repository: str = Field("https://aws.github.io/eks-charts", pattern=r"^https://[^\s]+$")
    """Helm repository of AWS Load Balancer Controller's chart; a mirror of yours where runners reach nothing else."""

    chart_version: ChartVersion = CONTROLLER
    """Version of its chart. Its definitions lie in the chart's crds/, which Helm installs and never upgrades."""

    image: ImageSettings = ImageSettings(
        repository="public.ecr.aws/eks/aws-load-balancer-controller", tag=f"v{CONTROLLER}"
    )
    """The controller's image. The controller tells the load balancer which pods there are, and makes nothing."""
