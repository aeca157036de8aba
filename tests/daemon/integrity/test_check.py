"""The whole archive is checked past every damage, and what it means is said."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from daemon.integrity import check as checks
from daemon.integrity.check import Budget
from events.blobs import open_blobs
from events.blobs.local import LocalBlobs
from events.log.inspecting import Fault
from events.log.opening import open_log, retention_of
from tests.daemon.integrity.archive import Archive, content, make, name
from tests.events.log import damage
from tests.events.samples import event, time_of, uuid_of

ALL = 1.0


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return make(tmp_path)


def test_a_whole_archive_is_whole(archive: Archive) -> None:
    """Thinned events and what only they needed are not missed."""
    with closing(open_log(archive.url)) as log:
        retention_of(log).thin([1, 2, 3])
        retention_of(log).thin([11])
    archive.path_of(1).unlink()
    assert archive.check(share=ALL)
    report = archive.report()
    assert (report.findings, report.damaged, report.covered) == ([], 0, 1.0)
    assert report.last is not None
    assert (report.last["events"], report.last["read"]) == (40, report.contents)


def test_a_payload_that_is_damaged_is_named_with_its_object_and_its_moments(archive: Archive) -> None:
    """From its commit to the next event of the object; and whether a later one is whole."""
    damage.flip_payload(archive.log, 7)
    damage.sql(archive.log, "DELETE FROM payload WHERE position = 38")
    assert archive.check()
    first, second = archive.findings()
    (effect,) = first.effects
    assert (first.fault, first.position) == (Fault.PAYLOAD, 7)
    assert effect[:3] == (uuid_of(7), "item", "123456789/7")
    assert effect[3:] == (7, time_of(7), 17, time_of(17), True)
    (effect,) = second.effects
    assert (second.fault, second.position) == (Fault.PAYLOAD_GONE, 38)
    assert effect[3:] == (38, time_of(38), None, None, False)


def test_a_later_event_that_is_damaged_too_is_no_help(archive: Archive) -> None:
    """Nothing that is broken itself counts as a newer state."""
    damage.flip_payload(archive.log, 27)
    damage.flip_payload(archive.log, 37)
    assert archive.check()
    assert [one.effects[0].newer for one in archive.findings()] == [False, False]


def test_contents_are_missed_and_named_with_who_needs_them(archive: Archive) -> None:
    """One that is gone, one that is cut off, one with a flipped bit; the last only where it is read back."""
    archive.path_of(8).unlink()
    archive.path_of(9).write_bytes(content(9)[:-1])
    damage.flip(archive.path_of(14), 100)
    assert archive.check()
    assert archive.found() == {(Fault.CONTENT_GONE, 0, name(8)), (Fault.CONTENT_SIZE, 0, name(9))}
    assert archive.check(share=ALL)
    assert archive.found() >= {(Fault.CONTENT, 0, name(14))}
    assert len(archive.found()) == 3
    effects = {one.content: one.effects for one in archive.findings()}
    (effect,) = effects[name(8)]
    assert effect == (uuid_of(8), "item", "123456789/8", 8, time_of(8), 28, time_of(28), True)


@pytest.mark.parametrize("share", [0.0, ALL])
def test_what_cannot_be_read_at_all_is_damage_of_that_content_alone(archive: Archive, share: float) -> None:
    """A folder, a link and a pipe where a blob should be: the check comes to its end, and waits for nothing."""
    for number in (8, 9, 14, 16):
        archive.path_of(number).unlink()
    archive.path_of(8).mkdir()
    archive.path_of(9).symlink_to(archive.path_of(10))
    archive.path_of(14).symlink_to(archive.path_of(14))
    os.mkfifo(archive.path_of(16))
    assert archive.check(share=share)
    assert {content for _, _, content in archive.found()} == {name(number) for number in (8, 9, 14, 16)}


def test_a_lost_sector_is_damage_of_that_content_alone(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's EIO, which no file of a test has, is raised where the file is read; a full disk is not of one."""

    class Lost(io.BytesIO):
        error = errno.EIO

        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(self.error, os.strerror(self.error))

    opened = LocalBlobs.open
    monkeypatch.setattr(LocalBlobs, "open", lambda blobs, sha: Lost() if sha == name(9) else opened(blobs, sha))
    assert archive.check(share=ALL)
    (finding,) = archive.findings()
    assert (finding.fault, finding.content) == (Fault.CONTENT, name(9))
    assert "Input/output error" in finding.what
    monkeypatch.setattr(Lost, "error", errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        archive.check(share=ALL, restart=True)


def test_damage_of_every_sort_is_found_in_one_pass(archive: Archive) -> None:
    """Each of them, whatever stands before it; and rows that are gone are told as one range."""
    damage.sql(
        archive.log,
        "DELETE FROM event WHERE position IN (3, 4, 5)",
        "UPDATE event SET digest = 'x' WHERE position = 10",
        "UPDATE event SET chain = zeroblob(16) WHERE position = 12",
        "DELETE FROM payload WHERE position IN (3, 4, 5, 15)",
        "INSERT INTO thinned VALUES (36)",
        "UPDATE meta SET value = '41' WHERE key = 'end'",
    )
    damage.flip_payload(archive.log, 20)
    archive.path_of(30).unlink()
    assert archive.check()
    assert archive.found() == {
        (Fault.GAP, 3, ""), (Fault.HEADER, 10, ""), (Fault.CHAIN, 12, ""), (Fault.PAYLOAD_GONE, 15, ""),
        (Fault.PAYLOAD, 20, ""), (Fault.THINNED, 36, ""), (Fault.END, 0, ""), (Fault.GAP, 41, ""),
        (Fault.CONTENT_GONE, 0, name(30)),
    }  # fmt: skip
    gap = next(one for one in archive.findings() if one.fault == Fault.GAP)
    assert (gap.position, gap.last) == (3, 5)
    assert (gap.effects[0].since, gap.effects[0].until_time) == (time_of(2), time_of(6))


def test_a_share_moves_on_until_everything_was_read(archive: Archive) -> None:
    """Ten passes of a tenth read each content once; a damaged one is found, and then read in all of them."""
    damage.flip(archive.path_of(23), 5)
    total, found = 0, []
    for number in range(1, 11):
        assert archive.check(share=0.1)
        report = archive.report()
        assert report.read == min(4 * number, report.contents)
        total = report.contents
        found.append((Fault.CONTENT, 0, name(23)) in archive.found())
    assert report.covered == 1.0
    assert total == 39, "content 39 is needed by none"
    assert found == sorted(found)
    assert found[-1]
    archive.path_of(23).write_bytes(content(23))
    assert archive.check(share=0.1)
    assert archive.report().damaged == 0
    assert archive.report().covered < 1, "another round has begun"


@pytest.mark.parametrize("most", [1, 3000, 20_000])
def test_a_budget_of_bytes_is_kept_and_the_next_run_goes_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Every run stops soon after it; all of them together find what one run does."""
    monkeypatch.setattr(checks, "EVENTS_AT_ONCE", 4)
    monkeypatch.setattr(checks, "READ_AT_ONCE", 1)
    damage.flip_payload(archive.log, 20)
    damage.flip(archive.path_of(33), 9)
    archive.path_of(2).unlink()
    runs, used = 1, []
    while not archive.check(share=ALL, budget=(budget := Budget(bytes=most))):
        used.append(budget.used)
        runs += 1
    assert used[0] >= archive.log.stat().st_size, "the file as a whole, in one piece"
    assert max(used[1:]) < most + 4 * 2000 + 3000
    assert runs > (2 if most == 20_000 else 10)
    assert archive.found() == {
        (Fault.PAYLOAD, 20, ""), (Fault.CONTENT, 0, name(33)), (Fault.CONTENT_GONE, 0, name(2))
    }  # fmt: skip
    assert archive.report().covered == pytest.approx(38 / 39)


def test_a_budget_of_no_time_still_comes_to_an_end(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run does something."""
    monkeypatch.setattr(checks, "EVENTS_AT_ONCE", 4)
    runs = 1
    while not archive.check(budget=Budget(seconds=0.0)):
        runs += 1
    assert runs > 10
    assert archive.report().damaged == 0


def test_the_file_as_a_whole_is_read_once_a_pass_and_counts(archive: Archive) -> None:
    """It begins the pass: a run whose budget it uses up stops behind it, and the others do not read it again. A run
    that is stopped in it has not looked at it, and the next one begins with it.
    """
    torn = bytearray(archive.log.read_bytes())
    torn[8192:16384] = bytes(8192)  # says which page belongs to which: no record needs it
    archive.log.write_bytes(torn)
    assert not archive.check(stopped=lambda: True)
    assert archive.found() == set()
    first = Budget(bytes=len(torn))
    assert not archive.check(budget=first)
    assert first.used == len(torn)
    assert archive.found() == {(Fault.TORN, 0, "")}
    rest = Budget(bytes=len(torn))
    while not archive.check(budget=rest):
        rest = Budget(bytes=len(torn))
    with closing(open_log(archive.url)) as log:
        assert rest.used == sum(300 + len(entry.event.payload) for entry in log.read(0)), "the records alone"
    assert archive.found() == {(Fault.TORN, 0, "")}


def test_restart_begins_anew(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was damaged before the place where it stood is found."""
    monkeypatch.setattr(checks, "EVENTS_AT_ONCE", 10)
    assert not archive.check(budget=Budget(bytes=1))
    assert not archive.check(budget=Budget(bytes=1))
    damage.flip_payload(archive.log, 2)
    assert archive.check()
    assert archive.found() == set()
    assert not archive.check(budget=Budget(bytes=1))
    assert not archive.check(budget=Budget(bytes=1))
    assert archive.found() == {(Fault.PAYLOAD, 2, "")}
    damage.flip_payload(archive.log, 3)
    assert archive.check(restart=True)
    assert archive.found() == {(Fault.PAYLOAD, 2, ""), (Fault.PAYLOAD, 3, "")}


def test_a_log_that_was_cut_off_cleanly_is_told(archive: Archive) -> None:
    """As by a WAL that was lost, or an older copy in its place: what is there is whole, but it went further once."""
    assert archive.check()
    damage.sql(archive.log, *(f"DELETE FROM {table} WHERE position > 35" for table in ("event", "payload")),
               "UPDATE meta SET value = '35' WHERE key = 'end'")  # fmt: skip
    for _ in range(2):
        assert archive.check()
        (finding,) = archive.findings()
        assert (finding.fault, finding.position) == (Fault.END, 0)
        assert "ends at position 35 and had 40" in finding.what


def test_what_was_mended_is_no_damage_after_the_next_pass(archive: Archive) -> None:
    """And what it found before stays until then."""
    payload = damage.flip_payload(archive.log, 20)
    assert archive.check()
    damage.sql(archive.log, "UPDATE payload SET payload = ? WHERE position = 20", values=(payload,))
    assert archive.found() == {(Fault.PAYLOAD, 20, "")}
    assert archive.check()
    assert archive.found() == set()


def test_events_that_come_while_it_goes_on_are_in_the_next_pass(archive: Archive) -> None:
    """Appending disturbs nothing."""
    assert archive.check()
    with closing(open_log(archive.url)) as log:
        log.append([event(99, 9, blobs=("ab" * 32,))])
    assert archive.check()
    assert archive.found() == {(Fault.CONTENT_GONE, 0, "ab" * 32)}


def test_a_content_in_quarantine_that_is_needed_is_brought_back(archive: Archive) -> None:
    """Whoever asks for one does that."""
    blobs = open_blobs(archive.blobs)
    blobs.quarantine([name(33)])  # type: ignore[attr-defined]
    assert archive.check()
    assert archive.found() == set()
    assert archive.path_of(33).exists()


def test_another_log_under_the_same_name_is_checked_from_its_beginning(archive: Archive) -> None:
    """The books are of the other one."""
    archive.log.unlink()
    assert not list(archive.folder.glob("log.sqlite-*"))
    damage.made(archive.log, events=12)
    assert archive.check()
    assert archive.report().last["events"] == 12  # type: ignore[index]


def test_with_parse_a_document_that_is_not_that_of_its_event_is_told(archive: Archive) -> None:
    """The checksums are right: it was appended like that."""
    assert archive.check(parse=True)
    found = {position for fault, position, _ in archive.found() if fault == Fault.DOCUMENT}
    assert found == set(range(1, 41)) - {39}, "none of these payloads is an AIP; a deletion has none"


@pytest.mark.parametrize("place", ["check.noted:3", "check.read", "check.read:2", "check.finished"])
def test_a_check_that_is_killed_goes_on(archive: Archive, place: str) -> None:
    """By SIGKILL, wherever it is; the next run ends the pass and finds all of it."""
    damage.flip_payload(archive.log, 2)
    damage.flip(archive.path_of(33), 9)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.daemon.integrity.run_check", str(archive.folder), str(archive.events)],
        env={**os.environ, "AIPSTREAM_FAILPOINT": place}, check=False, timeout=300,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert archive.check(share=ALL)
    assert archive.found() == {(Fault.PAYLOAD, 2, ""), (Fault.CONTENT, 0, name(33))}
