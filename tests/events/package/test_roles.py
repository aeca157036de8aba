"""DSPACE-ROLES documents of stock DSpace become people and groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.aip import write
from events.aip.model import Aip, GroupRow, Kind, Member, Name, PersonRow, Value
from events.aip.named import reference
from events.aip.roles import combined
from events.aip.stock_roles import translate
from events.errors import InvalidPackage
from events.package import Package
from events.package.reading import open_package
from tests.events.package.composed import ADMIN, AL, COLLECTION, JO, STAFF


def opened(folder: Path, content: str, root: str = "DSpaceRoles") -> Package:
    path = folder / "roles.xml"
    path.write_text(f"<{root}>{content}</{root.split()[0]}>", encoding="utf-8")
    return open_package(path)


def person(uuid: str, email: str, more: str = "") -> str:
    return f'<Person ID="{uuid}"><Email>{email}</Email>{more}</Person>'


def group(uuid: str, name: str, members: str = "", groups: str = "", more: str = "") -> str:
    return (
        f'<Group ID="{uuid}" Name="{name}"{more}><Members>{members}</Members>'
        f"<MemberGroups>{groups}</MemberGroups></Group>"
    )


def test_a_document_by_itself_is_a_package_of_people(tmp_path: Path) -> None:
    """In no namespace, as `packager -t DSPACE-ROLES` writes it, or in any."""
    people = person(
        JO,
        " jo@example.org ",
        "<Netid>jo</Netid><FirstName>Jo</FirstName><LastName/><PasswordHash>aa</PasswordHash>"
        "<CanLogin/><RequireCertificate/>",
    )
    content = f"<Groups>{group(STAFF, 'Staff')}{group(ADMIN, 'Administrator')}</Groups><People>{people}</People>"
    for root in ("DSpaceRoles", 'DSpaceRoles xmlns="urn:any"'):
        package = opened(tmp_path, content, root)
        assert (package.form, package.aip, package.whole) == ("roles", None, False)
        assert package.people[0].person == PersonRow(
            JO, None, "jo@example.org", "jo", True, True, False, None, "aa", None, None
        )
        assert package.people[0].values == [Value(JO, "eperson.firstname", 0, "Jo")]
        assert [row.group for row in package.people[1:]] == [
            GroupRow(STAFF, None, "Staff", False),
            GroupRow(ADMIN, None, "Administrator", True),
        ]


def members(package: Package, name: str) -> Aip:
    return next(row for row in package.people if row.group is not None and row.group.name == name)


def test_members_are_found_by_id_then_address_then_name(tmp_path: Path) -> None:
    """What an id says counts more than a name; who is not in the document keeps the id, or stands by name."""
    people = person(JO, "jo@example.org", "<FirstName>Jo</FirstName><LastName>Doe</LastName>")
    people += person(AL, "al@example.org", "<LastName>Roe</LastName>")
    listed = [
        f'<Member ID="{JO}" Name="al@example.org"/>',
        '<Member ID="4" Name="AL@example.org"/>',
        '<Member Name="Roe"/>',
        f'<Member ID="{COLLECTION}" Name="eva@example.org"/>',
        '<Member Name="ada@example.org"/>',
        '<Member Name="Nobody Known"/>',
    ]
    package = opened(tmp_path, f"<Groups>{group(STAFF, 'Staff', ''.join(listed))}</Groups><People>{people}</People>")
    staff = members(package, "Staff")
    ada, nobody = reference(Kind.PERSON, "ada@example.org"), reference(Kind.PERSON, "Nobody Known")
    assert {row.other for row in staff.persons_in} == {JO, AL, COLLECTION, ada, nobody}
    assert {row.name for row in staff.names} == {
        "jo@example.org",
        "al@example.org",
        "eva@example.org",
        "ada@example.org",
        "Nobody Known",
    }
    assert ["'Nobody Known' is not named by an e-mail address" in doubt for doubt in package.doubts] == [True]


def test_a_full_name_of_two_people_names_neither(tmp_path: Path) -> None:
    """Putting the wrong one of them into a group would give rights away."""
    both = "<FirstName>Jo</FirstName><LastName>Doe</LastName>"
    people = person(JO, "jo@example.org", both) + person(AL, "joe@example.org", both)
    staff = group(STAFF, "Staff", '<Member Name="Jo Doe"/>')
    package = opened(tmp_path, f"<Groups>{staff}</Groups><People>{people}</People>")
    assert members(package, "Staff").persons_in == [Member(STAFF, reference(Kind.PERSON, "Jo Doe"))]


def test_groups_are_members_by_id_or_name_but_never_of_themselves(tmp_path: Path) -> None:
    """A circle of one is left out with a doubt."""
    inner = f'<MemberGroup ID="{STAFF}" Name="Staff"/><MemberGroup Name="Admin"/><MemberGroup Name="Elsewhere"/>'
    package = opened(tmp_path, f"<Groups>{group(STAFF, 'Staff', '', inner)}{group(ADMIN, 'Admin')}</Groups>")
    elsewhere = reference(Kind.GROUP, "Elsewhere")
    assert {row.other for row in members(package, "Staff").groups_in} == {ADMIN, elsewhere}
    assert Name(elsewhere, Kind.GROUP, "Elsewhere") in members(package, "Staff").names
    assert package.doubts == ("group 'Staff' is a member of itself: left out",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"<People>{person(JO, 'a@b') * 2}</People>", "two of that ID"),
        (f"<People>{person(JO, 'a@b')}</People><Groups>{group(JO, 'A')}</Groups>", "two of that ID"),
        (f"<People>{person('', 'a@b') * 2}</People>", "two of that ID, or of that name"),
        (f"<Groups>{group(STAFF, 'A')}{group(ADMIN, 'A')}</Groups>", "two groups named 'A'"),
        ("<Groups><Group ID='1'/></Groups>", "Name is missing"),
        (f"<People>{person(JO, '')}</People>", "neither Email nor Netid"),
        (f"<Groups>{group(STAFF, 'A', '<Member/>')}</Groups>", "neither ID nor Name"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """By the place in the document."""
    with pytest.raises(InvalidPackage, match=message):
        opened(tmp_path, content)


def test_a_person_of_ours_comes_back_whole(tmp_path: Path) -> None:
    """As does what we write for the stock packager, though that says less."""
    row = PersonRow(JO, 4, "jo@example.org", None, True, False, False, 2)
    aip = Aip(kind=Kind.PERSON, uuid=JO, person=row)
    path = tmp_path / "jo.xml"
    path.write_bytes(write(aip))
    package = open_package(path)
    assert (package.whole, package.people) == (True, (aip,))
    path.write_bytes(combined([aip, Aip(kind=Kind.GROUP, uuid=STAFF, group=GroupRow(STAFF, None, "Staff", False))]))
    assert {row.uuid for row in open_package(path).people} == {JO, STAFF}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("COLLECTION_hdl:123456789/3_SUBMIT", f"COLLECTION_{COLLECTION}_SUBMIT"),
        ("COLLECTION_hdl:123456789/3_WORKFLOW_STEP_1", f"COLLECTION_{COLLECTION}_WORKFLOW_STEP_1"),
        ("COLLECTION_hdl:123/a_b_SUBMIT", f"COLLECTION_{ADMIN}_SUBMIT"),
        ("COLLECTION_hdl:123456789/5_SUBMIT", None),
        ("COLLECTION_hdl:123456789/3", "COLLECTION_hdl:123456789/3"),
        ("Staff", "Staff"),
        ("hdl:123456789/3_x", "hdl:123456789/3_x"),
        ("ORPHANED_3_GROUP_17_SUBMIT", "ORPHANED_3_GROUP_17_SUBMIT"),
    ],
)
def test_exported_names_of_groups_are_translated_back(name: str, expected: str | None) -> None:
    """Where the container is known; None says that it is not, so that the caller waits for it."""
    assert translate(name, {"123456789/3": COLLECTION, "123/a_b": ADMIN}.get) == expected


def test_a_name_of_many_underscores_takes_no_time() -> None:
    """A handle is at most 256 characters long."""
    assert translate("COLLECTION_hdl:" + "_" * 5_000_000, {}.get) is None
