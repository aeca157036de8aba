"""The file of a SQLite log: its URL, its making, its connections, and what its errors mean.

Invariants:

* A file under the log's name is a whole log: it is made under another name, synced, and then linked into place. So an
  empty or foreign file is never taken for a new log and never overwritten.
* Every connection commits with `synchronous = FULL`: in WAL mode the WAL is synced before COMMIT returns
  (https://www.sqlite.org/pragma.html#pragma_synchronous).
* No message holds a bound value.
"""

from __future__ import annotations

import os
import sqlite3
import uuid as uuids
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Table,
    bindparam,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from events.durable import synced
from events.errors import AipstreamError, ConfigError, GapInLog, Locked, StorageUnusable, UnknownLogFormat
from events.log.chain import NO_CHAIN, link
from events.log.sqlite_rows import (
    EVENT,
    FORMAT,
    MARK,
    MARKS,
    META,
    TABLES,
    THINNED,
    mark_checksum,
    marks_digest,
)

BUSY_SECONDS: Final = 30.0
"""How long a writer waits for another one before it is told that the log is locked."""

PAGE_SIZE: Final = 8192
"""Bytes. A compressed AIP of an item of common size fits into one or two overflow pages."""

CHECKPOINT_PAGES: Final = 4096
"""The WAL is folded into the file each 32 MiB instead of each 4 MiB: group commits of that size are usual."""

BEGIN: Final = {False: "BEGIN", True: "BEGIN IMMEDIATE"}
"""A writer takes its lock at once: one that first read and then wrote could not wait for another writer."""


def path_of(url: str) -> Path:
    """The absolute path in `sqlite:///relative` or `sqlite:////absolute`. Raises ConfigError for anything else."""
    hint = "Use sqlite:///relative/path or sqlite:////absolute/path"
    scheme, found, name = url.partition(":///")
    if scheme != "sqlite" or not found or not name.strip("/") or name == ":memory:" or name.endswith("/"):
        raise ConfigError(f"[log] url: {url!r} names no file", hint)
    if "?" in name or "\0" in name:
        raise ConfigError(f"[log] url: {url!r} has parameters; the SQLite log takes none", hint)
    return Path(name).absolute()


def make(path: Path, tables: MetaData = TABLES, more: Mapping[str, str] | None = None) -> None:
    """An empty log under that name, unless there is something already. Raises StorageUnusable.

    With further `tables`, and `more` noted in `meta`, it is the index of a log that is elsewhere.
    """
    _alone(path)
    new = path.with_name(f"{path.name}.new-{uuids.uuid4().hex}")
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))
        engine = connections(new)
        try:
            with transaction(engine, new, write=True) as connection:
                tables.create_all(connection)
                first = {"format": FORMAT, "identity": str(uuids.uuid4()), "end": "0", **(more or {})}
                if MARK.name in tables.tables:
                    first[MARKS] = marks_digest(())
                connection.execute(insert(META), [{"key": key, "value": value} for key, value in first.items()])
            use_wal(engine, new)
        finally:
            engine.dispose()
        synced(new)
        with suppress(FileExistsError):
            os.link(new, path)
        synced(path.parent)
    except OSError as error:
        raise StorageUnusable(f"the log {path} cannot be made: {error.strerror or error}") from error
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                Path(f"{new}{suffix}").unlink()


def _alone(path: Path) -> None:
    """Refuse a name under which a WAL is left: SQLite would take it for that of the new file, and write it in there."""
    for left in (Path(f"{path}-wal"), Path(f"{path}-journal")):
        if not path.exists() and left.exists() and left.stat().st_size:
            raise StorageUnusable(
                f"{left} is there without its log {path}, of which it holds the last events",
                "Put the log back beside it. If that log is given up, move this file away, too; then start again.",
            )


