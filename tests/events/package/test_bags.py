"""Bags of the Replication Task Suite are opened, zipped or as tgz; damaged ones are refused by name."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from events.aip.model import HandleRow, Kind, Policy, Role, Value
from events.aip.named import reference
from events.errors import ChecksumMismatch, InvalidPackage
from events.package import Package
from events.package.reading import open_package
from tests.events.package.composed import (
    ADMIN,
    EXTRACT,
    JO,
    LOGO,
    PAPER,
    PDF,
    PNG,
    STAFF,
    TEXT,
    bag_entries,
    item_payload,
    md5,
    named,
    policies,
    properties,
    tarred,
    values,
    zipped,
)


def opened(folder: Path, payload: dict[str, bytes], root: str = "bag/", algorithm: str = "md5") -> Package:
    return open_package(zipped(folder / "bag.zip", bag_entries(payload, root, algorithm)))


@pytest.mark.parametrize("form", ["zip", "flat zip", "tgz", "tar", "pax", "gnu"])
def test_the_bag_of_an_item_says_what_bags_say(tmp_path: Path, form: str) -> None:
    """Whatever it is wrapped in. It has no UUID of the item; its files have theirs, and an order by sequence id."""
    path, entries = tmp_path / "whatever", bag_entries(item_payload(), "" if form == "flat zip" else "ITEM@1-4/")
    if form.endswith("zip"):
        zipped(path, entries)
    else:
        kind = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}.get(form, tarfile.USTAR_FORMAT)
        tarred(path, entries, kind, form != "tar")
    with open_package(path) as package:
        aip = package.aip
        assert aip is not None
        uuid = reference(Kind.ITEM, "123456789/4")
        assert (package.form, package.whole, package.anonymous, aip.uuid) == ("bag", False, True, uuid)
        assert (package.parent, package.doubts) == ("123456789/3", ())
        assert aip.handles == [HandleRow(uuid, "123456789/4", 0)]
        assert [row for row in aip.values if row.subject == uuid] == [
            Value(uuid, "dc.contributor.author", 0, "Doe, Jo"),
            Value(uuid, "dc.contributor.author", 1, "Roe, Al"),
            Value(uuid, "dc.title", 0, "A title", "en"),
        ]
        assert {row.other for row in aip.parents} == {
            reference(Kind.COLLECTION, f"123456789/{number}") for number in (3, 8, 9)
        }
        anonymous, jo = reference(Kind.GROUP, "Anonymous"), reference(Kind.PERSON, "jo@example.org")
        assert set(aip.policies) == {
            Policy(uuid, 0, anonymous, None, type="TYPE_INHERITED", description="as above"),
            Policy(PAPER, 0, None, jo, "2027-01-01", None, "embargo"),
        }
        assert [(row.bitstream, row.order) for row in sorted(aip.placed, key=lambda row: row.order)] == [
            (EXTRACT, 0),
            (PAPER, 1),
        ]
        assert [row.primary for row in aip.bundles] == [PAPER]
        paper = next(row for row in aip.bitstreams if row.uuid == PAPER)
        assert (paper.sequence_id, paper.checksum, paper.size, paper.format) == (2, md5(PDF), len(PDF), None)
        assert {row.field for row in aip.values if row.subject == PAPER} == {"dc.title", "dc.source", "dc.description"}
        assert {uuid: package.open(uuid).read() for uuid in package.contents} == {PAPER: PDF, EXTRACT: TEXT}


def container(kind: str, **said: str) -> dict[str, bytes]:
    about = {"bagType": "AIP", "objectType": kind, "objectId": "123456789/3", **said}
    return {
        "object.properties": properties(**about),
        "metadata.xml": named(name="Papers", introductory_text="", short_description="Of ours", license="Free"),
        "policy.xml": policies('<policy action="ADD" group="COLLECTION_hdl:123456789/3_SUBMIT" type="x"/>'),
        "roles.xml": (
            f'<?xml version="1.0"?><DSpaceRoles><Groups>'
            f'<Group ID="{ADMIN}" Name="COLLECTION_hdl:123456789/3_SUBMIT" Type="SUBMIT"><Members>'
            f'<Member ID="{JO}" Name="jo@example.org"/></Members></Group>'
            f'<Group ID="{STAFF}" Name="Editors" Type="WORKFLOW_STEP_1"/></Groups><People><Person ID="{JO}">'
            "<CanLogin/><Email>jo@example.org</Email><RequiredCertificate/></Person></People></DSpaceRoles>"
        ).encode(),
        f"bitstream_{LOGO}.png": PNG,
    }


def test_the_bag_of_a_collection_brings_groups_template_and_logo(tmp_path: Path) -> None:
    """Its metadata have the names of DSpace before version 6."""
    payload = container("collection", ownerId="123456789/2")
    payload["template-metadata.xml"] = values(['<value schema="dc" element="type" language="">Article</value>'])
    with opened(tmp_path, payload) as package:
        aip = package.aip
        assert aip is not None
        assert aip.collection is not None
        assert (aip.collection.submitters, aip.collection.logo) == (ADMIN, LOGO)
        assert aip.roles == [Role(aip.uuid, "reviewer", STAFF)]
        assert [(row.field, row.text) for row in aip.values if row.subject == aip.uuid] == [
            ("dc.description.abstract", "Of ours"),
            ("dc.rights.license", "Free"),
            ("dc.title", "Papers"),
        ]
        assert aip.collection.template is not None
        assert Value(aip.collection.template, "dc.type", 0, "Article", "") in aip.values
        assert [row.group for row in aip.policies] == [ADMIN]
        assert package.open(LOGO).read() == PNG
        jo = next(row.person for row in package.people if row.uuid == JO)
        assert jo is not None
        assert (jo.require_certificate, jo.can_log_in) == (True, True)
        assert package.doubts == ()


def test_the_bag_of_a_top_level_community_has_no_parent(tmp_path: Path) -> None:
    """`ownerId` is then missing."""
    with opened(tmp_path, container("community")) as package:
        assert package.aip is not None
        assert package.aip.community is not None
        assert (package.parent, package.aip.parents) == (None, [])


def test_the_bag_of_a_site_lists_everything(tmp_path: Path) -> None:
    """By handle, of whatever kind; its own handle may stand in `dspace.properties` only."""
    payload = {
        "object.properties": properties(bagType="AIP", objectType="site"),
        "dspace.properties": b"Site-Handle  123456789/0\nDSpace-Version  9.3\n",
        "members": b"123456789/1\n123456789/2\n",
    }
    with opened(tmp_path, payload, algorithm="sha256") as package:
        assert package.aip is not None
        assert (package.aip.kind, package.aip.handle) == (Kind.SITE, "123456789/0")
        assert package.members == ("123456789/1", "123456789/2")


def test_a_catalog_of_deletions_names_what_is_gone(tmp_path: Path) -> None:
    """The object itself and what went with it."""
    payload = {
        "object.properties": properties(
            bagType="man", objectType="deletion", objectId="123456789/3", created="0", ownerId="123456789/2"
        ),
        "members": b"123456789/4\n123456789/5\n",
    }
    with opened(tmp_path, payload) as package:
        assert (package.form, package.aip, package.parent) == ("bag", None, "123456789/2")
        assert package.deleted == ("123456789/3", "123456789/4", "123456789/5")


def test_a_withdrawn_item_keeps_who_could_read_it(tmp_path: Path) -> None:
    """Bags have no word for that action and leave it away; elsewhere such a policy is left out."""
    payload = item_payload() | {"policy.xml": policies('<policy group="Anonymous"/>')}
    about = properties(bagType="AIP", objectType="item", objectId="123456789/4", ownerId="1/3", withdrawn="true")
    with opened(tmp_path, payload | {"object.properties": about}) as package:
        assert package.aip is not None
        assert (package.aip.items[0].withdrawn, package.aip.items[0].in_archive) == (True, False)
        assert [row.action for row in package.aip.policies if row.subject == package.aip.uuid] == [12]
    with opened(tmp_path, payload) as package:
        assert package.aip is not None
        assert [row for row in package.aip.policies if row.subject == package.aip.uuid] == []
        assert "1 policies left out" in package.doubts[0]


def test_what_follows_from_relationships_is_no_metadata(tmp_path: Path) -> None:
    """Bags hold it as if it were stored; it would come twice once the relationships are there."""
    payload = item_payload()
    payload["metadata.xml"] = values(
        [
            f'<value schema="relation" element="isAuthorOfPublication">{JO}</value>',
            f'<value schema="relation" element="isAuthorOfPublication" qualifier="latestForDiscovery">{JO}</value>',
            '<value schema="relation" element="ispartof">a series</value>',
        ]
    )
    with opened(tmp_path, payload) as package:
        assert package.aip is not None
        stored = [(row.field, row.text) for row in package.aip.values if row.subject == package.aip.uuid]
        assert stored == [("relation.ispartof", "a series")]
        assert "2 values that follow from relationships" in package.doubts[0]


def test_oddities_are_doubts(tmp_path: Path) -> None:
    """Another profile, a wrong Payload-Oxum, files of no known meaning, entries beside the bag."""
    entries = bag_entries(item_payload() | {"ORIGINAL/notes.txt": b"x"})
    entries["bag/bag-info.txt"] = b"BagIt-Profile-Identifier: https://example.org/other.json\nPayload-Oxum: 1.1\n"
    del entries["bag/tagmanifest-md5.txt"]
    with open_package(zipped(tmp_path / "bag.zip", entries | {"other/x": b""})) as package:
        said = " | ".join(package.doubts)
    for expected in ("other.json", "announced was 1.1", "ORIGINAL/notes.txt", "1 entries beside the bag"):
        assert expected in said


def changed(name: str, content: bytes | None) -> dict[str, bytes]:
    entries = bag_entries(item_payload())
    if content is None:
        del entries[name]
    else:
        entries[name] = content
    return entries


MANIFEST = bag_entries(item_payload())["bag/manifest-md5.txt"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (changed("bag/data/metadata.xml", b"<metadata/>"), "metadata.xml: md5 is"),
        (changed("bag/bag-info.txt", b"Bag-Size: 1"), "bag-info.txt: md5 is"),
        (changed("bag/data/policy.xml", None), "'data/policy.xml', which manifest-md5.txt lists, is not in the bag"),
        (changed("bag/bag-info.txt", None), "'bag-info.txt', which tagmanifest-md5.txt lists, is not"),
        (changed("bag/data/ORIGINAL/extra", b""), "data/ORIGINAL/extra is not in the payload manifest"),
        (changed("bag/manifest-md5.txt", MANIFEST[:-5]), "manifest-md5.txt: md5 is"),
        (changed("bag/fetch.txt", b"https://example.org/x 1 data/x\n"), "fetch.txt names files"),
        (bag_entries({"x": b""}), "no data/object.properties"),
        (bag_entries(item_payload()) | bag_entries(item_payload(), "two/"), "2 files bagit.txt"),
        (bag_entries(item_payload() | {"object.properties": properties(bagType="AIP")}), "no objectId"),
        (bag_entries(item_payload() | {"object.properties": properties(objectId="1/2", bagType="x")}), "neither an"),
        (bag_entries(item_payload() | {"policy.xml": policies('<policy action="READ" group="A" end-date="1.1.27"/>')}),
         "not a date"),
        (bag_entries(item_payload() | {"metadata.xml": b"<metadata><value/></metadata>"}), "schema or element"),
        (bag_entries(item_payload() | {"metadata.xml": b"<other/>"}), "its root is other"),
        (bag_entries(item_payload() | {"metadata.xml": b"<!DOCTYPE a><metadata/>"}), "document type declaration"),
        (bag_entries(item_payload() | {"roles.xml": b"<DSpaceRoles"}), "not well-formed"),
        (bag_entries(item_payload() | {f"ORIGINAL/bitstream_{PAPER}-metadata.xml": named(sequence_id="x")}),
         "not a sequence id"),
        (bag_entries(item_payload() | {f"TEXT/bitstream_{PAPER}": b""}), "two files with that UUID"),
        (bag_entries(item_payload() | {"members": b"\xff"} | {"object.properties": b"\xff"}), "not in UTF-8"),
    ],
)  # fmt: skip
def test_a_bag_that_is_not_as_it_says_is_refused(tmp_path: Path, entries: dict[str, bytes], message: str) -> None:
    """Incomplete, with more than it lists, altered, to be completed from elsewhere, or of something unknown."""
    for path in (zipped(tmp_path / "b.zip", entries), tarred(tmp_path / "b.tgz", entries)):
        with pytest.raises(InvalidPackage, match=message) as caught:
            open_package(path)
        assert str(path) in str(caught.value)


def test_a_content_that_was_altered_fails_at_its_end(tmp_path: Path) -> None:
    """The documents are verified at once, the contents when they are read."""
    name = f"bag/data/ORIGINAL/bitstream_{PAPER}.pdf"
    path = tarred(tmp_path / "b.tgz", changed(name, PDF[:-1] + b"X"))
    with open_package(path) as package:
        with pytest.raises(ChecksumMismatch, match=f"{PAPER}.pdf: md5 is"):
            package.open(PAPER).read()
        assert package.open(EXTRACT).read() == TEXT


def test_contents_of_a_large_tgz_are_read_in_any_order(tmp_path: Path) -> None:
    """Also where the decompression starts in the middle of the file."""
    payload = item_payload()
    uuids = [f"4b0c6d0e-0000-4000-8000-{number:012}" for number in range(6)]
    contents = {uuid: bytes([number]) * 9_000_000 + uuid.encode() for number, uuid in enumerate(uuids)}
    payload |= {f"ORIGINAL/bitstream_{uuid}": content for uuid, content in contents.items()}
    with open_package(tarred(tmp_path / "b.tgz", bag_entries(payload))) as package:
        for uuid in (*reversed(uuids), *uuids):
            assert package.open(uuid).read() == contents[uuid]
