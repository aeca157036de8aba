"""The people, groups, communities and collections of the sample, before there are items.

Invariant: what is made here is what `World` names; everything else of the sample hangs on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from daemon.sample.repository import Repository
from daemon.sample.texts import FAMILY, GIVEN, MULTILINGUAL, ODD, words
from daemon.sample.vocabulary import (
    ADD,
    ADMIN,
    COLLECTION,
    COMMUNITY,
    DEFAULT_BITSTREAM_READ,
    DEFAULT_ITEM_READ,
    READ,
    SITE,
    WRITE,
    Grant,
    MadeCollection,
    Text,
)

COLLECTIONS_PER_COMMUNITY = 4
ITEMS_PER_COLLECTION = 250


@dataclass
class World:
    """The containers and the people that items refer to."""

    people: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    communities: list[str] = field(default_factory=list)
    collections: list[MadeCollection] = field(default_factory=list)


def build(repository: Repository, items: int, *, rich: bool) -> World:
    """Make a world for that many items: a collection for every 250, at least four."""
    world = World()
    _people(repository, world)
    count = max(4, items // ITEMS_PER_COLLECTION)
    for number in range(-(-count // COLLECTIONS_PER_COMMUNITY)):
        parent = world.communities[number // 2] if number % 3 == 2 else None
        world.communities.append(
            repository.community(
                f"{words(repository.random, 2)} {number + 1}",
                parent,
                logo=number % 4 == 0,
                people=world.people[:2] if number % 3 == 0 else None,
                texts=[
                    Text("dc.description.abstract", words(repository.random, 9)),
                    Text("dc.rights", "© the authors"),
                ],
            )
        )
    for number in range(count):
        world.collections.append(
            repository.collection(
                f"{words(repository.random, 3)} {number + 1}",
                [world.communities[number // COLLECTIONS_PER_COMMUNITY]],
                logo=number % 5 == 0,
                submitters=world.people[1:4] if number % 3 == 0 else None,
                admins=world.people[:1] if number % 4 == 0 else None,
                reviewers=world.people[2:4] if number % 6 == 0 else None,
                texts=[
                    Text("dc.description.abstract", words(repository.random, 8)),
                    Text("dc.rights.license", "Grant us the right to keep and show it."),
                ],
            )
        )
    if rich:
        _nested_groups(repository, world)
        _odd_communities(repository, world)
        _odd_collections(repository, world)
        _subscriptions(repository, world)
    return world


def _people(repository: Repository, world: World) -> None:
    random = repository.random
    for number in range(8):
        first, last = random.choice(GIVEN), random.choice(FAMILY)
        world.people.append(repository.person(f"person{number + 1}@example.org", first, last))
    world.people.append(
        repository.person("shibboleth.user@example.org", "Shib", "User", netid="shib-0001", password=False)
    )
    world.people.append(repository.person("nameless@example.org", None, None, legacy=17))
    world.people.append(repository.person("o'neil+tag@example.org", "Ana  María", 'O’Neil "Q" <x>', netid="ÅÄÖ"))


def _nested_groups(repository: Repository, world: World) -> None:
    """Three levels of groups, a member by two ways, an empty group, and groups inside the two permanent ones."""
    rows, people = repository.rows, world.people
    readers = repository.group("Readers", people[3:6])
    staff = repository.group("Staff: “library” & archive", people[:2], [readers])
    everyone = repository.group("All members", people[5:7], [staff, readers])
    world.groups += [
        readers,
        staff,
        everyone,
        repository.group("Nobody yet", legacy=23),
        repository.group("Ω readers / 読者", people[4:5]),
    ]
    repository.values(readers, [Text("dc.description", "Those who may read in the reading room", "en")])
    repository.values(staff, [Text("dc.title", "Residue of an upgrade")])
    rows.add("group2group", repository.administrators, staff)
    rows.add("epersongroup2eperson", repository.administrators, people[0])
    rows.add("group2group", repository.anonymous, everyone)
    repository.grants(staff, 6, [Grant(READ, None, people[0])])
    repository.values(people[0], [Text("dspace.agreements.end-user", "true"), Text("eperson.phone", "+49 30 123-456")])


def _odd_communities(repository: Repository, world: World) -> None:
    """A deep chain, one with a logo, news and a legacy id, one with extra handles and policies of its own."""
    deep = repository.community("Level one", world.communities[0], people=world.people[4:6], logo=True, legacy=3)
    deeper = repository.community("Level two", deep)
    deepest = repository.community(
        MULTILINGUAL[6][1],
        deeper,
        texts=[
            Text("dc.title", MULTILINGUAL[15][1], "zh_TW"),
            Text("dc.description", "<p>Introduction</p>\n<p>over lines</p>"),
            Text("dc.description.tableofcontents", "News: " + words(repository.random, 20)),
            Text("local.unit", "U-17", place=2),
            Text("local.unit", "U-18", "*", place=5),
        ],
    )
    repository.handle(deepest, COMMUNITY, "10568/c-1")
    repository.grants(
        deepest,
        COMMUNITY,
        [
            Grant(ADD, world.groups[0], name="adders"),
            Grant(WRITE, None, world.people[2], "2020-01-01", "2031-12-31", description="while the project lasts"),
        ],
    )
    world.communities += [deep, deeper, deepest, repository.community("Empty community")]
    repository.values(
        repository.site,
        [Text("dc.title", "The sample repository", "en"), Text("dspace.site.note", "not the name of any place")],
    )
    repository.grants(repository.site, SITE, [Grant(WRITE, world.groups[1])])


def _odd_collections(repository: Repository, world: World) -> None:
    """A collection of two communities, one with everything, one for entities, one harvested, one restricted."""
    people, communities = world.people, world.communities
    full = repository.collection(
        "Collection with everything",
        [communities[0], communities[-2]],
        logo=True,
        submitters=people[:3],
        admins=people[3:5],
        reviewers=people[5:7],
        legacy=4,
        texts=[
            Text("dc.description.tableofcontents", "News"),
            Text("dc.provenance", "Kept since 1998"),
            Text("dc.description", "Über uns", "de"),
            *[Text("local.code", odd) for odd in ODD[:4]],
        ],
        template=[
            Text("dc.publisher", "The University Press", "en"),
            Text("dc.type", "Thesis", "en_US"),
            Text("dc.rights", "In copyright", authority="rs-1", confidence=500),
        ],
    )
    final = repository.group(f"COLLECTION_{full.uuid}_WORKFLOW_ROLE_finaleditor", people[:1], world.groups[:1])
    repository.rows.add("cwf_collectionrole", "finaleditor", full.uuid, final)
    repository.grants(full.uuid, COLLECTION, [Grant(ADD, final)])
    entities = repository.collection(
        "Publications as entities",
        [communities[1 % len(communities)]],
        texts=[Text("dspace.entity.type", "Publication")],
        template=[],
    )
    harvested = repository.collection("Harvested articles", [communities[0]])
    repository.rows.add(
        "harvested_collection",
        harvested.uuid,
        3,
        "https://oai.example.org/request",
        "col_1_2",
        "dc",
        0,
        None,
        None,
        "2024-03-01 04:05:06.789+00",
    )
    restricted = repository.collection("Restricted reports", [communities[-3]], admins=[])
    repository.grants(
        restricted.uuid,
        COLLECTION,
        [
            Grant(DEFAULT_ITEM_READ, world.groups[0], name="defaults", description="staff may see the items"),
            Grant(DEFAULT_BITSTREAM_READ, world.groups[0]),
            Grant(ADMIN, None, people[6]),
        ],
    )
    plain = repository.collection("Harvest settings without a source", [communities[0]], template=[])
    repository.rows.add("harvested_collection", plain.uuid, 0, None, None, None, 0, None, None, None)
    world.collections += [full, entities, harvested, restricted]


def _subscriptions(repository: Repository, world: World) -> None:
    repository.subscribe(world.people[0], world.collections[0].uuid, ["D", "W"])
    repository.subscribe(world.people[1], world.collections[0].uuid, ["W"])
    repository.subscribe(world.people[1], world.communities[0], [])
    repository.subscribe(world.people[2], repository.site, ["M"])
