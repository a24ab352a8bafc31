"""`bastide model mirror`: weights from a hub, a folder or a list of URLs into the bucket of record."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bastide.cli.model_signing import add_key_options
from bastide.models.errors import ModelError
from bastide.models.hub import ENDPOINT, TOKEN_VARIABLE, hub_model
from bastide.models.manifest import Manifest, ModelFile, scan
from bastide.models.mirror import PARALLEL, mirror
from bastide.models.mirror_http import Fetcher
from bastide.models.mirror_source import RemoteFile, RemoteModel, choose
from bastide.models.mirror_upload import LEAST_PART
from bastide.models.mirror_urls import url_list
from bastide.models.publish import PART, Published, publish
from bastide.models.signing import Signer

_KINDS: Final = "hub:ORG/NAME@REVISION, dir:FOLDER or urls:FILE"
_MIB: Final = 2**20
MOST_PART_MIB: Final = 5 * 1024
"""S3's most of a part: 5 GiB (S3 user guide, "Amazon S3 multipart upload limits")."""


@dataclass(frozen=True)
class Store:
    """Where models go: the bucket, its region (None: AWS's settings), and the account that must own it (None: the
    caller's)."""

    bucket: str
    region: str | None
    account_id: str | None


def told(done: Published, manifest: Manifest) -> str:
    """What a publish did, in one line."""
    if done.already:
        return f"{done.url} is already published, " + (
            "and is signed now" if done.signed else "nothing to do"
        )
    how = "signed" if done.signed else "unsigned: engines refuse it unless their stack allows that"
    return f"{done.url} published: {len(manifest.files)} files, {manifest.total:,} bytes, {how}"


def add_mirror(actions: Any) -> None:
    """The arguments of `bastide model mirror`."""
    get: argparse.ArgumentParser = actions.add_parser(
        "mirror", help="bring a model from a hub into the bucket, as one version that never changes"
    )
    get.add_argument("--from", dest="origin", required=True, metavar="SOURCE", help=_KINDS)
    get.add_argument("--name", required=True, help="name by which engines and clients ask for it")
    get.add_argument("--version", required=True, help="MAJOR.MINOR.PATCH")
    get.add_argument("--stack", help="stack whose model bucket is meant, as in stacks/Pulumi.STACK.yaml")
    get.add_argument("--bucket", help="the model bucket; default: that of --stack")
    get.add_argument("--region", help="the bucket's region; default: the stack's, else AWS's")
    get.add_argument("--licence", default="", help="the model's licence; default: what the hub says of it")
    get.add_argument("--source", default="", help="where a folder's model came from; of a hub it is known")
    get.add_argument("--endpoint", help=f"the hub; default: {ENDPOINT}")
    get.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="PATTERN",
        help="files not to take; may be repeated",
    )
    get.add_argument("--parallel", type=int, default=PARALLEL, help=f"files at once; default: {PARALLEL}")
    get.add_argument(
        "--part-mib",
        type=int,
        default=PART // _MIB,
        help=f"size of an upload's parts; default: {PART // _MIB}",
    )
    add_key_options(get)
    get.add_argument("--dry-run", action="store_true", help="say what would be taken, and store nothing")
    get.epilog = f"A token is taken from {TOKEN_VARIABLE} in the environment, never from the command line."


def run_mirror(
    arguments: argparse.Namespace,
    store: Callable[[argparse.Namespace], Store],
    client: Callable[[Store], Any],
    signer: Callable[[], Signer | None],
    local_signer: Callable[[], Signer | None],
) -> Manifest | None:
    """Mirrors; the manifest of the version, or None after a dry run. `store` finds bucket, region and owner, and
    `signer` what signs; `local_signer` the same where AWS need not be asked, None elsewhere. Raises ModelError and
    OSError."""
    if not 1 <= arguments.parallel <= 64:
        raise ModelError(f"--parallel {arguments.parallel} is refused: give 1 to 64 files at once")
    if not LEAST_PART // _MIB <= arguments.part_mib <= MOST_PART_MIB:
        raise ModelError(
            f"--part-mib {arguments.part_mib} is refused: S3 takes parts of {LEAST_PART // _MIB} to "
            f"{MOST_PART_MIB} MiB"
        )
    kind, _, rest = arguments.origin.partition(":")
    if kind not in ("hub", "dir", "urls") or not rest:
        raise ModelError(f"--from {arguments.origin!r} is no source: give {_KINDS}")
    if arguments.endpoint is not None and kind != "hub":
        raise ModelError(
            f"--endpoint is for hub:ORG/NAME@REVISION, and {kind}: does not ask a hub: leave it out"
        )
    # Before the hub or AWS is asked for anything.
    there, local = (None, None) if arguments.dry_run else (store(arguments), local_signer())
    if kind == "dir":
        return _folder(arguments, Path(rest), there, client, lambda: local or signer())
    fetcher = Fetcher(os.environ.get(TOKEN_VARIABLE, "") if kind == "hub" else "")
    model = (
        hub_model(rest, arguments.endpoint or ENDPOINT, fetcher)
        if kind == "hub"
        else url_list(Path(rest), fetcher)
    )
    licence = arguments.licence or model.licence
    if not licence:
        raise ModelError(
            f"{model.origin} names no licence: find out under which one it may be used, and give it by --licence"
        )
    print(f"source: {model.origin}\nlicence: {licence}")
    if there is None:
        _say(model, tuple(arguments.leave_out))
        return None
    done = mirror(
        client(there),
        there.bucket,
        model,
        fetcher,
        name=arguments.name,
        version=arguments.version,
        licence=licence,
        leave_out=tuple(arguments.leave_out),
        report=lambda line: print(f"  {line}", flush=True),
        part=arguments.part_mib * _MIB,
        parallel=arguments.parallel,
        signer=local or signer(),
    )
    if done.published.already:
        print(told(done.published, done.manifest))
    else:
        print(f"{told(done.published, done.manifest)}, of which {done.sent_bytes:,} were sent in this run")
    return done.manifest


def _say(model: RemoteModel, leave_out: tuple[str, ...]) -> None:
    taken, left = choose(model.files, leave_out)
    for each in left:
        print(f"  left out: {each.name}")
    _would(taken)


def _would(files: Iterable[RemoteFile | ModelFile]) -> None:
    chosen = sorted(files, key=lambda file: file.name)
    for each in chosen:
        print(f"  {each.size:>16,}  {each.name}")
    total = sum(each.size for each in chosen)
    print(f"dry run: nothing was stored; {len(chosen)} files, {total:,} bytes would be")


def _folder(
    arguments: argparse.Namespace,
    folder: Path,
    there: Store | None,
    client: Callable[[Store], Any],
    signer: Callable[[], Signer | None],
) -> Manifest | None:
    """A folder is published as by `bastide model publish`."""
    if not arguments.licence or not arguments.source:
        raise ModelError("a folder says neither licence nor source of its model: give --licence and --source")
    if arguments.leave_out:
        raise ModelError("--leave-out is for hubs and lists: take the files out of the folder")
    manifest = scan(folder, arguments.name, arguments.version, arguments.licence, arguments.source)
    if there is None:
        _would(manifest.files)
        return None
    done = publish(
        client(there), there.bucket, folder, manifest, lambda line: print(f"  {line}", flush=True), signer()
    )
    print(told(done, manifest))
    return manifest
