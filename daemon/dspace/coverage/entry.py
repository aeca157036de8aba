"""What can be said of a column: it is content, derived, or operational."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from events.aip.model import Kind


class Place(StrEnum):
    """Where the value of a column comes from on the target."""

    CONTENT = "content"
    """It travels in the AIP."""
    DERIVED = "derived"
    """The target makes its own: from the rest of the object, or from its own sequence."""
    OPERATIONAL = "operational"
    """It belongs to the installation, not to the repository, and stays where it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One column of the DSpace schema.

    `kinds` are the objects that a change of it can change, `rows` the fields of `events.aip.model` that carry it
    (`ItemRow.in_archive`); both are empty unless it is content. `meaning` says how a derived one is made again, or why
    an operational one does not travel. `option` is the setting without which it stays behind. `since` is the first
    major version that has it (7 is 7.6).
    """

    table: str
    column: str
    place: Place
    meaning: str
    kinds: tuple[Kind, ...] = ()
    rows: tuple[str, ...] = ()
    option: str | None = None
    since: int = 7


def content(
    table: str, kinds: tuple[Kind, ...], row: str, columns: str, *, option: str | None = None, since: int = 7
) -> Iterator[Entry]:
    """Entries of content. `columns` is `column` where the row's field has that name, else `column:field`, separated
    by blanks; a field of another row class than `row` is written `column:Class.field`, several with commas.
    """
    for word in columns.split():
        column, _, fields = word.partition(":")
        rows = tuple(field if "." in field else f"{row}.{field}" for field in (fields or column).split(","))
        yield Entry(table, column, Place.CONTENT, ", ".join(rows), kinds, rows, option, since)


def derived(table: str, how: str, columns: str, *, since: int = 7) -> Iterator[Entry]:
    """Entries of columns that the target makes for itself."""
    for column in columns.split():
        yield Entry(table, column, Place.DERIVED, how, since=since)


def operational(table: str, reason: str, columns: str, *, since: int = 7) -> Iterator[Entry]:
    """Entries of columns that belong to the installation."""
    for column in columns.split():
        yield Entry(table, column, Place.OPERATIONAL, reason, since=since)
