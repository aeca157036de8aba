"""People and groups of DSPACE-ROLES documents that DSpace itself wrote, as AIPs (aip-format 3.5 and 3.6).

They stand by themselves (`packager -t DSPACE-ROLES`), or in the packages of a site, a community or a collection. The
elements are told by their local names, since DSpace leaves their namespace to chance.

A person or group has the UUID in its `ID`; without one, `named.reference(kind, name)`. A member is looked for among the
people of the document by its `ID`, then by e-mail address, then by full name (packages of DSpace 7.6.6, 8.3 and 9.2
write full names); if none of them is there, it keeps its `ID`, and its name is in `names`.

Groups whose name holds the id of a container are exported with its handle, `COLLECTION_hdl:123/4_SUBMIT`. Here the name
is turned back where the container is the object of the package; everywhere else it stays, also in `names`, and whoever
knows the UUIDs that the containers have in the target calls `translate`.

Invariant: no two people or groups of a document have one UUID, and no group is a member of itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from lxml import etree

from events.aip import markup
from events.aip.markup import AS
from events.aip.model import Aip, GroupRow, Kind, Member, Name, PersonRow, Role, Uuid, Value
from events.aip.named import reference
from events.aip.order import assembled
from events.aip.rights import ADMINISTRATOR, ANONYMOUS
from events.aip.roles import ROOT
from events.errors import InvalidAip

WORKFLOW: Final = {
    "WORKFLOW_STEP_1": "reviewer",
    "WORKFLOW_STEP_2": "editor",
    "WORKFLOW_STEP_3": "finaleditor",
}
"""`Group/@Type`, and the workflow role that DSpace means by it (class `CollectionRoleService`, its legacy names)."""

_TYPES: Final = frozenset({"ADMIN", "SUBMIT", *WORKFLOW})
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EXPORTED: Final = re.compile(r"([A-Z]+)_hdl:(.+_.+)", re.S)
_LONGEST_HANDLE: Final = 256
"""Characters of a handle, as DSpace's table has them."""
_NAMES: Final = {
    "FirstName": "eperson.firstname",
    "LastName": "eperson.lastname",
    "Language": "eperson.language",
}
_EXACT: Final = f"{{{AS}}}name"


class Roles(NamedTuple):
    """A document's people and groups, people first.

    `types` gives for groups with a role in the package's container what the role is (`ADMIN`, `SUBMIT`,
    `WORKFLOW_STEP_1`...), `named` the UUIDs of groups by the names that the package uses for them.
    """

    aips: tuple[Aip, ...]
    types: dict[Uuid, str]
    named: dict[str, Uuid]
    doubts: tuple[str, ...]


def translate(name: str, uuid_of_handle: Callable[[str], Uuid | None]) -> str | None:
    """The name of a group as it has to be where containers have the UUIDs that `uuid_of_handle` gives.

    `COLLECTION_hdl:123/4_SUBMIT` becomes `COLLECTION_<uuid>_SUBMIT`; a name of another form stays as it is. None if
    no such container is known (yet): stock DSpace passes over such a group.
    """
    parts = _EXPORTED.fullmatch(name)
    if parts is None:
        return name
    text = parts[2]
    place = text.find("_")
    while 0 <= place <= _LONGEST_HANDLE:  # a handle may itself hold underscores
        uuid = uuid_of_handle(text[:place])
        if uuid is not None:
            return f"{parts[1]}_{uuid}_{text[place + 1 :]}"
        place = text.find("_", place + 1)
    return None


def read(root: etree._Element, handle: str | None = None, uuid: Uuid | None = None) -> Roles:
    """The people and groups below a `DSpaceRoles`.

    `handle` and `uuid` are those of the container that the document belongs to, if it has both. Raises InvalidAip for
    what is malformed.
    """
    if markup.local(root) != ROOT:
        raise InvalidAip(f"{markup.place(root)}: expected {ROOT}")

    def known(other: str) -> Uuid | None:
        return uuid if other == handle else None

    return _Document(root, known).roles()


def links(roles: Roles, container: Uuid) -> tuple[Uuid | None, Uuid | None, list[Role]]:
    """What the types of groups say of their container: the group of its administrators, of its submitters, and its
    workflow roles.
    """
    by_type = {kind: group for group, kind in roles.types.items()}
    workflow = [Role(container, WORKFLOW[kind], group) for kind, group in by_type.items() if kind in WORKFLOW]
    return by_type.get("ADMIN"), by_type.get("SUBMIT"), workflow


