"""What the packager of a real DSpace exported is imported by aipstream, and DSpace reads it; and what both make of the
same options.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from daemon.importing.importer import Importer, Report
from daemon.importing.into_target import TargetDestination
from daemon.importing.options import Mode, Options
from daemon.importing.renamed import renamed
from daemon.losses.natural import natural
from daemon.losses.stock import exported
from events.aip.model import Aip, Kind
from tests.real.rig import ADMIN, SITE, VERSIONS, Home, Repositories
from tests.real.test_documents import everything

TYPES = {Kind.ITEM: 2, Kind.COLLECTION: 3, Kind.COMMUNITY: 4}
"""DSpace's constants of the types of objects."""

SAID = ("values", "policies", "parents", "bundles", "placed", "bitstreams", "roles", "persons_in", "groups_in",
        "collection", "community")  # fmt: skip
"""The lists of rows in which an imported object is as its package said."""


def imported(home: Home, *paths: Path, **options: Any) -> Report:
    """An import straight into a home."""
    with closing(TargetDestination(home.dsn, home.assetstore)) as place:
        return Importer(place, Options(**options))(paths)


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Of DSpace."""
    return str(request.param)


@pytest.fixture(scope="module")
def source(version: str, repositories: Repositories) -> Home:
    """A repository with one of everything."""
    return repositories.seeded(version)


@pytest.fixture(scope="module")
def packages(source: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What its own packager exports of it, the site's package first."""
    return source.export_aips(SITE, tmp_path_factory.mktemp("packages"))


def differences(source: Home, target: Home) -> list[str]:
    """How objects of the target differ from what a stock package says of them."""
    every = everything(source)
    handles = {aip.uuid: aip.handle for kind in (Kind.COMMUNITY, Kind.COLLECTION) for aip in every[kind] if aip.handle}
    found = {aip.handle: aip for aips in everything(target).values() for aip in aips if aip.handle}
    people = {_name(aip): aip for kind in (Kind.PERSON, Kind.GROUP) for aip in everything(target)[kind]}
    lines = []
    for kind in (Kind.PERSON, Kind.GROUP, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM):
        for aip in every[kind]:
            expected = exported(aip, source.rig.version, handles)
            if expected is None:
                continue
            there = found.get(aip.handle) if aip.handle else people.get(_name(aip))
            if there is None:
                lines.append(f"{kind} {aip.handle or _name(aip)} is not there")
                continue
            keep = (
                {row.uuid for row in there.bitstreams} if kind is Kind.ITEM else {there.uuid} if not aip.handle else ()
            )
            now = _as_said(renamed(natural(there, handles, keep=keep), {there.uuid: aip.uuid}), expected)
            for name in SAID:
                one, other = (_rows(each, name) for each in (expected, now))
                lines += [f"{kind} {aip.handle}: {name}: only said: {row}" for row in one if row not in other]
                lines += [f"{kind} {aip.handle}: {name}: only there: {row}" for row in other if row not in one]
    return lines


def _as_said(there: Aip, said: Aip) -> Aip:
    """Without what an import adds where a package says nothing: format and policies of a logo."""
    unsaid = {row.uuid for row in said.bitstreams if row.format is None}
    return replace(
        there,
        bitstreams=[replace(row, format=None) if row.uuid in unsaid else row for row in there.bitstreams],
        policies=[row for row in there.policies if row.subject not in unsaid],
    )


def _name(aip: Aip) -> str | None:
    return aip.person.email if aip.person else aip.group.name if aip.group else None


def _rows(aip: Aip, name: str) -> list[Any]:
    rows = getattr(aip, name)
    return rows if isinstance(rows, list) else [rows] if rows is not None else []


def test_what_stock_exported_is_there_after_the_import(
    source: Home, packages: Path, repositories: Repositories
) -> None:
    """Row by row what the packages say, in another installation; DSpace reads it, and a second run changes nothing."""
    target = repositories.fresh(source.rig.version, "b")
    options: dict[str, Any] = {"mode": Mode.REPLACE, "recursive": True, "create_metadata_fields": True}
    report = imported(target, packages, **options)
    assert not report.refused
    assert not report.missing
    assert not differences(source, target)
    again = imported(target, packages, **options)
    assert not again.counts["created"] + again.counts["replaced"], again.told
    facts = set(target.read())
    archived = [aip for kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM) for aip in everything(source)[kind]
                if exported(aip, source.rig.version) is not None]  # fmt: skip
    for aip in archived:
        assert f"{aip.uuid} handle 0 {aip.handle} {TYPES[aip.kind]}" in facts
        assert any(fact.startswith(f"{aip.uuid} is {aip.kind.name} ") for fact in facts)


def test_both_sides_of_the_same_options(repositories: Repositories, tmp_path: Path, version: str) -> None:
    """One repository restored by DSpace and by us, then the same option on each: replace brings back what was edited
    (only ours keeps the files' UUIDs), keep leaves it, skipIfParentMissing passes over.
    """
    source = repositories.seeded(version, named=False)
    top = source.export_aips(SITE, tmp_path)
    stock, ours, empty = (repositories.fresh(version, origin) for origin in ("a", "b", "a"))
    with stock.editor():
        stock.running("field rig http://example.org/rig shelf mark")  # createMetadataFields does nothing in stock
        stock.load_aips(top, "-r", "-a", "-f")
        assert not imported(ours, top, mode=Mode.REPLACE, recursive=True, create_metadata_fields=True).refused
        item, collection = source.handles["plain0"], source.handles["articles"]
        package = {handle: next(tmp_path.glob(f"*@{handle.replace('/', '-')}.zip")) for handle in (item, collection)}
        before = {home.path: there(home, item) for home in (stock, ours)}
        for home in (stock, ours):
            home.handles = source.handles
        edits = ['metadata {plain0} dc.title "Edited"', 'metadata {articles} dc.title "Edited"']
        for edit in edits:
            stock.running(edit)
        ours.edit(edits)

        stock.load_aips(package[item], "-r", "-f")
        assert imported(ours, package[item], mode=Mode.REPLACE).counts["replaced"] == 1
        for home in (stock, ours):
            assert title(there(home, item)) == title(before[home.path])
        kept = {home.path: files(there(home, item)) == files(before[home.path]) for home in (stock, ours)}
        assert kept == {stock.path: False, ours.path: True}

        stock.load_aips(package[collection], "-r", "-k")
        assert imported(ours, package[collection], mode=Mode.KEEP).counts["kept"] == 1
        for home in (stock, ours):
            assert "Edited" in title(there(home, collection))

    handle_before = {aip.handle for aips in everything(empty).values() for aip in aips}
    empty.run("packager", "-r", "-o", "skipIfParentMissing=true", "-u", "-t", "AIP", "-e", ADMIN, package[item])
    assert imported(empty, package[item], skip_if_parent_missing=True).counts["skipped"] == 1
    assert {aip.handle for aips in everything(empty).values() for aip in aips} == handle_before


def there(home: Home, handle: str) -> Aip:
    return next(aip for aips in everything(home).values() for aip in aips if aip.handle == handle)


def title(aip: Aip) -> list[str | None]:
    return [row.text for row in aip.values if row.subject == aip.uuid and row.field == "dc.title"]


def files(aip: Aip) -> set[str]:
    return {row.uuid for row in aip.bitstreams}
