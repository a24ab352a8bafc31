"""`python -m bastide_gateway.audit_chain BUCKET [PREFIX]`: whether the audit trail is whole.

Each writer's objects of a class are a chain: numbers without a gap, each with the digest of the one before. A missing,
changed or foreign object shows; so does a chain without an end, which is a process that still runs or whose pod was
lost with lines that had not been written."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from bastide_gateway.audit_spool import FIRST


def problems(objects: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """What is wrong, in words; nothing where all is whole. `objects` are keys and contents."""
    chains: dict[tuple[str, str], dict[int, tuple[str, bytes, dict[str, Any]]]] = defaultdict(dict)
    for key, data in objects:
        try:
            head = json.loads(data.split(b"\n", 1)[0])
            place = (head["writer"], head["class"])
            if data.count(b"\n") != head["lines"] + 1:
                count = data.count(b"\n") - 1
                yield f"{key}: it has {count} lines and says {head['lines']}"
            if head["number"] in chains[place]:
                yield f"{key}: its number stands twice in the chain of {place[0]} for {place[1]}"
            chains[place][head["number"]] = (key, data, head)
        except (ValueError, KeyError, TypeError):
            yield f"{key}: it is no object of the audit trail"
    for (writer, name), chain in sorted(chains.items()):
        yield from _broken(f"{writer} for {name}", chain)


def _broken(chain: str, objects: dict[int, tuple[str, bytes, dict[str, Any]]]) -> Iterator[str]:
    previous, last = FIRST, max(objects)
    for number in range(1, last + 1):
        if number not in objects:
            yield f"the chain of {chain}: number {number} is missing"
            previous = ""
            continue
        key, data, head = objects[number]
        if previous and head["previous"] != previous:
            yield f"{key}: it does not follow the object before it: one of the two was changed"
        previous = hashlib.sha256(data).hexdigest()
    if "end" not in objects[last][2]:
        yield f"the chain of {chain}: no end after number {last}: it still runs, or its last lines were lost"


def main(arguments: list[str]) -> int:
    """Reads the bucket by AWS's own settings; 1 where something is wrong."""
    import boto3

    bucket, prefix = arguments[0], (arguments[1:] or ["audit/"])[0]
    client = boto3.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
    found = list(
        problems((key, client.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in sorted(keys))
    )
    for one in found:
        sys.stdout.write(one + "\n")
    sys.stdout.write(f"{len(keys)} objects, {len(found)} findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: python -m bastide_gateway.audit_chain BUCKET [PREFIX]")
    sys.exit(main(sys.argv[1:]))
