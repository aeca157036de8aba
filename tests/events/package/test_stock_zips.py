"""Zips that stock DSpace 7.6 to 10 exports are opened with everything that they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.aip.model import Aip, Kind, Member, Name, Role, Value
from events.aip.named import reference
from events.aip.registry_rows import Format
from events.errors import ChecksumMismatch, InvalidPackage
from events.package import Child, Package, Related
from events.package.reading import open_package
from tests.events.aip.test_stock import context, field
from tests.events.package.composed import (
    ADMIN,
    AL,
    COLLECTION,
    COMMUNITY,
    EXTRACT,
    ITEM,
    JO,
    LOGO,
    PAPER,
    PDF,
    PNG,
    SITE,
    STAFF,
    SUBMIT,
    TEXT,
    amd,
    bitstream_amd,
    child,
    file,
    item,
    item_entries,
    manifest,
    md5,
    metsrights,
    premis,
    roles,
    techmd,
    zipped,
)


def opened(path: Path, entries: dict[str, bytes]) -> Package:
    return open_package(zipped(path / "a.zip", entries))


def own(package: Package) -> Aip:
    assert package.aip is not None
    return package.aip


def test_an_item_comes_with_its_contents(tmp_path: Path) -> None:
    """Each bitstream has its content, verified at its end; what a stock package cannot say is not claimed."""
    with opened(tmp_path, item_entries()) as package:
        assert (package.form, package.whole, package.anonymous) == ("zip", False, False)
        assert (package.parent, package.children, package.doubts) == ("123456789/3", (), ())
        assert package.modified == "2026-03-01T09:30:00"
        assert {uuid: package.open(uuid).read() for uuid in package.contents} == {PAPER: PDF, EXTRACT: TEXT}
        assert package.contents[PAPER] == (f"bitstream_{PAPER}.pdf", len(PDF), md5(PDF), "MD5")
        aip = own(package)
        assert (aip.uuid, aip.handle) == (ITEM, "123456789/4")
        assert {row.other for row in aip.parents} == {
            reference(Kind.COLLECTION, "123456789/3"),
            reference(Kind.COLLECTION, "123456789/9"),
        }
        assert aip.formats == [
            Format("Adobe PDF", "application/pdf", "Adobe PDF", 2, False, ("pdf",)),
            Format("Text", "text/plain", "Text", 2, False, ("txt",)),
        ]
        with pytest.raises(KeyError):
            package.open(JO)


def test_the_version_of_dspace_10_is_no_metadata(tmp_path: Path) -> None:
    """`dim/@itemVersion` says that there are others, which the package does not have."""
    with opened(tmp_path, {"mets.xml": item(version="3", sections="", files="", inside="").encode()}) as package:
        assert own(package).versions == []
        assert ["is version 3" in doubt for doubt in package.doubts] == [True]


def test_relationships_leave_traces(tmp_path: Path) -> None:
    """Virtual values are no metadata; those that name the other item pair two packages by their number."""
    virtual = ' authority="virtual::17" confidence="ACCEPTED"'
    related = [
        f'<dim:field mdschema="relation" element="isAuthorOfPublication"{virtual}>{JO}</dim:field>',
        '<dim:field mdschema="relation" element="isAuthorOfPublication" qualifier="latestForDiscovery">x</dim:field>',
        f'<dim:field mdschema="dc" element="contributor" qualifier="author"{virtual}>Doe, Jo</dim:field>',
        '<dim:field mdschema="dc" element="contributor" qualifier="author">Roe, Al</dim:field>',
        field("title", "A title"),
    ]
    with opened(tmp_path, item_entries(descriptive="".join(related))) as package:
        assert package.related == (Related(17, "relation.isAuthorOfPublication", JO),)
        assert [row for row in own(package).values if row.subject == ITEM] == [
            Value(ITEM, "dc.contributor.author", 0, "Roe, Al"),
            Value(ITEM, "dc.title", 0, "A title"),
        ]


def collection(**changes: str | None) -> str:
    groups = (
        f'<Groups><Group ID="{SUBMIT}" Name="COLLECTION_hdl:123456789/3_SUBMIT" Type="SUBMIT">'
        f'<Members><Member ID="{JO}" Name="jo@example.org"/></Members></Group>'
        f'<Group ID="{ADMIN}" Name="Curators" Type="ADMIN"><MemberGroups>'
        f'<MemberGroup ID="{STAFF}" Name="Staff"/></MemberGroups></Group>'
        f'<Group ID="{STAFF}" Name="COLLECTION_hdl:123456789/3_WORKFLOW_STEP_2" Type="WORKFLOW_STEP_2"/></Groups>'
    )
    parts: dict[str, str | None] = {
        "descriptive": field("title", "Papers") + field("description", "") + field("identifier.uri", "hdl:123456789/3"),
        "template": field("type", "Article"),
        "administrative": roles(groups)
        + metsrights(context("MANAGED GRP", "COLLECTION_hdl:123456789/3_SUBMIT"), context("MANAGED GRP", "Others"))
        + techmd(
            field("identifier.uri", "hdl:123456789/3"),
            field("relation.isPartOf", "hdl:123456789/2"),
            field("relation.isReferencedBy", "hdl:123456789/7"),
        ),
        "files": '<fileGrp USE="LOGO">'
        + file("logo_9", "bitstream_x.png", PNG, more=' MIMETYPE="image/png"')
        + "</fileGrp>",
        "inside": '<fptr FILEID="logo_9"/><div TYPE="DSpace ITEM Template" DMDID="dmdSec_3"/>'
        + child("ITEM", "123456789/4", "ITEM@123456789-4.zip")
        + child("ITEM", None, f"ITEM@internal-id-{ITEM}.zip"),
        "parent": "123456789/2",
        **changes,
    }
    return manifest("COLLECTION", COLLECTION, "123456789/3", **parts)  # type: ignore[arg-type]


def test_a_collection_comes_with_its_groups_template_and_logo(tmp_path: Path) -> None:
    """Groups of its roles are linked, their names hold its UUID again; it has two parents and two children."""
    with opened(tmp_path, {"mets.xml": collection().encode(), "bitstream_x.png": PNG}) as package:
        aip = own(package)
        assert package.children == (
            Child(Kind.ITEM, "123456789/4", "ITEM@123456789-4.zip"),
            Child(Kind.ITEM, None, f"ITEM@internal-id-{ITEM}.zip"),
        )
        assert aip.collection is not None
        template, logo = aip.collection.template, aip.collection.logo
        assert (aip.collection.submitters, aip.collection.admin) == (SUBMIT, ADMIN)
        assert aip.roles == [Role(COLLECTION, "editor", STAFF)]
        assert template is not None
        assert Value(template, "dc.type", 0, "Article") in aip.values
        assert [(row.field, row.text) for row in aip.values if row.subject == COLLECTION] == [("dc.title", "Papers")]
        assert logo is not None
        assert package.open(logo).read() == PNG
        assert package.media == {logo: "image/png"}
        communities = {reference(Kind.COMMUNITY, f"123456789/{number}") for number in (2, 7)}
        assert {row.other for row in aip.parents} == communities
        assert {row.group for row in aip.policies} == {SUBMIT, reference(Kind.GROUP, "Others")}
        assert Name(SUBMIT, Kind.GROUP, f"COLLECTION_{COLLECTION}_SUBMIT") in aip.names
        groups = {row.uuid: row for row in package.people}
        assert groups[SUBMIT].group is not None
        assert groups[SUBMIT].group.name == f"COLLECTION_{COLLECTION}_SUBMIT"
        assert groups[SUBMIT].persons_in == [Member(SUBMIT, JO)]
        assert groups[ADMIN].groups_in == [Member(ADMIN, STAFF)]


def test_a_top_level_community_hangs_below_the_site(tmp_path: Path) -> None:
    """Which is no row of parents; its children are communities and collections."""
    document = manifest(
        "COMMUNITY",
        COMMUNITY,
        "123456789/2",
        descriptive=field("title", "All"),
        administrative=metsrights(),
        inside=child("COMMUNITY", "123456789/8", "COMMUNITY@123456789-8.zip")
        + child("COLLECTION", "hdl:123456789/3", "COLLECTION@123456789-3.zip"),
        parent="123456789/0",
    )
    with opened(tmp_path, {"mets.xml": document.encode()}) as package:
        assert own(package).parents == []
        assert package.parent == "123456789/0"
        assert [(row.kind, row.handle) for row in package.children] == [
            (Kind.COMMUNITY, "123456789/8"),
            (Kind.COLLECTION, "123456789/3"),
        ]


def site() -> str:
    people = (
        f'<Groups><Group ID="{STAFF}" Name="Staff"><Members><Member ID="{JO}" Name="Jo Doe"/>'
        '<Member ID="17" Name="Al Roe"/><Member ID="18" Name="al@example.org"/></Members></Group>'
        f'<Group ID="{SUBMIT}" Name="COLLECTION_hdl:123456789/3_SUBMIT"/></Groups>'
        f'<People><Person ID="{JO}"><Email>jo@example.org</Email><FirstName>Jo</FirstName><LastName>Doe</LastName>'
        '<PasswordHash digest="SHA-512" salt="aa">bb</PasswordHash><CanLogin/></Person>'
        f'<Person ID="{AL}"><Email>al@example.org</Email><FirstName>Al</FirstName><LastName>Roe</LastName>'
        "<Language>de</Language><SelfRegistered/></Person></People>"
    )
    return manifest(
        "SITE",
        SITE,
        "123456789/0",
        descriptive=field("title", "Repository"),
        administrative=roles(people),
        inside=child("COMMUNITY", "123456789/2", "COMMUNITY@123456789-2.zip"),
    )


def test_a_site_brings_all_people_and_groups(tmp_path: Path) -> None:
    """With the UUIDs that they had; members of packages of 7.6.6, 8.3 and 9.2 are found by ID or full name."""
    with opened(tmp_path, {"mets.xml": site().encode()}) as package:
        assert own(package).values == []
        assert (package.parent, package.doubts) == (None, ())
        found = {row.uuid: row for row in package.people}
        jo, al = found[JO].person, found[AL].person
        assert jo is not None
        assert al is not None
        assert (jo.password, jo.salt, jo.digest_algorithm, jo.can_log_in) == ("bb", "aa", "SHA-512", True)
        assert (al.password, al.can_log_in, al.self_registered) == (None, False, True)
        assert Value(AL, "eperson.language", 0, "de") in found[AL].values
        assert {row.other for row in found[STAFF].persons_in} == {JO, AL}
        left = found[SUBMIT].group
        assert left is not None
        assert left.name == "COLLECTION_hdl:123456789/3_SUBMIT"


def test_a_withdrawn_item_keeps_who_could_read_it(tmp_path: Path) -> None:
    """Its policies have no permissions in the package: they are WITHDRAWN_READ. Elsewhere such a one is left out."""
    rights = metsrights(context("GENERAL PUBLIC", permissions=""))
    with opened(
        tmp_path, item_entries(administrative=rights + techmd(field("rights.accessRights", "WITHDRAWN")))
    ) as package:
        assert [row.action for row in own(package).policies if row.subject == ITEM] == [12]
        assert own(package).items[0].withdrawn
    with opened(tmp_path, item_entries(administrative=rights)) as package:
        assert [row for row in own(package).policies if row.subject == ITEM] == []
        assert "1 policies left out" in " ".join(package.doubts)


def test_two_bundles_of_one_name_stay_two(tmp_path: Path) -> None:
    """And the names that stock DSpace changes are changed."""
    groups = "".join(
        f'<fileGrp USE="{use}">{file(identity, identity, b"x")}</fileGrp>'
        for use, identity in (("ORIGINAL", "a_1"), ("ORIGINAL", "a_2"), ("MANIFESTMD", "a_3"))
    )
    entries = {"mets.xml": item(files=groups, inside="").encode(), "a_1": b"x", "a_2": b"x", "a_3": b"x"}
    with opened(tmp_path, entries) as package:
        aip = own(package)
        bundles = {row.uuid for row in aip.bundles}
        assert len(bundles) == 3
        assert sorted(row.text or "" for row in aip.values if row.subject in bundles) == [
            "METADATA",
            "ORIGINAL",
            "ORIGINAL",
        ]
        assert len({row.bundle for row in aip.placed}) == 3
        assert len(package.contents) == 3


EMPTY = md5(b"")


@pytest.mark.parametrize(
    ("size", "checksum", "preserved", "there", "row_size"),
    [
        (0, EMPTY, (0, EMPTY), True, 0),
        (0, "", None, True, 0),
        (16, md5(PDF), None, False, 16),
        (0, "", (16, md5(PDF)), False, 16),
        (16, EMPTY, None, False, 16),
    ],
    ids=["empty", "empty without checksum", "unreadable", "unauthorized=zero", "contradictory"],
)
def test_an_entry_without_bytes_is_judged_by_the_manifest(
    tmp_path: Path, size: int, checksum: str, preserved: tuple[int, str] | None, there: bool, row_size: int
) -> None:
    """It is an empty file, or one that could not be read when it was exported; the second has no content here."""
    section = amd("amd_p", premis(*preserved, name="a.pdf")) if preserved else ""
    group = file("bitstream_1", "f", b"", size=size, checksum=checksum, more=' ADMID="amd_p"' if preserved else "")
    document = item(sections=section, files=f'<fileGrp USE="ORIGINAL">{group}</fileGrp>', inside="")
    with opened(tmp_path, {"mets.xml": document.encode(), "f": b""}) as package:
        (row,) = own(package).bitstreams
        assert row.size == row_size
        assert (row.uuid in package.contents) is there
        assert bool(package.doubts) is not there
        if there:
            assert package.open(row.uuid).read() == b""


def test_a_missing_entry_is_a_doubt(tmp_path: Path) -> None:
    """The object is there but for that content."""
    entries = item_entries()
    del entries[f"bitstream_{PAPER}.pdf"]
    with opened(tmp_path, entries) as package:
        assert set(package.contents) == {EXTRACT}
        assert package.doubts == (f"bitstream_{PAPER}.pdf: not in the package, or without its content",)


@pytest.mark.parametrize("content", [PDF[:-1], PDF + b"x", PDF[:-1] + b"X"], ids=["shorter", "longer", "other"])
def test_a_content_that_is_not_the_manifests_fails_at_its_end(tmp_path: Path, content: bytes) -> None:
    """Stock DSpace verifies neither; here whoever reads to the announced length has the right bytes."""
    with opened(tmp_path, item_entries() | {f"bitstream_{PAPER}.pdf": content}) as package:
        with pytest.raises(ChecksumMismatch, match=f"bitstream_{PAPER}"):
            package.open(PAPER).read(len(PDF))
        assert package.open(EXTRACT).read() == TEXT


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"sections": amd("amd_paper", premis(17, md5(PDF), "a")) + amd("amd_text") + amd("amd_bundle")}, "SIZE is 16"),
        (
            {"sections": amd("amd_paper", premis(16, "ab" * 16, "a")) + amd("amd_text") + amd("amd_bundle")},
            "PREMIS says",
        ),
        ({"inside": '<fptr FILEID="bitstream_0"/>'}, "fptr names 'bitstream_0'"),
        ({"sections": ""}, "ADMID names"),
        ({"parent": "123456789/4"}, "its own parent"),
        ({"administrative": roles("") + roles("")}, "2 sections of DSPACE-ROLES"),
        ({"sections": amd("amd_4")}, "two sections of that ID"),
        ({"files": "<fileGrp USE='A'><fileGrp USE='B'/></fileGrp>", "inside": ""}, "expected file"),
        (
            {"files": f"<fileGrp USE='A'>{file(f'bitstream_{ITEM}', 'f', b'')}</fileGrp>", "inside": ""},
            "another object",
        ),
        ({"files": f"<fileGrp USE='A'>{file('a', 'f', b'') * 2}</fileGrp>", "inside": ""}, "two files of that ID"),
        ({"files": f"<fileGrp USE='A'>{file('a', 'f', b'', size=-1)}</fileGrp>", "inside": ""}, "below zero"),
        ({"files": "<fileGrp USE='A'><file ID='a'/></fileGrp>", "inside": ""}, "no FLocat"),
    ],
)
def test_a_contradiction_is_refused_by_name(tmp_path: Path, broken: dict[str, str], message: str) -> None:
    """The message names the file, the manifest and the place."""
    with pytest.raises(InvalidPackage, match=message) as caught:
        opened(tmp_path, item_entries(**broken))
    assert str(caught.value).startswith(f"{tmp_path}/a.zip: mets.xml: ")


def test_a_collection_does_not_contain_itself(tmp_path: Path) -> None:
    """A recursive import would not end."""
    inside = child("ITEM", "123456789/3", "a.zip")
    with pytest.raises(InvalidPackage, match="contains itself"):
        opened(tmp_path, {"mets.xml": collection(inside=inside, files="").encode()})


def test_unknown_metadata_is_left_out_with_a_doubt(tmp_path: Path) -> None:
    """Stock DSpace ends its run at it."""
    section = '<rightsMD ID="r"><mdWrap MDTYPE="OTHER" OTHERMDTYPE="ODRL"><xmlData><x/></xmlData></mdWrap></rightsMD>'
    with opened(tmp_path, item_entries(administrative=section)) as package:
        assert ["'ODRL' left out" in doubt for doubt in package.doubts] == [True]


@pytest.mark.parametrize(("entry", "doubted"), [(f"bitstream_{PAPER}.pdf", False), ("metadata_1", True)])
def test_a_licence_without_its_bundle_is_a_doubt(tmp_path: Path, entry: str, doubted: bool) -> None:
    """Otherwise it is a file like any other, which the manifest names a second time."""
    section = (
        f'<rightsMD ID="r"><mdRef LOCTYPE="URL" xlink:href="{entry}" MDTYPE="OTHER" MIMETYPE="text/plain"'
        ' OTHERMDTYPE="DSpaceDepositLicense"/></rightsMD>'
    )
    with opened(tmp_path, item_entries(administrative=section) | {"metadata_1": b"licence"}) as package:
        assert ["DSpaceDepositLicense" in doubt for doubt in package.doubts] == [True] * doubted


@pytest.mark.parametrize("identity", ["DSpace_ITEM_123456789-4", "DSpace_ITEM_DB-ID-77", "x"])
def test_an_item_from_before_7_1_is_known_by_its_handle(tmp_path: Path, identity: str) -> None:
    """Its UUID is not in the package, so another stands for it."""
    with opened(tmp_path, item_entries(identity=identity)) as package:
        assert package.anonymous
        assert own(package).uuid == reference(Kind.ITEM, "123456789/4")


def test_an_object_without_a_handle_has_none(tmp_path: Path) -> None:
    """OBJID then is of another form."""
    document = manifest("ITEM", ITEM, None, descriptive=field("title", "A"), administrative=metsrights())
    with opened(tmp_path, {"mets.xml": document.encode()}) as package:
        assert (own(package).handle, own(package).handles, own(package).uuid) == (None, [], ITEM)
        assert "no handle" in package.doubts[0]


def test_a_bare_manifest_has_no_contents(tmp_path: Path) -> None:
    """`manifestOnly=true`: files have addresses of the exporter's user interface, which are not followed."""
    path = tmp_path / "ITEM@123456789-4.xml"
    path.write_text(item().replace('href="bitstream_', 'href="https://example.org/bitstreams/'), encoding="utf-8")
    with open_package(path) as package:
        assert (package.form, package.contents) == ("mets", {})
        assert len(own(package).bitstreams) == 2
        assert package.doubts == ("a manifest by itself: its 2 files are not in it",)
        with pytest.raises(KeyError):
            package.open(PAPER)


def test_a_format_that_is_only_said_by_its_mime_type_is_not_named(tmp_path: Path) -> None:
    """Which one it is depends on the registry of the target."""
    section = amd("amd_bundle") + amd("amd_text") + bitstream_amd("amd_paper", "a.pdf", PDF, None, "")
    entries = item_entries(sections=section)
    with opened(tmp_path, entries) as package:
        row = next(row for row in own(package).bitstreams if row.uuid == PAPER)
        assert row.format is None
        assert package.media == {PAPER: "text/x-premis"}


def test_a_content_of_a_closed_package_is_not_read(tmp_path: Path) -> None:
    """Its descriptor may be another file's by then."""
    package = opened(tmp_path, item_entries())
    stream = package.open(LOGO if LOGO in package.contents else PAPER)
    package.close()
    with pytest.raises(ValueError, match="closed"):
        stream.read()
