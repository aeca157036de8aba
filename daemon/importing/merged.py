"""What an object becomes when a package replaces it: what the package says, over what is there. Pure.

A stock package does not say everything (aip-format 4.7 and 5.1). So with `whole` false:

* relationships, version history, DOIs, further handles, subscriptions, harvest settings, containers, `discoverable`
  and `in_archive` stay; withdrawal and mappings are only added;
* a container keeps every metadata field but those that the package has, and its template and roles where the package
  has none; a site keeps all of its metadata;
* a person or a group keeps the metadata that the document has no word for, and a password where it has none.

Invariants:

* What stays the same keeps its row: a bundle or file that is there under the same name with the same content keeps its
  UUID (links to it go on working) with all of its metadata, a policy that says the same its type and description.
* Merging a second time changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from daemon.export.bundles import Bundles, without
from daemon.importing.recognised import names_of, same_parts, unchanged_files
from daemon.importing.renamed import renamed
from events.aip.model import Aip, BitstreamRow, Kind, Member, Placed, Policy, Uuid, Value
from events.aip.order import LISTS, canonical
from events.aip.parts import parts
from events.aip.rights import ADMINISTRATOR

_READ: Final = 0
_WITHDRAWN_READ: Final = 12
_UNSAID_ACTIONS: Final = frozenset({5, 6, 7, 8, _WITHDRAWN_READ})
"""Actions of policies that METSRIGHTS has no words for: of the workflow, and of withdrawn items."""
_SAID_OF_FILES: Final = frozenset({"dc.title", "dc.source", "dc.description"})
_UNSAID: Final = ("dois", "subscriptions", "harvested", "harvest_source", "relations", "versions", "drafts", "workflow",
                  "tasks")  # fmt: skip


def merged(
    present: Aip, incoming: Aip, *, whole: bool, now: str, bundles: Bundles | None = None, silent: Iterable[Uuid] = ()
) -> Aip:
    """The object after the replace; equal to `present` if the package says nothing new. Both have the same UUID.

    `now` is the time of change that an item gets if the package does not say all; `silent` are parts of whose policies
    the package says nothing.
    """
    if incoming.kind in (Kind.PERSON, Kind.GROUP):
        return _account(present, incoming)
    incoming = renamed(incoming, same_parts(present, incoming))
    if incoming.kind is Kind.ITEM and bundles is not None:
        incoming = _with_bundles(incoming, present, bundles)
    if whole:
        return canonical(_stored(incoming, present))
    withdrawn = False
    quiet = {*silent, *_new_silence(present, incoming)}
    changed: dict[str, Any] = {name: list(getattr(present, name)) for name in _UNSAID}
    changed["handles"] = list(present.handles)
    changed["values"] = _values(present, incoming)
    changed["parents"] = _parents(present, incoming)
    changed["bitstreams"] = _bitstreams(present, incoming)
    changed["roles"] = list(
        {**{row.role: row for row in present.roles}, **{r.role: r for r in incoming.roles}}.values()
    )
    if incoming.kind is Kind.ITEM:
        changed |= _item(present, incoming)
        withdrawn = any(row.withdrawn for row in changed["items"])
    elif incoming.kind is Kind.COLLECTION:
        changed |= _collection(present, incoming)
    elif incoming.community and present.community:
        row = replace(present.community, logo=incoming.community.logo)
        changed["community"] = replace(row, admin=incoming.community.admin or row.admin)
    own = {incoming.uuid, *parts(incoming)} | {row.subject for row in changed["values"]}
    changed["policies"] = _policies(present.policies, incoming.policies, quiet, own, withdrawn)
    after = canonical(_stored(replace(incoming, **changed), present))
    if same(after, present):
        return present
    items = [replace(row, last_modified=now) if row.uuid == after.uuid else row for row in after.items]
    return replace(after, items=items)


def same(one: Aip, other: Aip, *, passwords: bool = True) -> bool:
    """Whether two AIPs are the same object in the same state. Where contents lie, what things are called, and (if one
    has no levels) levels of security do not count.
    """
    return _comparable(one, other, passwords) == _comparable(other, one, passwords)


def _comparable(aip: Aip, other: Aip, passwords: bool) -> Aip:
    changed: dict[str, Any] = {"names": [], "stored": [], "formats": aip.formats if aip.kind is Kind.REGISTRY else []}
    if not any(row.security for row in other.values):
        changed["values"] = [replace(row, security=None) for row in aip.values]
    if aip.kind is Kind.SITE:
        changed["handles"] = []
    if aip.person is not None and not passwords:
        changed["person"] = replace(aip.person, password=None, salt=None, digest_algorithm=None)
    return canonical(replace(aip, **changed))


# --- parts ------------------------------------------------------------------------------------------------------------


def _stored(after: Aip, present: Aip) -> Aip:
    """With the present place of every file that stays; of the others what the package says."""
    held = {row.uuid: row for row in present.stored}
    kept = unchanged_files(present, after)
    said = {row.uuid: row for row in after.stored}
    own = {row.uuid for row in after.bitstreams}
    rows = said | {uuid: held[uuid] for uuid in kept if uuid in held}
    return replace(after, stored=[row for uuid, row in rows.items() if uuid in own])


def _with_bundles(incoming: Aip, present: Aip, bundles: Bundles) -> Aip:
    """The incoming item with those bundles of the present one that were not to be taken from the package."""
    names = names_of(present)
    taken = {row.uuid for row in present.bundles if bundles.takes(names.get(row.uuid, ""))}
    rest = without(present, taken, set())
    kept = {row.uuid for row in rest.bundles} | {row.uuid for row in rest.bitstreams}
    changed: dict[str, Any] = {}
    for name in ("bundles", "bitstreams", "stored", "placed"):
        own = getattr(incoming, name)
        changed[name] = own + [row for row in getattr(rest, name) if row not in own]
    for name in ("values", "policies"):
        changed[name] = getattr(incoming, name) + [row for row in getattr(rest, name) if row.subject in kept]
    return replace(incoming, **changed)


# --- rows -------------------------------------------------------------------------------------------------------------


def _new_silence(present: Aip, incoming: Aip) -> set[Uuid]:
    """Parts of which packages never say a policy: logos and templates."""
    found = {row.uuid for row in (*incoming.items, *present.items)} - {incoming.uuid}
    if incoming.kind is Kind.COLLECTION:
        found |= {row.uuid for row in present.bundles} | {row.bitstream for row in present.placed}
    for container in (incoming.community, incoming.collection, present.community, present.collection):
        if container is not None and container.logo:
            found.add(container.logo)
    return found


def _policies(
    present: Iterable[Policy], incoming: Iterable[Policy], silent: set[Uuid], parts: set[Uuid], withdrawn: bool
) -> list[Policy]:
    """Those of the package. Of one that is there but for what METSRIGHTS has no words for (type, description, a person
    beside the group), all of it stays, and so do the actions of workflow and withdrawal; of `silent`: everything.
    """

    def key(row: Policy, person: Uuid | None) -> tuple[Any, ...]:
        return (row.subject, row.action, row.group, person, row.start, row.end, row.name)

    held: defaultdict[tuple[Any, ...], list[Policy]] = defaultdict(list)
    found: list[Policy] = []
    quiet = [row for row in present if row.subject in silent]
    rest = [row for row in present if row.subject not in silent and row.subject in parts]
    for row in sorted(rest, key=lambda row: (row.type or "", row.description or ""), reverse=True):
        held[key(row, row.person if row.group is None else None)].append(row)
    spoken = {row.subject for row in quiet}
    for row in incoming:
        if row.subject in silent:
            found += [row] if row.subject not in spoken else []
            continue
        if withdrawn and row.action == _READ and not held[key(row, row.person)]:
            row = replace(row, action=_WITHDRAWN_READ)
        alike = held[key(row, row.person)]
        found.append(alike.pop() if alike else row)
    unsaid = [row for rows in held.values() for row in rows if row.action in _UNSAID_ACTIONS]
    return found + quiet + [row for row in unsaid if withdrawn or row.action != _WITHDRAWN_READ]


def _likeness(row: Value) -> tuple[Any, ...]:
    """What a DIM field can say of a value."""
    return ((row.text or "").strip(), row.lang, row.authority, row.confidence if row.authority else None)


def _kept_if_alike(present: list[Value], incoming: list[Value]) -> list[Value]:
    """The incoming values of one field; the present ones as they stand, with their places, if the same is said."""
    held = sorted(present, key=lambda row: row.place)
    said = sorted(incoming, key=lambda row: row.place)
    ours, theirs = list(map(_likeness, held)), list(map(_likeness, said))
    if ours == theirs or (len({row.place for row in held}) < len(held) and Counter(ours) == Counter(theirs)):
        return held  # two in one place have no order
    return said


def _by_field(values: Iterable[Value]) -> dict[tuple[Uuid, str], list[Value]]:
    found: dict[tuple[Uuid, str], list[Value]] = {}
    for row in values:
        found.setdefault((row.subject, row.field), []).append(row)
    return found


def _values(present: Aip, incoming: Aip) -> list[Value]:
    held, said = _by_field(present.values), _by_field(incoming.values)
    container = incoming.kind in (Kind.COMMUNITY, Kind.COLLECTION)
    template = incoming.collection.template if incoming.collection else None
    logos = {row.logo for row in (incoming.community, incoming.collection) if row}
    bundles = {row.uuid for row in incoming.bundles}
    files = {row.uuid for row in incoming.bitstreams}
    found: list[Value] = []
    for key in held.keys() | said.keys():
        subject, field = key
        theirs, own = held.get(key, []), said.get(key, [])
        if subject == incoming.uuid and container:
            found += _first_exchanged(theirs, own)
        elif subject == incoming.uuid or (subject == template and template):
            found += _kept_if_alike(theirs, own)
        elif subject in bundles:
            found += _kept_if_alike(theirs, own) if any(row.text for row in own) else theirs
        elif subject in files:
            unsaid = subject in logos or field not in _SAID_OF_FILES or not any(row.text for row in theirs)
            found += _kept_if_alike(theirs, own) if own else theirs if unsaid else []
    if present.collection:
        kept = {row.uuid for row in present.bundles} | {row.bitstream for row in present.placed}
        if not template:
            kept |= {row.uuid for row in present.items}
        found = [row for row in found if row.subject not in kept]
        found += [row for row in present.values if row.subject in kept]
    return found


def _first_exchanged(held: list[Value], said: list[Value]) -> list[Value]:
    """A container's package has the first value of a field only, without its language."""
    if not said or any(row.text == said[0].text for row in held):
        return held
    if not held:
        return said
    first = min(held, key=lambda row: row.place)
    return [replace(first, text=said[0].text) if row is first else row for row in held]


