"""The two doors of the index: `Due`, the list of what it has still to be told of, and `Indexer`, who tells it.

Invariants:

* A row stays due until the index was told of that very state: one that was touched again meanwhile is not struck off.
* Telling twice is harmless. So a failure, or being killed, costs a repetition and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from events.aip.model import Kind, Uuid

Stopped = Callable[[], bool]

Act = Literal["index", "remove", "gone"]
"""What the index needs of an object as it is now: a new document, its document taken away though the object is there,
or its document cleaned away because the object is not there any more."""


class Row(NamedTuple):
    """An object that is due. `uuid` is the target's; `collection` owns an archived item, so that indexing the
    collection covers it; `below`: everything below it is due as well. `touched` says which state this is.
    """

    uuid: Uuid
    kind: Kind
    handle: str | None
    touched: object
    act: Act = "index"
    below: bool = False
    collection: Uuid | None = None

    @property
    def name(self) -> str:
        """Its handle for people, or its UUID."""
        return self.handle or self.uuid


class Standing(NamedTuple):
    """How much is due. Seconds since the oldest row became due, and since anything was touched."""

    due: int
    since: str | None = None
    waiting_seconds: float = 0.0
    quiet_seconds: float = 0.0


class Pending(NamedTuple):
    """What is due, oldest first. `more`: there is more than was asked for.

    `held`: archived items of each collection that several rows lie in; `total`: all items (None: not known).
    `types`: whether this DSpace can index one type of object alone (`index-discovery -t`, from 8 on).
    """

    rows: Sequence[Row]
    more: bool = False
    held: Mapping[Uuid, int] = {}
    total: int | None = None
    types: bool = False


class Due(Protocol):
    """Objects that the search index has still to be told of, wherever a driver of the target keeps them."""

    def add(self, rows: Sequence[Row]) -> None:
        """Note those as due, or as touched again. `touched` and `collection` are not looked at."""
        ...

    def standing(self) -> Standing:
        """How much is due. Cheap: it is asked every second."""
        ...

    def pending(self, most: int) -> Pending:
        """What is due, at most so many rows."""
        ...

    def strike(self, rows: Sequence[Row]) -> int:
        """Take off what was told; how many rows. What was touched since they were read stays."""
        ...

    def mark(self) -> int:
        """Remember all that is due now, for the whole index is about to be told; how many rows."""
        ...

    def strike_marked(self) -> int:
        """Take off what was marked and not touched since; how many rows."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Call(NamedTuple):
    """One run of DSpace's script `index-discovery`, and the rows that it covers."""

    arguments: tuple[str, ...]
    covers: tuple[Row, ...]
    limit_seconds: float

    @property
    def text(self) -> str:
        """The call for people."""
        return " ".join(("index-discovery", *self.arguments))


class Indexer(Protocol):
    """Runs `index-discovery` of the target. `start` is what starting it costs, in objects that could be indexed."""

    start: int

    def tell(self, call: Call, stopped: Stopped) -> None:
        """Run that call to its end. Raises IndexFailed, and Interrupted if `stopped` says so meanwhile."""
        ...

    def look(self) -> str:
        """Whether it could be told now, changing nothing; what was found. Raises IndexFailed."""
        ...

    def close(self) -> None:
        """End the session, if there is one."""
        ...
