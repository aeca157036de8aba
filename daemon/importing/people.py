"""People and groups of packages: who they are here, and what becomes of them in each mode.

A person is known by the e-mail address, then by the netid; a group by its name, with the UUIDs that containers have
here. One that is new keeps the UUID of the document if that is free.

Invariants:

* A group is never written with a member that is not there. Such a member is left out and told; where it is a group
  that may still come in this run (`later`), the group is planned once more at the end.
* What a killed run left unfinished is finished by the next one in any mode: a group that only lacks members gets them.
* Nobody is locked out: members are only ever added to `Administrator`, and a password that a document does not have
  stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec.structs import replace

from daemon.importing.merged import merged, same
from daemon.importing.names import Names
from daemon.importing.options import Mode
from daemon.importing.renamed import renamed
from events.aip.model import Aip, Kind, Member, Uuid, derived_uuid
from events.aip.rights import ADMINISTRATOR, ANONYMOUS
from events.errors import AlreadyThere, UnknownField


@dataclass
class Account:
    """What becomes of one person or group. `later`: it has to be planned again when everything else is there."""

    action: Literal["create", "replace", "unchanged", "keep", "refuse"]
    kind: Kind
    uuid: Uuid
    name: str
    source: Aip
    aip: Aip | None = None
    registries: list[Aip] = field(default_factory=list)
    error: Exception | None = None
    later: bool = False
    notes: list[str] = field(default_factory=list)


class Accounts:
    """Plans the people and groups of one package after the other, by what is known of the run."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.made: set[Uuid] = set()
        """What this run has made: it may still be completed by it, in any mode."""

    def plan(self, aips: Sequence[Aip]) -> list[Account]:
        """What becomes of each of them, people before groups. Whom the document means is among the names then."""
        accounts = [self._identified(aip) for aip in _members_first(aips)]
        for account in accounts:
            if account.action != "refuse" and not (account.later and not account.name):
                self._planned(account)
        return accounts

    def _identified(self, aip: Aip) -> Account:
        run, known = self.names, self.names.known
        if aip.person is not None:
            row = aip.person
            name = row.email or row.netid or aip.uuid
            here = (known.person(row.email) if row.email else None) or (known.person(row.netid) if row.netid else None)
        else:
            assert aip.group is not None  # noqa: S101 - people are persons and groups
            said = aip.group.name or ""
            translated = run.group_name(said)
            if translated is None:
                return Account(
                    "keep", aip.kind, aip.uuid, "", aip, later=True, notes=[f"group {said!r}: no such object"]
                )
            name, here = translated, known.group(translated)
            if here is not None and known.kind_of(here) is None:
                here = None  # Anonymous, which counts as there before it is
        if here is None:
            there = known.kind_of(aip.uuid)
            renamed_group = aip.group is not None and aip.group.name != name
            if there is aip.kind and not renamed_group and run.options.mode is not Mode.SUBMIT:
                here = aip.uuid
            uuid = here or (
                aip.uuid if there is None and not renamed_group else derived_uuid(f"import/{aip.uuid}/{name}")
            )
        else:
            uuid = here
        run.objects[aip.uuid] = uuid
        return Account("keep" if here else "create", aip.kind, uuid, name, aip)

    def _planned(self, account: Account) -> None:
        run, mode = self.names, self.names.options.mode
        exists = account.action == "keep"
        completed = account.uuid in self.made
        if exists and not completed and (mode in (Mode.KEEP, Mode.SUBMIT)):
            return
        incoming = self._here(account)
        try:
            account.registries = run.fields_of(incoming, account.name)
        except UnknownField as error:
            account.action, account.error = "refuse", error
            return
        if not exists:
            account.aip = incoming
            return
        present = run.known.aip(account.uuid)
        after = incoming if present is None else merged(present, incoming, whole=False, now=run.now)
        if present is not None and same(after, present, passwords=run.options.passwords):
            account.action = "unchanged"
        elif mode is Mode.REPLACE or completed or (present is not None and _only_lacks_members(present, after)):
            account.action, account.aip = "replace", after
        elif account.name in (ANONYMOUS, ADMINISTRATOR):
            account.notes.append(f"group {account.name} is in every DSpace: left as it is")
        else:
            account.action = "refuse"
            account.error = AlreadyThere(f"{account.kind} {account.name} is there, and is different")

    def _here(self, account: Account) -> Aip:
        """The person or group with this place's UUIDs and name."""
        aip, run = account.source, self.names
        changed: dict[str, Any] = {"names": []}
        mapping = {aip.uuid: account.uuid}
        if aip.person is not None and not run.options.passwords:
            changed["person"] = replace(aip.person, password=None, salt=None, digest_algorithm=None)
        if aip.group is not None:
            changed["group"] = replace(aip.group, name=account.name)
            names = {row.uuid: row.name for row in aip.names}
            for rows, kind in (("persons_in", Kind.PERSON), ("groups_in", Kind.GROUP)):
                kept: list[Member] = []
                for member in getattr(aip, rows):
                    here = run.far(kind, member.other, names.get(member.other))
                    if here is not None and here != account.uuid:
                        mapping[member.other] = here
                        kept.append(member)
                    elif here is None:
                        account.later |= kind is Kind.GROUP
                        account.notes.append(
                            f"group {account.name}: its member {names.get(member.other) or member.other} is not there"
                        )
                changed[rows] = list({mapping[row.other]: row for row in kept}.values())
        changed["policies"] = [
            row
            for row in aip.policies
            if (row.group is None or run.known.kind_of(row.group))
            and (row.person is None or run.known.kind_of(row.person))
        ]
        return renamed(replace(aip, **changed), mapping)


def _only_lacks_members(present: Aip, after: Aip) -> bool:
    """Whether a group is there as the document says but for members: a run that was killed left it so."""
    if present.kind is not Kind.GROUP:
        return False
    lacks = {*present.persons_in, *present.groups_in} <= {*after.persons_in, *after.groups_in}
    return lacks and same(replace(present, persons_in=after.persons_in, groups_in=after.groups_in), after)


def _members_first(aips: Sequence[Aip]) -> list[Aip]:
    """People, then groups, each after the groups that are its members. A ring of them ends it as well."""
    groups = {aip.uuid: aip for aip in aips if aip.kind is Kind.GROUP}
    ordered: dict[Uuid, Aip] = {aip.uuid: aip for aip in aips if aip.kind is not Kind.GROUP}
    entered: set[Uuid] = set()
    for first in groups:
        waiting = [first]
        while waiting:
            uuid = waiting[-1]
            inner = [row.other for row in groups[uuid].groups_in if row.other in groups and row.other not in entered]
            entered.add(uuid)
            if inner:
                waiting += inner
            else:
                ordered.setdefault(waiting.pop(), groups[uuid])
    return list(ordered.values())
