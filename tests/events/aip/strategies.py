"""AIPs for property tests.

`aips(kind)` draws AIPs that hang together as a DSpace would have them: every UUID names one thing, places and orders
fit, lists are used as the kind uses them. Their texts are nasty. `wild(kind)` draws AIPs of any rows whatever; they
are still well-typed, and a codec has to carry them all the same.
"""

from __future__ import annotations

import uuid as uuids
from types import NoneType
from typing import Any, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from events.aip import extension, model, registry_rows
from events.aip.model import Aip, Kind, derived_uuid
from events.aip.row import Row

UUIDS = st.uuids().map(str)

SPECIAL = [
    "", " ", "  two  ", "\t", "\n", "a\nb", "a\r\nb", "\r", "\x00", "\x0b bell\x07", "\x1f", "\x7f\x85\x9f", "\u2028",
    "\ufffe", "\uffff", "\ufeffbom", "<b>&amp;</b>", "]]>", "<![CDATA[x]]>", '"quoted" \'twice\'', "&#13;", "-->",
    "<?x?>",
    "<!DOCTYPE a>", "virtual::12", "Ünïcödé", "日本語", "עברית", "😀", "e\u0301", "a" * 3000, "${x}", "%s", "hdl:1/2",
    "\ud7ff\ue000", "\U0010ffff",
]  # fmt: skip

TEXTS = st.one_of(
    st.sampled_from(SPECIAL),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(alphabet="ab <>&\"'\t\n\r\x00\x01", max_size=8),
)
"""Any text that a database might hold, and some that PostgreSQL itself would refuse (NUL)."""

NAMES = st.text(alphabet="abcdefghijklmnop", min_size=1, max_size=6)
NUMBERS = st.integers(-(2**31), 2**31 - 1)
PLACES = st.integers(-1, 12)
SIZES = st.one_of(st.integers(0, 10**6), st.sampled_from([2**31 - 1, 2**31, 2**40]))
DAYS = st.one_of(st.dates().map(str), st.sampled_from(["9999-12-31", "infinity", "10000-01-01"]))
INSTANTS = st.datetimes().map(lambda at: at.isoformat(timespec="microseconds") + "Z")
FIELDS = st.one_of(
    st.sampled_from(["dc.title", "dc.title", "dc.contributor.author", "dc.description", "dc.identifier.uri",
                     "dc.source", "dc.format", "dspace.entity.type", "eperson.firstname", "eperson.lastname",
                     "dc.title.alternative"]),
    st.builds("{}.{}".format, NAMES, NAMES),
    st.sampled_from(["dc.title.", "dc", "a.b.c.d", "..", "dc.\x00", ""]),
)  # fmt: skip
_GIVEN: dict[str, st.SearchStrategy[Any]] = {
    "field": FIELDS,
    "place": PLACES,
    "size": SIZES,
    "start": DAYS,
    "end": DAYS,
    "last_modified": st.one_of(INSTANTS, TEXTS),
    "action": st.integers(-1, 14),
    "confidence": st.one_of(st.sampled_from([-1, 0, 100, 200, 300, 400, 500, 600]), NUMBERS),
    "checksum_algorithm": st.sampled_from(["MD5", "SHA-256", "CRC"]),
}


def column(row_class: type[Row], field: Any) -> st.SearchStrategy[Any]:
    """Values of one field of a row class."""
    arguments = get_args(field.type)
    plain = next(part for part in arguments if part is not NoneType) if NoneType in arguments else field.type
    if field.name in _GIVEN and not (field.name == "action" and plain is str):
        found = _GIVEN[field.name]
    elif "Uuid" in row_class.__annotations__[field.name]:
        found = UUIDS
    elif get_origin(field.type) is tuple:
        found = st.lists(TEXTS, max_size=3).map(tuple)
    else:
        found = {int: NUMBERS, str: TEXTS, bool: st.booleans(), Kind: st.sampled_from(Kind)}[plain]
    return st.none() | found if NoneType in arguments else found


