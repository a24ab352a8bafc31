"""A live gateway from outside: its ports, its certificate's authority, and keys for its teams.

`bastide chat` finds what is written here by the environment that `bastide sandbox env` exports."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import urllib3

from bastide import names
from bastide.catalogues.secrets import MASTER_KEY
from sandbox.cluster.kube import Kube, KubeError
from sandbox.live.forward import ForwardError, administrator, forward
from sandbox.state import home

PORT: Final = 8443
"""Of 127.0.0.1: clients'. The next one is that of the administration."""


class GatewayError(Exception):
    """The gateway cannot be asked; the text says why and what to do."""


@dataclass(frozen=True)
class Access:
    """How to get to the gateway."""

    url: str
    """As its certificate has it."""
    ca: str
    """File; empty where it speaks plain HTTP."""
    connect: str
    """HOST:PORT of this machine that leads to it."""
    admin: str
    """The same of its administration."""
    key_file: str
    """Of the key that was made last; empty where there is none yet."""

    @property
    def environment(self) -> dict[str, str]:
        """What `bastide chat` reads."""
        found = {
            "BASTIDE_GATEWAY_URL": self.url,
            "BASTIDE_GATEWAY_CA": self.ca,
            "BASTIDE_GATEWAY_CONNECT": self.connect,
            "BASTIDE_GATEWAY_KEY_FILE": self.key_file,
        }
        return {name: value for name, value in found.items() if value}


def _file() -> Path:
    return home() / "gateway" / "access.json"


def known() -> Access | None:
    """What was opened in this world, if anything was."""
    try:
        return Access(**json.loads(_file().read_text()))
    except FileNotFoundError:
        return None


def _write(access: Access) -> Access:
    _file().parent.mkdir(exist_ok=True, mode=0o700)
    draft = _file().with_suffix(".tmp")
    draft.write_text(json.dumps(asdict(access)))
    draft.replace(_file())
    return access


def open_ports(cluster: str | None = None, port: int = PORT) -> Access:
    """Opens the gateway's ports for as long as the world lives. Raises `GatewayError`."""
    service = f"{names.namespace('gateway')}/{names.GATEWAY}"
    before = known()
    try:
        connect = forward(service, port, cluster, "api")
        admin = forward(service, port + 1, cluster, "admin")
    except ForwardError as error:
        raise GatewayError(str(error)) from None
    ca = authority(names.namespace("gateway"), names.GATEWAY, cluster)
    url = f"http{'s' if ca else ''}://{names.GATEWAY}.{names.namespace('gateway')}.svc:{port}"
    return _write(Access(url, ca, connect, admin, before.key_file if before else ""))


def authority(namespace: str, service: str, cluster: str | None = None) -> str:
    """A file with the authority of a Service's certificate; empty where it has none. Raises `GatewayError`."""
    found = _data(administrator(cluster), f"{service}-tls", namespace, missing={}).get("ca.crt")
    if found is None:
        return ""
    file = _file().with_name("ca.pem")  # one root signs all of them
    file.parent.mkdir(exist_ok=True, mode=0o700)
    file.write_bytes(found)
    return str(file)


def _data(
    kube: Kube, secret: str, namespace: str, missing: dict[str, bytes] | None = None
) -> dict[str, bytes]:
    try:
        found = kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{secret}")
    except KubeError as error:
        if error.status == 404 and missing is not None:
            return missing
        raise GatewayError(f"Secret {secret} cannot be read: {error}") from None
    return {name: base64.b64decode(value) for name, value in found.get("data", {}).items()}


def master_key(cluster: str | None = None) -> str:
    """The gateway's own key, as External Secrets delivered it. Raises `GatewayError`."""
    held = _data(administrator(cluster), names.GATEWAY_SECRETS, names.namespace("gateway"))
    found = held.get(MASTER_KEY.name)
    if found is None:
        raise GatewayError(
            f"Secret {names.GATEWAY_SECRETS} has no {MASTER_KEY.name} yet: External Secrets brings it"
        )
    return found.decode()


def ask(access: Access, key: str, method: str, path: str, body: Any = None) -> Any:
    """One call of the administration. Raises `GatewayError` with its words."""
    host, _, port = access.admin.rpartition(":")
    name = access.url.split("://", 1)[1].rsplit(":", 1)[0]
    pool: urllib3.HTTPConnectionPool
    if access.ca:
        pool = urllib3.HTTPSConnectionPool(
            host, int(port), ca_certs=access.ca, server_hostname=name, assert_hostname=name
        )
    else:
        pool = urllib3.HTTPConnectionPool(host, int(port))
    headers = {"authorization": f"Bearer {key}"}
    try:
        reply = pool.request(method, path, json=body, headers=headers, timeout=60, retries=False)
        document = reply.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise GatewayError(f"the gateway's administration gave no answer: {error}") from None
    if reply.status != 200:
        raise GatewayError(f"{method} {path} was answered with {reply.status}: {json.dumps(document)[:500]}")
    return document


def make_key(team: str, access: Access, cluster: str | None = None, **limits: Any) -> tuple[str, Access]:
    """A key for one of the stack's teams, in a file of the world's; the key, and how to get to the gateway with it.

    `limits` are LiteLLM's, such as `max_budget` in USD or `rpm_limit`. Raises `GatewayError`."""
    key = master_key(cluster)
    teams = {each["team_alias"]: each["team_id"] for each in ask(access, key, "GET", "/team/list")}
    if team not in teams:
        allowed = ", ".join(sorted(teams)) or "none yet: the job gateway-teams makes them"
        raise GatewayError(
            f"there is no team {team!r}; there are: {allowed}; the stack's setting `teams` names them"
        )
    made = ask(access, key, "POST", "/key/generate", {"team_id": teams[team], **limits})["key"]
    file = _file().with_name(f"key-{team}")
    file.touch(mode=0o600)
    file.write_text(f"{made}\n")
    return made, _write(Access(**(asdict(access) | {"key_file": str(file)})))
