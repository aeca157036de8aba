"""One or more of every kind of item and leftover that a real repository has and a plain test would not think of.

Invariant: each function makes one family of them; the names of the items (`dc.title`) say what they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.sample.leftovers import add_drafts, add_leftovers
from daemon.sample.records import record
from daemon.sample.repository import Repository
from daemon.sample.structure import World
from daemon.sample.texts import MULTILINGUAL, ODD, abstract
from daemon.sample.vocabulary import ITEM, READ, WITHDRAWN_READ, WRITE, File, Grant, MadeItem, Text

LONG_TEXT = 100_000
"""Characters of the longest abstract: PostgreSQL stores it out of line, and logical decoding leaves it out."""


def add(repository: Repository, world: World) -> None:
    """All of them."""
    _metadata(repository, world)
    _states(repository, world)
    _embargoes(repository, world)
    _bundles(repository, world)
    _identifiers(repository, world)
    _versions(repository, world)
    _entities(repository, world)
    add_drafts(repository, world)
    add_leftovers(repository, world)


def _texts(repository: Repository, title: str, more: Sequence[Text] = ()) -> list[Text]:
    return [*record(repository.random, repository.moment(), 10, title=title), *more]


def _file(
    repository: Repository, name: str, content: bytes | None = None, bundle: str = "ORIGINAL", **more: object
) -> File:
    stored = repository.files.store(repository.random.randbytes(1500) if content is None else content)
    return File(name, stored, bundle, **more)  # type: ignore[arg-type]  # passed through to the dataclass


def _metadata(repository: Repository, world: World) -> None:
    """Scripts, languages, authorities, odd values, gaps in places, doubled places, a very long text, own fields."""
    home = world.collections[0].uuid
    texts = [Text("dc.title.alternative", text, lang) for lang, text in MULTILINGUAL]
    repository.item(home, _texts(repository, "Many scripts", texts))
    texts = [Text("dc.description", odd, lang) for odd in ODD for lang in ("en", None, "", "*")]
    repository.item(home, _texts(repository, "Odd values", texts))
    texts = [Text("dc.subject.other", "gap", place=place) for place in (0, 2, 3, 9)]
    texts += [Text("dc.subject.lcsh", f"same place {number}", place=1) for number in range(3)]
    texts += [Text("dc.subject.mesh", "twice the same", "en", place=place) for place in (0, 1)]
    texts += [Text("dc.subject.ddc", "wholly the same", place=0)] * 2
    repository.item(home, _texts(repository, "Gaps in places", texts))
    repository.item(
        home,
        _texts(
            repository,
            "A very long abstract",
            [Text("dc.description.abstract", abstract(repository.random, LONG_TEXT), "en")],
        ),
    )
    texts = [
        Text("dc.contributor.editor", f"Editor {confidence}", None, authority=f"rp{number:05d}", confidence=confidence)
        for number, confidence in enumerate((-1, 0, 100, 200, 300, 400, 500, 600))
    ]
    texts.append(Text("dc.contributor.other", "authority without confidence", authority=""))
    repository.item(home, _texts(repository, "Authorities of every confidence", texts))
    texts = [
        Text("thesis.degree.name", "Doctor of Philosophy"),
        Text("thesis.degree", "unqualified"),
        Text("local.note", "a"),
        Text("local.note.internal", "b", "en"),
    ]
    repository.item(home, _texts(repository, "Fields of a schema of our own", texts))
    texts = [Text("dc.description.sponsorship", f"level {level}", security=level) for level in (None, 0, 1, 2)]
    repository.item(home, _texts(repository, "Values with security levels", texts))
    repository.item(home, [], archived=True)


def _states(repository: Repository, world: World) -> None:
    """Withdrawn, private, mapped, without submitter, with a legacy id, harvested."""
    first, second, *_ = world.collections
    for number in range(2):
        repository.item(
            first.uuid,
            _texts(repository, f"Withdrawn {number}"),
            [_file(repository, "gone.pdf")],
            archived=False,
            withdrawn=True,
            submitter=world.people[0],
        )
    repository.item(first.uuid, _texts(repository, "Private"), [_file(repository, "private.pdf")], discoverable=False)
    repository.item(
        second.uuid,
        _texts(repository, "Mapped"),
        [_file(repository, "mapped.pdf")],
        mapped=[collection.uuid for collection in world.collections[2:4]],
    )
    repository.item(second.uuid, _texts(repository, "From the days of integers"), legacy=1234)
    harvested = repository.item(world.collections[-2].uuid, _texts(repository, "Harvested"), legacy=1235)
    repository.rows.add("harvested_item", harvested.uuid, "oai:example.org:1/2", "2024-02-29 23:59:59.123456+00")
    bare = repository.item(world.collections[-2].uuid, _texts(repository, "Harvested without a date"))
    repository.rows.add("harvested_item", bare.uuid, "oai:example.org:1/3", None)


def _embargoes(repository: Repository, world: World) -> None:
    """Policies with dates, names, types and descriptions, for groups and for persons; and none at all."""
    home = world.collections[-1].uuid
    until = Grant(
        READ,
        repository.anonymous,
        start="2031-06-30",
        name="embargo",
        type="TYPE_CUSTOM",
        description="until the patent is granted; “quoted” & <odd>",
    )
    lease = Grant(READ, world.groups[0], None, "2019-01-01", "2020-02-29", "lease", "TYPE_CUSTOM")
    person = Grant(READ, None, world.people[2], type="TYPE_SUBMISSION")
    both = Grant(WRITE, world.groups[1], world.people[3], name="x" * 30, type="TYPE_WORKFLOW", description="")
    repository.item(
        home,
        _texts(repository, "Embargoed file"),
        [
            _file(repository, "embargoed.pdf", grants=(until,)),
            _file(repository, "leased.pdf", grants=(lease, person)),
            _file(repository, "closed.pdf", grants=()),
        ],
    )
    repository.item(home, _texts(repository, "Embargoed item"), [_file(repository, "all.pdf")], grants=[until, both])
    doubled = Grant(READ, repository.anonymous)
    repository.item(home, _texts(repository, "Policies twice over"), [], grants=[doubled, doubled, lease])
    repository.item(home, _texts(repository, "No policy at all"), [_file(repository, "nobody.pdf")], grants=[])


def _bundles(repository: Repository, world: World) -> None:
    """Every bundle name, an empty bundle, two of one name, a bitstream in two, zero bytes, formats, IIIF, primary."""
    home, read = world.collections[0].uuid, [repository.everyone()]
    iiif = (Text("iiif.label", "f. 1r"), Text("iiif.image.width", "4000"), Text("iiif.toc", "Part I|||Chapter 1"))
    item = repository.item(
        home,
        _texts(repository, "Every kind of bundle", [Text("dspace.iiif.enabled", "true")]),
        [
            _file(repository, "scan.jpg", more=iiif, description="Recto"),
            _file(repository, "notes ü/ä\\ö.txt", "ünï\n".encode(), description=""),
            _file(repository, "empty.txt", b""),
            _file(repository, "strange", more=(Text("dc.format", "A format of the user’s own"),), format="Unknown"),
            _file(repository, "model.glb", format="GL Transmission Format"),
            _file(repository, "scan.jpg.txt", bundle="TEXT", description="Extracted text"),
            _file(repository, "scan.jpg.jpg", bundle="THUMBNAIL", description="Generated Thumbnail"),
            _file(repository, "license.txt", bundle="LICENSE", format="License"),
            _file(repository, "license_rdf", b"<rdf/>", bundle="CC-LICENSE", format="CC License"),
        ],
        primary=True,
        submitter=world.people[1],
    )
    repository.bundle(item, "METADATA", [], read)
    repository.bundle(
        item,
        "ORIGINAL",
        [_file(repository, "second.pdf")],
        read,
        primary=True,
        legacy=99,
        texts=[Text("iiif.label", "Second set"), Text("dc.description", "a bundle may have metadata")],
    )
    shared = item.bitstreams[1][1]
    preservation = repository.bundle(item, "PRESERVATION", [], read)
    repository.rows.add("bundle2bitstream", preservation, shared, 0, 0)
    registered = File("registered.xml", repository.files.register("registered/here/file.xml", b"<x/>"))
    other = repository.item(
        home,
        _texts(repository, "A registered file, and the same bytes twice"),
        [
            registered,
            _file(repository, "same-1.txt", b"the same bytes"),
            _file(repository, "same-2.txt", b"the same bytes"),
        ],
    )
    nameless = repository.uuid()
    repository.rows.add("bundle", nameless, None, None)
    repository.rows.add("item2bundle", other.uuid, nameless)


def _identifiers(repository: Repository, world: World) -> None:
    """Several handles per object, foreign prefixes, tombstones; DOIs of several statuses, one of nothing."""
    rows, home = repository.rows, world.collections[1].uuid
    several = repository.item(home, _texts(repository, "Several handles"))
    for handle in (f"{repository.prefix}/old-{several.uuid[:8]}", "10568/4711", "2027.42/ABC.d/é"):
        repository.handle(several.uuid, ITEM, handle)
    repository.item(home, _texts(repository, "A foreign handle only"), handle="1721.1/9999")
    repository.item(home, _texts(repository, "No handle"), handle=None)
    for number, kind in enumerate((ITEM, ITEM, 3, 4)):
        rows.add("handle", f"{repository.prefix}/gone-{number}", kind, None, 77 if number == 0 else None)
    for status in (None, 1, 3, 4, 6, 11):
        item = repository.item(home, _texts(repository, f"DOI of status {status}"))
        rows.add("doi", f"doi:10.5072/sample-{status}", ITEM, item.uuid, status, None)
    rows.add("doi", "doi:10.5072/sample-gone", ITEM, None, 8, None)
    rows.add("doi", "doi:10.5072/sample-long-gone", ITEM, None, 9, 4242)


def _clone(
    repository: Repository,
    old: MadeItem,
    title: str,
    number: int,
    *,
    archived: bool,
    handle: str | None = "",
    uuid: str | None = None,
) -> MadeItem:
    """A further version of an item: new UUIDs, the same files."""
    files = [File(file.name, file.stored, file.bundle) for _, _, file in old.bitstreams]
    versioned = f"{(old.handle or '').rsplit('.', 1)[0]}.{number}" if handle == "" else handle
    return repository.item(
        old.collection, _texts(repository, title), files, archived=archived, handle=versioned, uuid=uuid
    )


def _versions(repository: Repository, world: World) -> None:
    """Histories of two and of three versions, one with deleted versions, one that no item is left of."""
    home, person = world.collections[0].uuid, world.people[0]
    one = repository.item(home, _texts(repository, "Version 1 of 2"), [_file(repository, "paper.pdf")], archived=False)
    two = _clone(repository, one, "Version 2 of 2", 2, archived=True)
    repository.history(
        [
            (1, one.uuid, "2020-01-01 10:00:00.5", None, person),
            (2, two.uuid, "2021-01-01 10:00:00", "Corrected\nfigures", person),
        ]
    )
    first = repository.item(
        home,
        _texts(repository, "Version 1 of 4"),
        [_file(repository, "set.csv"), _file(repository, "readme.txt")],
        archived=False,
    )
    third = _clone(repository, first, "Version 3 of 4", 3, archived=True)
    repository.history(
        [
            (1, first.uuid, "2019-05-05 05:05:05.123456", "", None),
            (2, None, None, None, None),
            (3, third.uuid, "2022-02-02 02:02:02", "x" * 255, person),
            (4, None, None, None, None),
        ]
    )
    repository.rows.add("handle", f"{first.handle}.2", ITEM, None, None)
    alone = repository.item(
        home, _texts(repository, "Withdrawn newest of 2"), [_file(repository, "a.pdf")], archived=False
    )
    newest = repository.item(
        home,
        _texts(repository, "Withdrawn newest"),
        archived=False,
        withdrawn=True,
        handle=f"{alone.handle}.2",
        grants=[repository.everyone(WITHDRAWN_READ)],
    )
    repository.history(
        [(1, alone.uuid, "2018-01-01 00:00:00", None, None), (2, newest.uuid, "2018-06-01 00:00:00", None, None)]
    )
    repository.history([])


def _entities(repository: Repository, world: World) -> None:
    """People, projects, units and publications, related with places, name variants and an older version."""
    home = world.collections[-3].uuid

    def entity(label: str, title: str, *more: Text, archived: bool = True, handle: str = "") -> MadeItem:
        return repository.item(
            home,
            [Text("dspace.entity.type", label), *_texts(repository, title, more)],
            archived=archived,
            handle=handle,
        )

    people = [
        entity("Person", f"Scholar {number}", Text("person.familyName", f"Family {number}")) for number in range(3)
    ]
    unit, project = entity("OrgUnit", "Institute"), entity("Project", "Project")
    paper, cited = entity("Publication", "Paper"), entity("Publication", "Cited paper")
    for place, person in enumerate(people):
        repository.relate(
            paper.uuid,
            "isAuthorOfPublication",
            person.uuid,
            (place + 1, 0),
            ("Name, Variant “X”" if place == 1 else None, "rightward" if place == 2 else None),
        )
        repository.relate(person.uuid, "isOrgUnitOfPerson", unit.uuid, (0, place))
    repository.relate(paper.uuid, "isProjectOfPublication", project.uuid)
    repository.relate(paper.uuid, "isReferencedBy", cited.uuid, (-1, -1))
    repository.relate(cited.uuid, "isReferencedBy", paper.uuid)
    old = entity("Publication", "Paper with versions, 1", archived=False)
    new = entity("Publication", "Paper with versions, 2", handle=f"{old.handle}.2")
    repository.history(
        [(1, old.uuid, "2023-01-01 00:00:00", None, None), (2, new.uuid, "2023-02-01 00:00:00", "second", None)]
    )
    repository.relate(old.uuid, "isAuthorOfPublication", people[0].uuid, (0, 1), status=2)
    repository.relate(new.uuid, "isAuthorOfPublication", people[0].uuid, (0, 1))