def _parents(present: Aip, incoming: Aip) -> list[Member]:
    if incoming.kind is not Kind.ITEM:
        return list(present.parents)
    there = {row.other for row in present.parents}
    return present.parents + [row for row in incoming.parents if row.other not in there]


def _bitstreams(present: Aip, incoming: Aip) -> list[BitstreamRow]:
    held = {row.uuid: row for row in present.bitstreams}
    found = []
    for row in incoming.bitstreams:
        own = held.get(row.uuid)
        if own is not None:
            row = replace(
                row,
                legacy_id=own.legacy_id,
                format=row.format or own.format,
                sequence_id=own.sequence_id if row.sequence_id is None else row.sequence_id,
                checksum=row.checksum or own.checksum,
                checksum_algorithm=row.checksum_algorithm or own.checksum_algorithm,
            )
        found.append(row)
    return found


def _item(present: Aip, incoming: Aip) -> dict[str, Any]:
    held = next((row for row in present.items if row.uuid == present.uuid), None)
    said = next(row for row in incoming.items if row.uuid == incoming.uuid)
    if held is None:
        return {}
    withdrawn = held.withdrawn or said.withdrawn
    row = replace(
        held,
        withdrawn=withdrawn,
        in_archive=held.in_archive and (held.withdrawn or not withdrawn),
        submitter=said.submitter or held.submitter,
    )
    bundles = {row.uuid: row for row in present.bundles}
    placed = {(row.bundle, row.bitstream, row.order): row for row in present.placed}
    files = {row.uuid for row in incoming.bitstreams}
    names = names_of(incoming)
    originals = [row.uuid for row in incoming.bundles if names.get(row.uuid) == "ORIGINAL"]
    rows = []
    for bundle in incoming.bundles:
        own = bundles.get(bundle.uuid)
        if own is not None:
            said_here = originals == [bundle.uuid] or bundle.primary
            primary = bundle.primary if said_here else own.primary if own.primary in files else None
            bundle = replace(own, primary=primary)
        rows.append(bundle)
    return {
        "items": [row],
        "bundles": rows,
        "placed": [placed.get((row.bundle, row.bitstream, row.order), row) for row in incoming.placed]
        + _second_places(present, incoming),
    }