def connections(path: Path) -> Engine:
    """The connections to that file. SQLAlchemy opens them when they are needed, one for each thread at work."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        max_overflow=-1,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transactions would begin late and never for a SELECT; ours begin with BEGIN, below.
        connection.isolation_level = None
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {2 * CHECKPOINT_PAGES * PAGE_SIZE}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(BEGIN[bool(connection.get_execution_options().get("write"))])

    return engine


@contextmanager
def transaction(engine: Engine, path: Path, *, write: bool = False) -> Iterator[Connection]:
    """One snapshot to read, or one group commit. Raises what `meaning` says of SQLite's errors."""
    try:
        with engine.connect().execution_options(write=write) as connection, connection.begin():
            yield connection
    except DBAPIError as error:
        raise meaning(error.orig, path) from error
    except UnicodeDecodeError as error:  # of SQLite's own message, which quotes what it found in the file
        raise GapInLog(f"the log {path} is damaged: its schema cannot be read ({error})") from error


def use_wal(engine: Engine, path: Path) -> None:
    """Readers and a writer side by side. It is kept in the file; a copy made by `VACUUM INTO` has lost it."""
    try:
        # Below SQLAlchemy's own BEGIN: the mode cannot change within a transaction.
        with closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
            mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
            if mode != "wal":
                mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    except DBAPIError as error:
        raise meaning(error.orig, path) from error
    except sqlite3.Error as error:
        raise meaning(error, path) from error
    if mode != "wal":
        raise StorageUnusable(f"the log {path} cannot be put into WAL mode (it is {mode!r})", _NETWORK)


