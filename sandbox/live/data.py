"""A live world's databases and caches: what RDS and ElastiCache have in its region runs, as real Postgres and Redis.

In emulated worlds they are records, as ever. Here each is reached by pods under the name that AWS's API gives
(sandbox/toolchain/node/outside.go)."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.daemon.child import Child, ChildError, free_port
from sandbox.data import amazon
from sandbox.live import data_services, provider
from sandbox.live.data_services import Aws, Service
from sandbox.toolchain.build import BuildError

ADDRESSES: Final = "169.254.2."
"""Link-local, as the address of the VPC CNI's gateway is: no VPC has them, and nothing outside sees them."""

PROVIDER: Final = 254
"""The last number of the address of the stand-in for a hosted provider."""

EVERY: Final = 1.0
"""Seconds between two looks at AWS."""

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outside:
    """A name that leads out of the live world: at `address`, on `port`, pods reach `target` of this machine."""

    name: str
    address: str
    port: int
    target: str


@dataclass(frozen=True)
class _Kept:
    """What AWS has and what runs for it; `service` is None where it could not be started."""

    names: tuple[str, ...]
    number: int
    service: Service | None
    problem: str = ""


_Start = Callable[[Path], Service]


class LiveData:
    """The databases and caches of one region, in a thread of its own."""

    def __init__(self, aws: Aws, tell: Callable[[list[Outside]], None]) -> None:
        """`tell` is called with every name whenever they change, from that thread."""
        self._aws, self._tell = aws, tell
        shutil.rmtree(aws.folder, ignore_errors=True)
        self._authority = amazon.authority(aws.folder)
        self._kept: dict[str, _Kept] = {}
        self._told: list[Outside] = []
        self._directory: Child | None = None
        self._directory_port = 0
        self._provider_port = free_port()
        self._provider = aws.python(
            f"{aws.region}-provider",
            "sandbox.live.provider",
            str(self._provider_port),
            str(aws.logs / provider.FILE),
        )
        self._ending = Event()
        self._thread = Thread(target=self._run, name=f"data-{aws.region}", daemon=True)
        self._thread.start()

    @property
    def children(self) -> list[Child]:
        """Every process."""
        kept = [
            child for each in list(self._kept.values()) if each.service for child in each.service.children
        ]
        return [self._provider, *([self._directory] if self._directory else []), *kept]

    @property
    def problem(self) -> str:
        """What could not be started; empty where all runs."""
        return "; ".join(each.problem for each in list(self._kept.values()) if each.problem)

    def stop(self) -> None:
        """Ends everything."""
        self._ending.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._reconcile()
            except (ClientError, BotoCoreError) as error:
                _LOG.warning("databases and caches of %s: %s", self._aws.region, error)
            except Exception:  # a defect here must not end the cluster
                _LOG.exception("databases and caches of %s", self._aws.region)
            self._ending.wait(EVERY)
        for each in self._kept.values():
            if each.service:
                each.service.stop()
        for child in (self._provider, self._directory):
            if child:
                child.stop(1)
        shutil.rmtree(self._aws.folder, ignore_errors=True)

    def _reconcile(self) -> None:
        wanted = {**self._databases(), **self._caches()}
        before = self._told
        for name in [name for name in self._kept if name not in wanted]:
            gone = self._kept.pop(name)
            if gone.service:
                gone.service.stop()
            shutil.rmtree(self._folder(name, gone.number), ignore_errors=True)
        for name, (names, start) in wanted.items():
            if name not in self._kept:
                self._kept[name] = self._started(name, names, start)
        if (after := self._outside()) != before:
            self._tell(after)
            self._told = after

    def _started(self, name: str, names: tuple[str, ...], start: _Start) -> _Kept:
        used = {each.number for each in self._kept.values()}
        number = next(each for each in range(1, PROVIDER) if each not in used)
        try:
            service = start(self._folder(name, number))
        except (BuildError, ChildError, ClientError, OSError) as error:
            _LOG.error("%s does not run: %s", name, error)
            return _Kept(names, number, None, f"{name} does not run: {error}")
        _LOG.info("%s runs as process %s", name, service.server.pid)
        return _Kept(names, number, service)

    def _folder(self, name: str, number: int) -> Path:
        return self._aws.folder / f"{name.partition('/')[0]}-{number}"

    def _outside(self) -> list[Outside]:
        hosted = Outside(
            provider.NAME, f"{ADDRESSES}{PROVIDER}", provider.PORT, f"127.0.0.1:{self._provider_port}"
        )
        return [hosted, *self._services()]

    def _services(self) -> list[Outside]:
        return [
            Outside(name, f"{ADDRESSES}{kept.number}", kept.service.port, f"127.0.0.1:{kept.service.target}")
            for kept in self._kept.values()
            if kept.service
            for name in kept.names
        ]

    def _databases(self) -> Mapping[str, tuple[tuple[str, ...], _Start]]:
        found = self._aws.client("rds").describe_db_instances()["DBInstances"]
        chosen = [
            each for each in found if each["DBInstanceStatus"] == "available" and each["Engine"] == "postgres"
        ]
        if self._directory is None and any(each.get("IAMDatabaseAuthenticationEnabled") for each in chosen):
            part = f"{self._aws.region}-tokens"
            self._directory_port = free_port()
            self._directory = self._aws.python(
                part, "sandbox.data.token_directory", str(self._directory_port)
            )

        def start(instance: dict[str, object], folder: Path) -> Service:
            return data_services.database(self._aws, self._authority, folder, instance, self._directory_port)

        return {
            f"rds/{each['DbiResourceId']}": ((each["Endpoint"]["Address"],), partial(start, each))
            for each in chosen
        }

    def _caches(self) -> Mapping[str, tuple[tuple[str, ...], _Start]]:
        found = self._aws.client("elasticache").describe_replication_groups()["ReplicationGroups"]

        def start(group: dict[str, object], folder: Path) -> Service:
            return data_services.cache(self._aws, self._authority, folder, group)

        return {
            f"elasticache/{each['ReplicationGroupId']}": (data_services.endpoints(each), partial(start, each))
            for each in found
            if each["Status"] == "available" and data_services.endpoints(each)
        }
