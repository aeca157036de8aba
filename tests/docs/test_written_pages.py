"""The pages that people write: links lead somewhere, commands exist, and no machine of ours is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemon.sample.edits import EDITS
from ops import docs

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made from their words."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading in it."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """Every `aipstream VERB --option` that a page names."""
    known = {path.removeprefix("aipstream "): command for path, command in docs.commands(docs.aipstream)}
    for line in re.findall(r"(?:^|`)(?:\S*/)?aipstream ([a-z][^`\n#>]*)", page.read_text(), re.MULTILINE):
        words = line.split()
        verb = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        if verb not in known:
            continue
        options = {name for option in known[verb].params for name in option.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_of_no_machine(page: Path) -> None:
    """No path of the place where they were written."""
    assert not re.search(r"/(?:tmp|root|home)/", page.read_text())


def test_make_targets_exist() -> None:
    """What the README says of make."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^(?:`)?make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)) <= targets


def test_the_readme_counts_the_edits_of_the_demonstration() -> None:
    """As many ways as there are kinds of edits."""
    assert f"edits the first for a minute in {len(EDITS)} ways" in " ".join((ROOT / "README.md").read_text().split())
