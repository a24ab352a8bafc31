"""ElastiCache's sign-in by IAM: a token signed with the pod's role in the place of a password.

A token is good for 15 minutes to open a connection with, and the connection for 12 hours (ElastiCache user guide,
"Authenticating with IAM"); a new one is signed for each connection, which takes no call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from redis.credentials import CredentialProvider

TOKEN_S = 900


@dataclass(frozen=True)
class Signed(CredentialProvider):
    """Who signs in to which cache."""

    user: str
    cache_name: str
    region: str

    def get_credentials(self) -> tuple[str, str]:
        """The user and a new token."""
        import botocore.session
        from botocore.model import ServiceId
        from botocore.signers import RequestSigner

        session = botocore.session.get_session()
        signer = RequestSigner(
            ServiceId("elasticache"),
            self.region,
            "elasticache",
            "v4",
            session.get_credentials(),
            session.get_component("event_emitter"),
        )
        query = urlencode({"Action": "connect", "User": self.user})
        request: dict[str, Any] = {
            "method": "GET",
            "url": f"http://{self.cache_name}/?{query}",
            "body": {},
            "headers": {},
            "context": {},
        }
        signed = signer.generate_presigned_url(
            request, operation_name="connect", expires_in=TOKEN_S, region_name=self.region
        )
        return self.user, str(signed).removeprefix("http://")
