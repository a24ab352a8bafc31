"""The authority that stands for Amazon's, which signs the certificates of RDS and ElastiCache.

The same in every world, so that a stack file can carry its certificate as that of a real region carries AWS's
bundle. Its key is public on purpose, as the sandbox's AWS credentials are: it proves nothing to anybody else."""

from __future__ import annotations

import datetime
import hashlib
import tempfile
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.cluster.certificates import Authority, Pair, Same

NAME: Final = "stand-in for Amazon of the Bastide sandbox"

_SEED: Final = b"bastide sandbox: stand-in for Amazon's certificate authority"


def authority(folder: Path) -> Authority:
    """The authority, which writes into `folder`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = int.from_bytes(hashlib.sha256(_SEED).digest()) >> 1  # below the order of the curve
    key = ec.derive_private_key(number, ec.SECP256R1())
    began = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return Authority(folder, NAME, Same(key, began, began.replace(year=2126)))


def certificate() -> str:
    """Its certificate in PEM, for settings such as `database.ca`."""
    with tempfile.TemporaryDirectory() as folder:
        return authority(Path(folder)).pem.decode()


def server_pair(made: Authority, name: str) -> Pair:
    """A server's certificate for its name, in the authority's folder."""
    return made.issue(name, name[:64], hosts=[name])
