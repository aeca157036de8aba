"""What stock keeps on the target though the source changed it: owners, mappings, handles, names, states.

The packager makes an object in its container, and never moves it again; a replace adds mappings and removes none; it
withdraws and does not reinstate; it finds people by their address and groups by their name, so that a renamed one
becomes another one (aip-format 4.7, 4.10).

Invariant: it is found by comparing what the books say the target has with what the object is now, at every event. So
it is told as long as it lasts.
"""

from __future__ import annotations

from daemon.losses import Loss
from daemon.target.packager.books import Standing, State
from daemon.target.packager.steps import Work
from events.aip.model import Aip, Kind, Uuid
from events.event import Position


def name_of(aip: Aip) -> str | None:
    """What stock finds the object by: a handle, an e-mail address, or a group's name."""
    if aip.kind is Kind.PERSON:
        return aip.person.email if aip.person else None
    if aip.kind is Kind.GROUP:
        return aip.group.name if aip.group else None
    return aip.handle


def places(aip: Aip) -> tuple[Uuid | None, tuple[Uuid, ...]]:
    """The container that owns the object, and the others that it is in."""
    parents = [row.other for row in aip.parents if row.subject == aip.uuid]
    own = next((row.owning_collection for row in aip.items if row.uuid == aip.uuid), None)
    owner = own if aip.kind is Kind.ITEM else next(iter(parents), None)
    return owner, tuple(sorted({parent for parent in parents if parent != owner}))


def is_withdrawn(aip: Aip) -> bool:
    """Whether it is an item that is withdrawn."""
    return any(row.withdrawn for row in aip.items if row.uuid == aip.uuid)


def is_archived(aip: Aip) -> bool:
    """Whether it is an item of the archive; a draft and a superseded version are not."""
    return any(row.in_archive for row in aip.items if row.uuid == aip.uuid)


def standing(work: Work, aip: Aip, position: Position) -> Standing:
    """Where the object will stand on the target once its package is loaded."""
    owner, others = places(aip)
    before = work.before if work.before is not None and work.before.present else None
    state = State.WITHDRAWN if is_withdrawn(aip) else State.THERE
    if before is None:
        # stock maps items to their other collections, but makes a container in one parent only
        return Standing(
            aip.uuid, aip.kind, position, state, name_of(aip), owner, others if aip.kind is Kind.ITEM else ()
        )
    if before.state is State.WITHDRAWN:
        state = State.WITHDRAWN
    name, within = name_of(aip), set(before.within)
    if aip.kind in (Kind.PERSON, Kind.GROUP):
        within |= {before.name} if before.name and before.name != name else set()
    else:
        name = before.name or name
        within |= set(others) if aip.kind is Kind.ITEM else set()
    return Standing(aip.uuid, aip.kind, position, state, name, before.owner or owner, tuple(sorted(within)))


def losses(aip: Aip, after: Standing) -> list[Loss]:
    """What of the object the target does not follow; `after` is where it stands there."""
    found: list[Loss] = []

    def lost(code: str, detail: str, rows: int = 1) -> None:
        found.append(Loss(aip.uuid, aip.kind, aip.handle, code, rows, detail))

    if aip.kind in (Kind.PERSON, Kind.GROUP):
        if after.within:
            what = "account" if aip.kind is Kind.PERSON else "group"
            lost("renamed", f"the {what} {', '.join(after.within)} stays beside {after.name}", len(after.within))
        return found
    owner, others = places(aip)
    if owner != after.owner:
        lost("moved", f"it stays in {after.owner or 'the top level'} and is not moved to {owner or 'the top level'}")
    extra = set(after.within) - set(others) - {owner}
    if extra:
        lost("unmapped", f"it stays mapped to {', '.join(sorted(extra))}", len(extra))
    missing = set(others) - set(after.within)
    if missing and aip.kind is not Kind.ITEM:
        lost("parents", f"it is not put into {', '.join(sorted(missing))} as well", len(missing))
    if after.state is State.WITHDRAWN and not is_withdrawn(aip):
        lost("reinstated", "it stays withdrawn: reinstate it on the target by hand")
    if after.name != aip.handle:
        lost("handle", f"it keeps the handle {after.name} instead of {aip.handle}")
    return found
