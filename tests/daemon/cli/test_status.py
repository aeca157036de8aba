"""Where everything stands."""

from __future__ import annotations

import pytest

from daemon import capture_loop
from daemon.beginning import begin
from daemon.capture_loop import WalCapture, stream
from daemon.config import load
from daemon.parts import capturing
from events.instants import now
from tests.daemon.cli.place import Place


@pytest.mark.parametrize("place", ["poll", "wal"], indirect=True)
def test_lag_is_what_is_in_the_log_and_not_on_the_target(place: Place) -> None:
    """Before anything, after a snapshot, after a replay."""
    before = place.good("status", "--json").json
    assert (before["log"]["end"], before["lag"]["events"]) == (0, 0)
    end = place.good("snapshot", "--json").json["position"]
    captured = place.good("status", "--json").json
    assert (captured["lag"]["events"], captured["replay"]["position"]) == (end, 0)
    assert captured["lag"]["seconds"] > 0
    place.good("replay")
    replayed = place.good("status", "--json").json
    assert (replayed["lag"]["events"], replayed["lag"]["seconds"], replayed["replay"]["position"]) == (0, 0.0, end)
    assert replayed["capture"]["objects"] == replayed["replay"]["objects"]
    assert (replayed["lag"]["bytes"] is not None) == (place.mode == "wal")
    assert replayed["verified"] is None
    place.good("verify")
    assert place.good("status", "--json").json["verified"]["differing"] == 0
    assert "0 events, 0.0 s" in place.good("status").out


def test_without_a_log_it_says_how_to_make_one(place: Place) -> None:
    """`init` makes it."""
    (place.folder / "log.sqlite").unlink()
    done = place("status")
    assert done.code == 2
    assert "aipstream init" in done.err


def test_with_a_state_that_cannot_be_opened_the_rest_is_told(place: Place) -> None:
    """What the state alone knows is named as not known; never as something that was not done yet."""
    (place.folder / "log.sqlite.state").write_bytes(bytes(range(256)) * 64)
    done = place.good("status", "--json").json
    assert (done["log"]["end"], done["replay"]["position"], done["lag"]["events"]) == (0, 0, 0)
    assert {"damaged" in done[part]["error"] for part in ("capture", "verified", "copied")} == {True}
    said = place.good("status").out
    assert "verified not known: the state" in said
    assert "copied   not known: the state" in said


@pytest.mark.parametrize("place", ["wal"], indirect=True)
def test_a_capture_that_never_rests_says_how_far_it_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment told is one before which everything that was committed is captured, and moves with every batch."""
    monkeypatch.setattr(capture_loop, "STAMP", 0.0)

    def told() -> str:
        return place.good("status", "--json").json["capture"]["captured_at"] or ""

    def edit() -> str:
        place.sql(place.source, "update metadatavalue set text_value = text_value || '!' where metadata_value_id = "
                                "(select min(metadata_value_id) from metadatavalue)")  # fmt: skip
        return now()

    with capturing(load(place.path)) as parts:
        begin(parts)
        with stream(parts, place.folder) as wal:
            capture, moments = WalCapture(parts, wal), [""]
            for _ in range(3):
                edited = edit()
                capture.stamp()
                assert told() < edited, "what is not captured is not said to be"
                edit()
                for batch in wal.until_current():
                    capture.take(batch)
                    capture.stamp()
                moments.append(told())
    assert moments == sorted(set(moments))
