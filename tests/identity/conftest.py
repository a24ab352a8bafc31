"""A world's AWS alone, as the plugin's own tests have it."""

from __future__ import annotations

from tests.plugin_aws.conftest import aws_endpoint, driver

__all__ = ["aws_endpoint", "driver"]
