"""The sandbox's own endpoints of its AWS, for the daemon, the command and tests."""

from __future__ import annotations

from typing import Any

import requests

TIMEOUT = 30
"""Seconds. An answer takes milliseconds; this only ends a wait on a process that hangs."""


class AwsError(Exception):
    """The AWS process refused a request; the text is its reason."""


class Aws:
    """Speaks to `/_bastide/` of one AWS process."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._session = requests.Session()
        # The world is on this machine: a proxy of the environment has no part in it.
        self._session.trust_env = False

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self._session.request(method, f"{self.endpoint}/_bastide/{path}", json=body, timeout=TIMEOUT)
        document = answer.json()
        if answer.status_code >= 400:
            raise AwsError(document.get("error", answer.text))
        return document

    def healthy(self) -> bool:
        """Whether the process answers."""
        try:
            return bool(self._ask("GET", "health")["ok"])
        except (requests.RequestException, ValueError):
            return False

    def clusters(self) -> list[dict[str, Any]]:
        """Every cluster of every region."""
        found: list[dict[str, Any]] = self._ask("GET", "clusters")["clusters"]
        return found

    def report_cluster(
        self, region: str, name: str, status: str, endpoint: str = "", ca: str = "", version: str = ""
    ) -> None:
        """The control plane's state: ACTIVE with endpoint, CA (PEM or base64 of it) and the Kubernetes version
        that it runs for, FAILED, or DELETED."""
        self._ask(
            "POST",
            "clusters",
            {
                "region": region,
                "name": name,
                "status": status,
                "endpoint": endpoint,
                "ca": ca,
                "version": version,
            },
        )

    def report_nodes(self, instances: list[str]) -> None:
        """These instances' nodes have joined their clusters."""
        self._ask("POST", "nodes", {"instances": instances})

    def report_drains(self, drained: list[str], refused: dict[str, str]) -> None:
        """Instances whose nodes are drained, and why pods of others could not be evicted."""
        self._ask("POST", "drains", {"drained": drained, "refused": refused})

    def faults(self) -> dict[str, Any]:
        """The faults in force."""
        found: dict[str, Any] = self._ask("GET", "faults")
        return found

    def set_faults(self, table: dict[str, Any]) -> None:
        """Replaces the fault table; `{}` lifts all."""
        self._ask("PUT", "faults", table)

    def limit_capacity(self, limits: dict[str, int]) -> None:
        """Sets how many instances of families or types there are; other faults stay."""
        self.set_faults({**self.faults(), "capacity": limits})

    def move_block(self, region: str, reservation: str, ends_in: float) -> None:
        """Moves a Capacity Block's end to `ends_in` seconds from now, so that its last minutes can be seen."""
        self._ask("POST", "capacity-blocks", {"region": region, "id": reservation, "endsIn": ends_in})

    def take_bucket_name(self, region: str, name: str, account: str) -> None:
        """Another account takes the name, with a bucket in which everybody may read and write."""
        self._ask("POST", "buckets-of-others", {"region": region, "name": name, "account": account})

    def requests(self) -> dict[str, Any]:
        """Calls by operation and the latest refusals."""
        found: dict[str, Any] = self._ask("GET", "requests")
        return found

    def instance_type(self, name: str) -> dict[str, Any]:
        """What AWS's catalogue says of a type."""
        found: dict[str, Any] = self._ask("GET", f"instance-types/{name}")
        return found

    def reset(self) -> None:
        """Empties the account."""
        self._ask("POST", "reset")
