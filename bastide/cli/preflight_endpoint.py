"""Whether this machine reaches the API server: the name, the TLS handshake, and a token that it takes."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from bastide.cli.preflight_line import FAIL, OK, Line
from bastide.settings import Settings

TIMEOUT: Final = 10.0
"""Seconds for a connection: a security group that drops packets never answers."""

_WAYS: Final = (
    "run inside the VPC, or through a tunnel that ends in it (docs/cluster.md, 'From outside the VPC')"
)


def look(settings: Settings, endpoint: str, authority: str) -> Iterator[Line]:
    """The lines, in order; each needs the one before. `authority` is PEM in base64."""
    at = urlsplit(endpoint)
    host, port = at.hostname or "", at.port or 443
    try:
        addresses = sorted({entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except OSError as error:
        yield Line("name", FAIL, f"{host} does not resolve ({error}); {_WAYS}; the VPC's resolver knows it")
        return
    yield Line("name", OK, f"{host} is {', '.join(map(str, addresses))}")
    try:
        context = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        with (
            socket.create_connection((host, port), TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            version = secure.version()
    except ssl.SSLError as error:
        yield Line(
            "tls",
            FAIL,
            f"{host}:{port} shows a certificate that is not the cluster's ({error}); something between here and "
            "the VPC ends TLS; let this host through untouched",
        )
        return
    except OSError as error:
        yield Line("tls", FAIL, f"{host}:{port} does not answer ({error or 'timed out'}); {_WAYS}")
        return
    yield Line("tls", OK, f"{host}:{port} answers with the cluster's certificate, {version}")
    yield _token(settings, host, port, context)


def _token(settings: Settings, host: str, port: int, context: ssl.SSLContext) -> Line:
    """The very command that the kubeconfig has, and the API server's answer who it takes one for."""
    command = ["aws", "eks", "get-token", "--cluster-name", settings.cluster_name]
    command += ["--region", settings.region, "--output", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        token = json.loads(done.stdout)["status"]["token"]
    except (OSError, ValueError, KeyError):
        return Line("token", FAIL, "`aws eks get-token` gives no token; the line of `aws` above says more")
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read() or b"{}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Line("token", FAIL, f"the API server broke the connection off ({error}); try again")
    finally:
        connection.close()
    if answer.status == http.client.UNAUTHORIZED:
        return Line(
            "token", FAIL, "the API server does not know these credentials: they have no access entry"
        )
    if answer.status >= http.client.BAD_REQUEST:
        return Line("token", FAIL, f"the API server answers {answer.status}: {said.get('message', '')}")
    return Line(
        "token", OK, f"the API server knows these credentials as {said['status']['userInfo']['username']}"
    )
