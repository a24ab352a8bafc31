"""Where moto's CloudWatch Logs is looser than AWS's, for metric filters."""

from __future__ import annotations

from functools import wraps
from typing import Any


def apply() -> None:
    """A filter belongs to a group that is there, has one version, and goes with its group."""
    from moto.logs.exceptions import ResourceNotFoundException
    from moto.logs.models import LogsBackend

    put, delete = LogsBackend.put_metric_filter, LogsBackend.delete_log_group

    @wraps(put)
    def put_metric_filter(
        self: Any, filter_name: str, filter_pattern: str, log_group_name: str, metric_transformations: Any
    ) -> None:
        if log_group_name not in self.groups:
            raise ResourceNotFoundException
        # moto keeps every version; AWS's Put replaces the one before.
        _drop(self, log_group_name, filter_name)
        put(self, filter_name, filter_pattern, log_group_name, metric_transformations)

    @wraps(delete)
    def delete_log_group(self: Any, log_group_name: str) -> None:
        delete(self, log_group_name)
        _drop(self, log_group_name, None)

    LogsBackend.put_metric_filter = put_metric_filter
    LogsBackend.delete_log_group = delete_log_group


def _drop(backend: Any, group: str, name: str | None) -> None:
    kept = [
        each
        for each in backend.filters.metric_filters
        if each["logGroupName"] != group or (name is not None and each["filterName"] != name)
    ]
    backend.filters.metric_filters = kept
