"""Roles, registries and containers in the words of DSpace: what its own loaders look for is there, by those names."""

from __future__ import annotations

from lxml import etree

from events.aip import markup, read, write
from events.aip.model import (
    Aip,
    BitstreamRow,
    CollectionRow,
    CommunityRow,
    GroupRow,
    HandleRow,
    ItemRow,
    Kind,
    Member,
    Name,
    PersonRow,
    Value,
    derived_uuid,
)
from events.aip.registry_rows import EntityType, Field, Format, RelationshipType, Schema
from events.aip.roles import combined

PERSON, GROUP, NESTED, STRANGER, COLLECTION, TEMPLATE, LOGO, SITE = (derived_uuid(name) for name in "pgnsctlw")
NS = {"m": markup.METS, "dim": markup.DIM}

JO = Aip(
    kind=Kind.PERSON,
    uuid=PERSON,
    person=PersonRow(PERSON, 4, "jo@example.org", None, True, False, True, None, "c0ffee", "5a17", "SHA-512"),
    values=[
        Value(PERSON, "eperson.firstname", 0, "Jo"),
        Value(PERSON, "eperson.lastname", 0, "Doe", "en"),
        Value(PERSON, "eperson.phone", 0, "1"),
    ],
)
STAFF = Aip(
    kind=Kind.GROUP,
    uuid=GROUP,
    group=GroupRow(GROUP, None, f"COLLECTION_{COLLECTION}_SUBMIT", False),
    persons_in=[Member(GROUP, PERSON), Member(GROUP, STRANGER)],
    groups_in=[Member(GROUP, NESTED)],
    names=[
        Name(PERSON, Kind.PERSON, "jo@example.org"),
        Name(NESTED, Kind.GROUP, "Nested"),
        Name(COLLECTION, Kind.COLLECTION, "123456789/3"),
    ],
)


def stock(document: bytes) -> list[tuple[str, str | None]]:
    """Names and texts of the elements outside of our namespace, below the root, in order."""
    elements = list(etree.fromstring(document).iter())[1:]
    return [(element.tag, element.text) for element in elements if not element.tag.startswith("{")]


def test_a_person_is_stated_by_unprefixed_elements() -> None:
    """The names that RoleIngester looks for; a last name with a language is not plain, and stays with us."""
    assert [row for row in stock(write(JO)) if row[0] not in {"People"}] == [
        ("Person", None),
        ("Email", "jo@example.org"),
        ("FirstName", "Jo"),
        ("PasswordHash", "c0ffee"),
        ("CanLogin", None),
        ("SelfRegistered", None),
    ]
    hashed = etree.fromstring(write(JO)).find("People/Person/PasswordHash")
    assert hashed is not None
    assert dict(hashed.attrib) == {"digest": "SHA-512", "salt": "5a17"}
    assert read(write(JO)) == JO


def test_a_group_lists_members_by_name_and_only_those_that_have_one() -> None:
    """An unknown member would stop the restore. The group's own name is in its exported form."""
    root = etree.fromstring(write(STAFF))
    group = root.find("Groups/Group")
    assert group is not None
    assert (group.get("ID"), group.get("Name")) == (GROUP, "COLLECTION_hdl:123456789/3_SUBMIT")
    assert [member.get("Name") for member in group.iterfind("Members/Member")] == ["jo@example.org"]
    assert [member.get("Name") for member in group.iterfind("MemberGroups/MemberGroup")] == ["Nested"]
    back = read(write(STAFF))
    assert back.group == STAFF.group
    assert set(back.persons_in) == set(STAFF.persons_in)


def test_many_people_and_groups_make_one_document() -> None:
    """For the stock packager, which needs every member in the same document or before it."""
    names = [name for name, _ in stock(combined([STAFF, JO]))]
    assert (names.count("Group"), names.count("Person")) == (1, 1)


def test_fields_and_schemas_are_those_of_dspace_dc_types() -> None:
    """An empty qualifier would be none to the loader, so such a field is not shown to it; a missing one is absent."""
    uuid = derived_uuid("schema/dc")
    aip = Aip(
        kind=Kind.REGISTRY,
        uuid=uuid,
        key="schema/dc",
        schemas=[Schema("dc", "http://dublincore.org/documents/dcmi-terms/")],
        fields=[Field("dc", "title", None, None), Field("dc", "title", "", None), Field("dc", "x", "y", "a <note>")],
    )
    assert stock(write(aip)) == [
        ("dc-schema", None),
        ("name", "dc"),
        ("namespace", "http://dublincore.org/documents/dcmi-terms/"),
        ("dc-type", None),
        ("schema", "dc"),
        ("element", "title"),
        ("dc-type", None),
        ("schema", "dc"),
        ("element", "x"),
        ("qualifier", "y"),
        ("scope_note", "a <note>"),
    ]
    assert etree.fromstring(write(aip)).tag == "dspace-dc-types"
    assert read(write(aip)) == aip


