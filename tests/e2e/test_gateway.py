"""The gateway on a live world: what it promises about money, data and failure (`make prove PART=gateway`).

Real LiteLLM over real Postgres and Redis, signed in to by tokens, in front of real vLLM. What needs no Kubernetes is
shown on bare processes: test_gateway_limits.py and test_gateway_failures.py here, and tests/gateway*."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from sandbox.live import first_answer, gateway, provider
from sandbox.live.first_answer import Answer
from sandbox.live.gateway import Access
from tests.secret_scan import SecretScanner
from tests.waits import PATIENCE_S, until

from .conftest import REGION, Sandbox, Stack
from .live_pods import NAMESPACE, processes, ready
from .live_stack import CLUSTER, apply_live

pytestmark = [pytest.mark.world, pytest.mark.proof, pytest.mark.xdist_group("vllm")]

GATEWAY = "bastide-gateway"
REQUESTS = 200
TEAMS = {"website": "public", "research": "internal", "clinic": "regulated"}


@dataclass
class Gate:
    """The gateway with a key for each team."""

    sandbox: Sandbox
    access: Access
    keys: dict[str, str]

    def ask(
        self, team: str, text: str = "Where does the river end?", data_class: str = "", **more: Any
    ) -> Answer:
        """A chat."""
        body = {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": 8} | more
        return first_answer.ask(
            self.access, self.keys[team], body, {"x-data-class": data_class} if data_class else None
        )

    def provider_saw(self, text: str) -> bool:
        """Whether the stand-in for a hosted provider got a text."""
        file = self.sandbox.home / "logs" / provider.FILE
        return file.exists() and text in file.read_text()

    def unready(self) -> list[str]:
        """Reasons of the pods that are not ready, as their events tell."""
        pods = self.sandbox.kubectl(
            "get", "pods", "--namespace", GATEWAY, "--selector", "bastide.dev/role=gateway"
        )
        return [
            each["metadata"]["name"]
            for each in pods["items"]
            if not any(c["type"] == "Ready" and c["status"] == "True" for c in each["status"]["conditions"])
        ]


@pytest.fixture(scope="module")
def live(sandbox: Sandbox) -> Stack:
    return apply_live(sandbox)


@pytest.fixture(scope="module")
def gate(live: Stack, sandbox: Sandbox) -> Gate:
    access = gateway.open_ports(port=18443)
    keys = {}
    for team in TEAMS:
        keys[team], access = gateway.make_key(team, access)
    return Gate(sandbox, access, keys)


@pytest.fixture
def all_ready(live: Stack, sandbox: Sandbox) -> None:
    """Every engine and both pods of the gateway, whatever the test before did to one."""
    until(lambda: ready(sandbox, "vllm-chat-0") and ready(sandbox, "vllm-chat-1"), "chat ready")


def test_cost_in_postgres_is_tokens_times_the_plans_price(gate: Gate) -> None:
    answer = gate.ask("clinic", max_tokens=16)
    assert answer.status == 200, answer.body
    line = first_answer.decision(answer.request_id, CLUSTER)
    row = first_answer.spend(answer.body["id"], REGION)
    assert line is not None
    assert row is not None
    plan = gate.sandbox.run("bastide", "plan", "routes", "--stack", "sandbox-live", "--json")
    prices = json.loads(plan.text)["deployments"]["chat"]
    usage = answer.body["usage"]
    wanted = usage["prompt_tokens"] * Decimal(prices["inputPrice"]) + usage["completion_tokens"] * Decimal(
        prices["outputPrice"]
    )
    show(
        f"{usage['prompt_tokens']} + {usage['completion_tokens']} tokens: {wanted} USD; Postgres: {row['spend']}"
    )
    assert Decimal(line["cost_usd"]) == wanted
    assert abs(Decimal(str(row["spend"])) - wanted) <= wanted * Decimal("1e-9")  # Postgres keeps a double


@pytest.mark.usefixtures("all_ready")
def test_one_of_two_engines_is_killed_and_no_client_sees_an_error(gate: Gate) -> None:
    counts, worst, texts = under_load(gate, lambda pids: os.kill(pids[0], signal.SIGKILL))
    show(f"killed: {dict(counts)}, longest {worst:.1f} s")
    assert counts == {200: REQUESTS}
    assert all(texts)


@pytest.mark.usefixtures("all_ready")
def test_one_of_two_engines_hangs_and_every_answer_is_whole_or_an_error_in_time(gate: Gate) -> None:
    stopped: list[int] = []

    def hang(pids: list[int]) -> None:
        stopped.extend(pids)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    try:
        counts, worst, texts = under_load(gate, hang)
    finally:
        for pid in stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue  # the probes had it restarted
    show(f"hung: {dict(counts)}, longest {worst:.1f} s")
    assert set(counts) <= {200, 503}
    # Each hung try takes its 20 s, and the next may go to the same engine.
    assert counts[200] >= REQUESTS * 3 // 4
    assert worst < 420  # clientTimeoutSeconds of the route
    assert all(texts)


def show(*what: object) -> None:
    """For whoever repeats the proof."""
    sys.stdout.write(" ".join(map(str, what)) + "\n")


def under_load(gate: Gate, harm: Any) -> tuple[Counter[int], float, list[bool]]:
    """Statuses of 200 requests at concurrency 16, of data that may go to the engines alone; the longest of them in
    seconds; whether each good answer was whole. After 60 `harm` is done to the processes of one engine."""
    begun, lock = [0], Lock()
    counts: Counter[int] = Counter()
    took: list[float] = []
    whole: list[bool] = []

    def one(number: int) -> None:
        with lock:
            begun[0] += 1
            strike = begun[0] == 60
        if strike:
            harm(processes("vllm-chat-1"))
        began = time.monotonic()
        answer = gate.ask("clinic", f"Say something about river {number}.", max_tokens=16, min_tokens=16)
        took.append(time.monotonic() - began)
        counts[answer.status] += 1
        if answer.status == 200:
            choice = answer.body["choices"][0]
            whole.append(
                choice["finish_reason"] == "length" and answer.body["usage"]["completion_tokens"] == 16
            )
        else:
            show(answer.status, answer.body)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(REQUESTS)))
    return counts, max(took), whole


@pytest.mark.usefixtures("all_ready")
def test_with_every_engine_down_public_text_goes_to_the_provider_and_regulated_text_nowhere(
    gate: Gate,
) -> None:
    scale(gate.sandbox, 0)
    try:
        public = gate.ask("website", "marker-of-public-text")
        assert public.status == 200, public.body
        assert public.body["choices"][0]["message"]["content"] == provider.ANSWER
        assert gate.provider_saw("marker-of-public-text")
        for team, raised, stream in (
            ("clinic", "", False), ("clinic", "", True), ("website", "regulated", False),
            ("website", "regulated", True),
            ("research", "regulated", False), ("website", "confidential", False),
        ):  # fmt: skip
            refused = gate.ask(team, "marker-of-guarded-text", raised, stream=stream)
            assert refused.status in (403, 503), (team, raised, stream, refused)
        lowered = gate.ask("clinic", "marker-of-guarded-text", "public")
        assert lowered.status == 403
        assert "data_class" in json.dumps(lowered.body)
        assert not gate.provider_saw("marker-of-guarded-text")
    finally:
        scale(gate.sandbox, 2)


def scale(sandbox: Sandbox, replicas: int) -> None:
    """Replicas of the chat engine."""
    done = sandbox.run(
        "kubectl", "scale", "statefulset", "vllm-chat", "--namespace", NAMESPACE, f"--replicas={replicas}"
    )
    assert done.code == 0, done.text
    until(lambda: engines(sandbox) == replicas, "as many engines")


def engines(sandbox: Sandbox) -> int:
    """Chat engines whose processes are there."""
    return sum(bool(processes(f"vllm-chat-{number}")) for number in range(2))


@pytest.mark.parametrize("part", ["redis", "postgres", "pii"])
@pytest.mark.usefixtures("all_ready")
def test_a_part_that_stands_still_is_a_refusal_in_bounded_time_and_readiness_tells(
    gate: Gate, part: str
) -> None:
    pids = parts(gate.sandbox)[part]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        refused = gate.ask("clinic")
        took = time.monotonic() - began
        show(f"{part} stands still: {refused.status} after {took:.1f} s")
        if part != "postgres":  # keys that are known, for a while, need no database
            assert refused.status == 503, refused
        assert took < 30
        until(gate.unready, "readiness tells")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    until(lambda: not gate.unready(), "ready again")
    assert until(lambda: gate.ask("clinic").status == 200, "an answer")


def parts(sandbox: Sandbox) -> dict[str, list[int]]:
    """Processes of the gateway's parts, as this machine numbers them."""
    known = json.loads((sandbox.home / "processes.json").read_text())
    by_part = {
        name: [each["pid"] for each in known if each["part"] == name] for name in ("redis", "postgres")
    }
    for pid in list(by_part["postgres"]):
        by_part["postgres"] += [
            int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    by_part["pii"] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if (
                b"PII_PORT=" in environment
                and b"pii" in command
                and str(sandbox.home).encode()
                in b"".join(line for line in (entry / "mountinfo").read_bytes().splitlines())
            ):
                by_part["pii"].append(int(entry.name))
    return by_part


def test_no_secret_is_where_others_can_read_it(gate: Gate, live: Stack) -> None:
    """The values of the gateway's secrets in state, Helm's history, ConfigMaps, pods, arguments, logs and metrics."""
    values = secret_values(gate)
    assert {"gateway-master-key", "gateway-salt-key", "key of clinic"} <= values.keys()
    places = readable(gate, live)
    scanner = SecretScanner(values)
    show(f"{len(values)} values looked for in {len(places)} places")
    assert [str(each) for each in scanner.scan(places)] == []
    planted = scanner.scan(places | {"planted": f"something {values['gateway-master-key']} else"})
    assert {each.place for each in planted} == {"planted"}


def secret_values(gate: Gate) -> dict[str, str]:
    """Every secret of the gateway's: those of its Secret, the database's administrator's, and the keys made here."""
    held = gate.sandbox.kubectl("get", "secret", "--namespace", GATEWAY, "gateway-secrets")["data"]
    found = {name: base64.b64decode(value).decode() for name, value in held.items()}
    instance = gate.sandbox.aws("rds").describe_db_instances()["DBInstances"][0]
    secret = gate.sandbox.aws("secretsmanager").get_secret_value(
        SecretId=instance["MasterUserSecret"]["SecretArn"]
    )
    found["administrator of the database"] = json.loads(secret["SecretString"])["password"]
    return found | {f"key of {team}": key for team, key in gate.keys.items()}


def readable(gate: Gate, live: Stack) -> dict[str, str]:
    """Texts by where they stand."""
    sandbox = gate.sandbox
    places = {
        "state": sandbox.run("pulumi", "stack", "export", "--stack", live.name).text,
        "preview": sandbox.run("pulumi", "preview", "--stack", live.name, "--diff", timeout=PATIENCE_S).text,
        "values": sandbox.run("helm", "get", "values", "gateway", "--namespace", GATEWAY).text,
        "manifest": sandbox.run("helm", "get", "manifest", "gateway", "--namespace", GATEWAY).text,
    }
    for kind in ("configmaps", "pods", "deployments", "jobs", "externalsecrets", "events"):
        places[kind] = json.dumps(sandbox.kubectl("get", kind, "--all-namespaces"))
    places["logs of pods"] = sandbox.run(
        "kubectl", "logs", "--namespace", GATEWAY, "--selector", "bastide.dev/role=gateway", "--tail=-1"
    ).text
    for log in (sandbox.home / "logs").glob("*.log"):
        places[f"log {log.name}"] = log.read_text(errors="replace")
    own = str(os.getpid())
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != own:
            try:
                places[f"arguments of {entry.name}"] = (
                    (entry / "cmdline").read_bytes().decode(errors="replace")
                )
            except OSError:
                continue
    return places
