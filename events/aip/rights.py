"""Resource policies in METSRIGHTS, as DSpace writes them (aip-format 3.4).

A `rights:Context` states who, when and what. What it has no word for stands beside in our namespace: `as:group` and
`as:person` (UUIDs), `as:action` for an action that `rights:Permissions` cannot say, `as:type`, `as:description`.

Invariants:

* A declaration is written for every object, bundle and bitstream, even an empty one: to stock DSpace none at all means
  that it may choose, and an empty one that nobody has access.
* What stock DSpace would misread is not shown to it: a policy whose group or person has no known name would stop the
  restore, and a date that it cannot parse would open the content. `write` hands such policies back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from lxml import etree

from events.aip import markup
from events.aip.markup import AS, RIGHTS
from events.aip.model import Policy, Uuid
from events.errors import InvalidAip

_READ: Final = 'DISCOVER="true" DISPLAY="true" MODIFY="false" DELETE="false"'
_WRITE: Final = 'DISCOVER="true" DISPLAY="true" MODIFY="true" DELETE="false"'
_DELETE: Final = 'DISCOVER="true" DISPLAY="true" MODIFY="true" DELETE="true"'
_ALL: Final = 'DISCOVER="true" DISPLAY="true" COPY="true" DUPLICATE="true" MODIFY="true" DELETE="true" PRINT="true"'

_OTHER: Final = {
    "ADD CONTENTS": 3,
    "REMOVE CONTENTS": 4,
    "READ FILE CONTENTS": 9,
    "READ ITEM CONTENTS": 10,
    "ADMIN": 11,
}
_PERMISSIONS: Final[dict[int, str]] = {
    0: f"<rights:Permissions {_READ}/>",
    1: f"<rights:Permissions {_WRITE}/>",
    2: f"<rights:Permissions {_DELETE}/>",
    3: f'<rights:Permissions {_WRITE} OTHER="true" OTHERPERMITTYPE="ADD CONTENTS"/>',
    4: f'<rights:Permissions {_DELETE} OTHER="true" OTHERPERMITTYPE="REMOVE CONTENTS"/>',
    9: f'<rights:Permissions {_READ} OTHER="true" OTHERPERMITTYPE="READ FILE CONTENTS"/>',
    10: f'<rights:Permissions {_READ} OTHER="true" OTHERPERMITTYPE="READ ITEM CONTENTS"/>',
    11: f'<rights:Permissions {_ALL} OTHER="true" OTHERPERMITTYPE="ADMIN"/>',
}
"""By DSpace's number of the action. Workflow steps (5-8) and WITHDRAWN_READ (12) have none: stock leaves it empty."""

ANONYMOUS: Final = "Anonymous"
ADMINISTRATOR: Final = "Administrator"

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTEXT: Final = f"{{{RIGHTS}}}Context"
_USER: Final = f"{{{RIGHTS}}}UserName"
_PERMITTED: Final = f"{{{RIGHTS}}}Permissions"
_ACTION, _GROUP, _PERSON, _TYPE, _DESCRIPTION = (
    f"{{{AS}}}{name}" for name in ("action", "group", "person", "type", "description")
)

_HEAD: Final = '<rights:RightsDeclarationMD RIGHTSCATEGORY="LICENSED">'
_TAIL: Final = "</rights:RightsDeclarationMD>"


def write(policies: Iterable[Policy], names: Mapping[Uuid, str], out: list[str]) -> list[Policy]:
    """Append a declaration of the policies of one subject; return those that it cannot state.

    `names` gives group names as DSpace exports them (`events.aip.names`), and e-mail addresses of people.
    """
    rest: list[Policy] = []
    out.append(_HEAD)
    for policy in policies:
        context = _context(policy, names)
        if context is None:
            rest.append(policy)
        else:
            out.append(context)
    out.append(_TAIL)
    return rest


