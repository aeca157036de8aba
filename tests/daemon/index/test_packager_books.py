"""The list of what is due of a target behind its packager, as whoever tells the index meets it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from daemon.index.port import Row
from daemon.target.packager.books import Books
from daemon.target.packager.due import PackagerDue
from events.aip.model import Kind


def test_books_that_a_replay_makes_later_are_found(tmp_path: Path) -> None:
    """A daemon that begins with nothing looks before there is anything to look into."""
    with closing(PackagerDue(tmp_path)) as due:
        assert due.standing().due == 0
        Books(tmp_path, create=True).close()
        due.add([Row("5e18ae2b-2c7d-44c5-a79c-1f4a4d9fb1a1", Kind.ITEM, "1/2", None)])
        assert due.standing().due == 1
        assert due.strike(due.pending(10).rows) == 1
        assert due.standing().due == 0
