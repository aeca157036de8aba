"""Single packages in each mode of a real packager, and each option beside stock DSpace's own of the same name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from lxml import etree

from tests import schemas
from tests.real.exported import Exporter
from tests.real.rig import ADMIN, SITE, VERSIONS, DSpaceFailed, Home, Repositories

METS = "{http://www.loc.gov/METS/}"
DIM = "{http://www.dspace.org/xmlns/dspace/dim}"
RIGHTS = "{http://cosimo.stanford.edu/sdr/metsrights/}"
HREF = "{http://www.w3.org/1999/xlink}href"
UI = "http://localhost:4000"
LICENCE = "LicenseServiceImpl - Can't load current request context"
"""What every restore of an item without a licence logs on the command line."""


@pytest.fixture(scope="module", params=VERSIONS)
def source(request: pytest.FixtureRequest, repositories: Repositories) -> Iterator[Home]:
    """A repository with one of everything; a JVM stays for its commands."""
    home = repositories.seeded(request.param)
    with home.editor() as edit:
        edit("newgroup Outer")
        edit(f"subgroup add Outer {role(home, 'articles', 'SUBMIT')}")
        edit(f"subgroup add Outer {role(home, 'articles', 'ADMIN')}")
        yield home


@pytest.fixture(scope="module")
def exporter(source: Home, tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    return Exporter(source, tmp_path_factory.mktemp("exported"))


def sql(home: Home, statement: str, *values: object) -> Any:
    """The one value that a query gives."""
    connection = psycopg2.connect(home.dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return (cursor.fetchone() or (None,))[0]
    finally:
        connection.close()


def role(home: Home, collection: str, rest: str) -> str:
    """The name of a collection's group."""
    uuid = sql(home, "select resource_id::text from handle where handle = %s", home.handles[collection])
    return f"COLLECTION_{uuid}_{rest}"


def title(home: Home, thing: str) -> str | None:
    return sql(
        home,
        """select string_agg(text_value, '|' order by place) from metadatavalue v join handle h
           on h.resource_id = v.dspace_object_id join metadatafieldregistry f using (metadata_field_id)
           join metadataschemaregistry s using (metadata_schema_id)
           where h.handle = %s and s.short_id = 'dc' and f.element = 'title' and f.qualifier is null""",
        home.handles[thing],
    )  # type: ignore[no-any-return]


def state(home: Home, thing: str) -> str | None:
    """`archived`, `withdrawn`; None for an item that is not there."""
    return sql(
        home,
        """select case when i.withdrawn then 'withdrawn' when i.in_archive then 'archived' else 'neither' end
           from item i join handle h on h.resource_id = i.uuid where h.handle = %s""",
        home.handles[thing],
    )  # type: ignore[no-any-return]


def members(home: Home, group: str) -> set[str]:
    """The groups in a group."""
    names = sql(
        home,
        """select string_agg(c.name, '|') from group2group g join epersongroup p on p.uuid = g.parent_id
           join epersongroup c on c.uuid = g.child_id where p.name = %s""",
        group,
    )
    return set((names or "").split("|"))


def package(home: Home, folder: Path, kind: str, thing: str, suffix: str = "zip") -> Path:
    return folder / f"{kind}@{home.handles[thing].replace('/', '-')}.{suffix}"


