"""DSPACE-ROLES documents: people and groups, as stock `packager -t DSPACE-ROLES` takes them (aip-format 3.5).

An event holds one person or one group; `combined` puts many into one document, people first, as stock needs it.

Elements of the stock vocabulary stand in no namespace and without a prefix (DSpace finds them by their bare names, so
`as:` elements beside them are not seen). What they cannot say is in attributes and an `as:aip` of our own.

Invariant: a group's members are listed for stock only if their names are known; the others are in the extension.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from lxml import etree

from events.aip import extension, markup, names
from events.aip.markup import AS
from events.aip.model import Aip, GroupRow, Kind, Member, PersonRow, Value
from events.aip.order import assembled, canonical
from events.errors import InvalidAip

ROOT: Final = "DSpaceRoles"
_NAMED: Final = {
    "FirstName": "eperson.firstname",
    "LastName": "eperson.lastname",
    "Language": "eperson.language",
}
_FIELDS: Final = {field: element for element, field in _NAMED.items()}
_FLAGS: Final = ("CanLogin", "RequireCertificate", "SelfRegistered")


def write(aip: Aip) -> str:
    """The document of one canonical AIP of a person or group."""
    out = [f'{markup.DECLARATION}<{ROOT} xmlns:as="{AS}">\n']
    if aip.kind is Kind.GROUP:
        out.append("<Groups>\n")
        rest = _group(aip, out)
        out.append("</Groups>\n")
    else:
        out.append("<People>\n")
        rest = _person(aip, out)
        out.append("</People>\n")
    extension.whole(aip, rest, out)
    out.append(f"</{ROOT}>\n")
    return "".join(out)


def combined(aips: Iterable[Aip]) -> bytes:
    """One DSPACE-ROLES document of many people and groups, for the stock packager. Not read back by `read`."""
    people: list[str] = []
    groups: list[str] = []
    for aip in aips:
        if aip.kind is Kind.PERSON:
            _person(canonical(aip), people)
        elif aip.kind is Kind.GROUP:
            _group(canonical(aip), groups)
    return (
        f'{markup.DECLARATION}<{ROOT} xmlns:as="{AS}">\n<Groups>\n{"".join(groups)}</Groups>\n'
        f"<People>\n{''.join(people)}</People>\n</{ROOT}>\n"
    ).encode()


def _attribute(name: str, value: str | int | None) -> str:
    if value is None:
        return ""
    return markup.attribute(name, value) if isinstance(value, str) else f' {name}="{value}"'


def _group(aip: Aip, out: list[str]) -> dict[str, Any]:
    row = aip.group
    if row is None or row.uuid != aip.uuid or not markup.holds(row.name or ""):
        return {}
    known = names.known(aip)
    written = f'<Group ID="{row.uuid}"'
    if row.name is not None:
        name = names.exported(row.name, known)
        written += f' Name="{markup.quoted(name)}"'
        if name != row.name:
            written += f' as:name="{markup.quoted(row.name)}"'
    written += _attribute("as:legacy_id", row.legacy_id)
    if row.permanent is not None:
        written += f' as:permanent="{"true" if row.permanent else "false"}"'
    out.append(written + ">\n")
    rest: dict[str, Any] = {"group": ()}
    for field, outer, inner in (("persons_in", "Members", "Member"), ("groups_in", "MemberGroups", "MemberGroup")):
        rest[field] = []
        stated: list[str] = []
        for member in getattr(aip, field):
            called = known.get(member.other)
            if member.subject != row.uuid or called is None:
                rest[field].append(member)
            else:
                stated.append(f'<{inner} ID="{member.other}" Name="{markup.quoted(called)}"/>')
        if stated:
            out.append(f"<{outer}>{''.join(stated)}</{outer}>\n")
    out.append("</Group>\n")
    return rest


def _person(aip: Aip, out: list[str]) -> dict[str, Any]:
    row = aip.person
    texts = (row.email, row.netid, row.password, row.salt, row.digest_algorithm) if row else ()
    if row is None or row.uuid != aip.uuid or not all(markup.holds(text or "") for text in texts):
        return {}
    written = f'<Person ID="{row.uuid}"'
    written += _attribute("as:legacy_id", row.legacy_id) + _attribute("as:sub_frequency", row.sub_frequency)
    if row.can_log_in is None:
        written += ' as:can_log_in=""'
    if row.password is None:
        written += _attribute("as:salt", row.salt) + _attribute("as:digest_algorithm", row.digest_algorithm)
    out.append(written + ">")
    for name, text in (("Email", row.email), ("Netid", row.netid)):
        if text is not None:
            out.append(f"<{name}>{markup.text(text)}</{name}>")
    rest: list[Value] = []
    stated: dict[str, str] = {}
    for value in aip.values:
        element, text = _FIELDS.get(value.field), value.text
        if (
            element is None
            or element in stated
            or text is None
            or not markup.holds(text)
            or value != Value(row.uuid, value.field, 0, text)
        ):
            rest.append(value)
        else:
            stated[element] = f"<{element}>{markup.text(text)}</{element}>"
    out += [stated[element] for element in _NAMED if element in stated]
    if row.password is not None:
        out.append(
            f"<PasswordHash{_attribute('digest', row.digest_algorithm)}{_attribute('salt', row.salt)}>"
            f"{markup.text(row.password)}</PasswordHash>"
        )
    flags = (row.can_log_in, row.require_certificate, row.self_registered)
    out += [f"<{name}/>" for name, flag in zip(_FLAGS, flags, strict=True) if flag]
    out.append("</Person>\n")
    return {"person": (), "values": rest}


def read(root: etree._Element) -> Aip:
    """The AIP of a document that `write` made. Raises InvalidAip for whatever is missing or malformed."""
    own = [element for element in root if element.tag == extension.WHOLE]
    if len(own) != 1:
        raise InvalidAip(f"{markup.place(root)}: {len(own)} as:aip elements, expected one (a stock roles document?)")
    kind, uuid, key = extension.identity(own[0])
    into: dict[str, list[Any]] = {}
    extension.read_rows(own[0], uuid, into)
    for outer in root:
        if outer is own[0]:
            continue
        for element in outer:
            if markup.uuid(markup.need(element, "ID"), element) != uuid:
                raise InvalidAip(f"{markup.place(element)}: its ID is not {uuid}")
            if element.tag == "Group" and "group" not in into:
                _read_group(element, uuid, into)
            elif element.tag == "Person" and "person" not in into:
                _read_person(element, uuid, into)
            else:
                raise InvalidAip(f"{markup.place(element)}: expected one Group or one Person")
    return assembled(kind, uuid, key, into)


def _number(element: etree._Element, name: str) -> int | None:
    value = element.get(f"{{{AS}}}{name}")
    return None if value is None else markup.number(value, element)


def _read_group(element: etree._Element, uuid: str, into: dict[str, list[Any]]) -> None:
    permanent = element.get(f"{{{AS}}}permanent")
    into["group"] = [
        GroupRow(
            uuid,
            _number(element, "legacy_id"),
            element.get(f"{{{AS}}}name", element.get("Name")),
            None if permanent is None else markup.truth(permanent, element),
        )
    ]
    for outer in element:
        field = {"Members": "persons_in", "MemberGroups": "groups_in"}.get(str(outer.tag))
        if field is None:
            raise InvalidAip(f"{markup.place(outer)}: expected Members or MemberGroups")
        members = into.setdefault(field, [])
        members += (Member(uuid, markup.uuid(markup.need(member, "ID"), member)) for member in outer)


def _read_person(element: etree._Element, uuid: str, into: dict[str, list[Any]]) -> None:
    found: dict[str, etree._Element] = {str(child.tag): child for child in element}
    texts = {name: child.text or "" for name, child in found.items()}
    unknown = found.keys() - {"Email", "Netid", "PasswordHash", *_NAMED, *_FLAGS}
    if unknown:
        raise InvalidAip(f"{markup.place(element)}: unknown element {min(unknown)!r}")
    salt, digest = element.get(f"{{{AS}}}salt"), element.get(f"{{{AS}}}digest_algorithm")
    if "PasswordHash" in found:
        salt, digest = found["PasswordHash"].get("salt"), found["PasswordHash"].get("digest")
    into["person"] = [
        PersonRow(
            uuid,
            _number(element, "legacy_id"),
            texts.get("Email"),
            texts.get("Netid"),
            None if element.get(f"{{{AS}}}can_log_in") is not None else "CanLogin" in found,
            "RequireCertificate" in found,
            "SelfRegistered" in found,
            _number(element, "sub_frequency"),
            texts.get("PasswordHash"),
            salt,
            digest,
        )
    ]
    values = into.setdefault("values", [])
    values += (Value(uuid, field, 0, texts[name]) for name, field in _NAMED.items() if name in texts)
