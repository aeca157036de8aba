"""Registries and retired identifiers of an archive: what becomes of each. Pure.

A registry is only ever added to: a row that is not there is made; one that is there and says something else is
exchanged in mode `replace`, and stays in the others, and is told.

Invariant: a handle or DOI is never taken from an object that is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from daemon.importing.destination import Known, field_name, type_key
from daemon.importing.merged import same
from daemon.importing.options import Mode
from daemon.importing.refusals import Contradiction
from events.aip.model import Aip, Kind
from events.errors import AlreadyThere, InvalidPackage
from events.package import Package

if TYPE_CHECKING:
    from daemon.importing.resolved import Plan

_KEYS: Final[dict[str, Callable[[Any], Any]]] = {
    "schemas": lambda row: row.name,
    "fields": field_name,
    "formats": lambda row: row.short_description,
    "entity_types": lambda row: row.label,
    "relationship_types": lambda row: "/".join(type_key(row)),
}
_SHOWN: Final = 5


def decide(plan: Plan, known: Known, package: Package, incoming: Aip, mode: Mode) -> None:
    """Write into the plan what becomes of it. Raises AlreadyThere, Contradiction, InvalidPackage."""
    if incoming.kind is Kind.REGISTRY:
        _registry(plan, known, package, incoming, mode)
    else:
        _retired(plan, known, package, incoming, mode)


def _registry(plan: Plan, known: Known, package: Package, incoming: Aip, mode: Mode) -> None:
    if mode is not Mode.REPLACE:
        _namesakes(known, package, incoming)
    present = plan.present
    if present is None:
        plan.aip = incoming
        return
    taken: dict[str, list[Any]] = {}
    others: list[str] = []
    for name, key in _KEYS.items():
        held = {key(row): row for row in getattr(present, name)}
        missing = [row for row in getattr(incoming, name) if key(row) not in held]
        differing = [row for row in getattr(incoming, name) if key(row) in held and held[key(row)] != row]
        others += [key(row) for row in differing]
        taken[name] = missing + (differing if mode is Mode.REPLACE else [])
    if others and mode is not Mode.REPLACE:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        plan.notes.append(f"there, and different, so left as it is: {', '.join(sorted(others)[:_SHOWN])}{more}")
    if not any(taken.values()):
        plan.action = "unchanged"
        return
    plan.action = "replace"
    plan.aip = replace(incoming, **taken)


def _namesakes(known: Known, package: Package, incoming: Aip) -> None:
    """A schema is known by its namespace as well: under another name it would be renamed, with all of its fields."""
    there = known.registry().schemas
    called = {namespace: name for name, namespace in there.items()}
    for row in incoming.schemas:
        if row.name not in there and row.namespace in called:
            raise AlreadyThere(
                f"{package.path}: the namespace {row.namespace} of the schema {row.name} is that of "
                f"{called[row.namespace]} there"
            )


def _retired(plan: Plan, known: Known, package: Package, incoming: Aip, mode: Mode) -> None:
    stone = incoming.tombstone
    if stone is None:
        raise InvalidPackage(f"{package.path}: names no handle or DOI")
    plan.handle = stone.identifier
    if mode is Mode.SUBMIT:
        plan.action = "keep"  # a copy has handles of its own, and retires none
        return
    holder = known.holder(stone.identifier) if stone.scheme == "handle" else None
    if mode is Mode.KEEP and (holder or plan.present):
        plan.action = "keep"
    elif holder:
        raise Contradiction(
            f"{package.path}: the handle {stone.identifier} is of {holder[0]} {holder[1]} there",
            "It stays the object's. `--mode keep` passes over such handles.",
        )
    elif plan.present is None:
        plan.aip = incoming
    elif same(incoming, plan.present):
        plan.action = "unchanged"
    elif mode is Mode.RESTORE:
        raise AlreadyThere(f"{package.path}: {stone.identifier} is retired there, and was something else")
    else:
        plan.action, plan.aip = "replace", incoming
