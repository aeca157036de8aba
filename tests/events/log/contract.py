"""What every log back end must do. A back end is put through it by a subclass that gives the fixture `url`."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from events.aip.model import Kind
from events.errors import GapInLog
from events.event import Event
from events.log import Entry, Log
from events.log.opening import open_log
from tests.events.samples import any_event, deletion, event, time_of, uuid_of
from tests.hunting import examples


def headed(position: int, whole: Event) -> Entry:
    """That event as it is told without its payload."""
    return Entry(position, replace(whole, payload=b""), len(whole.payload))


class LogContract:
    """Subclasses give `url`, the URL of a log that was made and is empty, and `lose_payloads`."""

    def lose_payloads(self, log: Log) -> None:
        """Take away what keeps the payloads of all its events but the last, and leave their headers."""
        raise NotImplementedError

    @pytest.fixture
    def reopen(self, url: str) -> Iterator[Callable[[], Log]]:
        """Opens the log, each time anew; all are closed in the end."""
        opened: list[Log] = []

        def again() -> Log:
            opened.append(open_log(url))
            return opened[-1]

        yield again
        for log in opened:
            log.close()

    @pytest.fixture
    def log(self, reopen: Callable[[], Log]) -> Log:
        """The log, open."""
        return reopen()

    def writer(self, url: str, *numbers: int) -> subprocess.Popen[str]:
        """Another process that appends: see `tests.events.log.writer`."""
        words = [sys.executable, "-m", "tests.events.log.writer", url, *map(str, numbers)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    # --- keeping -------------------------------------------------------------------------------------------------

    def test_a_back_end_is_a_log(self, log: Log) -> None:
        """It has every method of the port."""
        assert isinstance(log, Log)

    def test_an_empty_log_has_nothing(self, log: Log) -> None:
        """Position 0 is before the first event; reading from there is no gap."""
        assert log.end() == 0
        assert list(log.read(0)) == []
        assert list(log.heads()) == []
        assert log.latest(uuid_of(1)) is None
        assert list(log.history(uuid_of(1))) == []
        assert log.lookup_handle("123456789/1") is None
        assert log.position(lsn=5) == 0

    def test_what_is_appended_is_read_in_order(self, log: Log, reopen: Callable[[], Log]) -> None:
        """Positions grow strictly, also over batches, and another opening of the log reads the same."""
        events = [event(lsn) for lsn in range(1, 31)]
        positions = log.append(events[:7]) + log.append(events[7:8]) + log.append(events[8:])
        assert all(one < next_ for one, next_ in pairwise(positions))
        expected = [Entry(position, one) for position, one in zip(positions, events, strict=True)]
        assert list(log.read(0)) == expected
        assert list(reopen().read(0)) == expected
        assert log.end() == positions[-1]

    def test_an_empty_batch_is_nothing(self, log: Log) -> None:
        """No position is used up."""
        assert log.append([]) == []
        assert log.end() == 0

    def test_reading_starts_after_a_position_and_stops_at_a_limit(self, log: Log) -> None:
        """`after` is the last position that the reader has; `limit` counts events."""
        positions = log.append([event(lsn) for lsn in range(1, 11)])
        assert [entry.position for entry in log.read(positions[3])] == positions[4:]
        assert [entry.position for entry in log.read(positions[3], limit=2)] == positions[4:6]
        assert list(log.read(0, limit=0)) == []
        assert list(log.read(positions[-1])) == []

    def test_an_event_is_kept_once(self, log: Log, reopen: Callable[[], Log]) -> None:
        """The same (source, lsn, uuid) again, in another batch, the same batch or another opening, keeps its place."""
        first = log.append([event(1), event(2)])
        again = reopen().append([event(2), event(3), event(3), event(1, payload=b"another content")])
        assert again == [first[1], again[1], again[1], first[0]]
        assert [entry.event for entry in log.read(0)] == [event(1), event(2), event(3)]

    def test_the_same_object_or_lsn_alone_is_another_event(self, log: Log) -> None:
        """A transaction may touch many objects, an object be in many transactions, a log hold two sources."""
        events = [event(5, 1), event(5, 2), event(6, 1), event(5, 1, source="another repository")]
        assert len(set(log.append(events))) == 4
        assert [entry.event for entry in log.read(0)] == events

    def test_a_log_keeps_its_identity(self, log: Log, reopen: Callable[[], Log]) -> None:
        """It is made with the log, so a target can tell that a position is of this one."""
        assert log.identity
        assert reopen().identity == log.identity

    @settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(events=st.lists(any_event, max_size=5))
    def test_any_event_comes_back_as_it_was(self, log: Log, events: list[Event]) -> None:
        """decode(encode(x)) == x, by every way to read."""
        for position, one in zip(log.append(events), events, strict=True):
            (read,) = log.read(position - 1, limit=1)
            assert read.position == position
            if read.event != one:
                assert read.event.id == one.id, "only an earlier event of the same id may stand there"
                continue
            assert log.latest(one.uuid, at=position) == read
            assert read in list(log.history(one.uuid))
            bare = headed(position, one)
            assert list(log.read(position - 1, limit=1, whole=False)) == [bare]
            assert log.latest(one.uuid, at=position, whole=False) == bare
            assert bare in list(log.history(one.uuid, whole=False))

    def test_a_large_payload_is_kept(self, log: Log, reopen: Callable[[], Log]) -> None:
        """20 MB of what does not compress, between small ones."""
        large = event(2, payload=random.Random(20).randbytes(20_000_000))
        log.append([event(1), large, event(3)])
        assert [entry.event for entry in reopen().read(0)] == [event(1), large, event(3)]

    # --- finding -------------------------------------------------------------------------------------------------

    @pytest.fixture
    def story(self, log: Log) -> list[int]:
        """1 and 2 made, 1 changed, 3 made, 2 deleted, 1 changed, 3 deleted and made again: their positions."""
        return log.append(
            [
                event(10, 1),
                event(10, 2),
                event(20, 1),
                event(30, 3),
                deletion(40, 2),
                event(50, 1),
                deletion(60, 3),
                event(70, 3),
            ]
        )

    def test_history_is_all_of_one_object(self, log: Log, story: list[int]) -> None:
        """In order, deletions included, other objects left out."""
        assert [entry.position for entry in log.history(uuid_of(1))] == [story[0], story[2], story[5]]
        assert [entry.event for entry in log.history(uuid_of(3))] == [event(30, 3), deletion(60, 3), event(70, 3)]
        assert list(log.history(uuid_of(9))) == []

    def test_latest_is_the_newest_at_a_position(self, log: Log, story: list[int]) -> None:
        """At or before it; a deletion counts; None before the object was."""
        assert log.latest(uuid_of(1)) == Entry(story[5], event(50, 1))
        assert log.latest(uuid_of(1), at=story[5]) == Entry(story[5], event(50, 1))
        assert log.latest(uuid_of(1), at=story[4]) == Entry(story[2], event(20, 1))
        assert log.latest(uuid_of(2)) == Entry(story[4], deletion(40, 2))
        assert log.latest(uuid_of(3), at=story[2]) is None
        assert log.latest(uuid_of(1), at=0) is None

    def test_entries_are_those_at_the_positions(self, log: Log, story: list[int]) -> None:
        """In order and whole, deletions included; a position beyond the end is none."""
        wanted = [story[0], story[4], story[7]]
        found = [Entry(story[0], event(10, 1)), Entry(story[4], deletion(40, 2)), Entry(story[7], event(70, 3))]
        assert list(log.entries([*wanted, story[7] + 1])) == found
        assert list(log.entries([])) == []
        assert list(log.entries([story[7] + 1])) == []

    def test_many_entries_come_in_pages(self, log: Log) -> None:
        """More than one page has room for, by number and by bytes: every one comes, once."""
        small = log.append([event(number, number) for number in range(1, 1201)])
        large = log.append([replace(event(2000 + number), payload=random.Random(number).randbytes(5 << 20))
                            for number in range(5)])
        wanted = [*small[::2], *large]
        assert [entry.position for entry in log.entries(wanted)] == wanted

    def test_a_handle_leads_to_its_newest_event(self, log: Log, story: list[int]) -> None:
        """Also when that is a deletion; and to the new owner when a handle moved."""
        assert log.lookup_handle("123456789/1") == headed(story[5], event(50, 1))
        assert log.lookup_handle("123456789/2") == headed(story[4], deletion(40, 2))
        (moved,) = log.append([event(80, 7, handle="123456789/1")])
        assert log.lookup_handle("123456789/1") == headed(moved, event(80, 7, handle="123456789/1"))
        log.append([event(90, 8, handle=None)])
        assert log.lookup_handle("") is None

    def test_heads_are_the_newest_of_what_is_there(self, log: Log, story: list[int]) -> None:
        """Sorted by UUID, deleted objects left out, those made again there; at a position, as it was then."""
        now = {uuid_of(1): (story[5], "digest 1 at 50"), uuid_of(3): (story[7], "digest 3 at 70")}
        then = {
            uuid_of(1): (story[2], "digest 1 at 20"),
            uuid_of(2): (story[1], "digest 2 at 10"),
            uuid_of(3): (story[3], "digest 3 at 30"),
        }
        assert list(log.heads()) == [(uuid, *now[uuid], Kind.ITEM) for uuid in sorted(now)]
        assert list(log.heads(at=story[3])) == [(uuid, *then[uuid], Kind.ITEM) for uuid in sorted(then)]
        assert list(log.heads(at=0)) == []

    def test_what_stands_comes_with_its_names_and_without_its_payload(self, log: Log, story: list[int]) -> None:
        """The same objects as of `heads`: handle and parents of each are those of its newest event."""
        for at in (None, story[3]):
            standing = list(log.standing(at))
            assert [(e.uuid, place, e.digest, e.kind) for place, e, _ in standing] == list(log.heads(at))
            for each in standing:
                newest = log.latest(each.event.uuid, at)
                assert newest is not None
                assert each == headed(newest.position, newest.event)

    def test_without_payloads_everything_is_told_but_those(self, log: Log, story: list[int]) -> None:
        """By every way to read, with the same limits: the same events, and how large each payload is."""
        every = [headed(entry.position, entry.event) for entry in log.read(0)]
        assert [entry.position for entry in every] == story
        assert list(log.read(0, whole=False)) == every
        assert list(log.read(story[2], limit=3, whole=False)) == every[3:6]
        assert list(log.read(story[1], until=story[4], whole=False)) == every[2:5]
        assert list(log.read(story[-1], whole=False)) == []
        assert log.latest(uuid_of(1), whole=False) == every[5]
        assert log.latest(uuid_of(1), at=story[4], whole=False) == every[2]
        assert log.latest(uuid_of(9), whole=False) is None
        assert list(log.history(uuid_of(3), whole=False)) == [every[3], every[6], every[7]]
        with pytest.raises(GapInLog):
            list(log.read(story[-1] + 1, whole=False))

    def test_what_keeps_the_payloads_is_not_looked_at_for_a_header(self, log: Log, story: list[int]) -> None:
        """It is gone: what wants a payload says so, and everything else is told as before."""
        every = [headed(entry.position, entry.event) for entry in log.read(0)]
        self.lose_payloads(log)
        for wanting in (
            lambda: list(log.read(0)),
            lambda: log.latest(uuid_of(1)),
            lambda: list(log.history(uuid_of(1))),
        ):
            with pytest.raises(GapInLog):
                wanting()
        assert log.end() == story[-1]
        assert list(log.read(0, whole=False)) == every
        assert log.latest(uuid_of(1), whole=False) == every[5]
        assert list(log.history(uuid_of(1), whole=False)) == [every[0], every[2], every[5]]
        assert log.lookup_handle("123456789/1") == every[5]
        assert log.position(lsn=35) == story[3]
        assert sorted(log.standing()) == [every[5], every[7]]

    def test_a_time_or_an_lsn_gives_the_last_position_up_to_it(self, log: Log, story: list[int]) -> None:
        """All of a transaction is at its LSN; before the first commit it is 0."""
        assert log.position(lsn=10) == story[1]
        assert log.position(lsn=9) == 0
        assert log.position(lsn=35) == story[3]
        assert log.position(lsn=2**62) == story[7]
        assert log.position(time=time_of(10)) == story[1]
        assert log.position(time=time_of(45)) == story[4]
        assert log.position(time="2025-12-31T23:59:59.999999Z") == 0

    def test_a_commit_that_was_captured_late_is_found(self, log: Log) -> None:
        """Commit times need not grow with the positions: it is the last position whose commit is in time."""
        positions = log.append([event(1), event(9), event(3), event(12)])
        assert log.position(time=time_of(5)) == positions[2]
        assert log.position(lsn=10) == positions[2]

    @pytest.mark.parametrize("wanted", [{}, {"time": time_of(1), "lsn": 1}, {"time": "yesterday"}])
    def test_a_moment_must_be_one(self, log: Log, wanted: dict[str, object]) -> None:
        """Neither, both, or a time that is not written as in an event."""
        with pytest.raises(ValueError, match="time"):
            log.position(**wanted)  # type: ignore[arg-type]

    def test_heads_of_many_objects_come_in_pages(self, log: Log) -> None:
        """More objects than any page, some with several events."""
        numbers = [number % 4500 for number in range(6000)]
        log.append([event(lsn, number) for lsn, number in enumerate(numbers, 1)])
        heads = list(log.heads())
        assert [uuid for uuid, *_ in heads] == sorted(uuid_of(number) for number in range(4500))
        digests = {uuid: digest for uuid, _, digest, _ in heads}
        assert digests[uuid_of(0)] == "digest 0 at 4501"
        assert digests[uuid_of(4499)] == "digest 4499 at 4500"

    # --- gaps ----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("beyond", [1, 1000])
    def test_a_position_beyond_the_end_is_a_gap(self, log: Log, beyond: int) -> None:
        """The log was cut off, or it is another one: going on in silence would lose events."""
        log.append([event(1), event(2)])
        with pytest.raises(GapInLog):
            list(log.read(log.end() + beyond))

    # --- others at work ------------------------------------------------------------------------------------------

    def test_what_was_acknowledged_outlives_a_kill(self, url: str, reopen: Callable[[], Log]) -> None:
        """A writer is killed at random moments; each acknowledged event is there, each batch whole or a prefix."""
        chance = random.Random()
        expected = 0
        for _ in range(4):
            writer = self.writer(url, expected + 1, 10)
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline()) for _ in range(chance.randint(1, 25))][-1]
            writer.kill()
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().splitlines())])
            writer.wait()
            log = reopen()
            lsns = [entry.event.lsn for entry in log.read(0)]
            assert lsns == list(range(1, len(lsns) + 1)), "no hole, no double"
            assert len(lsns) >= expected + acknowledged
            expected = len(lsns)

    def test_readers_follow_a_writer_in_another_process(self, url: str, reopen: Callable[[], Log]) -> None:
        """Two threads here, each with its own opening, read while another process appends: all of it, in order."""
        seen: dict[int, list[int]] = {0: [], 1: []}
        faults: list[BaseException] = []

        def follow(number: int, log: Log) -> None:
            try:
                position = 0
                while len(seen[number]) < 1000:
                    for entry in log.read(position):
                        position = entry.position
                        seen[number].append(entry.event.lsn)
                    assert log.end() >= position
            except BaseException as fault:  # noqa: BLE001 - it is raised again in the test's own thread
                faults.append(fault)

        threads = [threading.Thread(target=follow, args=(number, reopen()), daemon=True) for number in seen]
        with self.writer(url, 1, 20, 50) as writer:
            for thread in threads:
                thread.start()
            assert writer.wait() == 0
        for thread in threads:
            thread.join(60)
        assert not faults
        assert seen == {0: list(range(1, 1001)), 1: list(range(1, 1001))}

    def test_threads_share_one_opening(self, log: Log) -> None:
        """Four threads append through the same object: every event once, each thread's own in its order."""

        def work(number: int) -> None:
            for step in range(10):
                log.append([event(1 + step * 3 + more, number) for more in range(3)])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.end() == 120
        for number in range(4):
            assert [entry.event.lsn for entry in log.history(uuid_of(number))] == list(range(1, 31))

    def test_two_writers_take_turns(self, url: str, reopen: Callable[[], Log]) -> None:
        """Two processes append different and common events: each once, none lost."""
        with self.writer(url, 1, 5, 40) as one, self.writer(url, 101, 5, 40) as other:
            assert (one.wait(), other.wait()) == (0, 0)
        assert sorted(entry.event.lsn for entry in reopen().read(0)) == list(range(1, 301))

    # --- size ----------------------------------------------------------------------------------------------------

    def test_memory_does_not_grow_with_the_log(self, log: Log) -> None:
        """20,000 events of 5 KB, 100 MB in all, are read, and their heads walked, within 32 MB."""
        payload = random.Random(1).randbytes(5000)
        for first in range(1, 20_001, 2000):
            log.append([event(lsn, payload=payload) for lsn in range(first, first + 2000)])
        tracemalloc.start()
        try:
            assert sum(1 for _ in log.read(0)) == 20_000
            assert sum(1 for _ in log.heads()) == 20_000
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 32_000_000