def test_formats_are_those_of_dspace_bitstream_types() -> None:
    """RegistryLoader parses the support level as a number and the flag as a boolean."""
    aip = Aip(
        kind=Kind.REGISTRY,
        uuid=derived_uuid("formats"),
        key="formats",
        formats=[Format("Adobe PDF", "application/pdf", "Portable", 1, False, ("pdf", "pdfa"))],
    )
    assert stock(write(aip)) == [
        ("bitstream-type", None),
        ("mimetype", "application/pdf"),
        ("short_description", "Adobe PDF"),
        ("description", "Portable"),
        ("support_level", "1"),
        ("internal", "false"),
        ("extension", "pdf"),
        ("extension", "pdfa"),
    ]
    assert read(write(aip)) == aip


def test_relationship_types_are_those_of_initialize_entities() -> None:
    """A cardinality without limit is absent, `tilted` a word; entity types come with their relationships."""
    aip = Aip(
        kind=Kind.REGISTRY,
        uuid=derived_uuid("entities"),
        key="entities",
        entity_types=[EntityType("Person"), EntityType("Publication")],
        relationship_types=[
            RelationshipType("Publication", "Person", "isA", "isP", 0, None, 1, 2, False, True, 1),
            RelationshipType("Publication", "Person", "isB", "isQ", None, None, None, None, False, False, None),
        ],
    )
    root = etree.fromstring(write(aip))
    assert root.tag == "relationships"
    first, second = root.findall("type")
    assert [first.findtext(name) for name in ("leftType", "rightType", "leftwardType", "rightwardType")] == [
        "Publication", "Person", "isA", "isP",
    ]  # fmt: skip
    assert (first.findtext("leftCardinality/min"), first.find("leftCardinality/max")) == ("0", None)
    assert (first.findtext("copyToLeft"), first.findtext("copyToRight"), first.findtext("tilted")) == (
        "false", "true", "left",
    )  # fmt: skip
    assert second.find("tilted") is None
    assert read(write(aip)) == aip


def container(kind: Kind) -> Aip:
    """A collection or community with a logo; the collection has a template item too."""
    aip = Aip(
        kind=kind,
        uuid=COLLECTION,
        handles=[HandleRow(COLLECTION, "123456789/3", 0)],
        bitstreams=[BitstreamRow(LOGO, None, "image/png", "ab" * 16, "MD5", None, 5)],
        values=[
            Value(COLLECTION, "dc.title", 0, "Name", "en"),
            Value(COLLECTION, "dc.title", 1, "Nom", "fr"),
            Value(COLLECTION, "dc.provenance", 0, "p"),
            Value(COLLECTION, "dspace.entity.type", 0, "Person"),
            Value(LOGO, "dc.title", 0, "logo.png"),
        ],
        names=[Name(SITE, Kind.SITE, "123456789/0")],
    )
    if kind is Kind.COMMUNITY:
        aip.community = CommunityRow(COLLECTION, None, None, LOGO)
        return aip
    aip.collection = CollectionRow(COLLECTION, None, None, None, TEMPLATE, LOGO)
    aip.items = [ItemRow(TEMPLATE, None, False, False, True, None, None, None)]
    aip.values.append(Value(TEMPLATE, "dc.type", 0, "Article"))
    return aip


def test_a_collection_states_one_value_of_each_field_that_stock_takes() -> None:
    """A second value would overwrite the first on restore, and other fields may not exist there."""
    root = etree.fromstring(write(container(Kind.COLLECTION)))
    fields = root.findall(f"m:dmdSec[@ID='dmdSec_{COLLECTION}']//dim:field", NS)
    assert [field.text for field in fields] == ["p", "Name"]
    community = etree.fromstring(write(container(Kind.COMMUNITY)))
    assert [field.text for field in community.iterfind("m:dmdSec//dim:field", NS)] == ["Name"]


def test_template_and_logo_stand_where_stock_looks_for_them() -> None:
    """The template is a div with metadata of its own; the logo a file without sections, named by the first fptr."""
    root = etree.fromstring(write(container(Kind.COLLECTION)))
    main = root.find("m:structMap/m:div", NS)
    assert main is not None
    assert [(markup.local(child), child.get("TYPE")) for child in main] == [
        ("fptr", None),
        ("div", "DSpace ITEM Template"),
    ]
    template = root.find(f"m:dmdSec[@ID='{main[1].get('DMDID')}']//dim:field", NS)
    assert template is not None
    assert template.text == "Article"
    logo = root.find("m:fileSec/m:fileGrp[@USE='LOGO']/m:file", NS)
    assert logo is not None
    assert (logo.get("ID"), logo.get("ADMID"), logo.get("SIZE")) == (main[0].get("FILEID"), None, "5")


def test_a_top_level_community_hangs_below_the_site() -> None:
    """Its parent link names the handle of the site, which stock resolves."""
    root = etree.fromstring(write(container(Kind.COMMUNITY)))
    pointer = root.find("m:structMap[@LABEL='Parent']/m:div/m:mptr", NS)
    assert pointer is not None
    assert pointer.get(f"{{{markup.XLINK}}}href") == "123456789/0"
