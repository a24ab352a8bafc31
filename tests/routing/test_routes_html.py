"""The reviewers' page: everything that the text says, in tables that can be heard as well as seen."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bastide.cli import main
from bastide.pages.route_table import page, rendered
from bastide.plans.routing.shown import shown
from bastide.plans.routing.table import table
from bastide.plans.routing.text import text
from bastide.settings import Settings, load_stack_file
from tests.routing.routing_samples import LOOSE, hosted, sample

ROOT = Path(__file__).parents[2]
GATEWAY_ONLY = load_stack_file(ROOT / "stacks/Pulumi.gateway-only.yaml")
HOSTILE = """<script>alert(1)</script>"><img src=//evil.example/x onerror=a>' {{ 7 * 7 }} & &lt;"""
ALONE = {"meta", "br", "img", "link", "input", "hr"}


class Read(HTMLParser):
    """A page as a browser takes it apart: elements with their attributes, and their text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        """Of each element without its children's markup, in the order of their ends."""
        self.tags: list[str] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(source)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ALONE:
            self._open.append((tag, []))

    def handle_endtag(self, tag: str) -> None:
        opened, parts = self._open.pop()
        assert opened == tag
        self.tags.append(tag)
        self.texts.append(" ".join("".join(parts).split()))
        if self._open:
            self._open[-1][1].extend(parts)

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1][1].append(data)

    def of(self, *tags: str) -> list[str]:
        return [text for tag, text in zip(self.tags, self.texts, strict=True) if tag in tags]


def cells(printed: str) -> list[str]:
    """Cells of the text's tables, and its sentences; the heads of its parts alone are left out."""
    heads = ("", "prices and agreements", "teams", "to know")
    lines = [each.strip() for each in printed.splitlines() if each not in heads]
    # Two spaces or more are between cells, and one before a number that fills its column.
    return [cell for line in lines for cell in re.split(r"  +|; | (?=[\d,]+$)", line)]


@pytest.mark.parametrize("settings", [GATEWAY_ONLY, sample()], ids=["gateway-only", "every kind of route"])
def test_every_cell_of_the_text_is_on_the_page(settings: Settings) -> None:
    read = Read(page("any", settings, table(settings)))
    (body,) = read.of("body")
    printed = text(settings, table(settings))
    wanted = cells(printed)
    assert len(wanted) > 80
    assert [each for each in wanted if each not in body] == []


def test_the_order_of_rows_is_the_order_in_which_they_are_asked() -> None:
    found = shown(sample(), table(sample()))
    read = Read(rendered("any", found))
    rows = [
        " ".join(cell for cell in row.cells) for each in found.routes for b in each.blocks for row in b.rows
    ]
    assert [each for each in read.of("tr") if each in rows] == rows


def test_whatever_a_stack_says_is_text() -> None:
    agreement = {**LOOSE, "document": HOSTILE}
    price = {"inputPerMillion": 1, "outputPerMillion": 1, "source": HOSTILE, "read": "2026-07-01"}
    settings = sample(
        hosted=[hosted("bad", agreement=agreement, price=price)],
        routes=[{"name": "open", "deployments": [{"name": "bad"}]}],
        teams=[],
    )
    source = page("any", settings, table(settings))
    assert "<script" not in source
    (row,) = [each for each in Read(source).of("tr") if each.startswith("bad")]
    assert row.count(HOSTILE) == 2


def test_every_word_of_the_page_is_escaped() -> None:
    """Names too, though settings refuse such ones today."""

    def spoiled(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return type(value)(
                **{each.name: spoiled(getattr(value, each.name)) for each in dataclasses.fields(value)}
            )
        if isinstance(value, tuple):
            return tuple(spoiled(each) for each in value)
        return HOSTILE if isinstance(value, str) else value

    plain = shown(GATEWAY_ONLY, table(GATEWAY_ONLY))
    before, after = Read(rendered("any", plain)), Read(rendered(HOSTILE, spoiled(plain)))
    assert after.elements == before.elements
    assert after.of("title") == [f"Routes of {HOSTILE}"]
    assert HOSTILE in after.of("caption")[0]


def test_tables_can_be_heard() -> None:
    read = Read(page("any", GATEWAY_ONLY, table(GATEWAY_ONLY)))
    tags = [tag for tag, _ in read.elements]
    assert tags.count("caption") == tags.count("table") == len(GATEWAY_ONLY.routes) + 2
    assert {attributes.get("scope") for tag, attributes in read.elements if tag == "th"} == {
        "col",
        "row",
        "rowgroup",
    }
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {
        attributes["aria-labelledby"] for _, attributes in read.elements if "aria-labelledby" in attributes
    } <= set(ids)
    assert ("html", {"lang": "en"}) in read.elements


def test_it_stands_alone() -> None:
    source = page("any", GATEWAY_ONLY, table(GATEWAY_ONLY))
    read = Read(source)
    assert not {"script", "link", "img", "a", "iframe", "object"} & {tag for tag, _ in read.elements}
    assert not {name for _, attributes in read.elements for name in attributes} & {
        "src",
        "href",
        "style",
        "onclick",
    }
    assert not re.search(r"url\(|@import|https?://", source)
    assert "prefers-color-scheme: dark" in source
    assert "@media print" in source


def test_the_command_prints_the_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["plan", "routes", "--stack", "gateway-only", "--html"]) == 0
    assert capsys.readouterr().out == page("gateway-only", GATEWAY_ONLY, table(GATEWAY_ONLY))


def test_a_stack_without_routes_gets_a_page_that_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["plan", "routes", "--stack", "dev", "--html"]) == 0
    read = Read(capsys.readouterr().out)
    assert read.of("p") == ["The stack has no route."]
    assert not read.of("table")
