"""Which cluster a kubeconfig names, and how to prove who we are to it.

Client certificates, bearer tokens and exec plugins (client-go's credential protocol,
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins) are
known. Everything else that a kubeconfig may say about credentials is refused by name: a way in that is
silently ignored ends as an anonymous request and a misleading "Forbidden".

An exec plugin named `aws` runs in the world's AWS environment and never in the caller's.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox import state
from sandbox.plugins.protocol import PluginError

KNOWN_USER: Final = {
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "exec",
}
KNOWN_CLUSTER: Final = {
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "extensions",
}
EXEC_LIMIT_S: Final = 30.0
"""`aws eks get-token` takes 0.7 s on an idle machine and 5 s when both cores are busy (measured)."""

EARLY: Final = timedelta(seconds=60)
"""How long before its end a token is asked anew, so that no request carries one that ends on the way."""


@dataclass(frozen=True)
class Credentials:
    """What a request carries: a bearer token, or a client certificate and its key (PEM)."""

    token: str | None = field(default=None, repr=False)
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)


@dataclass
class Kubeconfig:
    """The cluster and user of one context."""

    server: str
    ca: str | None
    insecure: bool
    server_name: str | None
    user: dict[str, Any] = field(repr=False)
    namespace: str
    _cached: Credentials | None = field(default=None, repr=False)
    _expires: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def identity(self) -> tuple[str, str]:
        """What makes this cluster itself: its CA (its address where it has none) and the name its exec
        plugin asks for.

        The address is left out when there is a CA: a tunnel or a private endpoint reaches the same
        cluster by another address, and replacing everything in it for that would be wrong.
        """
        return (self.ca or self.server, _exec_cluster(self.user.get("exec") or {}))

    def credentials(self, instead_of: Credentials | None = None) -> Credentials:
        """The credentials for a request; an exec plugin's are kept until shortly before they end, or until
        they are refused (`instead_of`): then the plugin is run once, however many requests were refused."""
        if not self.user.get("exec"):
            return self._static()
        with self._lock:
            kept = self._cached is not instead_of
            if self._cached and kept and (self._expires is None or datetime.now(UTC) < self._expires):
                return self._cached
            self._cached, self._expires = _run_exec(self.user["exec"], self.server)
            return self._cached

    def _static(self) -> Credentials:
        token = self.user.get("token")
        if not token and self.user.get("tokenFile"):
            token = _read(self.user["tokenFile"], "tokenFile").strip()
        return Credentials(
            token,
            _inline_or_file(self.user, "client-certificate"),
            _inline_or_file(self.user, "client-key"),
        )

    def as_file(self, static: bool) -> str:
        """A kubeconfig (JSON, which is YAML) for helm.

        `static` puts a token in place of the exec plugin, which saves helm its start; without it helm can
        renew the token by itself, which an operation longer than the token's life needs.
        """
        user = dict(self.user)
        if static and user.get("exec"):
            found = self.credentials()
            user = {"token": found.token} if found.token else {}
            if found.certificate and found.key:
                user["client-certificate-data"] = base64.b64encode(found.certificate.encode()).decode()
                user["client-key-data"] = base64.b64encode(found.key.encode()).decode()
        cluster: dict[str, Any] = {"server": self.server}
        if self.ca:
            cluster["certificate-authority-data"] = base64.b64encode(self.ca.encode()).decode()
        if self.insecure:
            cluster["insecure-skip-tls-verify"] = True
        if self.server_name:
            cluster["tls-server-name"] = self.server_name
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "it",
                "contexts": [
                    {
                        "name": "it",
                        "context": {"cluster": "it", "user": "it", "namespace": self.namespace},
                    }
                ],
                "clusters": [{"name": "it", "cluster": cluster}],
                "users": [{"name": "it", "user": user}],
            }
        )


def parse(text: str, context: str | None = None) -> Kubeconfig:
    """The kubeconfig of a text (YAML or JSON) or of a file's path; raises `PluginError` saying what is
    wrong."""
    if "\n" not in text and not text.lstrip().startswith("{"):
        text = _read(text, "kubeconfig")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PluginError(f"kubeconfig: neither YAML nor JSON: {str(error).splitlines()[0]}") from None
    if not isinstance(document, dict) or not isinstance(document.get("contexts"), list):
        raise PluginError(
            "kubeconfig: has no `contexts`; `aws eks update-kubeconfig --dry-run` shows a good one"
        )
    chosen = context or document.get("current-context")
    if not chosen:
        raise PluginError("kubeconfig: names no `current-context`; set it, or the provider's `context`")
    entry = _named(document, "contexts", chosen, "context")
    cluster = _named(document, "clusters", str(entry.get("cluster")), "cluster")
    user = _named(document, "users", str(entry.get("user")), "user") if entry.get("user") else {}
    for what, found, known in (("cluster", cluster, KNOWN_CLUSTER), ("user", user, KNOWN_USER)):
        if strange := sorted(found.keys() - known):
            raise PluginError(
                f"kubeconfig: {what} has {', '.join(strange)}, which the sandbox does not do; "
                f"it knows {', '.join(sorted(known))}"
            )
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith(("https://", "http://")):
        raise PluginError(f"kubeconfig: cluster.server is {server!r}; it must be a URL such as https://...")
    return Kubeconfig(
        server.rstrip("/"),
        _inline_or_file(cluster, "certificate-authority"),
        bool(cluster.get("insecure-skip-tls-verify")),
        cluster.get("tls-server-name"),
        user,
        entry.get("namespace") or "default",
    )


def _named(document: dict[str, Any], group: str, name: str, key: str) -> dict[str, Any]:
    for item in document.get(group) or []:
        if isinstance(item, dict) and item.get("name") == name:
            found = item.get(key) or {}
            if isinstance(found, dict):
                return found
    names = [str(item.get("name")) for item in document.get(group) or [] if isinstance(item, dict)]
    raise PluginError(f"kubeconfig: no {key} is named {name!r}; there are: {', '.join(names) or 'none'}")


def _read(path: str, what: str) -> str:
    try:
        return Path(path).expanduser().read_text()
    except OSError as error:
        raise PluginError(f"{what}: cannot read the file: {error.strerror}: {path[:200]}") from None


def _inline_or_file(section: dict[str, Any], key: str) -> str | None:
    inline = section.get(f"{key}-data")
    if inline:
        try:
            return base64.b64decode(inline, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise PluginError(f"kubeconfig: {key}-data is not base64 of a PEM text") from None
    return _read(section[key], f"kubeconfig: {key}") if section.get(key) else None


def _exec_cluster(entry: dict[str, Any]) -> str:
    arguments = [str(item) for item in entry.get("args") or []]
    for flag in ("--cluster-name", "--cluster-id"):
        if flag in arguments[:-1]:
            return arguments[arguments.index(flag) + 1]
    return ""


def child_environment(exec_env: list[dict[str, str]] | None = None, aws: bool = True) -> dict[str, str]:
    """Environment of a child that may call `aws`: this world's, none of the caller's AWS settings, our
    `aws` first."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    bin_folder = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join([bin_folder, environment.get("PATH", os.defpath)])
    for item in exec_env or []:
        if item["name"] != "AWS_PROFILE":  # names a section of the caller's files, which are not read here
            environment[item["name"]] = item["value"]
    if aws:
        try:
            environment.update(state.aws_env(state.World.find()))
        except state.NoWorldError as error:
            raise PluginError(f"kubeconfig: its exec plugin needs the sandbox's AWS: {error}") from None
    return environment


