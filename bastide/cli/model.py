"""`bastide model make-tiny | publish | mirror | sign | key | verify`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bastide.cli.model_mirror import Store, add_mirror, run_mirror, told
from bastide.cli.model_signing import add_key_options, add_sign, local_signer, print_key, signer_of
from bastide.models.errors import ModelError
from bastide.models.licence import canonical, check_source
from bastide.models.make_tiny import make_tiny, tiny_shapes
from bastide.models.make_tiny_shapes import DEFAULT_SHAPE
from bastide.models.manifest import Manifest, scan
from bastide.models.owner import expecting
from bastide.settings.base import Version
from bastide.settings.models import ModelName

_URL = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<prefix>models/[^/]+/[^/]+)/?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide model`."""
    actions = parser.add_subparsers(dest="action", required=True)
    tiny = actions.add_parser("make-tiny", help="write a small real model with random weights")
    tiny.add_argument("folder", metavar="DIR", type=Path, help="an empty or a new folder")
    tiny.add_argument(
        "--shape",
        choices=tuple(tiny_shapes()),
        default=DEFAULT_SHAPE,
        help="; ".join(f"{name}: {about}" for name, about in tiny_shapes().items())
        + "; default: %(default)s",
    )
    put = actions.add_parser("publish", help="publish a model's folder as one version that never changes")
    put.add_argument("folder", metavar="DIR", type=Path, help="the folder with config.json and the weights")
    put.add_argument("--name", required=True, help="name by which engines and clients ask for it")
    put.add_argument("--version", required=True, help="MAJOR.MINOR.PATCH")
    put.add_argument("--bucket", help="the model bucket; default: that of --stack")
    put.add_argument("--region", help="the bucket's region; default: the stack's, else AWS's")
    put.add_argument("--stack", help="stack whose model bucket is meant, as in stacks/Pulumi.STACK.yaml")
    put.add_argument(
        "--licence",
        required=True,
        help="the model's licence: an SPDX expression, a model licence such as llama3.3, or 'other:TEXT'",
    )
    put.add_argument("--source", required=True, help="where the model came from, such as its hub's address")
    add_key_options(put)
    add_mirror(actions)
    add_sign(actions)
    check = actions.add_parser("verify", help="check a folder, or every byte of a published version")
    check.add_argument("target", metavar="DIR|s3://BUCKET/models/NAME/VERSION")
    check.add_argument("--region", help="the bucket's region; default: AWS's own settings")
    check.add_argument(
        "--public-key", metavar="FILE", type=Path, help="PEM of the key by which the version must be signed"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide model`; returns the exit status."""
    try:
        if arguments.action == "make-tiny":
            _make_tiny(arguments.folder, arguments.shape)
        elif arguments.action == "publish":
            _publish(arguments)
        elif arguments.action == "mirror":
            _mirror(arguments)
        elif arguments.action == "sign":
            _sign(arguments)
        elif arguments.action == "key":
            print_key(arguments, client)
        else:
            _verify(arguments.target, arguments.region, arguments.public_key)
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of what is printed has enough: `main` ends
        raise
    except OSError as error:
        print(f"error: {error.filename or 'a file'} cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _make_tiny(folder: Path, shape: str) -> None:
    files = make_tiny(folder, shape)
    total = sum(each.stat().st_size for each in files)
    print(f"{folder}: {shape}, {tiny_shapes()[shape]}: {len(files)} files, {total:,} bytes")


def _publish(arguments: argparse.Namespace) -> None:
    from bastide.models.publish import publish

    _check("--name", ModelName, arguments.name)
    _check("--version", Version, arguments.version)
    licence = canonical(arguments.licence)
    check_source(arguments.source)
    store = _store(arguments)
    signer = local_signer(arguments, client)  # what is wrong with it is told before hours of reading
    manifest = scan(arguments.folder, arguments.name, arguments.version, licence, arguments.source)
    done = publish(
        store_client(store),
        store.bucket,
        arguments.folder,
        manifest,
        lambda line: print(f"  {line}"),
        signer or signer_of(arguments, client),
    )
    print(told(done, manifest))
    _print_digest(manifest)


def _mirror(arguments: argparse.Namespace) -> None:
    _check("--name", ModelName, arguments.name)
    _check("--version", Version, arguments.version)
    manifest = run_mirror(
        arguments,
        _store,
        store_client,
        lambda: signer_of(arguments, client),
        lambda: local_signer(arguments, client),
    )
    if manifest is not None:
        _print_digest(manifest)


def _sign(arguments: argparse.Namespace) -> None:
    from bastide.models.objects import clear
    from bastide.models.publish import verify
    from bastide.models.signatures import put_signature
    from bastide.models.signing import public_pem

    bucket, prefix = _published(arguments.target)
    signer = local_signer(arguments, client) or signer_of(arguments, client)
    if signer is None:
        raise ModelError(f"stack {arguments.stack!r} has no key: it allows unsigned models; give --key")
    s3 = store_client(Store(bucket, arguments.region, None))
    manifest = verify(s3, bucket, prefix, lambda line: print(f"  {line}"))
    with clear(bucket):
        done = put_signature(s3, bucket, manifest, signer, anew=arguments.replace)
    print(
        f"{arguments.target} {'is signed now' if done else 'was signed already'}, by key {signer.public.id}"
    )
    print(public_pem(signer.public), end="")


def _published(target: str) -> tuple[str, str]:
    """Bucket and prefix of a version."""
    found = _URL.fullmatch(target)
    if found is None:
        raise ModelError(f"{target!r} is no published version: give s3://BUCKET/models/NAME/VERSION")
    return found["bucket"], found["prefix"] + "/"


def _verify(target: str, region: str | None, public_key: Path | None) -> None:
    from bastide.models.publish import verify
    from bastide.models.signatures import verify_signature

    if not target.startswith("s3://"):
        if public_key is not None:
            raise ModelError(
                f"--public-key: {target} is a folder, and only a published version is signed; leave it out, or verify "
                "s3://BUCKET/models/NAME/VERSION"
            )
        manifest = scan(Path(target), "", "", "", "")
        print(f"{target} can be published: {len(manifest.files)} files, {manifest.total:,} bytes")
    else:
        bucket, prefix = _published(target)
        pem = None if public_key is None else _trusted(public_key)
        s3 = s3_client(region)
        manifest = verify(s3, bucket, prefix, lambda line: print(f"  {line}"))
        if pem is not None:
            verify_signature(s3, bucket, manifest, pem)
            print(f"  its signature is by the key of {public_key}")
        print(f"{target} is whole: {len(manifest.files)} files, {manifest.total:,} bytes")
    _print_digest(manifest)


def _trusted(path: Path) -> str:
    """The PEM of a file, which is a public key that can sign models; hours of reading come after it."""
    from artifact_agent.errors import RefusedError
    from artifact_agent.signature import read_public_key

    try:
        pem = path.read_text(encoding="utf-8")
        read_public_key(pem)
    except (UnicodeDecodeError, RefusedError):
        raise ModelError(
            f"--public-key {path} is no public key on P-256 in PEM: give what `bastide model key` prints"
        ) from None
    return pem


def _print_digest(manifest: Manifest) -> None:
    print(f'its digest, for the stack file\'s model:\n  sha256: "{manifest.digest}"')


def _check(option: str, kind: Any, value: str) -> None:
    """The same rules as the stack file's, which must be able to name what is published."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0].get("ctx", {}).get("error", error.errors()[0]["msg"])
        raise ModelError(f"{option} {value!r} {reason}") from None


def _store(arguments: argparse.Namespace) -> Store:
    """Bucket and region: what was given, else the stack's. The owner: the stack's account."""
    if arguments.stack is not None:
        from bastide.settings import SettingsError, load_stack_file, stack_file

        try:
            settings = load_stack_file(stack_file(arguments.stack))
        except SettingsError as error:
            raise ModelError(f"no model bucket for stack {arguments.stack!r}: {error}") from None
        return Store(
            arguments.bucket or settings.model_bucket,
            arguments.region or settings.region,
            settings.account_id,
        )
    if not arguments.bucket:
        raise ModelError("where to? give --bucket BUCKET, or --stack STACK to mean that stack's model bucket")
    return Store(arguments.bucket, arguments.region, None)


def store_client(store: Store) -> Any:
    """An S3 client that refuses a bucket of any account but the store's."""
    return expecting(s3_client(store.region), store.account_id or _caller(store.region))


def s3_client(region: str | None) -> Any:
    """A client by AWS's own settings (profile, environment, AWS_ENDPOINT_URL)."""
    return client("s3", region)


def client(service: str, region: str | None) -> Any:
    """A boto3 client by AWS's own settings. Raises ModelError."""
    import boto3
    from botocore.exceptions import BotoCoreError, NoRegionError

    try:
        return boto3.session.Session(region_name=region).client(service)
    except NoRegionError:
        raise ModelError("in which region? give --region, or set AWS_REGION or AWS_PROFILE") from None
    except (BotoCoreError, ValueError) as error:  # ValueError: an AWS_ENDPOINT_URL that is none
        raise ModelError(f"AWS's settings cannot be used: {error}") from None


def _caller(region: str | None) -> str:
    """The account of the credentials."""
    from bastide.models.objects import clear

    with clear("of the caller's account"):
        # STS answers in every region; a client without one does not start.
        account: str = client("sts", region or "us-east-1").get_caller_identity()["Account"]
    return account
