"""A repository put together by hand, event by event, for tests of what lies between packages."""

from __future__ import annotations

import hashlib
import io
import itertools
from pathlib import Path
from typing import Any

from daemon.export.moment import Moment
from daemon.export.packages import Options, Packages
from events.aip import write
from events.aip.model import (
    Aip,
    BitstreamRow,
    BundleRow,
    CollectionRow,
    CommunityRow,
    GroupRow,
    HandleRow,
    ItemRow,
    Kind,
    Member,
    Name,
    PersonRow,
    Placed,
    Policy,
    Role,
    SiteRow,
    Stored,
    Uuid,
    Value,
)
from events.blobs import open_blobs
from events.event import Event, Type, compress
from events.log.opening import open_log

SITE = "00000000-0000-4000-8000-000000000000"


def uuid_of(number: int) -> Uuid:
    """UUIDs are in the order of their numbers."""
    return f"{number:08x}-0000-4000-8000-000000000000"


class Repository:
    """`repository.community(2)`, `repository.item(9, owner=3)`: each is an event; the handle of 9 is `1/9`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = open_log(f"sqlite:///{folder}/log.sqlite", create=True)
        self.blobs = open_blobs(f"file://{folder}/blobs", create=True)
        self._lsn = itertools.count(1)
        self.names: dict[Uuid, Name] = {SITE: Name(SITE, Kind.SITE, "1/0")}
        self.put(Aip(kind=Kind.SITE, uuid=SITE, site=SiteRow(SITE), handles=[HandleRow(SITE, "1/0", 0)]))

    def put(self, aip: Aip, parents: tuple[Uuid, ...] = ()) -> Uuid:
        """One event. `parents` as the capture gives them: the owning container first."""
        handle = aip.handle
        label = handle or (aip.group.name if aip.group else None) or (aip.person.email if aip.person else None)
        self.names[aip.uuid] = Name(aip.uuid, aip.kind, label)
        aip.names.extend(name for name in self.names.values() if name.uuid != aip.uuid)
        lsn = next(self._lsn)
        self.log.append([
            Event(
                source="r", lsn=lsn, uuid=aip.uuid, kind=aip.kind, type=Type.PUT,
                commit_time=f"2026-03-01T00:{lsn // 60:02}:{lsn % 60:02}.000000Z", digest=str(lsn), handle=handle,
                parents=parents, payload=compress(write(aip)),
            )
        ])  # fmt: skip
        return aip.uuid

    def person(self, number: int, email: str | None, *, netid: str | None = None, password: str | None = None) -> Uuid:
        uuid = uuid_of(number)
        row = PersonRow(uuid, None, email, netid, True, False, False, None, password, "ab" if password else None,
                        "SHA-512" if password else None)  # fmt: skip
        return self.put(Aip(kind=Kind.PERSON, uuid=uuid, person=row))

    def group(
        self, number: int, name: str | None, *, people: tuple[Uuid, ...] = (), groups: tuple[Uuid, ...] = ()
    ) -> Uuid:
        uuid = uuid_of(number)
        return self.put(Aip(
            kind=Kind.GROUP, uuid=uuid, group=GroupRow(uuid, None, name, None),
            persons_in=[Member(uuid, other) for other in people], groups_in=[Member(uuid, other) for other in groups],
        ))  # fmt: skip

    def community(self, number: int, *parents: int, admin: Uuid | None = None, legacy: int | None = None,
                  handle: str | None = "", policies: tuple[Uuid, ...] = ()) -> Uuid:  # fmt: skip
        uuid = uuid_of(number)
        return self.put(
            Aip(kind=Kind.COMMUNITY, uuid=uuid, community=CommunityRow(uuid, legacy, admin, None),
                **_common(uuid, number, parents, handle, policies)),
            tuple(map(uuid_of, parents)),
        )  # fmt: skip

    def collection(self, number: int, *parents: int, admin: Uuid | None = None, submitters: Uuid | None = None,
                   reviewers: Uuid | None = None, legacy: int | None = None, handle: str | None = "",
                   policies: tuple[Uuid, ...] = ()) -> Uuid:  # fmt: skip
        uuid = uuid_of(number)
        return self.put(
            Aip(kind=Kind.COLLECTION, uuid=uuid, collection=CollectionRow(uuid, legacy, submitters, admin, None, None),
                roles=[Role(uuid, "reviewer", reviewers)] if reviewers else [],
                **_common(uuid, number, parents, handle, policies)),
            tuple(map(uuid_of, parents)),
        )  # fmt: skip

    def item(self, number: int, owner: int, *mapped: int, archived: bool = True, withdrawn: bool = False,
             handle: str | None = "", policies: tuple[Uuid, ...] = (), modified: str = "2026-01-01T00:00:00.000000Z",
             files: dict[str, dict[str, bytes]] | None = None, captured: bool = True) -> Uuid:  # fmt: skip
        """`files`: by bundle and name; unless `captured`, the blob store lacks them."""
        uuid = uuid_of(number)
        aip = Aip(
            kind=Kind.ITEM, uuid=uuid,
            items=[ItemRow(uuid, None, archived, withdrawn, True, modified, None, uuid_of(owner))],
            **_common(uuid, number, (owner, *mapped), handle, policies),
        )  # fmt: skip
        part = itertools.count(number * 1000)
        for name, contents in (files or {}).items():
            bundle = uuid_of(next(part))
            aip.bundles.append(BundleRow(uuid, bundle, None, None))
            aip.values.append(Value(bundle, "dc.title", 0, name))
            for order, (file, content) in enumerate(contents.items()):
                bitstream = uuid_of(next(part))
                digest = hashlib.sha256(content).hexdigest()
                if captured:
                    self.blobs.put(io.BytesIO(content))
                    self.blobs.flush()
                aip.placed.append(Placed(bundle, bitstream, order, None))
                aip.values.append(Value(bitstream, "dc.title", 0, file))
                md5 = hashlib.md5(content).hexdigest()
                aip.bitstreams.append(BitstreamRow(bitstream, None, None, md5, "MD5", order + 1, len(content)))
                aip.stored.append(Stored(bitstream, "1", 0, digest))
        return self.put(aip, tuple(map(uuid_of, (owner, *mapped))))

    def packages(self, at: int | None = None, **options: Any) -> Packages:
        return Packages(Moment(self.log, at), self.blobs, Options(**options))

    def close(self) -> None:
        self.log.close()


def _common(
    uuid: Uuid, number: int, parents: tuple[int, ...], handle: str | None, policies: tuple[Uuid, ...]
) -> dict[str, Any]:
    handle = f"1/{number}" if handle == "" else handle
    return {
        "handles": [HandleRow(uuid, handle, 0)] if handle else [],
        "parents": [Member(uuid, uuid_of(parent)) for parent in parents],
        "values": [Value(uuid, "dc.title", 0, f"Number {number}")],
        "policies": [Policy(uuid, 0, group, None) for group in policies],
    }
