"""The inside of a DSPACE-ROLES section as stock DSpace writes it: people and groups, without anything of ours.

Elements have no prefix, for stock DSpace finds them by their bare names; within METS they so fall into its namespace.

Invariant: only members that are in `people` of the same section, or that the caller says are known, are written: stock
DSpace aborts the whole run for one that it does not find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from events.aip import markup, names
from events.aip.model import Aip, Kind, Uuid
from events.aip.order import canonical


def written(people: Sequence[Aip], types: Mapping[Uuid, str]) -> str:
    """`DSpaceRoles` with those people and groups, groups first as stock has it. `types`: roles of the object itself."""
    groups = [_group(canonical(aip), types.get(aip.uuid)) for aip in people if aip.kind is Kind.GROUP]
    persons = [_person(canonical(aip)) for aip in people if aip.kind is Kind.PERSON]
    inner = f"<Groups>{''.join(groups)}</Groups>" if groups else ""
    inner += f"<People>{''.join(persons)}</People>" if persons else ""
    return f"<DSpaceRoles>{inner}</DSpaceRoles>"


def _group(aip: Aip, role: str | None) -> str:
    known = names.known(aip)
    name = names.exported(aip.group.name or "", known) if aip.group else ""
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
    if row is None:
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
        if text:
            said += f"<{name}>{markup.text(text)}</{name}>"
    if row.password is not None:
        digest = f' digest="{markup.quoted(row.digest_algorithm)}"' if row.digest_algorithm else ""
        salt = f' salt="{markup.quoted(row.salt)}"' if row.salt else ""
        said += f"<PasswordHash{digest}{salt}>{markup.text(row.password)}</PasswordHash>"
    flags = (("CanLogin", row.can_log_in), ("RequireCertificate", row.require_certificate))
    said += "".join(f"<{name}/>" for name, flag in (*flags, ("SelfRegistered", row.self_registered)) if flag)
    return said + "</Person>\n"
