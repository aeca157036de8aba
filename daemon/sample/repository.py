"""Objects as DSpace's API leaves them: each method adds all the rows of one thing that the API would have made.

Invariant: rows wait in `Repository.rows` until `flush`; what a method returns names objects that exist from then on.
Every draw comes from one generator, so a seed gives the same repository again, but for the numbers that only the
database gives (handle suffixes and integer keys). Sources: reference sections 2 (what rows make up one object) and
6.3 (what they must keep to).
"""

from __future__ import annotations

import uuid as uuids
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from psycopg2.extensions import connection as Connection  # noqa: N812 - the class has a lower-case name there

from daemon.sample.files import Assetstore
from daemon.sample.registries import Registries
from daemon.sample.rows import Rows
from daemon.sample.vocabulary import (
    ADD,
    ADMIN,
    BITSTREAM,
    BUNDLE,
    CANONICAL_PREFIX,
    COLLECTION,
    COMMUNITY,
    DEFAULT_BITSTREAM_READ,
    DEFAULT_ITEM_READ,
    EPOCH,
    FORMATS,
    ITEM,
    READ,
    WITHDRAWN_READ,
    File,
    Grant,
    MadeCollection,
    MadeItem,
    Text,
)


class Repository:
    """Writes objects into one installation. Made for one thread and one connection."""

    def __init__(self, connection: Connection, assetstore: Path, random: Random) -> None:
        self.random = random
        self.rows = Rows(connection)
        self.registries = Registries(connection)
        self.files = Assetstore(assetstore, random)
        self._places: Counter[tuple[str, str]] = Counter()
        self._clock = 0
        with connection.cursor() as cursor:
            cursor.execute(
                "select (select uuid from site), (select handle from handle where resource_type_id = 5 "
                "order by handle_id limit 1), (select uuid from epersongroup where name = 'Anonymous'), "
                "(select uuid from epersongroup where name = 'Administrator')"
            )
            self.site, site_handle, self.anonymous, self.administrators = cursor.fetchone() or ("", "", "", "")
        self.prefix = (site_handle or "123456789/0").split("/")[0]

    def flush(self) -> None:
        """Write all that waits. The transaction stays open."""
        self.rows.flush()
        self._places.clear()

    def abandon(self) -> None:
        """After a rollback: forget what waits, and what was created in the registries."""
        self.rows.discard()
        self._places.clear()
        self.registries.forget()

    def uuid(self, known: str | None = None) -> str:
        """A new version 4 UUID (or the `known` one of an object that is made again) with its `dspaceobject` row."""
        drawn = known or str(uuids.UUID(int=self.random.getrandbits(128), version=4))
        self.rows.add("dspaceobject", drawn)
        return drawn

    def moment(self) -> datetime:
        """An instant, always later than the one before: some minutes pass between any two."""
        self._clock += 1
        return EPOCH + timedelta(minutes=13 * self._clock, microseconds=self.random.randrange(1_000_000) + 1)

    # --- what any object may have

    def values(self, subject: str, texts: Iterable[Text]) -> None:
        """Metadata of an object made in this flush; places follow on from 0 within each field."""
        for text in texts:
            key = subject, text.field
            place = self._places[key] if text.place is None else text.place
            self._places[key] = place + 1
            cells = (
                subject,
                self.registries.field(text.field),
                text.text,
                text.lang,
                place,
                text.authority,
                text.confidence,
            )
            self.rows.add("metadatavalue", *cells, *((text.security,) if self.rows.has_security else ()))

    def grants(self, subject: str, kind: int, grants: Iterable[Grant]) -> None:
        """Resource policies of an object of the type `kind`."""
        for grant in grants:
            self.rows.add(
                "resourcepolicy",
                subject,
                kind,
                grant.action,
                grant.group,
                grant.person,
                grant.start,
                grant.end,
                grant.name,
                grant.type,
                grant.description,
            )

    def everyone(self, action: int = READ, kind: str | None = "TYPE_INHERITED") -> Grant:
        """What a public object grants: `action` to Anonymous."""
        return Grant(action, self.anonymous, type=kind)

    def handle(self, subject: str, kind: int, handle: str | None = None) -> str:
        """Bind a handle; without one, the next suffix of the installation's prefix is minted."""
        bound = handle or f"{self.prefix}/{self.rows.number('handle_seq')}"
        self.rows.add("handle", bound, kind, subject, None)
        return bound

    # --- people and groups

    def person(
        self,
        email: str | None,
        first: str | None = None,
        last: str | None = None,
        *,
        netid: str | None = None,
        password: bool = True,
        legacy: int | None = None,
    ) -> str:
        """An EPerson. `password` False: one who logs in elsewhere, without hash, salt and algorithm."""
        uuid = self.uuid()
        hashed = (f"{self.random.getrandbits(512):0128x}", f"{self.random.getrandbits(128):032x}", "SHA-512")
        self.rows.add(
            "eperson",
            uuid,
            email,
            netid,
            *(hashed if password else (None, None, None)),
            True,
            False,
            self.random.random() < 0.3,
            None,
            None,
            legacy,
        )
        names = [Text("eperson.firstname", first), Text("eperson.lastname", last)]
        self.values(uuid, [name for name in names if name.text] + [Text("eperson.language", "en")])
        return uuid

    def group(
        self, name: str | None, people: Sequence[str] = (), groups: Sequence[str] = (), legacy: int | None = None
    ) -> str:
        """A group with its direct members. Rebuild the cache when groups are nested."""
        uuid = self.uuid()
        self.rows.add("epersongroup", uuid, name, False, legacy)
        for person in people:
            self.rows.add("epersongroup2eperson", uuid, person)
        for child in groups:
            self.rows.add("group2group", uuid, child)
        return uuid

    # --- containers

    def logo(self, extension: str = "png") -> str:
        """A bitstream in no bundle, readable by all."""
        stored = self.files.store(self.random.randbytes(900))
        return self.bitstream(File(f"logo.{extension}", stored, grants=(self.everyone(kind=None),)), None, [])

    def community(
        self,
        name: str,
        parent: str | None = None,
        *,
        texts: Sequence[Text] = (),
        logo: bool = False,
        people: Sequence[str] | None = None,
        legacy: int | None = None,
        handle: str | None = None,
        uuid: str | None = None,
    ) -> str:
        """A community; with `people` it has an administrators' group of them and the ADMIN policy for it."""
        uuid = self.uuid(uuid)
        admin = None if people is None else self.group(f"COMMUNITY_{uuid}_ADMIN", people)
        self.rows.add("community", uuid, admin, self.logo() if logo else None, legacy)
        if parent:
            self.rows.add("community2community", parent, uuid)
        bound = self.handle(uuid, COMMUNITY, handle)
        self.values(uuid, [Text("dc.title", name), Text("dc.identifier.uri", CANONICAL_PREFIX + bound), *texts])
        self.grants(uuid, COMMUNITY, [self.everyone(kind=None)])
        if admin:
            self.grants(uuid, COMMUNITY, [Grant(ADMIN, admin)])
        return uuid

    def collection(
        self,
        name: str,
        parents: Sequence[str],
        *,
        texts: Sequence[Text] = (),
        logo: bool = False,
        submitters: Sequence[str] | None = None,
        admins: Sequence[str] | None = None,
        reviewers: Sequence[str] | None = None,
        template: Sequence[Text] | None = None,
        legacy: int | None = None,
    ) -> MadeCollection:
        """A collection with the policies 0, 9 and 10, and the role groups that are asked for."""
        uuid = self.uuid()
        stem = f"COLLECTION_{uuid}" if legacy is None else f"COLLECTION_{legacy}"
        submit = None if submitters is None else self.group(f"{stem}_SUBMIT", submitters)
        admin = None if admins is None else self.group(f"{stem}_ADMIN", admins)
        self.rows.add(
            "collection",
            uuid,
            submit,
            admin,
            None if template is None else self.template(template),
            self.logo("jpg") if logo else None,
            legacy,
        )
        for parent in parents:
            self.rows.add("community2collection", parent, uuid)
        grants = [
            self.everyone(READ, None),
            self.everyone(DEFAULT_ITEM_READ, None),
            self.everyone(DEFAULT_BITSTREAM_READ, None),
        ]
        if submit:
            grants.append(Grant(ADD, submit))
        if admin:
            grants.append(Grant(ADMIN, admin))
        if reviewers is not None:
            group = self.group(f"{stem}_WORKFLOW_ROLE_reviewer", reviewers)
            self.rows.add("cwf_collectionrole", "reviewer", uuid, group)
            grants.append(Grant(ADD, group))
        bound = self.handle(uuid, COLLECTION)
        self.values(uuid, [Text("dc.title", name), Text("dc.identifier.uri", CANONICAL_PREFIX + bound), *texts])
        self.grants(uuid, COLLECTION, grants)
        return MadeCollection(uuid, name, bound)

    def template(self, texts: Sequence[Text]) -> str:
        """A template item: in no collection, without handle and policies."""
        uuid = self.uuid()
        self.rows.add("item", uuid, False, False, True, str(self.moment()), None, None, None)
        self.values(uuid, texts)
        return uuid

    # --- items

    def item(
        self,
        collection: str | None,
        texts: Sequence[Text],
        files: Sequence[File] = (),
        *,
        submitter: str | None = None,
        archived: bool = True,
        withdrawn: bool = False,
        discoverable: bool = True,
        handle: str | None = "",
        legacy: int | None = None,
        mapped: Sequence[str] = (),
        grants: Sequence[Grant] | None = None,
        primary: bool = False,
        uuid: str | None = None,
        modified: datetime | None = None,
    ) -> MadeItem:
        """An item. `handle` "" mints one, None binds none. `grants` None: READ for all (of the right action)."""
        uuid = self.uuid(uuid)
        read = [self.everyone(WITHDRAWN_READ if withdrawn else READ)] if grants is None else grants
        self.rows.add(
            "item",
            uuid,
            archived,
            withdrawn,
            discoverable,
            str(modified or self.moment()),
            submitter,
            collection,
            legacy,
        )
        if collection:
            for holder in (collection, *mapped):
                self.rows.add("collection2item", holder, uuid)
        made = MadeItem(uuid, None if handle is None else self.handle(uuid, ITEM, handle or None), collection)
        links = [Text("dc.identifier.uri", CANONICAL_PREFIX + made.handle)] if made.handle else []
        self.values(uuid, [*texts, *links])
        self.grants(uuid, ITEM, read)
        for name in dict.fromkeys(file.bundle for file in files):
            held = [file for file in files if file.bundle == name]
            self.bundle(made, name, held, read, primary=primary and name == "ORIGINAL")
        return made

    def bundle(
        self,
        item: MadeItem,
        name: str,
        files: Sequence[File],
        read: Sequence[Grant],
        *,
        primary: bool = False,
        texts: Sequence[Text] = (),
        legacy: int | None = None,
    ) -> str:
        """A bundle at the end of an item, with its bitstreams in order. `primary`: its first is the primary one."""
        uuid = self.uuid()
        index = len(item.bundles)
        item.bundles.append((name, uuid))
        placed = []
        for file in files:
            sequence = len(item.bitstreams) + 1
            bitstream = self.bitstream(file, sequence, read)
            item.bitstreams.append((index, bitstream, file))
            placed.append(bitstream)
        self.rows.add("bundle", uuid, placed[0] if primary and placed else None, legacy)
        self.rows.add("item2bundle", item.uuid, uuid)
        for order, bitstream in enumerate(placed):
            self.rows.add("bundle2bitstream", uuid, bitstream, order, None)
        self.values(uuid, [Text("dc.title", name), *texts])
        self.grants(uuid, BUNDLE, read)
        return uuid

    def bitstream(
        self,
        file: File,
        sequence: int | None,
        read: Sequence[Grant],
        *,
        deleted: bool = False,
        legacy: int | None = None,
    ) -> str:
        """A bitstream row with its metadata and policies; the caller places it."""
        uuid = self.uuid()
        stored = file.stored
        format_name = file.format or FORMATS.get(file.name.rsplit(".", 1)[-1], "Unknown")
        self.rows.add(
            "bitstream",
            uuid,
            self.registries.format(format_name),
            stored.md5,
            "MD5",
            stored.internal_id,
            deleted,
            0,
            sequence,
            stored.size,
            legacy,
        )
        described = [Text("dc.description", file.description)] if file.description is not None else []
        self.values(uuid, [Text("dc.title", file.name), Text("dc.source", file.name), *described, *file.more])
        self.grants(uuid, BITSTREAM, () if deleted else read if file.grants is None else file.grants)
        return uuid

    # --- joins

    def history(self, members: Sequence[tuple[int, str | None, str | None, str | None, str | None]]) -> int:
        """A version history of (number, item, date, summary, person); a None item is a deleted version."""
        key = self.rows.number("versionhistory_seq")
        self.rows.add("versionhistory", key)
        for number, item, date, summary, person in members:
            self.rows.add("versionitem", key, number, item, date, summary, person)
        return key

    def relate(
        self,
        left: str,
        leftward: str,
        right: str,
        places: tuple[int, int] = (0, 0),
        variants: tuple[str | None, str | None] = (None, None),
        status: int = 0,
    ) -> None:
        """A relationship by its first label. `status`: 0 both are the latest, 1 only the left, 2 only the right."""
        self.rows.add(
            "relationship", left, self.registries.relationship_type(leftward), right, *places, *variants, status
        )

    def subscribe(self, person: str, subject: str, frequencies: Sequence[str]) -> None:
        """A subscription to the content of a collection, a community or the site."""
        key = self.rows.number("subscription_seq")
        self.rows.add("subscription", key, person, subject, "content")
        for frequency in frequencies:
            self.rows.add("subscription_parameter", key, "frequency", frequency)
