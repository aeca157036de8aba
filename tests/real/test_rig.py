"""The list of edits that the other tests live through has every verb of the rig."""

from __future__ import annotations

import re

from tests.real.rig import SCRIPTS
from tests.real.verbs import EDITS


def test_every_verb_is_in_the_list() -> None:
    """A verb that nothing uses is not proven to work."""
    known = {
        verb
        for path in (SCRIPTS / "java").glob("*.java")
        for verb in re.findall(r'verbs\.put\("(\w+)"', path.read_text(encoding="utf-8"))
    }
    used = {line.split()[0] for line in EDITS.splitlines() if line and not line.startswith("#")}
    assert known == used