def rows(row_class: type[Row], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Rows of a class; `given` are strategies for some of its fields."""
    drawn = {field.name: given.get(field.name, column(row_class, field)) for field in msgspec.structs.fields(row_class)}
    return st.builds(row_class, **drawn)


@st.composite
def wild(draw: st.DrawFn, kind: Kind | None = None) -> Aip:
    """An AIP with any rows in any of its fields, over a few UUIDs, so that they collide."""
    few = st.sampled_from(draw(st.lists(UUIDS, min_size=1, max_size=4, unique=True)))
    chosen = draw(st.sampled_from(Kind)) if kind is None else kind
    fields: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(sorted(extension.ELEMENTS)), max_size=8, unique=True)):
        row_class = extension.ELEMENTS[name][1]
        uuid_fields = {
            field.name: few if NoneType not in get_args(field.type) else st.none() | few
            for field in msgspec.structs.fields(row_class)
            if "Uuid" in row_class.__annotations__[field.name]
        }
        row = rows(row_class, **uuid_fields)
        fields[name] = draw(row if name in extension.SINGLE else st.lists(row, max_size=4))
    return Aip(kind=chosen, uuid=draw(few), key=draw(st.none() | TEXTS), **fields)


class _Pool:
    """UUIDs, each handed out once, also where hypothesis lets its random numbers repeat."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.random = draw(st.randoms(use_true_random=False))
        self.given: set[str] = set()

    def __call__(self) -> str:
        number = self.random.getrandbits(128)
        while (drawn := str(uuids.UUID(int=number % 2**128, version=4))) in self.given:
            number += 1
        self.given.add(drawn)
        return drawn


@st.composite
def _values(draw: st.DrawFn, subject: str, fields: st.SearchStrategy[str] = FIELDS, most: int = 5) -> list[Any]:
    found: list[Any] = []
    good = fields.filter(lambda field: field.count(".") in (1, 2) and all(field.split(".")) and "\x00" not in field)
    for field in draw(st.lists(good, max_size=3, unique=True)):
        count = draw(st.integers(1, most))
        gap = draw(st.sampled_from([0, 0, 0, 1]))
        for place in range(count):
            one = rows(model.Value, subject=st.just(subject), field=st.just(field), place=st.just(place + gap))
            found.append(draw(one))
    return found


@st.composite
def _policies(draw: st.DrawFn, subject: str, groups: list[str], people: list[str]) -> list[Any]:
    found = []
    for _ in range(draw(st.integers(0, 3))):
        by_group = draw(st.booleans()) or not people
        found.append(
            draw(
                rows(
                    model.Policy,
                    subject=st.just(subject),
                    action=st.integers(0, 12),
                    group=st.sampled_from(groups) if by_group else st.none(),
                    person=st.none() if by_group else st.sampled_from(people),
                )
            )
        )
    return found


@st.composite
def aips(draw: st.DrawFn, kind: Kind) -> Aip:
    """An AIP of that kind as a DSpace could have it."""
    new = _Pool(draw)
    if kind is Kind.REGISTRY:
        return draw(_registry())
    if kind is Kind.TOMBSTONE:
        row = draw(rows(registry_rows.Tombstone, scheme=st.sampled_from(["handle", "doi"])))
        key = f"{row.scheme}/{row.identifier}"
        return Aip(kind=kind, uuid=derived_uuid(key), key=key, tombstone=row)
    uuid = new()
    people, groups = [new(), new()], [new(), new(), new()]
    names = [model.Name(person, Kind.PERSON, f"{number}@example.org") for number, person in enumerate(people)]
    called = ["Anonymous", "Administrator", draw(TEXTS)]
    names += [model.Name(group, Kind.GROUP, name) for group, name in zip(groups, called, strict=True)]
    aip = Aip(kind=kind, uuid=uuid, names=names, values=draw(_values(uuid)))
    if kind is Kind.PERSON:
        aip.person = draw(rows(model.PersonRow, uuid=st.just(uuid)))
        return aip
    if kind is Kind.GROUP:
        aip.group = draw(rows(model.GroupRow, uuid=st.just(uuid)))
        aip.persons_in = [model.Member(uuid, person) for person in people]
        aip.groups_in = [model.Member(uuid, groups[0]), model.Member(uuid, new())]
        return aip
    aip.handles = [model.HandleRow(uuid, f"123456789/{draw(st.integers(0, 999))}", 0, draw(st.none() | NUMBERS))]
    aip.policies = draw(_policies(uuid, groups, people))
    _contain(draw, aip, new, groups, people)
    return aip


def _contain(draw: st.DrawFn, aip: Aip, new: _Pool, groups: list[str], people: list[str]) -> None:
    uuid, parent = aip.uuid, new()
    if aip.kind is Kind.SITE:
        aip.site = model.SiteRow(uuid)
        return
    above = Kind.COLLECTION if aip.kind is Kind.ITEM else Kind.COMMUNITY
    aip.names.append(model.Name(parent, above, "123456789/1000"))
    aip.names.append(model.Name(new(), Kind.SITE, "123456789/0"))
    aip.parents = [model.Member(uuid, parent)]
    aip.subscriptions = draw(st.lists(rows(model.Subscription, subject=st.just(uuid)), max_size=2))
    if aip.kind is Kind.ITEM:
        own = rows(
            model.ItemRow, uuid=st.just(uuid), owning_collection=st.just(parent), submitter=st.sampled_from(people),
            last_modified=INSTANTS,
        )  # fmt: skip
        aip.items = [draw(own)]
        aip.dois = draw(st.lists(rows(model.Doi, subject=st.just(uuid)), max_size=1))
        aip.relations = draw(st.lists(rows(model.Relation, left=st.just(uuid)), max_size=2))
        aip.versions = draw(st.lists(rows(model.Version), max_size=2))
        for _ in range(draw(st.integers(0, 3))):
            _bundle(draw, aip, new, groups, people)
        return
    logo = new() if draw(st.booleans()) else None
    if logo is not None:
        _bitstream(draw, aip, logo)
    if aip.kind is Kind.COMMUNITY:
        aip.community = draw(rows(model.CommunityRow, uuid=st.just(uuid), logo=st.just(logo)))
        return
    template = new() if draw(st.booleans()) else None
    aip.collection = draw(rows(model.CollectionRow, uuid=st.just(uuid), logo=st.just(logo), template=st.just(template)))
    aip.roles = draw(st.lists(rows(model.Role, subject=st.just(uuid)), max_size=2))
    if template is not None:
        aip.items = [draw(rows(model.ItemRow, uuid=st.just(template), owning_collection=st.none()))]
        aip.values += draw(_values(template))


def _bundle(draw: st.DrawFn, aip: Aip, new: _Pool, groups: list[str], people: list[str]) -> None:
    bundle = new()
    name = draw(st.sampled_from(["ORIGINAL", "ORIGINAL", "LICENSE", "TEXT", "THUMBNAIL", "CC-LICENSE"]) | TEXTS)
    aip.values.append(model.Value(bundle, "dc.title", 0, name))
    primary = None
    for order in range(draw(st.integers(0, 3))):
        uuid = new()
        if draw(st.booleans()):
            primary = uuid
        aip.placed.append(model.Placed(bundle, uuid, order, draw(st.none() | PLACES)))
        _bitstream(draw, aip, uuid)
        aip.policies += draw(_policies(uuid, groups, people))
    aip.bundles.append(model.BundleRow(aip.uuid, bundle, draw(st.none() | NUMBERS), primary))
    aip.policies += draw(_policies(bundle, groups, people))


def _bitstream(draw: st.DrawFn, aip: Aip, uuid: str) -> None:
    digests = st.binary(min_size=16, max_size=16).map(bytes.hex)
    aip.bitstreams.append(
        draw(rows(model.BitstreamRow, uuid=st.just(uuid), checksum=digests, checksum_algorithm=st.just("MD5")))
    )
    aip.stored.append(draw(rows(model.Stored, uuid=st.just(uuid), store_number=st.integers(0, 3))))
    aip.values.append(model.Value(uuid, "dc.title", 0, draw(TEXTS | st.just("paper.final.pdf"))))
    aip.values += draw(_values(uuid, st.sampled_from(["dc.source", "dc.description", "dc.format", "iiif.label"]), 2))


@st.composite
def _registry(draw: st.DrawFn) -> Aip:
    key = draw(st.sampled_from(["schema/dc", "formats", "entities"]))
    aip = Aip(kind=Kind.REGISTRY, uuid=derived_uuid(key), key=key)
    if key == "formats":
        aip.formats = draw(st.lists(rows(registry_rows.Format, support=st.integers(0, 2)), max_size=4))
    elif key == "entities":
        aip.entity_types = draw(st.lists(rows(registry_rows.EntityType), max_size=3))
        tilted = st.none() | st.integers(0, 2)
        aip.relationship_types = draw(st.lists(rows(registry_rows.RelationshipType, tilted=tilted), max_size=4))
    else:
        aip.schemas = [draw(rows(registry_rows.Schema, name=st.just("dc")))]
        aip.fields = draw(st.lists(rows(registry_rows.Field, schema=st.just("dc")), max_size=4))
    return aip
