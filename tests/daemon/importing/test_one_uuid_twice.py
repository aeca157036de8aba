"""Documents of ours in which two parts of an object share a UUID: refused by name, not merged, and no key violation."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

import events.aip
from daemon import replayer
from daemon.importing.renamed import renamed
from daemon.target.replay import NativeTarget
from events.aip.model import Aip, Kind, derived_uuid
from events.aip.parts import parts
from events.event import Event, Type, compress
from tests.daemon.importing import world
from tests.daemon.importing.bench import Bench
from tests.events.package.composed import EXTRACT, ITEM, PAPER, zipped


def bundles(aip: Aip) -> list[str]:
    return sorted(row.uuid for row in aip.bundles)


def _same(aip: Aip) -> Aip:
    return aip


CHANGES: dict[str, tuple[Callable[[Aip], Aip], str]] = {
    "two files": (lambda aip: renamed(aip, {EXTRACT: PAPER}), "a file .* and a file .* share the UUID"),
    "two bundles": (lambda aip: renamed(aip, {bundles(aip)[0]: bundles(aip)[1]}), "a bundle .* and a bundle .* share"),
    "a file and its bundle": (lambda aip: renamed(aip, {PAPER: aip.bundles[0].uuid}), "a bundle .* and a file"),
    "a file and the item": (lambda aip: renamed(aip, {PAPER: ITEM}), "the item itself and a file share the UUID"),
    "a bundle and the item": (lambda aip: renamed(aip, {bundles(aip)[0]: ITEM}), "the item itself and a bundle share"),
    "two items": (lambda aip: replace(aip, items=aip.items * 2), "the item itself and an item share"),
    "two contents": (
        lambda aip: replace(aip, stored=[*aip.stored, replace(aip.stored[0], sha256="00" * 32)]),
        "two contents are named for the file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("into", ["log", "target"])
def test_a_package_is_refused_by_name(bench: Bench, tmp_path: Path, into: str) -> None:
    """Over the object or as another one; the message says which parts of what share it, in which file."""
    bench.run(into, world.world(tmp_path / "world"))
    item = bench.there(into, ITEM)
    contents = {name: text for name, text in world.item_entries().items() if name != "mets.xml"}
    for what, (change, _) in CHANGES.items():
        zipped(tmp_path / f"{what}.zip", {"mets.xml": events.aip.write(change(item)), **contents})
    for mode in ("replace", "submit"):
        report = bench.run(into, *(tmp_path / f"{what}.zip" for what in CHANGES), mode=mode)
        refused = {Path(each.path).stem: each for each in report.refused}
        assert refused.keys() == CHANGES.keys(), report
        for what, (_, message) in CHANGES.items():
            told = refused[what]
            assert told.error == "InvalidPackage"
            assert told.hint
            assert f"{what}.zip" in told.message
            assert re.search(f"item 123456789/4: {message}", told.message), told
    assert bench.there(into, ITEM) == item


def test_an_event_is_parked_with_the_reason(bench: Bench, tmp_path: Path) -> None:
    """What a foreign or damaged log says so is not written; what comes after it is."""
    bench.into_log(world.world(tmp_path / "world"))
    item = bench.there("log", ITEM)
    made = {}
    for number, (what, change) in enumerate([*((what, change) for what, (change, _) in CHANGES.items()), ("", _same)]):
        aip = change(item)
        mapping = {uuid: derived_uuid(f"{what}/{uuid}") for uuid in (aip.uuid, *parts(aip))}
        handle = replace(aip.handles[0], handle=f"123456789/9{number}")
        aip = renamed(replace(aip, handles=[handle]), mapping)
        made[aip.uuid] = what
        bench.log.append([Event(source="foreign", lsn=number + 1, uuid=aip.uuid, kind=Kind.ITEM, type=Type.PUT,
            commit_time="2026-03-01T00:00:00.000000Z", handle=aip.handle, parents=(item.parents[0].other,),
            payload=compress(events.aip.write(aip)))])  # fmt: skip
    with contextlib.closing(NativeTarget(bench.dsn, bench.store, bench.blobs, bench.log)) as target:
        replayer.replay(target, bench.log)
        parked = {made.pop(row.uuid): row for row in target.parked()}
    assert parked.keys() == CHANGES.keys()
    for what, (_, message) in CHANGES.items():
        assert (parked[what].error, bool(re.search(message, parked[what].reason))) == ("InvalidAip", True), parked[what]
    (good,) = made
    assert bench.there("target", good).handle == f"123456789/9{len(CHANGES)}"
