"""A target that one replayer holds: its connection with the lock, and what the ledger there says of the log.

Invariant: nothing is read or written here without the lock. Whoever loses the connection loses the lock with it, and
makes both anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.dspace import version
from daemon.dspace.connect import Connection, connect
from daemon.dspace.facets import Options
from daemon.target import ledger
from daemon.target.files import Assetstore
from events.aip.model import Uuid
from events.errors import GapInLog
from events.event import Position
from events.log import Log


class Held:
    """One target database with its assetstore, for that log. Not safe for use from several threads."""

    def __init__(self, dsn: str, assetstore: Assetstore, log: Log, *, passwords: bool, drafts: bool) -> None:
        self.dsn = dsn
        self.assetstore = assetstore
        self.log = log
        self._settings = (passwords, drafts)
        self._connection: Connection | None = None
        self._options: Options | None = None

    @property
    def connection(self) -> Connection:
        """The target's connection, made when first needed, with the replayer's lock and the ledger in place."""
        if self._connection is None or self._connection.closed:
            self._connection, self._options = self._open()
        return self._connection

    def _open(self) -> tuple[Connection, Options]:
        connection = connect(self.dsn, "target")
        try:
            repository = version.probe(connection)
            ledger.create(connection)
            connection.commit()
            ledger.lock(connection)
            ledger.fence(connection)
            ledger.adopt(connection, self.log.identity)
            connection.commit()
            self.assetstore.clear()
        except BaseException:
            connection.close()
            raise
        return connection, self._options_of(repository)

    def _options_of(self, repository: version.Repository) -> Options:
        passwords, drafts = self._settings
        return Options(repository.has_security_level, True, passwords, drafts)

    @property
    def options(self) -> Options:
        """How digests are computed here."""
        self.connection  # noqa: B018 - connecting is what finds the options
        assert self._options is not None  # noqa: S101 - set together with the connection
        return self._options

    def close(self) -> None:
        """Give the connection, and with it the lock, back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def position(self) -> Position:
        """Up to where the log has been applied."""
        place = ledger.position(self.connection, self.log.identity)
        self.connection.rollback()
        return place

    def begun(self) -> Position:
        """Where the window ends that was begun last; what is up to there has to be taken in one batch."""
        until = ledger.begun(self.connection, self.log.identity)
        self.connection.rollback()
        return until

    def recognise_log(self) -> None:
        """Raise GapInLog if the log is not the one that was applied up to the position: a copy of it that was restored
        from an earlier moment and went on otherwise, say.
        """
        place = self.position()
        applied = ledger.last_event(self.connection, self.log.identity)
        self.connection.rollback()
        if place and applied and self.log.id_at(place) != applied:
            raise GapInLog(
                f"the log has another event at position {place} than the one that was applied to the target",
                "The log was restored from an older copy. Bring back the newest one; or, to go on with this one, "
                "take a new snapshot, drop the schema aipstream on the target and replay: what is equal stays.",
            )

    def discard(self, uuids: Sequence[Uuid]) -> int:
        """Forget parked events; the objects stay as they are on the target until their next event."""
        rows = ledger.parked(self.connection, uuids)
        ledger.unpark(self.connection, [row.uuid for row in rows])
        self.connection.commit()
        return len(rows)

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[ledger.Parked]:
        """What is parked, or what of `uuids` is; oldest position first."""
        rows = ledger.parked(self.connection, uuids)
        self.connection.rollback()
        return rows
