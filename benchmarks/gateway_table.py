"""What was measured, as rows, ratios and a table for people."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, Final

GOAL: Final = 0.8
"""Ours over alike, of what p95 has more than `direct`. The issue's."""

Key = tuple[str, int, bool]
Kept = dict[Key, list[dict[str, Any]]]
"""By system, concurrency and streaming: what each turn measured."""


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _all(turns: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [value for turn in turns for value in turn[name]]


def rows(kept: Kept, systems: Sequence[str], concurrencies: Sequence[int]) -> list[dict[str, Any]]:
    """One for each system, concurrency and mode, over all its turns."""
    found = []
    for concurrency in concurrencies:
        for stream in (False, True):
            base = percentile(_all(kept[("direct", concurrency, stream)], "ms"), 0.95)
            for system in systems:
                turns = kept[(system, concurrency, stream)]
                took = _all(turns, "ms")
                p95 = percentile(took, 0.95)
                used = [turn["cpu_ms"] for turn in turns if "cpu_ms" in turn]
                first = percentile(_all(turns, "first_ms"), 0.5) if stream else None
                found.append({
                    "concurrency": concurrency,
                    "stream": stream,
                    "system": system,
                    "requests": len(took),
                    "requests_per_second": round(statistics.median(len(t["ms"]) / t["seconds"] for t in turns), 1),
                    "p50_ms": round(percentile(took, 0.5), 1),
                    "p95_ms": round(p95, 1),
                    "added_p95_ms": round(p95 - base, 1),
                    "first_byte_p50_ms": None if first is None else round(first, 1),
                    "cpu_ms_per_request": round(statistics.median(used), 1) if used else None,
                })  # fmt: skip
    return found


def ratios(kept: Kept, concurrencies: Sequence[int]) -> list[dict[str, Any]]:
    """Ours over alike, of what p95 has more than `direct`: over all turns, and the least and most of a round."""
    found = []
    for concurrency in concurrencies:
        for stream in (False, True):
            turns = [kept[(name, concurrency, stream)] for name in ("direct", "alike", "ours")]
            whole = _ratio(*(percentile(_all(each, "ms"), 0.95) for each in turns))
            rounds = [
                _ratio(*(percentile(one["ms"], 0.95) for one in each)) for each in zip(*turns, strict=True)
            ]
            known = [each for each in rounds if each is not None]
            found.append({
                "concurrency": concurrency,
                "stream": stream,
                "ratio": None if whole is None else round(whole, 2),
                "least": round(min(known), 2) if known else None,
                "most": round(max(known), 2) if known else None,
                "reached": whole is not None and whole <= GOAL,
            })  # fmt: skip
    return found


def _ratio(direct: float, alike: float, ours: float) -> float | None:
    """None where alike added nothing: then there is nothing to compare with."""
    return (ours - direct) / (alike - direct) if alike > direct else None


def show(found: Sequence[dict[str, Any]], compared: Sequence[dict[str, Any]]) -> None:
    """Prints the table and the ratios."""
    heads = ("conc.", "mode", "system", "req/s", "p50 ms", "p95 ms", "added p95", "first p50", "CPU ms/req")
    line = "{:>5} {:6} {:8} {:>7} {:>8} {:>8} {:>10} {:>10} {:>11}"
    print(line.format(*heads))
    for row in found:
        first, used = row["first_byte_p50_ms"], row["cpu_ms_per_request"]
        cells = (
            row["concurrency"], "stream" if row["stream"] else "whole", row["system"], row["requests_per_second"],
            row["p50_ms"], row["p95_ms"], row["added_p95_ms"],
            "" if first is None else first, "" if used is None else used,
        )  # fmt: skip
        print(line.format(*cells))
    print(f"\nadded p95, ours over alike (goal: at most {GOAL}; in brackets the least and most of a round):")
    for each in compared:
        mode = "stream" if each["stream"] else "whole"
        if each["ratio"] is None:
            print(f"  concurrency {each['concurrency']:>2} {mode:6}  alike added nothing: no ratio")
            continue
        verdict = "reached" if each["reached"] else "NOT reached"
        print(
            f"  concurrency {each['concurrency']:>2} {mode:6}  {each['ratio']:.2f} "
            f"({each['least']:.2f} to {each['most']:.2f})  {verdict}"
        )
    missed = [each for each in compared if not each["reached"]]
    print(
        f"the goal is {'reached' if not missed else f'not reached in {len(missed)} of {len(compared)} cases'}"
    )
