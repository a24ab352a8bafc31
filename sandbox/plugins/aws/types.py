"""Imports every module of resource types, so that the registry is whole."""

from __future__ import annotations

from sandbox.plugins.aws import (
    eks,
    endpoint,
    flow_log,
    gateways,
    iam,
    kms,
    launch_template,
    logs,
    network,
    routing,
    s3,
    security_group_rules,
    security_groups,
)
from sandbox.plugins.aws.framework import REGISTRY

MODULES = (
    network,
    gateways,
    routing,
    security_groups,
    security_group_rules,
    flow_log,
    endpoint,
    launch_template,
    iam,
    kms,
    logs,
    s3,
    eks,
)

__all__ = ["MODULES", "REGISTRY"]
