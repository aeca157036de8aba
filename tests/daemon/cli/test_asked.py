"""What the daemon's clock does about a state that cannot be opened."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from daemon.capture_loop import RETRY, CaptureLoop
from daemon.config import load
from daemon.schedule import ASKED_CAPTURE, Asked
from daemon.source.state import State
from tests.daemon.cli.place import Place


def _looks(asked: Asked, times: int = 1) -> list[str]:
    with capture_logs() as said:
        for _ in range(times):
            asked()
    assert {one["event"] for one in said} <= {"asked.failed"}
    return [str(one["error"]) for one in said]


def test_a_state_that_cannot_be_opened_is_told_once_and_not_every_five_seconds(place: Place, tmp_path: Path) -> None:
    """Again when the reason is another one or it has come back; what was asked meanwhile is not forgotten."""
    config = load(place.path)
    capture = CaptureLoop(config, lambda: None)
    asked = Asked(config, capture, [])
    with_state, aside = place.folder / "log.sqlite.state", tmp_path / "aside"
    state = State(f"sqlite:///{with_state}")
    state.remember(meta={ASKED_CAPTURE: "1"})
    state.close()
    with_state.rename(aside)
    with_state.write_bytes(bytes(range(256)) * 64)
    (damaged,) = _looks(asked, 3)
    with_state.unlink()
    with_state.mkdir()
    (unusable,) = _looks(asked, 3)
    assert damaged != unusable
    assert capture.bell.take() == set()
    with_state.rmdir()
    aside.rename(with_state)
    assert _looks(asked) == []
    assert capture.bell.take() == {RETRY}
    with_state.rename(aside)
    with_state.mkdir()
    assert _looks(asked, 3) == [unusable]
