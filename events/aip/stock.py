"""METS AIP manifests that DSpace itself wrote, as rows (aip-format 2, 3 and 9).

A stock manifest names groups, people and containers, never their UUIDs, and has none for bundles. Such references get
a UUID derived from their name (`reference`), and a row in `names`, by which a target finds the object that it has. The
groups in a container's own DSPACE-ROLES section are the exception: there UUIDs are given, and used.

What a stock manifest cannot say takes DSpace's own default on restore: discoverable, archived unless withdrawn,
policies of TYPE_CUSTOM. Left out is what is derived: virtual metadata (`virtual::`, of relationships; kept as traces in
`Stock.related`), the `hdl:` forms of identifiers, empty elements in containers, and the three fixed fields of a site.

Invariant: what is malformed, or would have to be guessed, raises InvalidAip; what is merely absent does not; what is
odd, and left out, is named in `Stock.doubts`.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from lxml import etree
from msgspec.structs import replace

from events.aip import dim, files, links, markup, rights, stock_files, stock_roles
from events.aip.markup import METS, XLINK
from events.aip.mets import TEMPLATE_TYPE, payload
from events.aip.model import (
    Aip,
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
    Role,
    SiteRow,
    Uuid,
    Value,
    derived_uuid,
)
from events.aip.named import reference
from events.aip.order import assembled
from events.errors import InvalidAip

__all__ = ["Stock", "opened", "read", "reference"]

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RENAMED: Final = {"CONTENT": "ORIGINAL", "MANIFESTMD": "METADATA"}
"""Names of bundles that stock DSpace changes on the way in."""
_READ: Final = frozenset({"DIM", "MODS", "AIP-TECHMD", "PREMIS", "METSRIGHTS", "DSPACE-ROLES"})
_LICENCES: Final = frozenset({"DSpaceDepositLicense", "CreativeCommonsRDF", "CreativeCommonsText"})
_LISTS: Final = ("values", "policies", "handles", "items", "parents", "bundles", "placed", "bitstreams", "formats",
                 "roles")  # fmt: skip
_VIRTUAL: Final = re.compile(rf"{re.escape(dim.VIRTUAL)}([0-9]{{1,18}})")
_VERSION: Final = "itemVersion"
_HREF: Final = f"{{{XLINK}}}href"

WITHDRAWN_READ: Final = 12
_NOTHING: Final = -1


class Stock(NamedTuple):
    """A stock manifest, read.

    `anonymous`: it has no UUID of the object; `people`: the AIPs of its roles; `uuids`: the bitstream of each file ID;
    `media`: MIME types of bitstreams without a format; `related`: number of the relationship, field and other UUID;
    `modified`: the exporter's local time.
    """

    aip: Aip
    anonymous: bool
    people: tuple[Aip, ...]
    uuids: dict[str, Uuid]
    media: dict[Uuid, str]
    related: tuple[tuple[int, str, Uuid], ...]
    modified: str | None
    doubts: tuple[str, ...]


def read(root: etree._Element, kind: Kind) -> Aip:
    """The AIP of a manifest without our extension. Raises InvalidAip for what is malformed or refers to nothing."""
    return opened(root, kind).aip


def opened(root: etree._Element, kind: Kind) -> Stock:
    """All that a manifest without our extension says. Raises InvalidAip for what is malformed or refers to nothing."""
    return _Manifest(root, kind).stock()


class _Manifest:
    """One manifest, with its sections by ID."""

    def __init__(self, root: etree._Element, kind: Kind) -> None:
        self.root = root
        self.kind = kind
        self.sections: dict[str, etree._Element] = {}
        for section in root:
            if markup.local(section) in {"dmdSec", "amdSec"}:
                identity = section.get("ID")
                if identity is None:
                    continue  # nothing can refer to it
                if identity in self.sections:
                    raise InvalidAip(f"{markup.place(section)}: there are two sections of that ID")
                self.sections[identity] = section
        self.handle = links.own_handle(root)
        tail = markup.need(root, "ID").strip().rpartition("DB-ID-")[2]
        self.anonymous = _UUID.fullmatch(tail.lower()) is None
        self.uuid = reference(kind, self.handle or tail) if self.anonymous else tail.lower()
        self.rows: dict[str, list[Any]] = {name: [] for name in _LISTS}
        self.names: dict[Uuid, Name] = {}
        self.groups: dict[str, Uuid] = {}
        """Groups of the manifest's own roles, by the names that it uses."""
        self.people: tuple[Aip, ...] = ()
        self.roles: stock_roles.Roles | None = None
        self.files = stock_files.Files(self.uuid)
        self.related: dict[tuple[int, str, Uuid], None] = {}
        self.doubts: list[str] = []
        self.said: dict[str, list[str]] = {}
        """What AIP-TECHMD says of the object: the field without `dc.`, and its values."""

    def stock(self) -> Stock:
        """All of the manifest."""
        main = links.main(self.root)
        self._read_roles(main)
        template = self._template(main)
        if self.kind is not Kind.SITE:
            self._values(main, self.uuid)
        for section in self._administrative(main):
            self._object(section)
        logo = self._file_section(main)
        if self.handle:
            self.rows["handles"].append(HandleRow(self.uuid, self.handle, 0))
        else:
            self.doubts.append(f"no handle in OBJID {self.root.get('OBJID', '')[:80]!r}")
        self._own_row(template, logo)
        self.rows["names"] = list(self.names.values())
        self.rows["formats"] = list(self.files.formats.values())
        header = next((section for section in self.root if section.tag == f"{{{METS}}}metsHdr"), None)
        return Stock(
            assembled(self.kind, self.uuid, None, self.rows),
            self.anonymous,
            self.people,
            self.files.uuids,
            self.files.media,
            tuple(self.related),
            None if header is None else header.get("LASTMODDATE"),
            (*self.doubts, *self.files.doubts),
        )

    def _name(self, kind: Kind, name: str) -> Uuid:
        uuid = self.groups.get(name) if kind is Kind.GROUP else None
        shown = name
        if kind is Kind.GROUP and self.handle and not self.anonymous:
            shown = stock_roles.translate(name, {self.handle: self.uuid}.get) or name
        uuid = uuid or reference(kind, name)
        self.names[uuid] = Name(uuid, kind, shown)
        return uuid

    def _resolved(self, element: etree._Element, attribute: str) -> list[etree._Element]:
        found = []
        for token in (element.get(attribute) or "").split():
            if token not in self.sections:
                raise InvalidAip(f"{markup.place(element)}: {attribute} names {token[:80]!r}, which is not there")
            found.append(self.sections[token])
        return found

    def _administrative(self, element: etree._Element) -> list[etree._Element]:
        found = [metadata for section in self._resolved(element, "ADMID") for metadata in section]
        for metadata in found:
            label = _label(metadata)
            if label in _LICENCES:
                for pointer in metadata:
                    entry = pointer.get(_HREF) or ""
                    if not entry.startswith("bitstream_"):
                        self.doubts.append(f"{label}: its bundle was left out at the export, as stock DSpace leaves "
                                           f"out its copy {entry[:80]!r}")  # fmt: skip
            elif label not in _READ:
                self.doubts.append(f"{markup.place(metadata)}: metadata of the unknown type {label!r} left out")
        return found

    def _read_roles(self, main: etree._Element) -> None:
        sections = [section for section in self._resolved(main, "ADMID") for section in section]
        found = [payload(section) for section in sections if _label(section) == "DSPACE-ROLES"]
        if len(found) > 1:
            raise InvalidAip(f"{markup.place(main)}: {len(found)} sections of DSPACE-ROLES, expected one")
        if found:
            known = None if self.anonymous or self.kind is Kind.SITE else self.handle
            self.roles = stock_roles.read(found[0], known, self.uuid)
            self.people = self.roles.aips
            self.groups = self.roles.named
            self.doubts += self.roles.doubts

    def _template(self, main: etree._Element) -> Uuid | None:
        divs = [div for div in main if div.tag == f"{{{METS}}}div" and div.get("TYPE") == TEMPLATE_TYPE]
        if not divs or self.kind is not Kind.COLLECTION:
            return None
        if len(divs) > 1:
            raise InvalidAip(f"{markup.place(divs[1])}: a second template item")
        template = derived_uuid(f"{self.uuid}/template")
        self._values(divs[0], template)
        return template

    def _values(self, div: etree._Element, subject: Uuid) -> None:
        described = [section for section in self._resolved(div, "DMDID") if _label(section) == "DIM"]
        if not described:
            raise InvalidAip(f"{markup.place(div)}: its DMDID names no section of DIM")
        found: list[Value] = []
        declared = payload(described[-1])
        dim.read(declared, subject, found)
        version = declared.get(_VERSION)
        if version is not None:
            self.doubts.append(f"is version {version[:20]} of an item; a stock package has nothing of the others")
        container = self.kind in {Kind.COMMUNITY, Kind.COLLECTION} and subject == self.uuid
        counted: dict[str, int] = {}
        for value in found:
            authority = value.authority or ""
            if authority.startswith(dim.VIRTUAL):
                self._trace(value, authority)
            elif value.field.startswith("relation.") and value.field.endswith(".latestForDiscovery"):
                continue
            elif not (container and (not value.text or value.text.startswith("hdl:"))):
                self.rows["values"].append(_placed(value, counted))

    def _trace(self, value: Value, authority: str) -> None:
        """Keep what a virtual value tells of a relationship: its number, and the other item's UUID."""
        number, text = _VIRTUAL.fullmatch(authority), (value.text or "").strip().lower()
        if number and value.field.startswith("relation.") and value.field.count(".") == 1 and _UUID.fullmatch(text):
            self.related[(int(number[1]), value.field, text)] = None

    def _object(self, section: etree._Element) -> None:
        label = _label(section)
        if label == "AIP-TECHMD":
            for name, text in _facts(payload(section)):
                self.said.setdefault(name, []).append(text)
        elif label == "METSRIGHTS":
            self._policies(payload(section), self.uuid)

    def _policies(self, declaration: etree._Element, subject: Uuid) -> None:
        for context in rights.contexts(declaration):
            who, named = context.get("CONTEXTCLASS"), rights.user(context)
            group, person = None, None
            if who == "GENERAL PUBLIC":
                group = self._name(Kind.GROUP, rights.ANONYMOUS)
            elif who == "REPOSITORY MGR":
                group = self._name(Kind.GROUP, rights.ADMINISTRATOR)
            elif who == "MANAGED GRP" and named:
                group = self._name(Kind.GROUP, named)
            elif who == "ACADEMIC USER" and named:
                person = self._name(Kind.PERSON, named)
            else:
                raise InvalidAip(f"{markup.place(context)}: CONTEXTCLASS {who!r} with user {named!r}")
            action = rights.action(context)
            start, end = (rights.date(context, context.get(name)) for name in ("start-date", "end-date"))
            self.rows["policies"].append(
                Policy(subject, action, group, person, start, end, context.get("rpName"), "TYPE_CUSTOM")
            )

    def _file_section(self, main: etree._Element) -> Uuid | None:
        """The rows of bundles and bitstreams. The UUID of the logo, if the object has one."""
        primary = next((pointer.get("FILEID") for pointer in main if pointer.tag == f"{{{METS}}}fptr"), None)
        logo = None
        groups = (group for section in self.root if section.tag == f"{{{METS}}}fileSec" for group in section)
        for number, group in enumerate(groups):
            if group.tag != f"{{{METS}}}fileGrp":
                raise InvalidAip(f"{markup.place(group)}: expected fileGrp")
            if self.kind is not Kind.ITEM and group.get("USE") != files.LOGO:
                self.doubts.append(f"{markup.place(group)}: a {self.kind} has no bundles: left out")
            else:
                logo = self._group(group, number, primary) or logo
        if self.kind is Kind.ITEM and primary is not None and primary not in self.files.uuids:
            raise InvalidAip(f"{markup.place(main)}: its fptr names {primary[:80]!r}, which is not there")
        return logo

    def _group(self, group: etree._Element, number: int, primary: str | None) -> Uuid | None:
        """The rows of a bundle; of a logo too, whose UUID is returned."""
        use = markup.need(group, "USE")
        is_logo = self.kind is not Kind.ITEM and use == files.LOGO
        bundle = derived_uuid(f"{self.uuid}/bundle/{number}")
        chosen = None
        for order, file in enumerate(group):
            uuid = self._bitstream(file)
            chosen = uuid if is_logo or file.get("ID") == primary else chosen
            if not is_logo:
                self.rows["placed"].append(Placed(bundle, uuid, order, None))
        if is_logo:
            return chosen
        self.rows["bundles"].append(BundleRow(self.uuid, bundle, None, chosen))
        self.rows["values"].append(Value(bundle, files.NAME_FIELD, 0, _RENAMED.get(use, use)))
        for section in self._administrative(group):
            if _label(section) == "METSRIGHTS":
                self._policies(payload(section), bundle)
        return None

    def _bitstream(self, file: etree._Element) -> Uuid:
        sections = [(_label(section), section) for section in self._administrative(file)]
        described = [payload(section) for label, section in sections if label == "AIP-TECHMD"]
        preserved = [payload(section) for label, section in sections if label == "PREMIS"]
        row, values = self.files.read(file, described, preserved)
        for label, section in sections:
            if label == "METSRIGHTS":
                self._policies(payload(section), row.uuid)
        self.rows["bitstreams"].append(row)
        self.rows["values"] += values
        return row.uuid

    def _own_row(self, template: Uuid | None, logo: Uuid | None) -> None:
        uuid, rows = self.uuid, self.rows
        above = Kind.COLLECTION if self.kind is Kind.ITEM else Kind.COMMUNITY
        said = {name: [_handle(text) for text in self.said.get(f"relation.{name}", ())] for name in
                ("isPartOf", "isReferencedBy")}  # fmt: skip
        first = links.parent(self.root) or next(iter(said["isPartOf"]), None)
        if self.kind is Kind.COMMUNITY and first and first.endswith("/0"):
            self._name(Kind.SITE, first)  # a top-level community hangs below the site, which is no parent row
            first = None
        handles = [first, *said["isReferencedBy"]]
        if self.kind is not Kind.SITE:
            rows["parents"] += [
                Member(uuid, self._name(above, handle)) for handle in dict.fromkeys(filter(None, handles))
            ]
        if template is not None:
            rows["items"].append(ItemRow(template, None, False, False, True, None, None, None))
        administrators: Uuid | None = None
        submitters: Uuid | None = None
        workflow: list[Role] = []
        if self.roles is not None and self.kind is not Kind.SITE:
            administrators, submitters, workflow = stock_roles.links(self.roles, uuid)
            for aip in self.people:
                if aip.uuid in self.roles.types and aip.group is not None:
                    self.names[aip.uuid] = Name(aip.uuid, Kind.GROUP, aip.group.name)
        if self.kind is Kind.SITE:
            rows["site"] = [SiteRow(uuid)]
        elif self.kind is Kind.COMMUNITY:
            rows["community"] = [CommunityRow(uuid, None, administrators, logo)]
        elif self.kind is Kind.COLLECTION:
            rows["collection"] = [CollectionRow(uuid, None, submitters, administrators, template, logo)]
            rows["roles"] += workflow
        else:
            withdrawn = "WITHDRAWN" in (text.upper() for text in self.said.get("rights.accessRights", ()))
            submitter = next(iter(self.said.get("creator", ())), None)
            rows["items"].append(
                ItemRow(
                    uuid,
                    None,
                    not withdrawn,
                    withdrawn,
                    True,
                    None,
                    self._name(Kind.PERSON, submitter) if submitter else None,
                    self._name(above, first) if first else None,
                )
            )
            if withdrawn:
                rows["policies"] = [_withdrawn(policy) for policy in rows["policies"]]
        self._drop_powerless()

    def _drop_powerless(self) -> None:
        """Leave out policies whose action METSRIGHTS had no word for. Stock DSpace stores them with the action -1."""
        kept = [policy for policy in self.rows["policies"] if policy.action != _NOTHING]
        dropped = len(self.rows["policies"]) - len(kept)
        if dropped:
            self.doubts.append(f"{dropped} policies left out: the package does not say what they permit")
            self.rows["policies"] = kept


def _placed(value: Value, counted: dict[str, int]) -> Value:
    """The value, at its place among those of its field that are kept."""
    place = counted.get(value.field, 0)
    counted[value.field] = place + 1
    return value if place == value.place else replace(value, place=place)


def _withdrawn(policy: Policy) -> Policy:
    """Withdrawal turns READ into WITHDRAWN_READ, for which METSRIGHTS has no permissions."""
    return replace(policy, action=WITHDRAWN_READ) if policy.action == _NOTHING else policy


def _handle(text: str) -> str:
    return text.strip().removeprefix("hdl:")


def _label(section: etree._Element) -> str | None:
    """The kind of metadata that a section wraps or refers to."""
    for wrap in section:
        kind = wrap.get("MDTYPE")
        return wrap.get("OTHERMDTYPE") if kind == "OTHER" else kind
    return None


def _facts(parent: etree._Element) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for field in parent:
        parts = (field.get("element"), field.get("qualifier"))
        found.append((".".join(part for part in parts if part), field.text or ""))
    return found