def _context(policy: Policy, names: Mapping[Uuid, str]) -> str | None:
    who = policy.group or policy.person
    name = names.get(who) if who else None
    if not name:
        return None
    written = "<rights:Context"
    for attribute, value in (("start-date", policy.start), ("end-date", policy.end)):
        if value is not None:
            if _DATE.fullmatch(value) is None:
                return None
            written += f' {attribute}="{value}"'
    for attribute, value in (
        ("rpName", policy.name),
        ("as:group", policy.group),
        ("as:person", policy.person),
        ("as:type", policy.type),
        ("as:description", policy.description),
    ):
        if value is not None:
            if not markup.holds(value):
                return None
            written += f' {attribute}="{markup.quoted(value)}"'
    user = ""
    if policy.group is None:
        written += ' CONTEXTCLASS="ACADEMIC USER"'
        user = f'<rights:UserName USERTYPE="INDIVIDUAL">{markup.text(name)}</rights:UserName>'
    elif name == ANONYMOUS:
        written += ' CONTEXTCLASS="GENERAL PUBLIC"'
    elif name == ADMINISTRATOR:
        written += ' CONTEXTCLASS="REPOSITORY MGR"'
    else:
        written += ' CONTEXTCLASS="MANAGED GRP"'
        user = f'<rights:UserName USERTYPE="GROUP">{markup.text(name)}</rights:UserName>'
    permissions = _PERMISSIONS.get(policy.action)
    if permissions is None:
        return f'{written} as:action="{policy.action}">{user}<rights:Permissions/></rights:Context>\n'
    return f"{written}>{user}{permissions}</rights:Context>\n"


def read(declaration: etree._Element, subject: Uuid, into: list[Policy]) -> None:
    """Add the policies of a declaration that `write` made. Raises InvalidAip for what is missing or malformed."""
    for context in contexts(declaration):
        given: dict[str, str] = dict(context.attrib)  # type: ignore[arg-type]
        group, person = given.get(_GROUP), given.get(_PERSON)
        if group is None and person is None:
            raise InvalidAip(f"{markup.place(context)}: neither as:group nor as:person")
        into.append(
            Policy(
                subject,
                markup.number(given[_ACTION], context) if _ACTION in given else action(context),
                None if group is None else markup.uuid(group, context),
                None if person is None else markup.uuid(person, context),
                date(context, given.get("start-date")),
                date(context, given.get("end-date")),
                given.get("rpName"),
                given.get(_TYPE),
                given.get(_DESCRIPTION),
            )
        )


def contexts(declaration: etree._Element) -> Iterable[etree._Element]:
    """The contexts of a declaration; its other elements state nothing that DSpace knows."""
    return (element for element in declaration if element.tag == _CONTEXT)


def action(context: etree._Element) -> int:
    """DSpace's number of the action that the permissions of a context stand for.

    As DSpace reads it: OTHERPERMITTYPE alone decides if it is there, else DELETE, MODIFY, or DISCOVER with DISPLAY.
    -1 for a context that permits nothing. Raises InvalidAip if there are no permissions, or an unknown one.
    """
    for permissions in context:
        if permissions.tag == _PERMITTED:
            break
    else:
        raise InvalidAip(f"{markup.place(context)}: no rights:Permissions")
    other = permissions.get("OTHERPERMITTYPE")
    if other:
        if other not in _OTHER:
            raise InvalidAip(f"{markup.place(permissions)}: unknown OTHERPERMITTYPE {other[:40]!r}")
        return _OTHER[other]
    if permissions.get("DELETE") == "true":
        return 2
    if permissions.get("MODIFY") == "true":
        return 1
    if permissions.get("DISCOVER") == "true" and permissions.get("DISPLAY") == "true":
        return 0
    return -1


def user(context: etree._Element) -> str | None:
    """The name in a context: of a group, or an e-mail address. None if it has none."""
    for element in context:
        if element.tag == _USER:
            return element.text or ""
    return None


def date(context: etree._Element, value: str | None) -> str | None:
    """A date as it is. Raises InvalidAip if it is not YYYY-MM-DD: no embargo may open because of a typing error."""
    if value is not None and _DATE.fullmatch(value) is None:
        raise InvalidAip(f"{markup.place(context)}: not a date (YYYY-MM-DD): {value[:40]!r}")
    return value