def manifest(path: Path) -> etree._Element:
    if path.suffix == ".xml":
        return etree.fromstring(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        return etree.fromstring(archive.read("mets.xml"))


def load(home: Home, *words: object) -> str:
    return home.run("packager", *words[:-1], "-u", "-t", "AIP", "-e", ADMIN, words[-1])


def test_a_real_packager_takes_single_packages_in_every_mode(
    source: Home, exporter: Exporter, repositories: Repositories
) -> None:
    """Submitted, restored, kept, replaced; a container as a bare manifest; and DSpace logs no error."""
    folder = exporter.export("everything", "site", "--passwords", "--withdrawn")
    bare = exporter.export("bare", source.handles["below"], "--manifest-only")
    unmarked = exporter.export("unmarked", source.handles["withdrawn"], "--unmarked")
    target = repositories.fresh(source.rig.version)
    target.handles = dict(source.handles)
    with target.editor() as edit:
        edit("field rig http://example.org/rig shelf mark")
        load(target, "-r", "-a", "-f", next(folder.glob("SITE@*")))
        assert members(target, "Outer") == {role(target, "articles", "SUBMIT"), role(target, "articles", "ADMIN")}

        target.update_sequences()  # a restore takes handles, and counts none: DSpace's own manual says so too

        edit("delete {rich}")  # in every mode stock DSpace writes into an item that has the package's UUID
        before = sql(target, "select count(*) from item where in_archive")
        load(target, "-p", target.handles["theses"], "-w", package(source, folder, "ITEM", "rich"))
        load(target, "-p", target.handles["articles"], "-w", package(source, folder, "ITEM", "rich"))
        assert sql(target, "select count(*) from item where in_archive") == before + 2, "each with a handle of its own"
        load(target, "-p", target.handles["top"], package(source, folder, "COLLECTION", "authors"))
        load(target, "-p", target.handles["top"], package(source, folder, "COMMUNITY", "lowest"))
        assert state(target, "rich") is None
        load(target, "-r", "-f", package(source, folder, "ITEM", "rich"))
        assert state(target, "rich") == "archived"

        edit("delete {plain0}")
        edit("delete {authors}")
        assert title(target, "plain0") is title(target, "author") is None
        load(target, "-r", package(source, folder, "ITEM", "plain0"))
        load(target, "-r", "-a", package(source, folder, "COLLECTION", "authors"))
        assert (title(target, "plain0"), title(target, "author")) == ("Plain 0", "An author")

        edit("delete {plain1}")
        edit('metadata {below} dc.title "Changed here"')
        load(target, "-r", "-k", package(source, folder, "ITEM", "plain1"))
        load(target, "-r", "-k", package(source, folder, "COMMUNITY", "below"))
        load(target, "-r", "-k", next(folder.glob("SITE@*")))
        assert (title(target, "plain1"), title(target, "below")) == ("Plain 1", "Changed here")

        edit('metadata {rich} dc.title "Changed here"')
        load(target, "-r", "-f", package(source, folder, "ITEM", "rich"))
        load(target, "-r", "-f", "-o", "manifestOnly=true", package(source, bare, "COMMUNITY", "below", "xml"))
        assert (title(target, "rich"), title(target, "below")) == (title(source, "rich"), "Below")

        load(target, "-r", "-f", package(source, unmarked, "ITEM", "withdrawn"))
        assert state(target, "withdrawn") == "archived"
        load(target, "-r", "-f", package(source, folder, "ITEM", "withdrawn"))
        assert state(target, "withdrawn") == "withdrawn"
        edit("delete {withdrawn}")
    assert [line for line in target.errors() if LICENCE not in line] == []
    with pytest.raises(DSpaceFailed, match="AuthorizeException"):
        load(target, "-r", "-f", package(source, folder, "ITEM", "withdrawn"))
    assert state(target, "withdrawn") is None, "what is marked is never published"


def test_our_packages_are_laid_out_as_stock_dspaces_own(source: Home, exporter: Exporter, tmp_path: Path) -> None:
    """The same packages lead to the same packages; a mapped item only where its owner is there by then."""
    source.run("packager", "-d", "-a", "-u", "-t", "AIP", "-e", ADMIN, "-i", SITE, tmp_path / "SITE@123456789-0.zip")
    folder = exporter.export("layout", "site")
    assert {path.name for path in folder.iterdir()} == {path.name for path in tmp_path.iterdir()}
    mapped = source.handles["mapped"]
    for path in folder.iterdir():
        ours, stocks = manifest(path), manifest(tmp_path / path.name)
        assert schemas.errors(etree.tostring(ours)) == []
        for attribute in ("ID", "OBJID", "TYPE", "PROFILE"):
            assert ours.get(attribute) == stocks.get(attribute)
        left = links(stocks) - links(ours)
        assert links(ours) <= links(stocks)
        assert left <= {("DSpace ITEM", mapped, package(source, folder, "ITEM", "mapped").name)}
        assert parent(ours) == parent(stocks)
        assert groups(ours) >= groups(stocks)
        assert files(ours) == files(stocks)
        assert rights(ours) == rights(stocks)
        if stocks.get("TYPE") != "DSpace SITE":
            assert facts(ours) == facts(stocks)


def test_options_leave_out_what_stock_dspaces_own_leave_out(source: Home, exporter: Exporter, tmp_path: Path) -> None:
    """Filters of bundles, bare manifests, and items by the time of their last change."""
    for number, (ours, stocks) in enumerate(
        (
            (("--filter-bundles", "TEXT,THUMBNAIL"), "filterBundles=TEXT,THUMBNAIL"),
            (("--filter-bundles", "+ORIGINAL,LICENSE"), "filterBundles=+ORIGINAL,LICENSE"),
            (("--include-bundles", "ORIGINAL"), "includeBundles=ORIGINAL"),
            (("--manifest-only", "--ui-url", UI), "manifestOnly=true"),
        )
    ):
        suffix = "xml" if "manifestOnly" in stocks else "zip"
        folder = exporter.export(f"option{number}", source.handles["rich"], *ours)
        own = tmp_path / f"{number}.{suffix}"
        source.run("packager", "-d", "-u", "-t", "AIP", "-e", ADMIN, "-o", stocks, "-i", source.handles["rich"], own)
        written = package(source, folder, "ITEM", "rich", suffix)
        assert files(manifest(written)) == files(manifest(own)), stocks
        assert {use(group) for group in manifest(written).iter(f"{METS}fileGrp")} == {
            use(group) for group in manifest(own).iter(f"{METS}fileGrp")
        }
        if suffix == "xml":
            assert sorted(hrefs(manifest(written))) == sorted(hrefs(manifest(own)))
        else:
            with zipfile.ZipFile(written) as ours_zip, zipfile.ZipFile(own) as stocks_zip:
                assert {entry[:46] for entry in ours_zip.namelist() if entry.startswith("bitstream_")} == {
                    entry[:46] for entry in stocks_zip.namelist() if entry.startswith("bitstream_")
                }
    when = sql(
        source,
        """select to_char(last_modified at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') from item
           where in_archive order by last_modified desc offset 4 limit 1""",
    )
    stock = tmp_path / "stock"
    stock.mkdir()
    source.run("packager", "-d", "-a", "-u", "-t", "AIP", "-e", ADMIN, "-o", f"updatedAfter={when}", "-i", SITE,
               stock / "SITE@123456789-0.zip")  # fmt: skip
    folder = exporter.export("after", "site", "--updated-after", when)
    assert {path.name for path in folder.iterdir()} == {path.name for path in stock.iterdir()}
    assert 0 < len(list(folder.glob("ITEM@*"))) < len(list(exporter.export("layout", "site").glob("ITEM@*")))


def main(root: etree._Element) -> etree._Element:
    return next(root.iter(f"{METS}structMap"))


def links(root: etree._Element) -> set[tuple[str | None, str | None, str | None]]:
    """TYPE of the child, its handle, and the name of its package."""
    found = set()
    for div in main(root).iter(f"{METS}div"):
        pointers = {pointer.get("LOCTYPE"): pointer.get(HREF) for pointer in div.findall(f"{METS}mptr")}
        if pointers:
            found.add((div.get("TYPE"), pointers.get("HANDLE"), pointers.get("URL")))
    return found


def parent(root: etree._Element) -> list[str | None]:
    return [
        pointer.get(HREF)
        for structure in root.iter(f"{METS}structMap")
        if structure.get("LABEL") == "Parent"
        for pointer in structure.iter(f"{METS}mptr")
    ]


def groups(root: etree._Element) -> set[tuple[str | None, str | None]]:
    return {(group.get("Name"), group.get("Type")) for group in root.iter(f"{METS}Group")}


def use(group: etree._Element) -> str | None:
    return group.get("USE")


def files(root: etree._Element) -> dict[str, dict[str, str]]:
    """What is said of each file of a bundle, but for the identifiers of the sections. A logo has an ID of no use."""
    return {
        file.get("ID", ""): {name: value for name, value in file.attrib.items() if name not in ("ID", "ADMID")}
        for group in root.iter(f"{METS}fileGrp")
        if use(group) != "LOGO"
        for file in group
    }  # type: ignore[return-value]


def hrefs(root: etree._Element) -> list[str]:
    return [location.get(HREF, "") for location in root.iter(f"{METS}FLocat")]


def rights(root: etree._Element) -> dict[str | None, list[tuple[object, ...]]]:
    """Who may do what, by the file or bundle; of the object itself under its TYPE. Not the day's `in-effect`."""
    sections = {section.get("ID"): section for section in root.iter(f"{METS}amdSec")}
    owners = {main(root)[0].get("ADMID"): root.get("TYPE")}
    owners |= {file.get("ADMID"): file.get("ID") for file in root.iter(f"{METS}file") if file.get("ADMID")}
    owners |= {group.get("ADMID"): use(group) for group in root.iter(f"{METS}fileGrp") if group.get("ADMID")}
    return {
        owner: sorted(
            (
                tuple(sorted((k, v) for k, v in context.attrib.items() if not k.startswith("{") and k != "in-effect")),
                context.findtext(f"{RIGHTS}UserName"),
                tuple(sorted((context.find(f"{RIGHTS}Permissions")).attrib.items())),  # type: ignore[union-attr]
            )
            for context in sections[section].iter(f"{RIGHTS}Context")
        )
        for section, owner in owners.items()
        if section in sections
    }


def facts(root: etree._Element) -> dict[str | None, set[tuple[str | None, ...]]]:
    """AIP-TECHMD, by the file; of the object itself under its TYPE."""
    owners = {main(root)[0].get("ADMID"): root.get("TYPE")}
    owners |= {file.get("ADMID"): file.get("ID") for file in root.iter(f"{METS}file") if file.get("ADMID")}
    found = {}
    for section in root.iter(f"{METS}amdSec"):
        if section.get("ID") in owners:
            found[owners[section.get("ID")]] = {
                (field.get("element"), field.get("qualifier"), field.text)
                for wrap in section.iter(f"{METS}mdWrap")
                if wrap.get("OTHERMDTYPE") == "AIP-TECHMD"
                for field in wrap.iter(f"{DIM}field")
            }
    return found
