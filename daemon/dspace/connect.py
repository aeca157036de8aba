"""Connections to a DSpace database, with the settings that every query here relies on.

Invariant: dates and instants are printed and read as ISO in UTC, whatever the server or the account says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from events.errors import (
    AipstreamError,
    ConfigError,
    PreconditionError,
    SourceUnreachable,
    TargetUnreachable,
    without_password,
)

Connection = psycopg2.extensions.connection
End = Literal["source", "target"]

ALIVE: Final[dict[str, Any]] = {
    "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 120_000
}  # fmt: skip
"""For libpq: a network that is gone is noticed after a minute of waiting, or two of sending (s, s, times, ms)."""

_SESSION = (
    "SET SESSION timezone = 'UTC'; SET SESSION datestyle = 'ISO, YMD'; SET SESSION client_min_messages = error; "
    "SET SESSION standard_conforming_strings = on; SET SESSION bytea_output = 'hex'; SET SESSION jit = off; "
    "SET SESSION random_page_cost = 1.1"
)
# PostgreSQL's default price of a page out of order is that of spinning disks. With it the planner reads all of
# `metadatavalue` for every slice of a repository of middle size (10,000 items: 0.8 ms an item instead of 0.3).


def unreachable(end: End, dsn: str, error: Exception) -> AipstreamError:
    """The error of that end for a connection that could not be made or was lost."""
    message = f"[{end}] {without_password(dsn)}: {without_password(str(error).strip())}"
    return (SourceUnreachable if end == "source" else TargetUnreachable)(message)


@contextmanager
def meaning(end: End, dsn: str) -> Iterator[None]:
    """psycopg2's errors of that end, raised as ours: a right that is missing, a connection that is lost."""
    try:
        yield
    except psycopg2.errors.InsufficientPrivilege as error:
        raise PreconditionError(f"[{end}] {without_password(str(error).strip())}") from error
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn) as error:
        raise PreconditionError(
            f"[{end}] {str(error).strip().splitlines()[0]}",
            "Somebody changed the database beneath aipstream. `aipstream check` tells what is missing; what is "
            "aipstream's own is made again at the next start.",
        ) from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise unreachable(end, dsn, error) from error


def connect(dsn: str, end: End, *, readonly: bool | None = None) -> Connection:
    """A connection in repeatable read on the source (one snapshot a transaction), read committed on the target.

    Raises SourceUnreachable or TargetUnreachable, ConfigError for a dsn that libpq cannot read.
    """
    try:
        psycopg2.extensions.parse_dsn(dsn)
    except psycopg2.ProgrammingError as error:
        raise ConfigError(
            f"[{end}] dsn: {without_password(str(error).strip())}",
            "Write a libpq URL: postgresql://USER@HOST:5432/DATABASE",
        ) from error
    try:
        connection: Connection = psycopg2.connect(
            dsn,
            application_name=f"aipstream {end}",
            connect_timeout=10,
            client_encoding="UTF8",
            **ALIVE,
        )
        with connection.cursor() as cursor:
            cursor.execute(_SESSION)
        connection.commit()
    except psycopg2.OperationalError as error:
        raise unreachable(end, dsn, error) from error
    source = end == "source"
    connection.set_session(
        isolation_level="REPEATABLE READ" if source else "READ COMMITTED",
        readonly=source if readonly is None else readonly,
    )
    return connection
