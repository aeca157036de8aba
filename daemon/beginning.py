"""How a capture begins: publication, slot, and everything once.

Invariants (`wal`):

1. Replica identities and publication before the slot: what the WAL lacks from that time cannot be added later.
2. The slot before the snapshot that is captured: nothing that commits is in neither of the two.
3. A slot that was there and is gone is told (`SlotLost`), never silently made anew: the WAL between is lost. Only
   `aipstream snapshot` (`recapture`) makes another one, for it captures everything again.
4. A publication or replica identity that was changed behind our back is mended, and everything is captured again:
   nobody knows what went by meanwhile.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

import structlog

from daemon.dspace.connect import connect
from daemon.parts import Capturing
from daemon.source import Emitted, publication
from daemon.source import slot as slots
from daemon.source.bootstrap import DONE, Progress
from daemon.source.refill import refill
from events.errors import SlotLost
from events.event import lsn_text

logger = structlog.get_logger(__name__)

SLOT: Final = "slot"
"""`State.meta`: the name of the slot that was made for this log."""

PUBLISHED: Final = "publication"
"""`State.meta`: what the publication and the replica identities were when the capture last began (`mark`)."""


@dataclass
class Begun:
    """What a beginning did. `captured` is None if everything had been captured before."""

    captured: Emitted | None = None
    statements: list[str] = field(default_factory=list)
    slot: str | None = None


def begin(parts: Capturing, progress: Progress | None = None) -> Begun:
    """See that there is something to go on from. Captures everything if that was never done to its end.

    Raises SlotLost, PreconditionError with the statements that somebody else has to run, and what a bootstrap raises.
    """
    return _wal(parts, progress) if parts.source.mode == "wal" else _everything(parts, Begun(), progress)


def changed(parts: Capturing) -> bool:
    """Whether the publication or a replica identity is another one than when the capture began: begin again."""
    return _published(parts.source.dsn, parts.source.slot) != parts.state.meta(PUBLISHED)


def _published(dsn: str, name: str) -> str | None:
    with closing(connect(dsn, "source")) as connection:
        return publication.mark(connection, name)


def _decodable(name: str, now: str | None, before: str | None) -> None:
    """Raise SlotLost if the publication is not the one that was there when the slot was made: the server decodes what
    was written before with the catalogue of that time, and then has none.
    """
    if now is None or (before is not None and before.split()[0] != now.split()[0]):
        raise SlotLost(f"the publication {name} of the slot {name} was dropped, so its changes cannot be decoded")


def recapture(parts: Capturing, progress: Progress | None = None) -> Begun:
    """Capture everything as it is now; what is as the log has it is left out. Mends a lost slot, and lost blobs."""
    if parts.source.mode == "wal":
        _drop_unusable(parts)
    parts.state.remember(meta={DONE: None})
    begun = begin(parts, progress)
    emitter = parts.emitter
    refilled = refill(emitter.connection(), parts.state, parts.blobs, emitter.capture.files)
    if begun.captured is not None:
        begun.captured = begun.captured._replace(blobs=begun.captured.blobs + refilled)
    return begun


def _wal(parts: Capturing, progress: Progress | None) -> Begun:
    dsn, name = parts.source.dsn, parts.source.slot
    found = slots.inspect(dsn, name)
    if found is None and parts.state.meta(SLOT) == name and parts.state.meta(DONE):
        raise SlotLost(f"the slot {name} is gone")
    if found is not None and found.lost:
        raise SlotLost(f"the slot {name} is lost: the server has thrown away WAL that it still needed")
    other = False
    if found is not None:
        now, before = _published(dsn, name), parts.state.meta(PUBLISHED)
        _decodable(name, now, before)
        other = before is not None and before != now
    begun = Begun(statements=publication.prepare(dsn, name))
    mark = _published(dsn, name)
    if found is not None:
        if other or (begun.statements and parts.state.meta(DONE)):
            logger.warning("publication.changed", publication=name, mended=begun.statements)
            parts.state.remember(meta={DONE: None})
        parts.state.remember(meta={SLOT: name, PUBLISHED: mark})
        return _everything(parts, begun, progress)
    with slots.create(dsn, name) as exported:
        begun.slot = name
        logger.info("slot.made", slot=name, lsn=lsn_text(exported.consistent_point))
        parts.state.remember(meta={SLOT: name, PUBLISHED: mark, DONE: None})
        begun.captured = parts.bootstrap.run(
            snapshot=exported.snapshot, lsn=exported.consistent_point, progress=progress
        )
    return begun


def _everything(parts: Capturing, begun: Begun, progress: Progress | None) -> Begun:
    if not parts.state.meta(DONE):
        begun.captured = parts.bootstrap.run(progress=progress)
    return begun


def _drop_unusable(parts: Capturing) -> None:
    """Drop the slot if nothing can be streamed from it any more, and forget it if it is gone."""
    dsn, name = parts.source.dsn, parts.source.slot
    with closing(connect(dsn, "source")) as connection:
        try:
            slots.usable(connection, name, name)
            _decodable(name, publication.mark(connection, name), parts.state.meta(PUBLISHED))
        except SlotLost as error:
            logger.info("slot.dropped", slot=name, reason=str(error))
            slots.drop(dsn, name)
            parts.state.remember(meta={SLOT: None})
