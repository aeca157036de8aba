"""`run --until-current` brings everything over that is committed, and ends."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place

both_modes = pytest.mark.parametrize("place", ["poll", "wal"], indirect=True)


@both_modes
def test_the_first_round_brings_everything_and_the_second_nothing(place: Place) -> None:
    """Both ends are equal by `verify` and by an independent judge; the second round emits and writes nothing."""
    first = place.good("run", "--until-current", "--json").json
    assert first["captured"]["put"] == first["position"] > 60
    assert first["parked"] == {"capture": 0, "replay": 0}
    assert place.good("verify").out.startswith("equal at LSN ")
    assert place.differences() == []
    second = place.good("run", "--until-current", "--json").json
    assert (second["captured"]["put"], second["captured"]["deleted"], second["applied"]) == (0, 0, {})
    assert second["position"] == first["position"]


@both_modes
def test_later_rounds_bring_what_was_edited(replicated: Place) -> None:
    """Edits of many kinds between two rounds are all brought over by the second one."""
    replicated.edit(110)
    replicated.good("run", "--until-current")
    assert replicated.differences() == []
    assert replicated.good("verify", "--json").json["equal"]


def test_without_a_target_it_only_captures_and_without_a_source_it_only_replays(place: Place) -> None:
    """The log can be filled on one machine and replayed on another."""
    whole = place.path.read_text()
    source, rest = whole[: whole.index("[log]")], whole[whole.index("[log]") :]
    storage, target = rest[: rest.index("[target]")], rest[rest.index("[target]") :]
    place.path.write_text(source + storage)
    captured = place.good("run", "--until-current", "--json").json
    assert captured["applied"] is None
    place.path.write_text(storage + target)
    replayed = place.good("run", "--until-current", "--json").json
    assert replayed["captured"] is None
    assert replayed["applied"]["events"] == captured["captured"]["put"]
    place.path.write_text(whole)
    assert place.differences() == []
