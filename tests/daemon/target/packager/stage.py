"""A log of small objects, a target behind the stand-in for DSpace's command line, and what that was asked to do."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import events.aip
from daemon.target.packager.target import PackagerTarget
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
    Stored,
    Value,
)
from events.blobs import open_blobs
from events.event import Event, Type, compress
from events.log import Entry
from events.log.opening import open_log
from tests.events.samples import time_of, uuid_of

STANDIN = Path(__file__).with_name("dspace.py")
PREFIX = "123456789"
TOP, COLLECTION, OTHER = 1, 2, 3


def handle(number: int) -> str:
    return f"{PREFIX}/{number}"


def named(*numbers: int) -> list[Name]:
    kinds = {TOP: Kind.COMMUNITY, COLLECTION: Kind.COLLECTION, OTHER: Kind.COLLECTION}
    return [Name(uuid_of(number), kinds[number], handle(number)) for number in numbers]


def titled(number: int, text: str) -> list[Value]:
    return [Value(uuid_of(number), "dc.title", 0, text)]


def community(number: int = TOP) -> Aip:
    uuid = uuid_of(number)
    return Aip(
        kind=Kind.COMMUNITY, uuid=uuid, community=CommunityRow(uuid, None, None, None),
        handles=[HandleRow(uuid, handle(number), 0)], values=titled(number, "Top"),
    )  # fmt: skip


def collection(number: int = COLLECTION, *, admin: str | None = None) -> Aip:
    uuid = uuid_of(number)
    return Aip(
        kind=Kind.COLLECTION, uuid=uuid, collection=CollectionRow(uuid, None, None, admin, None, None),
        parents=[Member(uuid, uuid_of(TOP))], handles=[HandleRow(uuid, handle(number), 0)],
        values=titled(number, "Articles"), names=named(TOP),
    )  # fmt: skip


def item(
    number: int, title: str = "An item", *, withdrawn: bool = False, archived: bool = True,
    owner: int = COLLECTION, other: int | None = None, called: str | None = None,
) -> Aip:  # fmt: skip
    uuid = uuid_of(number)
    row = ItemRow(uuid, None, archived and not withdrawn, withdrawn, True, None, None, uuid_of(owner))
    homes = [owner] if other is None else [owner, other]
    return Aip(
        kind=Kind.ITEM, uuid=uuid, items=[row], parents=[Member(uuid, uuid_of(home)) for home in homes],
        handles=[HandleRow(uuid, called or handle(number), 0)], values=titled(number, title), names=named(*homes),
        policies=[Policy(uuid, 12 if withdrawn else 0, uuid_of(900), None)],
    )  # fmt: skip


def with_file(aip: Aip, sha256: str, size: int) -> Aip:
    bundle, bitstream = uuid_of(5001), uuid_of(5002)
    aip.bundles.append(BundleRow(aip.uuid, bundle, None, None))
    aip.placed.append(Placed(bundle, bitstream, 0, None))
    aip.bitstreams.append(BitstreamRow(bitstream, None, "Text", "0" * 32, "MD5", 1, size))
    aip.stored.append(Stored(bitstream, "1", 0, sha256))
    aip.values += [Value(bundle, "dc.title", 0, "ORIGINAL"), Value(bitstream, "dc.title", 0, "a.txt")]
    return aip


def person(number: int, email: str, password: str | None = None) -> Aip:
    uuid = uuid_of(number)
    return Aip(
        kind=Kind.PERSON, uuid=uuid, person=PersonRow(uuid, None, email, None, True, False, False, None, password)
    )


def group(number: int, name: str, *members: tuple[int, str], groups: tuple[tuple[int, str], ...] = ()) -> Aip:
    uuid = uuid_of(number)
    return Aip(
        kind=Kind.GROUP, uuid=uuid, group=GroupRow(uuid, None, name, False),
        persons_in=[Member(uuid, uuid_of(member)) for member, _ in members],
        groups_in=[Member(uuid, uuid_of(member)) for member, _ in groups],
        names=[Name(uuid_of(member), Kind.PERSON, email) for member, email in members]
        + [Name(uuid_of(member), Kind.GROUP, called) for member, called in groups] + named(COLLECTION),
    )  # fmt: skip


class Stage:
    """`stage.put(...)`, `stage.replay()`, and what the stand-in did: `loaded`, `calls`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = folder / "dspace"
        self.asked.mkdir()
        self.work = folder / "work"
        self.log = open_log(f"sqlite:///{folder}/log.sqlite", create=True)
        self.blobs = open_blobs(f"file://{folder}/blobs", create=True)
        self.lsn = 0
        self.target = self.make()

    def make(self) -> PackagerTarget:
        """Another replayer, as after a restart."""
        words = [sys.executable, str(STANDIN), str(self.asked)]
        return PackagerTarget(words, "admin@example.org", self.work, self.blobs, self.log)

    def again(self) -> PackagerTarget:
        """Give everything back and begin anew."""
        self.target.close()
        self.target = self.make()
        return self.target

    def put(self, *aips: Aip) -> None:
        """One event for each, in one transaction of the source."""
        self.lsn += 1
        for aip in aips:
            parents = tuple(row.other for row in aip.parents)
            self.log.append([
                Event(
                    source="repository", lsn=self.lsn, uuid=aip.uuid, kind=aip.kind, type=Type.PUT,
                    commit_time=time_of(self.lsn), digest=f"{self.lsn}", handle=aip.handle, parents=parents,
                    payload=compress(events.aip.write(aip)),
                )
            ])  # fmt: skip

    def delete(self, aip: Aip) -> None:
        """The object is gone."""
        self.lsn += 1
        self.log.append([
            Event(
                source="repository", lsn=self.lsn, uuid=aip.uuid, kind=aip.kind, type=Type.DELETE,
                commit_time=time_of(self.lsn), handle=aip.handle,
            )
        ])  # fmt: skip

    def content(self, text: bytes) -> str:
        """A blob; its SHA-256."""
        found = self.blobs.put(io.BytesIO(text))
        self.blobs.flush()
        return found.sha256

    def entries(self) -> list[Entry]:
        """What the target has not applied yet."""
        return list(self.log.read(self.target.position()))

    def tell(self, name: str, text: str = "") -> None:
        """What the stand-in is to do."""
        (self.asked / name).write_text(text)

    def said(self, name: str) -> list[str]:
        """What it did, line by line."""
        path = self.asked / name
        return path.read_text().splitlines() if path.exists() else []

    @property
    def loaded(self) -> list[str]:
        """The handles whose packages were committed, in order."""
        return [line.split()[0] for line in self.said("loaded")]

    def forget(self) -> None:
        """Begin the lists anew."""
        for name in ("calls", "loaded", "deleted"):
            (self.asked / name).unlink(missing_ok=True)

    def close(self) -> None:
        self.target.close()
        self.log.close()
        for line in self.said("running"):
            assert not alive(int(line))


def alive(process: int) -> bool:
    """Whether that process is there and no zombie."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