def _second_places(present: Aip, incoming: Aip) -> list[Placed]:
    """Where files stand besides: a package has a file that is in two bundles in one of them only."""
    said = {row.bitstream: row.bundle for row in incoming.placed}
    bundles = {row.uuid for row in incoming.bundles}
    taken = {(row.bundle, row.order) for row in incoming.placed}
    first = {(row.bitstream, row.bundle) for row in present.placed}
    return [
        row
        for row in present.placed
        if row.bundle in bundles
        and said.get(row.bitstream, row.bundle) != row.bundle
        and (row.bitstream, said[row.bitstream]) in first
        and (row.bundle, row.order) not in taken
    ]


def _collection(present: Aip, incoming: Aip) -> dict[str, Any]:
    held, said = present.collection, incoming.collection
    if held is None or said is None:
        return {}
    row = replace(
        held,
        logo=said.logo,
        template=said.template or held.template,
        admin=said.admin or held.admin,
        submitters=said.submitters or held.submitters,
    )
    # Of the template a package has the metadata alone: its row, bundles and policies stay.
    own = {each.uuid: each for each in present.items}
    items = [own.get(each.uuid, each) for each in incoming.items] or list(present.items)
    inside = {each.bitstream for each in present.placed}
    files = [each for each in incoming.bitstreams if each.uuid == said.logo]
    return {
        "collection": row,
        "items": items,
        "bundles": list(present.bundles),
        "placed": list(present.placed),
        "bitstreams": files + [each for each in present.bitstreams if each.uuid in inside],
    }


