"""By which key `bastide model publish` and `mirror` sign, and `bastide model sign | key`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bastide import names
from bastide.models.errors import ModelError

if TYPE_CHECKING:
    from artifact_agent.signature import PublicKey
    from bastide.models.signing import Signer
    from bastide.settings import Settings

MakeClient = Callable[[str, str | None], Any]
"""Makes a boto3 client of a service in a region (None: AWS's settings)."""

_KEY_HELP = (
    "what signs: a PEM file, or kms: and a KMS key's ARN, id or alias/NAME; default: the stack's own key"
)
_LOOK = "docs/model-store.md, 'Signatures'"


def add_key_options(parser: argparse.ArgumentParser) -> None:
    """`--key` and its opposite."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--key", metavar="FILE|kms:KEY", help=_KEY_HELP)
    how.add_argument(
        "--unsigned",
        action="store_true",
        help="no signature: engines refuse the version unless their stack allows that",
    )


def add_sign(actions: Any) -> None:
    """The arguments of `bastide model sign` and `bastide model key`."""
    sign: argparse.ArgumentParser = actions.add_parser("sign", help="verify a published version and sign it")
    sign.add_argument("target", metavar="s3://BUCKET/models/NAME/VERSION")
    sign.add_argument("--key", metavar="FILE|kms:KEY", help=_KEY_HELP)
    sign.add_argument("--stack", help="stack whose own key signs")
    sign.add_argument("--region", help="the bucket's region; default: the stack's, else AWS's")
    sign.add_argument(
        "--replace", action="store_true", help="take the place of another key's signature, which S3 keeps"
    )
    key: argparse.ArgumentParser = actions.add_parser(
        "key", help="print a signing key's public half, as a stack file takes it"
    )
    which = key.add_mutually_exclusive_group(required=True)
    which.add_argument("--new", metavar="FILE", type=Path, help="make a key in a new file first")
    which.add_argument("--key", metavar="FILE|kms:KEY", help="a key that is there")
    which.add_argument("--stack", help="the stack's own key")
    key.add_argument("--region", help="the KMS key's region; default: the stack's, else AWS's")


def stack_settings(name: str | None) -> Settings | None:
    """A stack's settings. Raises ModelError."""
    if name is None:
        return None
    from bastide.settings import SettingsError, load_stack_file, stack_file

    try:
        return load_stack_file(stack_file(name))
    except SettingsError as error:
        raise ModelError(f"the stack {name!r} cannot be read: {error}") from None


def key_of(arguments: argparse.Namespace) -> str | None:
    """What signs, as `--key` takes it; None where nothing is to. Asks nobody. Raises ModelError where nobody said."""
    if getattr(arguments, "unsigned", False):
        return None
    if arguments.key:
        return str(arguments.key)
    settings = stack_settings(arguments.stack)
    if settings is None:
        raise ModelError(
            "by which key? give --key FILE or --key kms:KEY, or --stack STACK to mean that stack's own key; engines "
            f"refuse what is not signed ({_LOOK})"
        )
    from bastide.settings.signing import KeySigning, KmsSigning

    signing = settings.model_store.signing
    if isinstance(signing, KmsSigning):
        return f"kms:{signing.key_arn or names.signing_alias(settings.prefix)}"
    if isinstance(signing, KeySigning):
        raise ModelError(
            f"stack {arguments.stack!r} trusts keys that are kept elsewhere (modelStore.signing): give the private "
            "half of one of them by --key FILE"
        )
    return None


def local_signer(arguments: argparse.Namespace, make_client: MakeClient) -> Signer | None:
    """The signer of a key in a file, before AWS is asked for anything; None where the key is in KMS, or nothing is to
    sign. Raises ModelError as `signer_of`, and where nobody said what signs."""
    from bastide.models.signing import KMS

    key = key_of(arguments)
    return None if key is None or key.startswith(KMS) else signer_of(arguments, make_client)


def signer_of(arguments: argparse.Namespace, make_client: MakeClient) -> Signer | None:
    """What signs, ready to sign; None where nothing is to. Raises ModelError, also where the stack's engines would
    refuse the signature."""
    key = key_of(arguments)
    if key is None:
        return None
    settings = stack_settings(arguments.stack)
    signer = _open(key, arguments.region or (settings.region if settings else None), make_client)
    if settings is not None and arguments.key:
        _trusted(signer.public, key, settings, arguments.stack)
    return signer


def _open(key: str, region: str | None, make_client: MakeClient) -> Signer:
    from bastide.models.signing import KMS, file_signer, kms_signer

    if not key.startswith(KMS):
        return file_signer(Path(key))
    named = key.removeprefix(KMS)
    if not named:
        raise ModelError(f"--key {key!r} names no key: give kms:ARN, kms:ID or kms:alias/NAME")
    if named.startswith("arn:"):  # it says where it is
        region = named.split(":")[3]
    return kms_signer(make_client("kms", region), named)


def _trusted(public: PublicKey, key: str, settings: Settings, stack: str) -> None:
    from artifact_agent.signature import read_public_key
    from bastide.settings.signing import AllowUnsigned, KmsSigning

    signing = settings.model_store.signing
    if isinstance(signing, AllowUnsigned):
        return
    own = (
        f"kms:{signing.key_arn or names.signing_alias(settings.prefix)}"
        if isinstance(signing, KmsSigning)
        else ""
    )
    if key != own and public.id not in {read_public_key(each).id for each in signing.trusted_keys}:
        raise ModelError(
            f"the engines of stack {stack!r} would refuse a signature by {key} (key {public.id[:16]}): it is not among "
            f"modelStore.signing.trustedKeys; leave --key out to sign by the stack's own, or trust this one ({_LOOK})"
        )


def print_key(arguments: argparse.Namespace, make_client: MakeClient) -> None:
    """The public half, in PEM. Raises ModelError."""
    from bastide.models.signing import public_pem

    if arguments.new is not None:
        _make(arguments.new)
        arguments.key = str(arguments.new)
    signer = signer_of(arguments, make_client)
    if signer is None:
        raise ModelError(f"stack {arguments.stack!r} has no key: it allows unsigned models")
    print(public_pem(signer.public), end="")


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ModelError(f"{path} cannot be made ({error.strerror}): give the name of a new file") from None
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(pem)
