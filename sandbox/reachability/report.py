"""`bastide sandbox reach`: the table of a namespace, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sandbox.reachability.table import Row, View, rows


class QuestionError(Exception):
    """The question names what is not there; the text says what is."""


def chosen(view: View, namespace: str, source: str | None, target: str | None) -> list[Row]:
    """The rows of a namespace; `source` keeps those by which somebody of that name gets in, `target` those by which a
    workload gets out to one. A name is any part of what the table calls it."""
    if namespace not in view.cluster.namespaces:
        raise QuestionError(
            f"there is no namespace {namespace!r}; there are: {', '.join(sorted(view.cluster.namespaces))}"
        )
    found = rows(view, namespace)
    if not found:
        raise QuestionError(f"no pod is in {namespace}: there is nobody to reach, and nobody who reaches")
    if source is None and target is None:
        return found
    kept = [
        row
        for row in found
        if (source is not None and row.side == "reached by" and source in row.peer)
        or (target is not None and row.side == "reaches" and target in row.peer)
    ]
    if not kept:
        peers = sorted({row.peer for row in found})
        asked = " or ".join(repr(each) for each in (source, target) if each is not None)
        raise QuestionError(f"nothing is called {asked}; there are:\n  " + "\n  ".join(peers))
    return kept


def text(found: Sequence[Row], every: bool = False) -> str:
    """The table. Who is shut out is named in one line, or with `every` in lines of its own."""
    lines: list[str] = []
    width = min(78, max((len(row.peer) for row in found if row.ports or every), default=0))
    for workload in dict.fromkeys(row.workload for row in found):
        lines += [workload] if not lines else ["", workload]
        mine = [row for row in found if row.workload == workload]
        for side in dict.fromkeys(row.side for row in mine):
            lines.append(f"  {side}")
            of_side = [row for row in mine if row.side == side]
            for row in of_side:
                if row.ports or every:
                    because = f"  ({', '.join(row.because)})" if row.because else ""
                    lines.append(f"    {row.peer:{width}}  {row.ports}{because}")
            shut = [row.peer for row in of_side if not row.ports]
            if shut and not every:
                lines.append(f"    and not: {'; '.join(shut)}")
    return "\n".join(lines)


def as_json(found: Sequence[Row]) -> str:
    """The rows as JSON: ports as `protocol`, `from`, `to`."""
    return json.dumps(
        [
            {
                "workload": row.workload,
                "side": row.side,
                "peer": row.peer,
                "ports": [
                    {"protocol": protocol, "from": low, "to": high}
                    for protocol, low, high in row.ports.ranges
                ],
                "because": list(row.because),
            }
            for row in found
        ],
        indent=2,
    )
