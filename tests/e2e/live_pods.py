"""What the tests of live pods ask of the world: pods, their processes, requests through Services, the bucket."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import urllib3

from tests.waits import PATIENCE_S, until

from .conftest import Sandbox

NAMESPACE = "bastide-serving"
BUCKET = "live-sandbox-us-east-1-models-123456789012"
PREFIX = "models/tiny-qwen2/1.0.0/"
PORT = 18431
EMBED_PORT = 18432
PAUSE = 1.0
"""Seconds between a client's requests while new engines load on the same cores."""


def pod_or_none(sandbox: Sandbox, name: str) -> dict[str, Any] | None:
    """The pod of this name, if there is one."""
    command = ("kubectl", "get", "pod", "--namespace", NAMESPACE, name, "--ignore-not-found", "-o", "json")
    found = sandbox.run(*command)
    assert found.code == 0, found.text
    return json.loads(found.text) if found.text.strip() else None


def pod(sandbox: Sandbox, name: str) -> dict[str, Any]:
    found = pod_or_none(sandbox, name)
    assert found is not None, f"no pod {name}"
    return found


def delete(sandbox: Sandbox, name: str) -> None:
    """Returns when the pod is gone, or another has its name: kubectl may take that one for it."""
    before = pod(sandbox, name)["metadata"]["uid"]
    gone = sandbox.run("kubectl", "delete", "pod", "--namespace", NAMESPACE, name, "--wait=false")
    assert gone.code == 0, gone.text
    until(
        lambda: (pod_or_none(sandbox, name) or {"metadata": {}})["metadata"].get("uid") != before,
        f"{name} is gone",
    )


def pods_of(sandbox: Sandbox, release: str) -> list[str]:
    """Names of a release's pods that were not told to end."""
    every = sandbox.kubectl("get", "pods", "--namespace", NAMESPACE)["items"]
    named = [each["metadata"] for each in every if each["metadata"]["name"].startswith(f"{release}-")]
    return sorted(each["name"] for each in named if "deletionTimestamp" not in each)


def container(found: dict[str, Any], name: str) -> dict[str, Any]:
    """The status of a pod's container; empty where it has none yet."""
    status = found["status"]
    every = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    wanted: dict[str, Any] = next((each for each in every if each["name"] == name), {})
    return wanted


def deletion(found: dict[str, Any]) -> float:
    """When a pod was told to end, in seconds since the epoch, to a second: the API server adds the grace period."""
    ends = datetime.fromisoformat(found["metadata"]["deletionTimestamp"])
    return ends.timestamp() - float(found["metadata"]["deletionGracePeriodSeconds"])


