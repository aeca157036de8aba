"""METS AIP manifests that DSpace itself wrote, as rows (aip-format 2, 3 and 9).

A stock manifest names groups, people and containers, never their UUIDs, and has none for bundles. Such references get
a UUID derived from their name (`reference`), and a row in `names`, by which a target finds the object that it has.

What a stock manifest cannot say takes DSpace's own default on restore: discoverable, archived unless withdrawn,
policies of TYPE_CUSTOM. Virtual metadata (`virtual::`) is what relationships derive and is left out; so are the `hdl:`
forms of identifiers, empty elements in containers, and the three fixed fields of a site. Groups and people in
DSPACE-ROLES sections are objects of their own and are not read here.

Invariant: what is malformed raises InvalidAip; what is merely absent does not.
"""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

from events.aip import dim, files, markup, rights
from events.aip.markup import METS, PREMIS, XLINK
from events.aip.mets import TEMPLATE_TYPE, payload
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
from events.aip.order import assembled
from events.errors import InvalidAip

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RENAMED: Final = {"CONTENT": "ORIGINAL", "MANIFESTMD": "METADATA"}
"""Names of bundles that stock DSpace changes on the way in."""

WITHDRAWN_READ: Final = 12
_NOTHING: Final = -1


def reference(kind: Kind, name: str) -> Uuid:
    """The UUID that stands for an object of which only the name is known: a group, an e-mail address or a handle."""
    return derived_uuid(f"named/{kind}/{name}")


def read(root: etree._Element, kind: Kind) -> Aip:
    """The AIP of a manifest without our extension. Raises InvalidAip for what is malformed or refers to nothing."""
    return _Manifest(root, kind).aip()


