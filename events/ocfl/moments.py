"""The versions of an object as moments of a log: which of them stood when.

Each version of ours has `event.json`, which says at which position of the log it came to be. Positions order the
versions of all objects of an archive among each other, as times and LSNs need not.

Invariants:

* The state of an object at a position is its newest version that came at or before it; there is none if it was not
  there yet, and a version without a document says that it was deleted.
* A time or an LSN stands for the highest position that has it or an earlier one, as in the log itself.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from events.aip.model import Kind, Uuid
from events.errors import InvalidPackage
from events.event import BEGINNING, Position, lsn_number
from events.ocfl.layout import identifier
from events.ocfl.reading import OcflObject

ENVELOPE: Final = "event.json"
"""Says of a version which event of which log it is."""


class Envelope(msgspec.Struct):
    """`event.json`. `commit_time` in UTC; `thinned`: the log no longer had the event before this one, so that between
    the version before and this one the object may have been otherwise.
    """

    type: Literal["put", "delete"]
    kind: Kind
    uuid: Uuid
    log: str
    position: Position
    commit_time: str
    lsn: str
    source: str = ""
    handle: str | None = None
    parents: list[Uuid] = []
    transaction: int | None = None
    left_out: list[str] = []
    thinned: bool = False


class Life:
    """One object. Versions are read when they are asked for, and once."""

    def __init__(self, found: OcflObject) -> None:
        self.found = found
        self.newest = found.inventory.number
        self._read: dict[int, Envelope] = {}

    def envelope(self, number: int) -> Envelope:
        """Of the version with that number. Raises InvalidPackage, ChecksumMismatch."""
        if number not in self._read:
            where = f"{self.found.folder}: version {number}"
            try:
                read = msgspec.json.decode(self.found.read(ENVELOPE, f"v{number}"), type=Envelope)
                lsn_number(read.lsn)
            except KeyError as error:
                raise InvalidPackage(f"{where} has no {ENVELOPE} of ours") from error
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
                raise InvalidPackage(f"{where}: {ENVELOPE}: {error}") from error
            if identifier(read.uuid) != self.found.inventory.id:
                raise InvalidPackage(f"{where}: {ENVELOPE} is of another object, {read.uuid}")
            self._read[number] = read
        return self._read[number]

    @property
    def kind(self) -> Kind:
        """Of the object, which never changes: by any version that was read already. Raises as `envelope`."""
        return (next(iter(self._read.values()), None) or self.envelope(self.newest)).kind

    def at(self, position: Position) -> int:
        """The number of the version that stood at that position; 0 if the object was not there yet."""
        low, high = 0, self.newest
        while low < high:
            middle = (low + high + 1) // 2
            if self.envelope(middle).position <= position:
                low = middle
            else:
                high = middle - 1
        return low

    def exact(self, position: Position) -> bool:
        """Whether that version is known to be how the object stood then: no event between was thinned."""
        after = self.at(position) + 1
        return after > self.newest or not self.envelope(after).thinned

    def position(self, *, time: str | None = None, lsn: int | None = None) -> tuple[Position, bool]:
        """The highest position by that time or LSN (0: there is none), and whether a version has it or a later one."""
        reached = False
        for number in range(self.newest, 0, -1):
            if time is not None:
                created = self.found.inventory.versions[f"v{number}"].created
                reached, by_then = reached or created >= time, created <= time
            else:
                here = lsn_number(self.envelope(number).lsn)
                reached, by_then = reached or here >= (lsn or 0), here <= (lsn or 0)
            if by_then:
                return self.envelope(number).position, reached
        return BEGINNING, True