def ready(sandbox: Sandbox, name: str) -> bool:
    conditions = (pod_or_none(sandbox, name) or {"status": {}})["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def processes(name: str) -> list[int]:
    """The engine's processes in a live pod, as this machine numbers them, the first one first.

    Those that vLLM gives another title have lost their environment, but share the first one's process namespace."""
    spaces: dict[int, int] = {}
    first = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            spaces[int(entry.name)] = (entry / "ns" / "pid").stat().st_ino
            environment = (entry / "environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if f"HOSTNAME={name}\0".encode() in environment and b"VLLM_HOST_IP=" in environment:
            first = min(first or int(entry.name), int(entry.name))
    return sorted(pid for pid, space in spaces.items() if first and space == spaces[first])


def ask(
    port: int = PORT, tokens: int = 8, timeout: float = 120, keep: bool = True, **more: Any
) -> urllib3.BaseHTTPResponse:
    """A chat request through the Service."""
    body = {
        "model": "tiny-qwen2",
        "messages": [{"role": "user", "content": "Where does the river end?"}],
        "max_tokens": tokens,
        "ignore_eos": True,
        **more,
    }
    return _pool(port, keep).request(
        "POST", "/v1/chat/completions", json=body, timeout=timeout, retries=False, headers=_headers(keep),
        preload_content=not more.get("stream"),
    )  # fmt: skip


def embed(*texts: str, keep: bool = True) -> urllib3.BaseHTTPResponse:
    """A request for vectors through the Service."""
    body = {"model": "tiny-qwen2", "input": list(texts)}
    return _pool(EMBED_PORT, keep).request(
        "POST", "/v1/embeddings", json=body, timeout=PATIENCE_S, retries=False, headers=_headers(keep)
    )


def _headers(keep: bool) -> dict[str, str]:
    return {} if keep else {"Connection": "close"}


def get(path: str, port: int = PORT) -> int:
    """The status of a path of the engine's."""
    return _pool(port).request("GET", path, timeout=PATIENCE_S, retries=False).status


def trust(sandbox: Sandbox, port: int, release: str) -> None:
    """An engine's requests go by TLS, and its certificate is the one that its Service's name asks for."""
    held = sandbox.kubectl("get", "secret", "--namespace", NAMESPACE, f"{release}-tls")["data"]
    file = sandbox.home / f"{release}-ca.pem"
    file.write_bytes(base64.b64decode(held["ca.crt"]))
    name = f"{release}.{NAMESPACE}.svc"
    for keep in (True, False):
        _POOLS[port, keep] = urllib3.HTTPSConnectionPool(
            "127.0.0.1", port, ca_certs=str(file), server_hostname=name, assert_hostname=name, maxsize=200
        )


_POOLS: dict[tuple[int, bool], urllib3.HTTPSConnectionPool] = {}
"""By port, and by whether connections are kept: a request that keeps none must not take one that another has kept."""


def _pool(port: int, keep: bool = True) -> urllib3.HTTPSConnectionPool:
    return _POOLS[port, keep]


def statuses_while_rolling(
    sandbox: Sandbox, workload: str, request: Callable[[bool], urllib3.BaseHTTPResponse]
) -> list[int | str]:
    """Restarts a workload's pods by a rolling update under 16 concurrent clients; every request's status or error.

    At least 200 requests, and for as long as the update takes, which must end by itself. The first 200 keep their
    connections. Later ones pause, and keep none: the proxy lets a connection go a second or two after its last answer
    (preStopSeconds 5, less 4), later where it waits for a core, and what is sent at that very moment is lost, as with
    every server that closes; the gateway's router tries it again."""
    restarted = sandbox.run("kubectl", "rollout", "restart", workload, "--namespace", NAMESPACE)
    assert restarted.code == 0, restarted.text
    statuses: list[int | str] = []

    def work(rolled: Future[str]) -> None:
        while len(statuses) < 200 or not rolled.done():
            try:
                statuses.append(request(len(statuses) < 200).status)
            except urllib3.exceptions.HTTPError as error:
                statuses.append(f"{type(error).__name__}: {error}")
            if len(statuses) >= 200:
                time.sleep(PAUSE)

    def roll() -> str:
        watch = ["rollout", "status", workload, "--namespace", NAMESPACE, "--timeout=900s"]
        done = sandbox.run("kubectl", *watch, timeout=1000)
        return "" if done.code == 0 else done.text

    with ThreadPoolExecutor(17) as pool:
        rolled = pool.submit(roll)
        for future in [pool.submit(work, rolled) for _ in range(16)]:
            future.result()
    assert rolled.result() == ""
    assert len(statuses) >= 200
    return statuses


@contextmanager
def changed_version(sandbox: Sandbox, change: Callable[[dict[str, bytes]], tuple[str, ...]]) -> Iterator[Any]:
    """The published version with `change` made to its files in the bucket; gives what `change` returns."""
    s3 = sandbox.aws("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)["Contents"]]
    good = {key.removeprefix(PREFIX): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def put(before: dict[str, bytes], after: dict[str, bytes]) -> None:
        for name in before.keys() | after.keys():
            if name not in after:
                s3.delete_object(Bucket=BUCKET, Key=PREFIX + name)
            elif before.get(name) != after[name]:
                s3.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=after[name])

    bad = dict(good)
    told = change(bad)
    put(good, bad)
    try:
        yield told
    finally:
        put(bad, good)
