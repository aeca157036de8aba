"""What the source side remembers never says more than the log, and can be made again from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.source.state import CATCH_UP, FileKey, Known, Parked, State
from events.aip.model import Kind
from events.errors import ConfigError, StateDamaged
from events.event import Event, Type
from events.log import Log
from events.log.opening import open_log


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(f"sqlite:///{tmp_path}/state.sqlite")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return open_log(f"sqlite:///{tmp_path}/log.sqlite", create=True)


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def event(number: int, lsn: int, digest: str = "1-2-3", kind: Kind = Kind.ITEM) -> Event:
    return Event(
        source="s",
        lsn=lsn,
        uuid=uuid(number),
        kind=kind,
        type=Type.PUT if digest else Type.DELETE,
        commit_time="2026-01-01T00:00:00.000000Z",
        digest=digest,
        payload=b"x" if digest else b"",
    )


def walked(state: State) -> dict[str, str]:
    return dict(state.walk(Kind.ITEM, page=2))


def test_the_file_is_for_its_owner_and_group_alone(state: State) -> None:
    """As the log is, and what SQLite has beside it, too."""
    state.remember(meta={"a": "b"})
    made = sorted(state.path.parent.glob(f"{state.path.name}*"))
    assert state.path in made
    assert {path.stat().st_mode & 0o777 & ~0o640 for path in made} == {0}


def test_what_is_remembered_is_known_to_the_next_process(state: State, tmp_path: Path) -> None:
    """Everything survives closing the file."""
    key = FileKey("123", "abc", 5)
    state.remember(
        known=[Known(Kind.ITEM, uuid(n), f"{n}") for n in range(5)],
        files={key: "f" * 64},
        parked=[Parked(Kind.ITEM, uuid(9), "1-1-1", "BlobMissing", "why")],
        meta={"a": "b", "c": None},
    )
    state.remember(known=[Known(Kind.ITEM, uuid(3), None), Known(Kind.ITEM, uuid(4), "new")])
    state.close()
    again = State(f"sqlite:///{tmp_path}/state.sqlite")
    assert walked(again) == {uuid(0): "0", uuid(1): "1", uuid(2): "2", uuid(4): "new"}
    assert again.known(Kind.ITEM, [uuid(4), uuid(3)]) == {uuid(4): "new"}
    assert again.known(Kind.GROUP, [uuid(4)]) == {}
    assert again.kinds([uuid(4), uuid(3)]) == {uuid(4): Kind.ITEM}
    assert again.files([key, FileKey("123", "abc", 6)]) == {key: "f" * 64}
    assert again.counts() == {Kind.ITEM: 4}
    assert (again.meta("a"), again.meta("c")) == ("b", None)


def test_attempts_are_counted_and_the_first_time_stays(state: State) -> None:
    """Parking again keeps `since`; clearing forgets it."""
    for reason in ("first", "second"):
        state.remember(parked=[Parked(Kind.ITEM, uuid(1), "1-1-1", "BlobMissing", reason)])
    (parked,) = state.parked()
    assert (parked.reason, parked.attempts) == ("second", 2)
    assert parked.since <= parked.tried
    assert list(state.parked([uuid(1)])) == [parked]
    state.remember(cleared=[uuid(1)])
    assert list(state.parked()) == []


def test_a_log_that_is_ahead_is_caught_up_with(state: State, log: Log) -> None:
    """What was appended before a crash is known after it."""
    log.append([event(1, 1), event(2, 1)])
    assert state.agree(log) == 2
    log.append([event(1, 2, "9-9-9"), event(2, 2, ""), event(3, 2)])
    assert state.agree(log) == 3
    assert walked(state) == {uuid(1): "9-9-9", uuid(3): "1-2-3"}
    assert state.agree(log) == 0


def test_a_state_that_is_ahead_of_its_log_believes_the_log(state: State, log: Log) -> None:
    """A log restored from a copy lacks events; a state that still knew them would never emit them again."""
    log.append([event(1, 1)])
    state.agree(log)
    state.remember(known=[Known(Kind.ITEM, uuid(2), "lost")], meta={"log_position": "40"})
    state.agree(log)
    assert walked(state) == {uuid(1): "1-2-3"}


def test_another_log_is_believed_as_well(state: State, log: Log, tmp_path: Path) -> None:
    """The position in one log means nothing in another."""
    log.append([event(1, 1)])
    state.agree(log)
    other = open_log(f"sqlite:///{tmp_path}/other.sqlite", create=True)
    other.append([event(7, 1, kind=Kind.ITEM)])
    state.agree(other)
    assert walked(state) == {uuid(7): "1-2-3"}


def test_a_log_far_ahead_is_taken_over_by_its_heads(state: State, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a long log from the beginning would take longer than asking for the newest of each object."""
    monkeypatch.setattr("daemon.source.state.CATCH_UP", 3)
    log.append([event(number, 1) for number in range(10)])
    log.append([event(1, 2, "")])
    assert state.agree(log) == 9
    assert uuid(1) not in walked(state)
    assert CATCH_UP > 3


def test_a_damaged_state_says_so(tmp_path: Path) -> None:
    """The file is named, and the hint says that it can be thrown away."""
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"this is no database, but it is long enough to look at" * 100)
    with pytest.raises(StateDamaged, match=r"state\.sqlite") as caught:
        State(f"sqlite:///{path}")
    assert "made again from the log" in caught.value.hint
    with pytest.raises(ConfigError):
        State("postgresql://host/state")
