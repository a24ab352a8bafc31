"""An identity provider of the tests: keys, tokens good and hostile, and its set of keys over HTTP."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER, AUDIENCE = "https://id.example.com/realms/main", "bastide-gateway"
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
WEAK_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it has to be refused
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """A public key as the issuer lists it."""
    kind = {
        rsa.RSAPrivateKey: "RS256",
        ec.EllipticCurvePrivateKey: "ES256",
        ed25519.Ed25519PrivateKey: "EdDSA",
    }
    algorithm = next(name for cls, name in kind.items() if isinstance(key, cls))
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, "kid": kid, "alg": algorithm, "use": "sig", **more}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "person-1", "iat": now, "exp": now + 600, "groups": ["x", "ml"],
        **changes,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not ...}


def token(
    key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "rsa", headers: Any = None, **changes: Any
) -> str:
    head = {**({"kid": kid} if kid is not None else {}), **(headers or {})}
    # Not by jwt.encode, which makes no bad claims.
    return jwt.PyJWS().encode(json.dumps(claims(**changes)).encode(), key, algorithm, headers=head)


def by_hand(header: dict[str, Any], payload: dict[str, Any], secret: bytes | None) -> str:
    """As an attacker makes it, with whatever algorithm the header says."""
    head = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(payload).encode())}"
    signed = b"" if secret is None else hmac.new(secret, head.encode(), hashlib.sha256).digest()
    return f"{head}.{encoded(signed)}"


def pem(key: Any) -> bytes:
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


@dataclass
class Issuer:
    """What it answers, and how often it was asked."""

    url: str = ""
    document: Any = None
    status: int = 200
    seconds: float = 0
    asked: list[str] = field(default_factory=list)


def good() -> dict[str, Any]:
    return {"keys": [public(RSA_KEY, "rsa"), public(EC_KEY, "ec"), public(ED_KEY, "ed")]}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """The issuer on this machine."""
    issuer = Issuer(document=good())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            time.sleep(issuer.seconds)
            given = issuer.document
            data = given if isinstance(given, bytes) else json.dumps(given).encode()
            self.send_response(issuer.status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}/keys"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()


def settings(url: str, **changes: Any) -> dict[str, Any]:
    """`signIn` of routes.json."""
    return {
        "issuer": ISSUER, "audience": AUDIENCE, "jwksUrl": url, "algorithms": ["RS256", "ES256", "EdDSA"],
        "rules": [
            {"claim": "groups", "value": "ml", "team": "research"},
            {"claim": "realm_access.roles", "value": "support", "team": "helpdesk"},
            {"claim": "https://example.com/role", "value": "support", "team": "helpdesk"},
        ],
        **changes,
    }  # fmt: skip