class _Manifest:
    """One manifest, with its sections by ID."""

    def __init__(self, root: etree._Element, kind: Kind) -> None:
        self.root = root
        self.kind = kind
        self.sections: dict[str, etree._Element] = {
            section.get("ID", ""): section for section in root if markup.local(section) in {"dmdSec", "amdSec"}
        }
        identity = markup.need(root, "OBJID")
        self.handle = identity.removeprefix("hdl:") if identity.startswith("hdl:") else None
        tail = markup.need(root, "ID").rpartition("DB-ID-")[2]
        named = reference(kind, self.handle or tail)
        self.uuid = tail if _UUID.fullmatch(tail) else named
        self.rows: dict[str, list[Any]] = {
            name: []
            for name in (
                "values", "policies", "handles", "items", "parents", "bundles", "placed", "bitstreams", "names",
            )
        }  # fmt: skip
        self.names: dict[Uuid, Name] = {}
        self.said: dict[str, list[str]] = {}
        """What AIP-TECHMD says of the object: the field without `dc.`, and its values."""

    def aip(self) -> Aip:
        """All rows of the manifest."""
        main = self._main()
        template, logo = None, None
        for child in main:
            if child.tag == f"{{{METS}}}div" and child.get("TYPE") == TEMPLATE_TYPE:
                template = derived_uuid(f"{self.uuid}/template")
                self._values(child, template)
        if self.kind is not Kind.SITE:
            self._values(main, self.uuid)
        for section in self._administrative(main):
            self._object(section)
        primary = next((pointer.get("FILEID") for pointer in main if pointer.tag == f"{{{METS}}}fptr"), None)
        for section in self.root:
            if section.tag == f"{{{METS}}}fileSec":
                for number, group in enumerate(section):
                    logo = self._group(group, number, primary) or logo
        if self.handle:
            self.rows["handles"].append(HandleRow(self.uuid, self.handle, 0))
        self._own_row(template, logo)
        self.rows["names"] += self.names.values()
        return assembled(self.kind, self.uuid, None, self.rows)

    def _name(self, kind: Kind, name: str) -> Uuid:
        uuid = reference(kind, name)
        self.names[uuid] = Name(uuid, kind, name)
        return uuid

    def _main(self) -> etree._Element:
        for section in self.root:
            if section.tag == f"{{{METS}}}structMap":
                for div in section:
                    return div
        raise InvalidAip("mets: no structMap with a div")

    def _parent(self) -> str | None:
        for section in self.root:
            if section.tag == f"{{{METS}}}structMap" and (section.get("LABEL") or "").lower() == "parent":
                for pointer in section.iter(f"{{{METS}}}mptr"):
                    return pointer.get(f"{{{XLINK}}}href")
        return None

    def _resolved(self, element: etree._Element, attribute: str) -> list[etree._Element]:
        found = []
        for token in (element.get(attribute) or "").split():
            if token not in self.sections:
                raise InvalidAip(f"{markup.place(element)}: {attribute} names {token!r}, which is not there")
            found.append(self.sections[token])
        return found

    def _administrative(self, element: etree._Element) -> list[etree._Element]:
        return [metadata for section in self._resolved(element, "ADMID") for metadata in section]

    def _values(self, div: etree._Element, subject: Uuid) -> None:
        described = [section for section in self._resolved(div, "DMDID") if _label(section) == "DIM"]
        if not described:
            raise InvalidAip(f"{markup.place(div)}: its DMDID names no section of DIM")
        found: list[Value] = []
        dim.read(payload(described[-1]), subject, found)
        container = self.kind in {Kind.COMMUNITY, Kind.COLLECTION} and subject == self.uuid
        for value in found:
            if (value.authority or "").startswith(dim.VIRTUAL):
                continue
            if container and (not value.text or value.text.startswith("hdl:")):
                continue
            self.rows["values"].append(value)

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

    def _group(self, group: etree._Element, number: int, primary: str | None) -> Uuid | None:
        """The rows of a bundle; of a logo too, whose UUID is returned."""
        use = markup.need(group, "USE")
        is_logo = self.kind is not Kind.ITEM and use == files.LOGO
        bundle = derived_uuid(f"{self.uuid}/bundle/{number}")
        chosen = None
        for order, file in enumerate(group):
            identity = markup.need(file, "ID")
            tail = identity.rpartition("_")[2]
            uuid = tail if _UUID.fullmatch(tail) else derived_uuid(f"{self.uuid}/{identity}")
            chosen = uuid if is_logo or identity == primary else chosen
            self._bitstream(file, uuid)
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

    def _bitstream(self, file: etree._Element, uuid: Uuid) -> None:
        media: str | None = None
        size = file.get("SIZE")
        premis: dict[str, str] = {}
        found: list[Value] = []
        for section in self._administrative(file):
            label = _label(section)
            if label == "AIP-TECHMD":
                others = dim.read(payload(section), uuid, found, dim.BITSTREAM_FIELDS_READ)
                media = others.get("dc.format.medium", media)
            elif label == "METSRIGHTS":
                self._policies(payload(section), uuid)
            elif label == "PREMIS":
                premis = {markup.local(part): part.text or "" for part in payload(section).iter(f"{{{PREMIS}}}*")}
        if not any(value.field == files.NAME_FIELD for value in found) and premis.get("originalName"):
            found.append(Value(uuid, files.NAME_FIELD, 0, premis["originalName"]))
        self.rows["values"] += (value for value in found if value.text)
        number = file.get("SEQ")
        self.rows["bitstreams"].append(
            BitstreamRow(
                uuid,
                None,
                media,
                file.get("CHECKSUM", premis.get("messageDigest")),
                file.get("CHECKSUMTYPE", premis.get("messageDigestAlgorithm")),
                None if number is None else markup.number(number, file),
                markup.number(size or premis.get("size") or "0", file),
            )
        )

    def _own_row(self, template: Uuid | None, logo: Uuid | None) -> None:
        uuid, rows = self.uuid, self.rows
        above = Kind.COLLECTION if self.kind is Kind.ITEM else Kind.COMMUNITY
        first = self._parent()
        if self.kind is Kind.COMMUNITY and first and first.endswith("/0"):
            self._name(Kind.SITE, first)  # a top-level community hangs below the site, which is no parent row
            first = None
        handles = [first, *(text.removeprefix("hdl:") for text in self.said.get("relation.isReferencedBy", ()))]
        rows["parents"] += [Member(uuid, self._name(above, handle)) for handle in dict.fromkeys(filter(None, handles))]
        if template is not None:
            rows["items"].append(ItemRow(template, None, False, False, True, None, None, None))
        if self.kind is Kind.SITE:
            rows["site"] = [SiteRow(uuid)]
        elif self.kind is Kind.COMMUNITY:
            rows["community"] = [CommunityRow(uuid, None, None, logo)]
        elif self.kind is Kind.COLLECTION:
            rows["collection"] = [CollectionRow(uuid, None, None, None, template, logo)]
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


def _withdrawn(policy: Policy) -> Policy:
    """Withdrawal turns READ into WITHDRAWN_READ, for which METSRIGHTS has no permissions."""
    if policy.action != _NOTHING:
        return policy
    return Policy(
        policy.subject, WITHDRAWN_READ, policy.group, policy.person, policy.start, policy.end, policy.name, policy.type
    )


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


def locations(root: etree._Element) -> dict[str, str]:
    """The zip entry of each `file`, by the file's ID. For a package of ours as for one of stock DSpace."""
    found = {}
    for file in root.iter(f"{{{METS}}}file"):
        entry = files.location(file)
        if entry is None:
            raise InvalidAip(f"{markup.place(file)}: no FLocat that names its content")
        found[markup.need(file, "ID")] = entry
    return found
