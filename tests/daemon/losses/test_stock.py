"""What stock DSpace exports and restores, as functions: laws that hold for every object, and releases that differ."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from daemon.losses.codes import CODES
from daemon.losses.compare import losses
from daemon.losses.natural import natural
from daemon.losses.release import DRIVEN, Release, cleaned
from daemon.losses.stock import exported, restored
from events.aip.model import (
    Aip,
    BitstreamRow,
    BundleRow,
    HandleRow,
    ItemRow,
    Kind,
    Member,
    Name,
    Placed,
    Policy,
    Value,
)
from events.aip.order import canonical
from tests.events.aip.strategies import aips, wild
from tests.hunting import examples

KINDS = st.sampled_from(Kind)
OBJECTS = KINDS.flatmap(aips)

ITEM, OWNER, GROUP, BUNDLE, FILE = (f"{number:08d}-0000-4000-8000-000000000000" for number in range(1, 6))


def item(**rows: object) -> Aip:
    """An archived item with one file."""
    made = Aip(
        kind=Kind.ITEM,
        uuid=ITEM,
        items=[ItemRow(ITEM, None, True, False, True, "2020-01-01T00:00:00.000000Z", None, OWNER)],
        parents=[Member(ITEM, OWNER)],
        handles=[HandleRow(ITEM, "123456789/1", 0)],
        bundles=[BundleRow(ITEM, BUNDLE, None, None)],
        placed=[Placed(BUNDLE, FILE, 0, None)],
        bitstreams=[BitstreamRow(FILE, None, "Text", "0" * 32, "MD5", 1, 9)],
        values=[
            Value(BUNDLE, "dc.title", 0, "ORIGINAL"),
            Value(FILE, "dc.title", 0, "file.txt"),
            Value(ITEM, "dc.title", 0, "A title"),
        ],
        policies=[Policy(ITEM, 0, GROUP, None)],
        names=[Name(OWNER, Kind.COLLECTION, "123456789/2"), Name(GROUP, Kind.GROUP, "Anonymous")],
    )
    return canonical(replace(made, **rows))


def codes(before: Aip, after: Aip | None) -> set[str]:
    return {loss.code for loss in losses(before, after)}


@settings(max_examples=examples(60), deadline=None)
@given(OBJECTS | wild())
def test_an_object_loses_nothing_to_itself(aip: Aip) -> None:
    """Whatever it holds; and its natural form differs from it in nothing but UUIDs (if no part has the object's own,
    which every reader refuses).
    """
    assert losses(aip, aip) == []
    if aip.uuid in {row.uuid for row in (*aip.bundles, *aip.bitstreams)}:
        return
    assert all("uuid" in loss.code for loss in losses(aip, natural(aip))) or aip.kind in (Kind.REGISTRY, Kind.TOMBSTONE)


@settings(max_examples=examples(60), deadline=None)
@given(OBJECTS)
def test_natural_names_are_natural_already(aip: Aip) -> None:
    """Naming parts anew changes nothing the second time."""
    once = natural(aip)
    assert natural(once) == once


def test_two_bundles_of_one_name_are_told_by_what_is_in_them() -> None:
    """The UUIDs that a restore draws for them decide nothing."""
    first, second, more = (f"{number:08d}-0000-4000-8000-000000000000" for number in range(6, 9))

    def made(one: str, two: str) -> Aip:
        return item(
            bundles=[BundleRow(ITEM, one, None, FILE), BundleRow(ITEM, two, None, None)],
            placed=[Placed(one, FILE, 0, None), Placed(two, more, 0, None), Placed(two, FILE, 1, None)],
            bitstreams=[
                BitstreamRow(FILE, None, "Text", "0" * 32, "MD5", 1, 9),
                BitstreamRow(more, None, "Text", "1" * 32, "MD5", 2, 9),
            ],
            values=[Value(one, "dc.title", 0, "ORIGINAL"), Value(two, "dc.title", 0, "ORIGINAL")],
        )

    assert natural(made(first, second)) == natural(made(second, first))
    assert natural(natural(made(first, second))) == natural(made(second, first))


def _plain(aip: Aip) -> bool:
    """Every UUID names one thing, and no text ends in what cleaning makes blanks of: the next restore trims those."""
    uuids = [aip.uuid, *(row.uuid for row in aip.names)]
    uuids += [*(row.uuid for row in aip.bundles), *(row.uuid for row in aip.bitstreams)]
    return len(set(uuids)) == len(uuids) and all(
        cleaned(cleaned(row.text or "")) == cleaned(row.text or "") for row in aip.values
    )


@settings(max_examples=examples(60), deadline=None)
@given(OBJECTS.filter(_plain), st.sampled_from(["7.6", "7.6.1", "8.2", "9", "10.0"]))
def test_replacing_what_was_restored_changes_nothing(aip: Aip, version: str) -> None:
    """A second run of the same package onto its own result leaves it, but for what each restore notes of itself."""
    first = restored(aip, version)
    if first is None:
        return
    second = restored(aip, version, existing=first)
    assert second is not None
    told = codes(first, second)
    assert told <= {"item-metadata", "identifier-uri", "places", "text"}, told  # dates and provenance
    assert restored(aip, version, existing=second) == second


@settings(max_examples=examples(60), deadline=None)
@given(OBJECTS, st.sampled_from(["7.6.6", "8.2", "9", "10"]))
def test_an_export_says_the_same_of_what_it_said(aip: Aip, version: str) -> None:
    """What an export leaves loses nothing to another export."""
    once = exported(aip, version)
    if once is not None:
        assert exported(once, version) == once


@settings(max_examples=examples(120), deadline=None)
@given(OBJECTS, st.sampled_from(["7.6.6", "10"]))
def test_every_difference_has_its_code(aip: Aip, version: str) -> None:
    """No object, however odd, loses something that nobody has a name for."""
    for after in (restored(aip, version), restored(aip, version, at=DRIVEN), exported(aip, version)):
        found = losses(aip, after)
        assert {loss.code for loss in found} <= CODES.keys() - {"other"}
        assert all(loss.rows > 0 and loss.uuid == aip.uuid for loss in found)
        assert len({loss.code for loss in found}) == len(found)


def test_a_plain_item_keeps_what_it_is() -> None:
    """Title, file, name, format and place arrive; what is lost is by name."""
    told = codes(item(), restored(item(), "8.2"))
    assert told == {
        "added-licence", "added-provenance", "identifier-uri", "bitstream-uuid", "bundle-uuid", "last-modified",
        "policy-type", "submitter",
    }  # fmt: skip


EMPTY = BitstreamRow(FILE, None, "Text", "d41d8cd98f00b204e9800998ecf8427e", "MD5", 1, 0)

Check = Callable[[Aip | None], bool]


@pytest.mark.parametrize(
    ("version", "kept"),
    [("7.6.6", True), ("7.6.7", False), ("7.6", False), ("8.2", True), ("8.4", False), ("9.2", True), ("10.0", False)],
)
def test_releases_differ_in_empty_files(version: str, kept: bool) -> None:
    """From 7.6.7, 8.4, 9.3 and 10 on they are left out by a restore, and stop an export."""
    there = restored(item(bitstreams=[EMPTY]), version)
    assert there is not None
    assert (FILE_NAME in {row.text for row in there.values}) is kept
    assert ("empty-files" in codes(item(bitstreams=[EMPTY]), there)) is not kept
    assert (exported(item(bitstreams=[EMPTY]), version) is not None) is kept


FILE_NAME = "file.txt"


@pytest.mark.parametrize(("version", "type_"), [("7.6.1", None), ("7.6.2", "TYPE_CUSTOM"), ("9", "TYPE_CUSTOM")])
def test_releases_differ_in_the_type_of_policies(version: str, type_: str | None) -> None:
    """7.6.0 and 7.6.1 leave it open."""
    there = restored(item(), version)
    assert there is not None
    assert {row.type for row in there.policies if row.subject == ITEM} == {type_}


def test_a_version_needs_a_number() -> None:
    """`8` is the newest of its line; a word is none."""
    assert Release.of("8").numbers > Release.of("8.4").numbers
    with pytest.raises(ValueError, match="not a version"):
        Release.of("latest")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"withdrawn": True, "in_archive": False}, "withdrawn"),
        ({"in_archive": False}, "not-archived"),
        ({"owning_collection": None}, "no-owner"),
    ],
)
def test_what_stock_would_publish_is_not_restored(row: dict[str, object], code: str) -> None:
    """Each with the reason why it is not there."""
    aip = item()
    aip = replace(aip, items=[replace(aip.items[0], **row)])
    assert restored(aip, "8.2") is None
    assert codes(aip, None) == {code}


def test_the_driver_withdraws_what_it_restored() -> None:
    """By a second package; the item is there then, and withdrawn."""
    aip = item()
    aip = replace(aip, items=[replace(aip.items[0], withdrawn=True, in_archive=False)])
    there = restored(aip, "8.2", at=DRIVEN)
    assert there is not None
    assert there.items[0].withdrawn
    assert not there.items[0].in_archive
    assert "state" not in codes(aip, there)


def test_two_bundles_of_one_name_become_one() -> None:
    """Their files stand one behind the other, and that is told."""
    other, second = f"{BUNDLE[:-1]}9", f"{FILE[:-1]}9"
    aip = item()
    aip = canonical(
        replace(
            aip,
            bundles=[*aip.bundles, BundleRow(ITEM, other, None, None)],
            placed=[*aip.placed, Placed(other, second, 0, None)],
            bitstreams=[*aip.bitstreams, BitstreamRow(second, None, "Text", "1" * 32, "MD5", 2, 7)],
            values=[*aip.values, Value(other, "dc.title", 0, "ORIGINAL"), Value(second, "dc.title", 0, "b.txt")],
        )
    )
    there = restored(aip, "8.2")
    assert there is not None
    assert sorted(row.order for row in there.placed) == [0, 0, 1]  # with the licence
    assert "bundles-merged" in codes(aip, there)
    assert "files" not in codes(aip, there)
