"""The canonical order of an AIP's rows.

Rule: the rows of each list are sorted by their fields in the order of the class, and None comes before every value.
`events.aip.write` writes, and `events.aip.read` returns, canonical AIPs; so two AIPs that hold the same rows give the
same bytes, whatever order the database returned them in.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from events.aip import extension
from events.aip.model import Aip, Kind, Uuid
from events.aip.row import Row
from events.errors import InvalidAip

LISTS: Final = tuple(name for name in extension.ELEMENTS if name not in extension.SINGLE)
"""The names of the row lists of `Aip`, in the order of the class."""


def _none_first(row: Row) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value) for value in msgspec.structs.astuple(row))


def sort_rows(rows: list[Any]) -> None:
    """Sort the rows of one class in place."""
    try:
        rows.sort(key=msgspec.structs.astuple)
    except TypeError:  # two rows differ first in a field that is None in one of them
        rows.sort(key=_none_first)


def canonical(aip: Aip) -> Aip:
    """The same AIP with every list in canonical order. The argument is left as it is."""
    changed: dict[str, list[Any]] = {}
    for name in LISTS:
        rows = getattr(aip, name)
        if len(rows) > 1:
            rows = list(rows)
            sort_rows(rows)
            changed[name] = rows
    return msgspec.structs.replace(aip, **changed)


def assembled(kind: Kind, uuid: Uuid, key: str | None, rows: dict[str, list[Any]]) -> Aip:
    """The canonical AIP of rows that were read, by the names of the fields of `Aip`; the lists are sorted in place.

    Raises InvalidAip if there are two rows of what an AIP has one of.
    """
    fields: dict[str, Any] = {}
    for name, found in rows.items():
        if name not in extension.SINGLE:
            if len(found) > 1:
                sort_rows(found)
            fields[name] = found
        elif len(found) == 1:
            fields[name] = found[0]
        else:
            raise InvalidAip(f"as:aip: {len(found)} rows of {name}, expected one")
    return Aip(kind=kind, uuid=uuid, key=key, **fields)
