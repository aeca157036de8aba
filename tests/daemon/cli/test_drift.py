"""Objects that were edited on the target."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place
from tests.daemon.cli.test_verify import rename


@pytest.mark.parametrize(("on_drift", "code", "left"), [("overwrite", 0, 0), ("skip", 0, 1), ("park", 3, 1)])
def test_an_edit_on_the_target_is_told_and_done_with_as_asked(
    replicated: Place, on_drift: str, code: int, left: int
) -> None:
    """Overwritten, left alone, or parked; told in each case."""
    item = rename(replicated, replicated.target, "Edited behind our back")
    rename(replicated, replicated.source, "Edited on the source")
    replicated.good("snapshot")
    done = replicated("replay", "--on-drift", on_drift, "--json")
    assert done.code == code
    assert [each["uuid"] for each in done.json["drifted"]] == [item]
    assert len(replicated("verify", "--json").json["differences"]) == left
    if code == 3:
        (parked,) = replicated.good("park", "--json").json["parked"]
        assert (parked["side"], parked["error"]) == ("replay", "EditedOnTarget")


def test_an_object_is_written_anew_if_asked(replicated: Place) -> None:
    """What was edited on the target alone is undone, though its event was applied long ago."""
    item = rename(replicated, replicated.target, "Edited behind our back")
    assert replicated("verify").code == 4
    replicated.good("replay")
    assert replicated("verify").code == 4
    assert replicated.good("replay", "--again", item, "--json").json["applied"]["written"] == 1
    replicated.good("verify")
    assert replicated.differences() == []