class _Document:
    """One document, with its people by all that they may be called."""

    def __init__(self, root: etree._Element, known: Callable[[str], Uuid | None]) -> None:
        self.known = known
        self.doubts: list[str] = []
        self.people: dict[Uuid, etree._Element] = {}
        self.groups: dict[Uuid, etree._Element] = {}
        self.emails: dict[str, Uuid] = {}
        self.full_names: dict[str, list[Uuid]] = {}
        self.named: dict[str, Uuid] = {}
        self.types: dict[Uuid, str] = {}
        for element in _below(root, "Person"):
            email, netid = _text(element, "Email"), _text(element, "Netid")
            if not email and not netid:
                raise InvalidAip(f"{markup.place(element)}: a person with neither Email nor Netid")
            uuid = self._add(element, Kind.PERSON, email or netid or "", self.people)
            if email:
                self.emails[email.lower()] = uuid
            full = " ".join(filter(None, (_text(element, "FirstName"), _text(element, "LastName"))))
            self.full_names.setdefault(full, []).append(uuid)
        for element in _below(root, "Group"):
            name = markup.need(element, "Name")
            uuid = self._add(element, Kind.GROUP, name, self.groups)
            if self.named.setdefault(name, uuid) != uuid:
                raise InvalidAip(f"{markup.place(element)}: there are two groups named {name[:80]!r}")
            kind = element.get("Type")
            if kind in _TYPES and kind not in self.types.values():
                self.types[uuid] = kind
            elif kind:
                self.doubts.append(f"group {name!r}: its Type {kind[:40]!r} is not known, or there twice: left out")

    def _add(self, element: etree._Element, kind: Kind, name: str, into: dict[Uuid, etree._Element]) -> Uuid:
        uuid = _identity(element) or reference(kind, name)
        if uuid in self.people or uuid in self.groups:
            raise InvalidAip(f"{markup.place(element)}: there are two of that ID, or of that name without an ID")
        into[uuid] = element
        return uuid

    def roles(self) -> Roles:
        """All of it."""
        aips = [self._person(uuid, element) for uuid, element in self.people.items()]
        aips += [self._group(uuid, element) for uuid, element in self.groups.items()]
        return Roles(tuple(aips), self.types, self.named, tuple(self.doubts))

    def _person(self, uuid: Uuid, element: etree._Element) -> Aip:
        present = {markup.local(part) for part in element}
        secret = next((part for part in element if markup.local(part) == "PasswordHash"), None)
        password = _clean(secret.text) if secret is not None else None
        row = PersonRow(
            uuid,
            None,
            _text(element, "Email"),
            _text(element, "Netid"),
            "CanLogin" in present,
            bool(present & {"RequireCertificate", "RequiredCertificate"}),  # the second in bags
            "SelfRegistered" in present,
            None,
            password,
            (secret.get("salt") or None) if secret is not None and password else None,
            (secret.get("digest") or None) if secret is not None and password else None,
        )
        said = ((field, _text(element, name)) for name, field in _NAMES.items())
        values = [Value(uuid, field, 0, text) for field, text in said if text]
        return assembled(Kind.PERSON, uuid, None, {"person": [row], "values": values})

    def _group(self, uuid: Uuid, element: etree._Element) -> Aip:
        name = element.get(_EXACT) or self._translated(element.get("Name", ""))
        into: dict[str, list[Any]] = {
            "group": [GroupRow(uuid, None, name, name in {ANONYMOUS, ADMINISTRATOR})],
            "persons_in": [],
            "groups_in": [],
            "names": [],
        }
        members = [("persons_in", Kind.PERSON, part) for part in _below(element, "Member")]
        members += [("groups_in", Kind.GROUP, part) for part in _below(element, "MemberGroup")]
        seen: set[Uuid] = set()
        for field, kind, part in members:
            other, called = self._member(kind, part, name)
            if other == uuid:
                self.doubts.append(f"group {name!r} is a member of itself: left out")
            elif other not in seen:
                seen.add(other)
                into[field].append(Member(uuid, other))
                into["names"].append(Name(other, kind, called))
        return assembled(Kind.GROUP, uuid, None, into)

    def _member(self, kind: Kind, element: etree._Element, group: str) -> tuple[Uuid, str]:
        """The UUID of a member, and how it is called."""
        identity, name = _identity(element), _clean(element.get("Name")) or ""
        if not identity and not name:
            raise InvalidAip(f"{markup.place(element)}: neither ID nor Name")
        if kind is Kind.GROUP:
            uuid = identity if identity in self.groups else self.named.get(name, identity)
            return uuid or reference(kind, name), self._translated(name)
        uuid = identity if identity in self.people else self.emails.get(name.lower())
        if uuid is None and name and len(self.full_names.get(name, ())) == 1:
            uuid = self.full_names[name][0]
        if uuid is not None:
            return uuid, _text(self.people[uuid], "Email") or name
        if identity is None and "@" not in name:
            self.doubts.append(f"group {group!r}: its member {name!r} is not named by an e-mail address")
        return identity or reference(kind, name), name

    def _translated(self, name: str) -> str:
        return translate(name, self.known) or name


def _below(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    """The elements of that local name, two levels down: `Groups/Group`, `Members/Member`."""
    for outer in parent:
        for element in outer:
            if markup.local(element) == name:
                yield element


def _identity(element: etree._Element) -> Uuid | None:
    """The UUID in `ID`; None if that is another id, as of DSpace 5 and before, or missing."""
    identity = (element.get("ID") or "").strip().lower()
    return identity if _UUID.fullmatch(identity) else None


def _text(element: etree._Element, name: str) -> str | None:
    return next((_clean(part.text) for part in element if markup.local(part) == name), None)


def _clean(text: str | None) -> str | None:
    return (text or "").strip() or None
