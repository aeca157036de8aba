"""The rig itself: every verb of its edits works in the real DSpace, and what it reads back is stable."""

from __future__ import annotations

import re

import pytest

from tests.real.rig import SCRIPTS, Repositories
from tests.real.verbs import EDITS, edits_of

VERSIONS = ["7.6.6", "8.2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_edit_of_the_list_is_accepted_by_dspace(repositories: Repositories, version: str) -> None:
    """Each line is one transaction through DSpace's services; afterwards DSpace reads everything back."""
    home = repositories.seeded(version)
    with home.editor() as edit:
        before = home.read("drafts")
        done = list(edits_of(edit))
        after = home.read("drafts")
    assert len(done) == len([line for line in EDITS.splitlines() if line and not line.startswith("#")])
    assert before != after
    assert home.errors() == []


def test_every_verb_is_in_the_list() -> None:
    """A verb that nothing uses is not proven to work."""
    known = {
        verb
        for path in (SCRIPTS / "java").glob("*.java")
        for verb in re.findall(r'verbs\.put\("(\w+)"', path.read_text(encoding="utf-8"))
    }
    used = {line.split()[0] for line in EDITS.splitlines() if line and not line.startswith("#")}
    assert known == used