def fold(path: Path) -> None:
    """Fold what is in the WAL into the file, as far as nobody reads and the file can be opened."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def shrink(engine: Engine, path: Path) -> None:
    """Give what was taken away back to the disk. A log from before format 2 keeps the room for events to come."""
    try:
        with closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
            # As a script: of a statement the driver takes one step, which is one page.
            cursor.executescript("PRAGMA incremental_vacuum;")
    except DBAPIError as error:
        raise meaning(error.orig, path) from error
    except sqlite3.Error as error:
        raise meaning(error, path) from error


def identity_of(engine: Engine, path: Path) -> str:
    """The UUID of the log. Raises ConfigError if the file is no log, UnknownLogFormat if it is of another version.

    A log of format 1 is chained on the way, once; the marks of one of format 2 get their checksums.
    """
    meta = _meta(engine, path)
    if not {"format", "identity", "end"} <= meta.keys():
        raise _foreign(path)
    if meta["format"] == "1":
        _chain(engine, path)
        meta = _meta(engine, path)
    if meta["format"] == "2":
        _prove_marks(engine, path)
        meta = _meta(engine, path)
    if meta["format"] != FORMAT:
        raise UnknownLogFormat(f"the log {path} has format {meta['format']!r}; known is {FORMAT!r}")
    return meta["identity"]


def _meta(engine: Engine, path: Path) -> dict[str, str]:
    with transaction(engine, path) as connection:
        found: dict[str, str] = {}
        found.update((key, value) for key, value in connection.execute(select(META.c.key, META.c.value)))
        return found


def _chain(engine: Engine, path: Path) -> None:
    """Make a log of format 1 one of format 2, in one transaction."""
    with transaction(engine, path, write=True) as connection:
        if connection.execute(select(META.c.value).where(META.c.key == "format")).scalar_one() != "1":
            return  # another process was faster
        if _has(connection, EVENT, "chain"):  # a bit of the note has flipped: nothing is chained anew over damage
            connection.execute(update(META).where(META.c.key == "format").values(value="2"))
            return
        connection.execute(text("ALTER TABLE event ADD COLUMN chain BLOB NOT NULL DEFAULT x''"))
        THINNED.create(connection)
        connection.execute(text(_MARK_BEFORE))
        chain, after = NO_CHAIN, 0
        one = update(EVENT).where(EVENT.c.position == bindparam("at")).values(chain=bindparam("linked"))
        page = select(EVENT.c.position, EVENT.c.checksum).where(EVENT.c.position > bindparam("after"))
        page = page.order_by(EVENT.c.position).limit(10_000)
        while rows := connection.execute(page, {"after": after}).all():
            linked = []
            for position, checksum in rows:
                chain = link(chain, checksum)
                linked.append({"at": position, "linked": chain})
            connection.execute(one, linked)
            after = rows[-1][0]
        connection.execute(update(META).where(META.c.key == "format").values(value="2"))


_MARK_BEFORE: Final = "CREATE TABLE mark (name TEXT PRIMARY KEY, position INTEGER NOT NULL, made TEXT NOT NULL)"


def _prove_marks(engine: Engine, path: Path) -> None:
    """Make a log of format 2 one of format 3, in one transaction: its marks are taken for what they are now."""
    with transaction(engine, path, write=True) as connection:
        if connection.execute(select(META.c.value).where(META.c.key == "format")).scalar_one() != "2":
            return  # another process was faster
        # The index of a log that is elsewhere has no marks; where they have checksums, a bit of the note has flipped.
        if inspect(connection).has_table(MARK.name) and not _has(connection, MARK, "checksum"):
            connection.execute(text("ALTER TABLE mark ADD COLUMN checksum BLOB NOT NULL DEFAULT x''"))
            checksums = []
            for name, position, made in connection.execute(select(MARK.c.name, MARK.c.position, MARK.c.made)).all():
                checksums.append(mark_checksum(name, position, made))
                connection.execute(update(MARK).where(MARK.c.name == name).values(checksum=checksums[-1]))
            connection.execute(delete(META).where(META.c.key == MARKS))
            connection.execute(insert(META), [{"key": MARKS, "value": marks_digest(checksums)}])
        connection.execute(update(META).where(META.c.key == "format").values(value=FORMAT))


def _has(connection: Connection, table: Table, column: str) -> bool:
    return any(one["name"] == column for one in inspect(connection).get_columns(table.name))


def _foreign(path: Path) -> ConfigError:
    return ConfigError(f"{path} is an SQLite database, but not a log", "Correct [log] url; the file was not touched.")


def _is_text(path: Path) -> bool:
    """Whether the file never was a database: the first page of one, damaged or not, is full of zeros."""
    try:
        with path.open("rb") as file:
            begin = file.read(512)
    except OSError:
        return False
    return bool(begin) and b"\0" not in begin and begin.decode("utf-8", "replace").count("\ufffd") <= 1


_DAMAGED: Final = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"}
_BUSY: Final = {"SQLITE_BUSY", "SQLITE_LOCKED"}
_BESIDE: Final = (
    "Also who only reads writes beside the log (SQLite's WAL). Mend the rights or the mount, or copy the file to a "
    "folder that may be written."
)
_NETWORK: Final = (
    "A log needs a local disk: SQLite's WAL does not work on NFS or SMB. Move it, or use another back end."
)


def meaning(error: BaseException | None, path: Path) -> AipstreamError:
    """Our error for one of SQLite's (https://www.sqlite.org/rescode.html), which name what and not what to do."""
    name: str = getattr(error, "sqlite_errorname", None) or ""
    primary = "_".join(name.split("_")[:2])
    if name == "SQLITE_NOTADB" and _is_text(path):
        return ConfigError(f"{path} is a text, and no log", "Correct [log] url; the file was not touched.")
    if primary in _DAMAGED:
        return GapInLog(f"the log {path} is damaged, or is no SQLite database: {error}")
    if "decode to UTF-8" in str(error) or str(error) == "unsupported file format":
        return GapInLog(f"the log {path} is damaged: {error}")
    if name == "SQLITE_IOERR_SHORT_READ":
        return GapInLog(f"the log {path} is cut off: {error}")
    if primary in _BUSY:
        return Locked(f"the log {path} was locked by another writer for {BUSY_SECONDS:.0f} s")
    if str(error).startswith(("no such table", "no such column")):
        return _foreign(path)
    hint = _BESIDE if primary == "SQLITE_READONLY" else None
    return StorageUnusable(f"the log {path} cannot be used: {error}{f' ({name})' if name else ''}", hint)
