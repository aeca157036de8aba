"""What the payload of a bag of the Replication Task Suite says: one object, or a catalog of deletions (aip-format 7.1).

A bag has no UUIDs but those of files (in their names), groups and people; the object has `named.reference` of its
handle, and the package is anonymous. Bundles are folders. Their files have no order there; they are put in that of
their sequence ids. Formats are not said at all.

Invariant: what is malformed raises InvalidAip, what is missing by the nature of bags does not; what is left out is
named in `doubts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from lxml import etree

from events.aip import markup, rights, roles, stock_roles
from events.aip.files import NAME_FIELD
from events.aip.model import (
    Aip,
    BitstreamRow,
    BundleRow,
    CollectionRow,
    CommunityRow,
    HandleRow,
    ItemRow,
    Kind,
    Member,
    Name,
    Placed,
    Policy,
    SiteRow,
    Uuid,
    Value,
    derived_uuid,
)
from events.aip.named import reference
from events.aip.order import assembled
from events.aip.stock import WITHDRAWN_READ
from events.errors import InvalidAip
from events.package import Content, Package
from events.package.limits import Limits
from events.package.xml import parsed

_KINDS: Final = {str(kind): kind for kind in (Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM)}
_ACTIONS: Final = {
    "READ": 0,
    "WRITE": 1,
    "DELETE": 2,
    "ADD": 3,
    "REMOVE": 4,
    "READ_BITSTREAM": 9,
    "READ_ITEM": 10,
    "ADMIN": 11,
}
_LEGACY: Final = {
    "name": "dc.title",
    "introductory_text": "dc.description",
    "short_description": "dc.description.abstract",
    "side_bar_text": "dc.description.tableofcontents",
    "copyright_text": "dc.rights",
    "provenance_description": "dc.provenance",
    "license": "dc.rights.license",
}
"""How bags call the metadata of containers (DSpace's names before version 6)."""
_OF_FILES: Final = {"name": NAME_FIELD, "source": "dc.source", "description": "dc.description"}
_FILE: Final = re.compile(r"(?:(.+)/)?bitstream_(\w{8}(?:-\w{4}){3}-\w{12})(\.[^/]*)?")
_BESIDE: Final = re.compile(r".+/bitstream_\w{8}(?:-\w{4}){3}-\w{12}-(?:metadata|policy)\.xml")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DOCUMENTS: Final = frozenset({"object.properties", "dspace.properties", "metadata.xml", "template-metadata.xml",
                               "policy.xml", "roles.xml", "members"})  # fmt: skip
_MD5: Final = "MD5"


class BagObject:
    """One payload. `read` gives a document of it by name, `payload` the size of each file, `md5` its checksum."""

    def __init__(
        self,
        read: Callable[[str], bytes],
        payload: Mapping[str, int],
        md5: Callable[[str], str | None],
        where: str,
        limits: Limits,
    ) -> None:
        self.read = read
        self.payload = payload
        self.md5 = md5
        self.where = where
        self.limits = limits
        self.doubts: list[str] = []
        self.said = self._properties("object.properties")
        self.rows: dict[str, list[Any]] = {
            name: []
            for name in ("values", "policies", "handles", "items", "parents", "bundles", "placed", "bitstreams")
        }
        self.names: dict[Uuid, Name] = {}
        self.groups: dict[str, Uuid] = {}
        self.contents: dict[Uuid, Content] = {}
        self.roles: stock_roles.Roles | None = None

    def package(
        self,
        path: Path,
        doubts: list[str],
        opener: Callable[[str], BinaryIO],
        closer: Callable[[], None],
        shortened: Callable[[list[str]], tuple[str, ...]],
    ) -> Package:
        """The package of the payload."""
        kind, bag = self.said.get("objectType", "").lower(), self.said.get("bagType", "").lower()
        handle = self.said.get("objectId")
        if kind == "site" and not handle and "dspace.properties" in self.payload:
            handle = self._properties("dspace.properties").get("Site-Handle")
        if not handle or handle == "null":
            raise InvalidAip("object.properties: no objectId, so nothing says what the bag is of")
        parent = self.said.get("ownerId")
        members = self._lines("members") if "members" in self.payload else ()
        if (bag, kind) == ("man", "deletion"):
            deleted = tuple(dict.fromkeys((handle, *members)))
            return Package(path, "bag", None, parent=parent, deleted=deleted, doubts=shortened(doubts), closer=closer)
        if bag != "aip" or kind not in _KINDS:
            raise InvalidAip(
                f"object.properties: neither an AIP nor a catalog of deletions: {bag[:40]!r} {kind[:40]!r}"
            )
        aip = self._aip(_KINDS[kind], handle, parent)
        strangers = [name for name in self.payload if not self._known(name)]
        if strangers:
            self.doubts.append(f"{len(strangers)} files of an unknown meaning, data/{strangers[0]} first: left out")
        contents = self.contents
        return Package(
            path,
            "bag",
            aip,
            anonymous=True,
            parent=parent,
            members=members,
            people=self.roles.aips if self.roles else (),
            contents=contents,
            doubts=shortened(doubts + self.doubts),
            opener=lambda bitstream: opener(contents[bitstream].entry.removeprefix("data/")),
            closer=closer,
        )

    # --- documents -------------------------------------------------------------------------------------------

    def _lines(self, name: str) -> tuple[str, ...]:
        try:
            text = self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidAip(f"{name}: not in UTF-8") from error
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    def _properties(self, name: str) -> dict[str, str]:
        """Lines of a key, blanks, and a value."""
        if name not in self.payload:
            raise InvalidAip(f"no data/{name}, so it is no bag of the Replication Task Suite")
        found = {}
        for line in self._lines(name):
            key, _, value = line.partition(" ")
            found[key] = value.strip()
        return found

    def _document(self, name: str, root: str) -> etree._Element | None:
        if name not in self.payload:
            return None
        found = parsed(f"{self.where}: data/{name}", self.read(name), self.limits)
        if markup.local(found) != root:
            raise InvalidAip(f"data/{name}: its root is {markup.local(found)[:80]}, not {root}")
        return found

    def _known(self, name: str) -> bool:
        return name in _DOCUMENTS or bool(_FILE.fullmatch(name) or _BESIDE.fullmatch(name))

    # --- the object ------------------------------------------------------------------------------------------

    def _aip(self, kind: Kind, handle: str, parent: str | None) -> Aip:
        uuid = reference(kind, handle)
        self._roles()
        withdrawn = kind is Kind.ITEM and self.said.get("withdrawn", "").lower() == "true"
        if kind is Kind.ITEM:
            self._values("metadata.xml", uuid)
        elif kind is not Kind.SITE:
            self._container_values(uuid)
        self._policies("policy.xml", uuid, withdrawn)
        logo = self._files(uuid, kind, withdrawn)
        self.rows["handles"].append(HandleRow(uuid, handle, 0))
        above = Kind.COLLECTION if kind is Kind.ITEM else Kind.COMMUNITY
        others = self.said.get("otherIds", "").split(",") if kind is Kind.ITEM else ()
        if kind is not Kind.SITE:
            handles = dict.fromkeys(filter(None, (parent, *(other.strip() for other in others))))
            self.rows["parents"] += [Member(uuid, self._name(above, other)) for other in handles]
        administrators, submitters, workflow = stock_roles.links(self.roles, uuid) if self.roles else (None, None, [])
        if kind is Kind.SITE:
            self.rows["site"] = [SiteRow(uuid)]
        elif kind is Kind.COMMUNITY:
            self.rows["community"] = [CommunityRow(uuid, None, administrators, logo)]
        elif kind is Kind.COLLECTION:
            template = self._template(uuid)
            self.rows["collection"] = [CollectionRow(uuid, None, submitters, administrators, template, logo)]
            self.rows["roles"] = list(workflow)
        else:
            owner = self._name(above, parent) if parent else None
            self.rows["items"].append(ItemRow(uuid, None, not withdrawn, withdrawn, True, None, None, owner))
        self.rows["names"] = list(self.names.values())
        return assembled(kind, uuid, None, self.rows)

    def _name(self, kind: Kind, name: str) -> Uuid:
        uuid = self.groups.get(name) if kind is Kind.GROUP else None
        uuid = uuid or reference(kind, name)
        self.names[uuid] = Name(uuid, kind, name)
        return uuid

    def _roles(self) -> None:
        document = self._document("roles.xml", roles.ROOT)
        if document is not None:
            self.roles = stock_roles.read(document)
            self.groups = self.roles.named
            self.doubts += self.roles.doubts
            for aip in self.roles.aips:
                if aip.uuid in self.roles.types and aip.group is not None:
                    self.names[aip.uuid] = Name(aip.uuid, Kind.GROUP, aip.group.name)

    def _template(self, collection: Uuid) -> Uuid | None:
        if "template-metadata.xml" not in self.payload:
            return None
        template = derived_uuid(f"{collection}/template")
        self._values("template-metadata.xml", template)
        self.rows["items"].append(ItemRow(template, None, False, False, True, None, None, None))
        return template

    def _values(self, name: str, subject: Uuid) -> None:
        """Metadata with schema, element and qualifier. Stored order is that of the document, per field."""
        document = self._document(name, "metadata")
        counted: dict[str, int] = {}
        derived = 0
        for element in document if document is not None else ():
            field = ".".join(filter(None, (element.get("schema"), element.get("element"), element.get("qualifier"))))
            if not element.get("schema") or not element.get("element"):
                raise InvalidAip(f"data/{name}: {markup.place(element)}: schema or element is missing")
            text = element.text or ""
            if _is_derived(field, text):
                derived += 1
                continue
            place = counted.get(field, 0)
            counted[field] = place + 1
            self.rows["values"].append(Value(subject, field, place, text, element.get("language")))
        if derived:
            self.doubts.append(f"data/{name}: {derived} values that follow from relationships left out; a bag has no "
                               "relationships")  # fmt: skip

    def _container_values(self, subject: Uuid) -> None:
        for name, text in self._named("metadata.xml"):
            field = _LEGACY.get(name)
            if field is None:
                self.doubts.append(f"data/metadata.xml: a value named {name[:40]!r} left out")
            elif text:
                self.rows["values"].append(Value(subject, field, 0, text))

    def _named(self, name: str) -> list[tuple[str, str]]:
        """The values of a document that have only a name, the first of each."""
        document = self._document(name, "metadata")
        found: dict[str, str] = {}
        for element in document if document is not None else ():
            found.setdefault(element.get("name", ""), element.text or "")
        return list(found.items())

    def _policies(self, name: str, subject: Uuid, withdrawn: bool) -> None:
        document = self._document(name, "policies")
        dropped = 0
        for element in document if document is not None else ():
            group, person = element.get("group"), element.get("eperson")
            stated = element.get("action")
            action = _ACTIONS.get(stated or "")
            if action is None and not stated and withdrawn:
                action = WITHDRAWN_READ  # bags have no word for it, and a withdrawn object has it in place of READ
            if action is None or not (group or person):
                dropped += 1
                continue
            start, end = (rights.date(element, element.get(name)) for name in ("start-date", "end-date"))
            self.rows["policies"].append(
                Policy(
                    subject,
                    action,
                    self._name(Kind.GROUP, _canonical(group)) if group else None,
                    self._name(Kind.PERSON, person) if person and not group else None,
                    start,
                    end,
                    element.get("name"),
                    element.get("type"),
                    element.get("description"),
                )
            )
        if dropped:
            self.doubts.append(f"data/{name}: {dropped} policies left out: nothing says what they permit, or whom")

    # --- files -----------------------------------------------------------------------------------------------

    def _files(self, owner: Uuid, kind: Kind, withdrawn: bool) -> Uuid | None:
        """The rows of bundles and bitstreams. The UUID of the logo, if the object has one."""
        logo = None
        folders: dict[str, list[tuple[int, str, Uuid]]] = {}
        primary: dict[str, Uuid] = {}
        seen: set[Uuid] = set()
        for name in sorted(self.payload):
            parts = _FILE.fullmatch(name)
            if parts is None:
                continue
            uuid = parts[2].lower() if _UUID.fullmatch(parts[2].lower()) else derived_uuid(f"{owner}/{parts[2]}")
            if uuid in seen:
                raise InvalidAip(f"data/{name}: there are two files with that UUID")
            bundle = parts[1]
            if (bundle is None) == (kind is Kind.ITEM) or (bundle is None and logo is not None):
                self.doubts.append(f"data/{name}: neither in a bundle nor the logo: left out")
                continue
            seen.add(uuid)
            sequence = self._bitstream(name, uuid, withdrawn)
            if bundle is None:
                logo = uuid
                continue
            folders.setdefault(bundle, []).append((sequence, name, uuid))
            if self._is_primary(name):
                primary[bundle] = uuid
        for bundle, found in folders.items():
            identity = derived_uuid(f"{owner}/bundle/{bundle}")
            self.rows["bundles"].append(BundleRow(owner, identity, None, primary.get(bundle)))
            self.rows["values"].append(Value(identity, NAME_FIELD, 0, bundle))
            for order, (_, _, uuid) in enumerate(sorted(found)):
                self.rows["placed"].append(Placed(identity, uuid, order, None))
        return logo

    def _beside(self, name: str, what: str) -> str:
        """The document that says something of a file: its name without the suffix, and what it is."""
        parts = _FILE.fullmatch(name)
        folder = f"{parts[1]}/" if parts and parts[1] else ""
        return f"{folder}bitstream_{parts[2] if parts else ''}-{what}.xml"

    def _is_primary(self, name: str) -> bool:
        return dict(self._named(self._beside(name, "metadata"))).get("bundle_primary", "").lower() == "true"

    def _bitstream(self, name: str, uuid: Uuid, withdrawn: bool) -> int:
        """The rows of one file. Its sequence id, 0 if it has none."""
        document = self._beside(name, "metadata")
        said = dict(self._named(document))
        sequence = said.get("sequence_id", "").strip()
        if sequence and not re.fullmatch(r"-?[0-9]{1,9}", sequence):
            raise InvalidAip(f"data/{document}: not a sequence id: {sequence[:40]!r}")
        self.rows["values"] += [
            Value(uuid, field, 0, text) for key, field in _OF_FILES.items() if (text := said.get(key, ""))
        ]
        self._policies(self._beside(name, "policy"), uuid, withdrawn)
        number = int(sequence) if sequence else None
        size, checksum = self.payload[name], self.md5(name)
        algorithm = _MD5 if checksum else None
        self.rows["bitstreams"].append(BitstreamRow(uuid, None, None, checksum, algorithm, number, size))
        self.contents[uuid] = Content(f"data/{name}", size, checksum, algorithm)
        return number or 0


def _is_derived(field: str, text: str) -> bool:
    """Whether DSpace makes such a value of a relationship: bags hold these as if they were stored."""
    if not field.startswith("relation."):
        return False
    return field.endswith(".latestForDiscovery") or (field.count(".") == 1 and bool(_UUID.fullmatch(text.lower())))


def _canonical(group: str) -> str:
    """The name of a group. The Task Suite compares those of the two that every DSpace has in any case."""
    return next((name for name in (rights.ANONYMOUS, rights.ADMINISTRATOR) if name.lower() == group.lower()), group)
