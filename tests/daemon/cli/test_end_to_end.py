"""The daemon beside a repository that is edited, stopped, drained and compared."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place


@pytest.mark.parametrize("place", ["poll", "wal"], indirect=True)
def test_a_repository_is_followed_while_it_is_edited(place: Place) -> None:
    """More than a hundred edits while the daemon runs; SIGTERM ends it with 0; the rest is drained; both ends equal."""
    daemon = place.process("run")
    for seed in (1, 2, 3):
        place.edit(45, seed)
    place.says('"event": "replayed"')
    assert place.stop(daemon) == 0, place.messages()
    place.good("run", "--until-current")
    assert place.differences() == []
    assert place.good("verify", "--json").json["equal"]
    assert place.good("park", "list", "--json").json == {"parked": []}
