"""What every back end must do to be copied from and into: a subclass gives `url` and `other`, two logs that are empty.

Whatever the two back ends are, a copy has the same positions, the same chain and the same identity.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from events.errors import ConfigError, GapInLog
from events.log import Log
from events.log.chain import NO_CHAIN, Record, recorded
from events.log.opening import copying_of, open_log, retention_of
from events.log.sqlite import SqliteLog
from tests.events.samples import deletion, event, uuid_of


def records_of(log: Log) -> list[Record]:
    """All of them."""
    return list(copying_of(log).records(0))


class CopyingContract:
    """Subclasses give `url` and `other`: URLs of logs that were made and are empty."""

    def opened(self, url: str) -> Log:
        """One of the two logs."""
        return open_log(url)

    @pytest.fixture
    def log(self, url: str) -> Iterator[Log]:
        """The log that is copied: three objects, one of them deleted."""
        opened = self.opened(url)
        opened.append([event(1, 1), event(2, 2), event(3, 1), event(4, 3), event(5, 1), event(6, 1), deletion(7, 2)])
        yield opened
        opened.close()

    @pytest.fixture
    def copy(self, other: str) -> Iterator[Log]:
        """The log that becomes the copy."""
        opened = self.opened(other)
        yield opened
        opened.close()

    def copied(self, log: Log, copy: Log) -> None:
        """Make it one."""
        into = copying_of(copy)
        into.adopt(log.identity)
        into.extend(list(copying_of(log).records(copy.end())))

    def test_a_copy_is_the_same_log(self, log: Log, copy: Log) -> None:
        """Positions, events, chain and identity; and it can be appended to as the other one."""
        self.copied(log, copy)
        assert copy.identity == log.identity
        assert list(copy.read(0)) == list(log.read(0))
        assert copy.seal() == log.seal()
        assert list(copy.heads()) == list(log.heads())
        assert records_of(copy) == records_of(log)
        assert copy.append([event(3, 1)]) == [3], "it knows what it holds"
        assert copy.append([event(9, 9)]) == log.append([event(9, 9)])
        assert copy.seal() == log.seal()

    def test_a_copy_keeps_its_identity(self, log: Log, copy: Log, other: str) -> None:
        """Also when it is opened again."""
        self.copied(log, copy)
        again = self.opened(other)
        try:
            assert again.identity == log.identity
        finally:
            again.close()

    def test_a_copy_goes_on_where_it_ended(self, log: Log, copy: Log) -> None:
        """In pieces, and after the other one has grown."""
        into = copying_of(copy)
        into.adopt(log.identity)
        for record in copying_of(log).records(0):
            into.extend([record])
        log.append([event(8, 2), event(9, 1)])
        self.copied(log, copy)
        into.extend([])
        assert list(copy.read(0)) == list(log.read(0))
        assert copy.seal() == log.seal()

    def test_a_hole_is_no_copy(self, log: Log, copy: Log) -> None:
        """What does not follow the end is refused whole."""
        into, records = copying_of(copy), records_of(log)
        into.extend(records[:2])
        for wrong in (records[3:], records[1:3], [records[2], records[4]]):
            with pytest.raises(GapInLog):
                into.extend(wrong)
        assert copy.end() == 2
        into.extend(records[2:])
        assert copy.seal() == log.seal()

    def test_a_record_of_another_chain_is_refused(self, log: Log, copy: Log) -> None:
        """Two logs that parted ways are not mended into one."""
        into, records = copying_of(copy), records_of(log)
        into.extend(records[:2])
        with pytest.raises(GapInLog, match="chained"):
            into.extend([recorded(3, event(30, 3), NO_CHAIN)])
        with pytest.raises(GapInLog):
            into.extend([records[2]._replace(event=replace(records[2].event, payload=b"forged"))])
        with pytest.raises(GapInLog):
            into.extend([records[2]._replace(event=replace(records[2].event, handle="123456789/99"))])
        assert copy.end() == 2

    def test_a_log_in_use_becomes_no_copy(self, log: Log, copy: Log) -> None:
        """It has events under its own identity."""
        copy.append([event(1, 1)])
        with pytest.raises(ConfigError, match="events of its own"):
            copying_of(copy).adopt(log.identity)
        copying_of(copy).adopt(copy.identity)

    def test_what_was_thinned_comes_as_a_header(self, other: str, copy: Log) -> None:
        """It keeps its place in the chain, is read no more, and is known by its id."""
        with SqliteThinned() as log:
            self.copied(log, copy)
            assert list(copy.read(0)) == list(log.read(0))
            assert copy.seal() == log.seal()
            assert [record.position for record in records_of(copy) if record.thinned] == [1, 3]
            assert copy.append([event(3, 1)]) == [3]
            assert copy.latest(uuid_of(1), at=4) is None
            assert list(copy.heads(at=4)) == list(log.heads(at=4))
            assert records_of(copy) == records_of(log)


class SqliteThinned:
    """A SQLite log two events of which were thinned."""

    def __enter__(self) -> Log:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.log = SqliteLog(f"sqlite:///{self.folder.name}/thinned.sqlite", create=True)
        self.log.append([event(1, 1), event(2, 2), event(3, 1), event(4, 3), event(5, 1)])
        retention_of(self.log).thin([1, 3])
        return self.log

    def __exit__(self, *_: object) -> None:
        self.log.close()
        self.folder.cleanup()
