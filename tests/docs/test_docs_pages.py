"""Pages of docs/ are found from one another and name what is there; the architecture's table leaves no part out."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FOLDERS = ("artifact_agent", "bastide", "benchmarks", "charts", "components", "images", "sandbox", "tests")
NAMED = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./*-]*)`")
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def links(page: Path) -> set[Path]:
    found = (each for each in LINK.findall(page.read_text()) if not each.startswith("http"))
    return {(page.parent / each).resolve() for each in found}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_a_page_links_and_names_what_is_there(page: Path) -> None:
    assert [each for each in links(page) if not each.exists()] == []
    assert [each for each in NAMED.findall(page.read_text()) if not list(ROOT.glob(each.rstrip("/")))] == []


def test_every_page_is_linked_from_another() -> None:
    reached = {target for page in PAGES for target in links(page) - {page.resolve()}}
    folder = ROOT / "docs/adr"  # linked as a whole
    assert folder in reached
    assert [page for page in PAGES[1:] if page not in reached and page.parent != folder] == []


def parts() -> list[str]:
    """Packages of the kit, and modules of those whose table has a row a module."""
    packages = {
        each.parent.relative_to(ROOT) for top in ("bastide", "sandbox") for each in ROOT.glob(f"{top}/*/*.py")
    }
    modules = [each for top in ("plans", "catalogues") for each in (ROOT / "bastide" / top).glob("*.py")]
    return [*(f"{each}/" for each in sorted(packages)), *sorted(each.name for each in modules)]


@pytest.mark.parametrize("part", [each for each in parts() if each != "__init__.py"])
def test_the_architectures_table_says_what_a_part_is_for(part: str) -> None:
    table = (
        line for line in (ROOT / "docs/architecture.md").read_text().splitlines() if line.startswith("| ")
    )
    said = re.findall(r"`([^`]+)`", "\n".join(table))
    assert any(fnmatch.fnmatch(part, each) or each.startswith(part) for each in said), part
