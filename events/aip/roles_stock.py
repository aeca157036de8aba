"""The inside of a DSPACE-ROLES section as stock DSpace writes it: people and groups, without anything of ours.

Elements have no prefix, for stock DSpace finds them by their bare names; within METS they so fall into its namespace.

Invariant: only members with a name are written, no group without one, and no person without an e-mail address or netid:
stock DSpace aborts the whole run for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from events.aip import markup, names
from events.aip.model import Aip, Kind, Uuid
from events.aip.order import canonical


def written(people: Sequence[Aip], types: Mapping[Uuid, str], called: Mapping[Uuid, str] = MappingProxyType({})) -> str:
    """`DSpaceRoles` with those people and groups, groups first as stock has it. `types`: roles of the object itself.

    `called`: names of groups that are not taken from the AIPs.
    """
    groups = [_group(canonical(aip), types.get(aip.uuid), called) for aip in people if aip.kind is Kind.GROUP]
    persons = [_person(canonical(aip)) for aip in people if aip.kind is Kind.PERSON]
    inner = f"<Groups>{''.join(groups)}</Groups>" if groups else ""
    inner += f"<People>{''.join(persons)}</People>" if persons else ""
    return f"<DSpaceRoles>{inner}</DSpaceRoles>"


def _group(aip: Aip, role: str | None, called: Mapping[Uuid, str]) -> str:
    known = {**names.known(aip), **called}
    name = called.get(aip.uuid) or (names.exported(aip.group.name or "", known) if aip.group else "")
    if not markup.holds(name) or not name:
        return ""
    said = f'<Group ID="{aip.uuid}" Name="{markup.quoted(name)}"'
    said += f' Type="{role}">' if role else ">"
    for field, outer, inner in (("persons_in", "Members", "Member"), ("groups_in", "MemberGroups", "MemberGroup")):
        found = [
            f'<{inner} ID="{row.other}" Name="{markup.quoted(known[row.other])}"/>'
            for row in getattr(aip, field)
            if row.subject == aip.uuid and row.other in known
        ]
        said += f"<{outer}>{''.join(found)}</{outer}>" if found else ""
    return said + "</Group>\n"


def _person(aip: Aip) -> str:
    row = aip.person
    if row is None or not (_visible(row.email) or _visible(row.netid)):
        return ""
    values = {value.field: value.text for value in reversed(aip.values) if value.subject == aip.uuid and value.text}
    said = f'<Person ID="{aip.uuid}">'
    for name, text in (
        ("Email", row.email),
        ("Netid", row.netid),
        ("FirstName", values.get("eperson.firstname")),
        ("LastName", values.get("eperson.lastname")),
        ("Language", values.get("eperson.language")),
    ):
        if text and _visible(text):
            said += f"<{name}>{markup.text(text)}</{name}>"
    if row.password is not None:
        digest = f' digest="{markup.quoted(row.digest_algorithm)}"' if row.digest_algorithm else ""
        salt = f' salt="{markup.quoted(row.salt)}"' if row.salt else ""
        said += f"<PasswordHash{digest}{salt}>{markup.text(row.password)}</PasswordHash>"
    flags = (("CanLogin", row.can_log_in), ("RequireCertificate", row.require_certificate))
    said += "".join(f"<{name}/>" for name, flag in (*flags, ("SelfRegistered", row.self_registered)) if flag)
    return said + "</Person>\n"


def _visible(text: str | None) -> bool:
    """Whether anything of a text is left where white space around it and what XML cannot hold is dropped."""
    return bool("".join(letter for letter in text or "" if markup.holds(letter)).strip())