def _run_exec(entry: dict[str, Any], server: str) -> tuple[Credentials, datetime | None]:
    command = str(entry.get("command", ""))
    arguments = [str(item) for item in entry.get("args") or []]
    shown = " ".join([command, *arguments])
    environment = child_environment(entry.get("env"), aws=Path(command).name == "aws")
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(
        {
            "apiVersion": entry.get("apiVersion"),
            "kind": "ExecCredential",
            "spec": {"interactive": False, "cluster": {"server": server}},
        }
    )
    program = shutil.which(command, path=environment["PATH"])
    if not program:
        hint = entry.get("installHint") or "install it, or put it on the PATH"
        raise PluginError(f"kubeconfig: exec plugin `{shown}`: no program named {command!r}: {hint}")
    try:
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=EXEC_LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise PluginError(
            f"kubeconfig: exec plugin `{shown}` gave no answer within {EXEC_LIMIT_S:.0f} s; run it by hand"
        ) from None
    if done.returncode != 0:
        said = done.stderr.strip() or "nothing on stderr"
        raise PluginError(f"kubeconfig: exec plugin `{shown}` ended with {done.returncode}: {said[-800:]}")
    try:
        status = json.loads(done.stdout)["status"]
        expires = status.get("expirationTimestamp")
        until = datetime.fromisoformat(expires.replace("Z", "+00:00")) - EARLY if expires else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PluginError(
            f"kubeconfig: exec plugin `{shown}` did not print an ExecCredential with a status"
        ) from None
    found = Credentials(status.get("token"), status.get("clientCertificateData"), status.get("clientKeyData"))
    if not found.token and not found.certificate:
        raise PluginError(f"kubeconfig: exec plugin `{shown}` printed neither a token nor a certificate")
    return found, until
