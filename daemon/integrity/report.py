"""What a check has found, and what it means: which objects and which moments can no longer be restored.

Invariant: nothing is passed over. What is not listed is counted, and what a run has not come to is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from daemon.integrity.books import Books, Damage
from daemon.integrity.check import DONE
from events.event import Position
from events.log.inspecting import Fault, Inspecting

LISTED: Final = 1000
"""So many findings are looked into; the others are counted."""

MOST_LATER: Final = 1000

COPY: Final = "only from a copy of the log: `aipstream log repair --from URL`"
MENDS: Final = {
    Fault.GAP: COPY,
    Fault.UNREADABLE: COPY,
    Fault.HEADER: COPY,
    Fault.CHAIN: "by `aipstream log repair`, if the next record proves it; else from a copy (`--from URL`)",
    Fault.PAYLOAD_GONE: "by `aipstream log repair`: from the source, if the object still stands like that, or from a "
    "copy; else the object is captured anew and that state is lost",
    Fault.THINNED: "by `aipstream log repair`",
    Fault.INDEX: "by `aipstream log repair`, from the records",
    Fault.END: "by `aipstream log repair` if records stand behind the end, from a copy (`--from URL`) if some are "
    "missing",
    Fault.MARK: "by `aipstream log repair`, if one bit has flipped or a copy has it; else give it up (`aipstream keep "
    "NAME --remove`) and mark the moment anew",
    Fault.TORN: "in another file, which `aipstream log repair --rebuild` makes of it",
    Fault.DOCUMENT: "not in its place: it was appended like that; `aipstream log repair` captures the object anew",
    Fault.CONTENT_GONE: "by `aipstream log repair`, if the source, the target or a copy still has the file",
}
for _other, _same in (
    (Fault.PAYLOAD, Fault.PAYLOAD_GONE),
    (Fault.CONTENT, Fault.CONTENT_GONE),
    (Fault.CONTENT_SIZE, Fault.CONTENT_GONE),
):
    MENDS[_other] = MENDS[_same]


class Effect(NamedTuple):
    """An object of which states can no longer be restored: those from position `first`, committed `since`, until its
    next event at `until` (committed `until_time`; None: up to now). `newer`: a later event of it is whole.
    """

    uuid: str
    kind: str
    handle: str | None
    first: Position
    since: str
    until: Position | None
    until_time: str | None
    newer: bool


class Finding(NamedTuple):
    """One thing that is wrong, at a position, or from one to another; 0: with the log as a whole, or a content."""

    fault: str
    position: Position
    last: Position
    content: str
    what: str
    mend: str
    effects: list[Effect]


class Lost(NamedTuple):
    """A state that damage has taken away for good, as a repair has noted it."""

    position: Position
    uuid: str
    kind: str
    handle: str | None
    commit_time: str


@dataclass
class Report:
    """The state of the books. `last` is the last whole pass, `open` the one that is under way, both None if none is.
    `lost` are the first states that repairs have given up.
    """

    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    damaged: int = 0
    last: dict[str, Any] | None = None
    open: dict[str, Any] | None = None
    contents: int = 0
    read: int = 0
    read_since: str | None = None
    lost: list[Lost] = field(default_factory=list)

    @property
    def covered(self) -> float:
        """The share of the contents that were read back in this round, 0 to 1."""
        return self.read / self.contents if self.contents else 1.0


def report(books: Books, inspecting: Inspecting | None = None, *, listed: int = LISTED) -> Report:
    """What the books say; with `inspecting` also each finding with its effects."""
    told = Report(damaged=books.damaged())
    last = books.meta("last")
    told.last = json.loads(last) if last else None
    if (books.meta("phase") or DONE) != DONE:
        told.open = {
            "began": books.meta("began"),
            "phase": books.meta("phase"),
            "position": books.number("position"),
            "contents": books.number("contents"),
        }
    told.contents, told.read = books.read_in(books.number("pass"), books.number("cycle"))
    told.read_since = books.meta("cycle_since") if told.read else None
    if inspecting is not None:
        positions = {one.position for one in books.damages()}
        torn = any(one.fault == Fault.TORN for one in books.damages())
        for finding in _findings(books, inspecting, positions):
            if torn and not finding.content:  # nothing is written into such a file
                finding = finding._replace(mend=MENDS[Fault.TORN])
            if len(told.findings) < listed:
                told.findings.append(finding)
            else:
                told.more += 1
    return told


def _findings(books: Books, inspecting: Inspecting, positions: set[Position]) -> Iterator[Finding]:
    run: list[Damage] = []
    for one in books.damages():
        if run and not (_nameless(one) and one.fault == run[-1].fault and one.position == run[-1].position + 1):
            yield _gap(run, inspecting)
            run = []
        if _nameless(one):
            run.append(one)
        else:
            yield _finding(one, books, inspecting, positions)
    if run:
        yield _gap(run, inspecting)


def _nameless(one: Damage) -> bool:
    return bool(one.position) and not one.uuid


def _finding(one: Damage, books: Books, inspecting: Inspecting, positions: set[Position]) -> Finding:
    effects: list[Effect] = []
    if one.content:
        for each in books.affected(one.content):
            until, time, newer = _after(inspecting, each.uuid, each.last, positions)
            effects.append(Effect(each.uuid, each.kind, each.handle, each.first, each.since, until, time, newer))
    elif one.uuid and one.fault not in (Fault.INDEX, Fault.CHAIN):
        until, time, newer = _after(inspecting, one.uuid, one.position, positions)
        effects.append(Effect(one.uuid, one.kind, one.handle, one.position, one.commit_time, until, time, newer))
    mend = MENDS[Fault(one.fault)]
    return Finding(one.fault, one.position, one.position, one.content, one.what, mend, effects)


def _gap(run: list[Damage], inspecting: Inspecting) -> Finding:
    """Records of which nothing is known but that they stood between two others."""
    first, last = run[0].position, run[-1].position
    before = next(iter(inspecting.walk(first - 2, first - 1, payloads=False)), None) if first > 1 else None
    after = next(iter(inspecting.walk(last, last + 1, payloads=False)), None)
    times = [each.claimed.commit_time if each and each.claimed else None for each in (before, after)]
    effect = Effect("", "", None, first, times[0] or "", last + 1 if times[1] else None, times[1], newer=False)
    return Finding(run[0].fault, first, last, "", run[0].what, MENDS[Fault(run[0].fault)], [effect])


def _after(
    inspecting: Inspecting, uuid: str, position: Position, positions: set[Position]
) -> tuple[Position | None, str | None, bool]:
    """The next event of an object and its time, and whether a later one is whole."""
    until: tuple[Position | None, str | None] = (None, None)
    for count, found in enumerate(inspecting.later(uuid, position)):
        if until[0] is None:
            until = found.position, found.claimed.commit_time if found.claimed else None
        if found.whole and found.record and not found.record.thinned and found.position not in positions:
            return (*until, True)
        if count > MOST_LATER:
            break
    return (*until, False)