def _account(present: Aip, incoming: Aip) -> Aip:
    """A person or a group: the document's attributes and members over what it has no words for."""
    held, said = _by_field(present.values), _by_field(incoming.values)
    values = [row for key in held.keys() | said.keys() for row in (said.get(key) or held.get(key, []))]
    kept = {name: getattr(present, name) for name in LISTS if not getattr(incoming, name)}
    after = replace(incoming, **{**kept, "values": values})
    if incoming.person and present.person:
        row = replace(incoming.person, legacy_id=present.person.legacy_id)
        if row.sub_frequency is None:
            row = replace(row, sub_frequency=present.person.sub_frequency)
        if row.password is None:
            own = present.person
            row = replace(row, password=own.password, salt=own.salt, digest_algorithm=own.digest_algorithm)
        after = replace(after, person=row)
    if incoming.group and present.group:
        row_ = replace(incoming.group, legacy_id=present.group.legacy_id, permanent=present.group.permanent)
        members: dict[str, Any] = {"persons_in": incoming.persons_in, "groups_in": incoming.groups_in}
        if present.group.name == ADMINISTRATOR:  # nobody is to be locked out by a package
            for name in members:
                members[name] = list(dict.fromkeys((*getattr(present, name), *members[name])))
        after = replace(after, group=row_, **members)
    return present if same(canonical(after), present) else canonical(after)
