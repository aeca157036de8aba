"""A repository that is edited event by event, its archive, and judges of the archive: an outside one and our own."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ocfl

import events.aip
from daemon.export.ocfl.run import Archive, Archived, Choice
from events.aip.model import Aip, Kind, Uuid, Value
from events.blobs import open_blobs
from events.event import Event, Type, compress, decompress
from events.log import Entry
from events.log.opening import open_log
from events.ocfl.layout import identifier, place
from events.ocfl.reading import OcflObject, objects
from events.ocfl.root import Books, begun, opened
from tests.daemon.export.composed import Repository


class Living(Repository):
    """`living.archive()` writes what is new; `living.item(9, 3, files=...)` again is another state of the item."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.root = folder / "archive"

    @classmethod
    def again(cls, folder: Path) -> Living:
        """The same repository, opened again."""
        made = cls.__new__(cls)
        made.folder, made.root = folder, folder / "archive"
        made.log, made.blobs = open_log(f"sqlite:///{folder}/log.sqlite"), open_blobs(f"file://{folder}/blobs")
        made._lsn, made.names = itertools.count(made.log.end() + 1), {}
        return made

    def delete(self, uuid: Uuid) -> None:
        last = self.log.latest(uuid)
        assert last is not None
        self._event(last.event.kind, uuid, Type.DELETE, handle=last.event.handle)

    def retitled(self, uuid: Uuid, title: str) -> None:
        """Another state of the same object: only its title differs."""
        last = self.log.latest(uuid)
        assert last is not None
        aip = events.aip.read(decompress(last.event.payload))
        aip.values = [row for row in aip.values if row.subject != uuid] + [Value(uuid, "dc.title", 0, title)]
        self.state(aip, last.event.parents)

    def state(self, aip: Aip, parents: tuple[Uuid, ...] = ()) -> None:
        self._event(aip.kind, aip.uuid, Type.PUT, handle=aip.handle, parents=parents,
                    payload=compress(events.aip.write(aip)))  # fmt: skip

    def _event(self, kind: Kind, uuid: Uuid, what: Type, **more: Any) -> None:
        lsn = next(self._lsn)
        time = f"2026-03-01T{lsn // 3600:02}:{lsn // 60 % 60:02}:{lsn % 60:02}.000000Z"
        self.log.append([Event(source="r", lsn=lsn, uuid=uuid, kind=kind, type=what, commit_time=time, **more)])

    # --- the archive --------------------------------------------------------------------------------------------------

    def archive(self, *things: str, root: Path | None = None, at: int | None = None, digest: Any = "sha512",
                passwords: bool = False, recursive: bool | None = None, updated_after: str | None = None,
                **options: Any) -> Archived:  # fmt: skip
        wanted = Books(log=self.log.identity, digest=digest, passwords=passwords)
        writing = Archive(self.log, self.blobs, opened(root or self.root, wanted),
                          self.log.end() if at is None else at, **options)  # fmt: skip
        try:
            return writing(Choice(things, recursive, updated_after))
        finally:
            writing.close()

    def object(self, uuid: Uuid, root: Path | None = None) -> OcflObject:
        return OcflObject((root or self.root) / place(identifier(uuid)), identifier(uuid))

    def books(self) -> Books:
        found = begun(self.root)
        assert found is not None
        return found

    def index(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "aipstream-index.jsonl").read_text().splitlines()]


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with the digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def object_files(root: Path) -> dict[str, str]:
    """The same of all objects, without the books of the root."""
    return {name: digest for name, digest in tree(root).items() if "/" in name}


def valid(root: Path, *, warnings: tuple[str, ...] = (), leftovers: bool = False) -> int:
    """How many objects there are, each of them valid for an outside validator and by our own checks, without warnings
    but those named. `leftovers`: a killed process may have left its staging folder.
    """
    judge = ocfl.StorageRoot(root=str(root))
    sound = judge.validate(log_warnings=True)
    told = [line for _, message in judge.errors for line in str(message).splitlines() if line.strip()]
    told += [str(line) for line in judge.log.messages]
    told = [line for line in told if not any(f"[{code}]" in line for code in warnings)]
    if leftovers:
        told = [line for line in told if "W901" not in line]
    assert sound, told
    assert not told
    assert judge.num_objects == judge.good_objects  # the validator itself leaves this to its caller
    assert len(list(objects(root))) == judge.num_objects
    for folder in objects(root):
        _well(root, folder)
    _plain(root, leftovers)
    return int(judge.num_objects)


def _well(root: Path, folder: Path) -> None:
    """What the outside validator does not look at: where the object lies, each content once, nothing that leads out."""
    found = OcflObject(folder)
    assert folder == root / place(found.inventory.id)
    assert ocfl.StorageRoot(root=str(root)).object_path(found.inventory.id) == str(place(found.inventory.id))
    assert all(len(paths) == 1 for paths in found.inventory.manifest.values())
    for version in found.inventory.versions:
        for name in found.inventory.files(version):
            with found.open(name, version) as stream:
                while stream.read(1 << 20):
                    pass


def _plain(root: Path, leftovers: bool) -> None:
    for path in root.rglob("*"):
        status = path.lstat()
        assert path.is_file() or path.is_dir(), f"{path} is neither a file nor a folder"
        assert not path.is_symlink()
        staged = "aipstream-staging" in path.parts
        assert leftovers or not staged, f"{path} was left"
        if path.is_dir() and not staged:
            assert os.listdir(path), f"{path} is empty"  # noqa: PTH208
        if path.is_file() and not leftovers:
            assert status.st_nlink == 1, f"{path} is linked"


def says_the_log(living: Living, root: Path | None = None, *, passwords: bool = True) -> int:
    """Every version of every object is the log's event at that place: document, contents, time. How many there are."""
    count = 0
    for folder in objects(root or living.root):
        found = OcflObject(folder)
        history = list(living.log.history(found.inventory.id.removeprefix("urn:uuid:")))
        for (version, said), entry in zip(found.inventory.versions.items(), history, strict=True):
            assert said.created == entry.event.commit_time
            _same(living, found, version, entry)
            count += 1
    return count


def _same(living: Living, found: OcflObject, version: str, entry: Entry) -> None:
    names = set(found.inventory.files(version))
    envelope = json.loads(found.read("event.json", version))
    assert (envelope["position"], envelope["type"]) == (entry.position, entry.event.type)
    if entry.event.type is Type.DELETE:
        assert names == {"event.json"}
        return
    aip = events.aip.read(decompress(entry.event.payload))
    (document,) = [name for name in names if name.endswith(".xml") and not name.startswith("bitstream_")]
    assert events.aip.read(found.read(document, version)) == aip
    sha256 = {row.uuid: row.sha256 for row in aip.stored}
    files = {name.removeprefix("bitstream_").partition(".")[0]: name for name in names if name.startswith("bitstream_")}
    assert files.keys() == {row.uuid for row in aip.bitstreams}
    for uuid, name in files.items():
        assert hashlib.sha256(found.read(name, version)).hexdigest() == sha256[uuid]


def versions(root: Path) -> Iterator[tuple[Uuid, int]]:
    """How many versions each object has."""
    for folder in objects(root):
        inventory = OcflObject(folder).inventory
        yield inventory.id.removeprefix("urn:uuid:"), inventory.number
