"""What the other tests here stand on: the list of edits has every verb, and each version has a lane of its own."""

from __future__ import annotations

import re

from tests.lanes import lane
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


def test_tests_of_one_version_stay_together() -> None:
    """Others may run anywhere."""
    assert lane("tests/real/test_replication.py::test_a[to 8.2 by poll]") == "8.2"
    assert lane("real/test_documents.py::test_a[7.6.6]") == "7.6.6"
    assert lane("tests/daemon/source/test_wal.py::test_a[8.2]") is None
    assert lane("tests/real/test_rig.py::test_a") is None
