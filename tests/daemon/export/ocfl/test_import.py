"""`aipstream import DIR` takes an archive of ours back: the newest version of each object, row for row."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import events.aip
from daemon.cli.main import outcome
from events.aip.model import Aip, Kind, Uuid
from events.blobs import open_blobs
from events.errors import ChecksumMismatch, InvalidPackage
from events.event import decompress
from events.log import Log
from events.log.opening import open_log
from events.ocfl.layout import identifier, place
from events.package.listing import no_package, packages
from events.package.reading import open_package
from tests.daemon.export.composed import SITE, uuid_of
from tests.daemon.export.ocfl.living import Living
from tests.daemon.export.ocfl.test_killed import CONFIG

FILES = {"ORIGINAL": {"../../paper.pdf": b"%PDF-1.4 a paper", "empty": b""}}


def grown(living: Living) -> None:
    """Of every kind one, with a group that is named after its collection, and one inside another; one was deleted."""
    jo = living.person(4, "jo@example.org", password="c0ffee")
    living.group(8, "All", groups=(living.group(7, "Staff", people=(jo,)),))
    living.community(2)
    living.group(5, f"COLLECTION_{uuid_of(3)}_SUBMIT", people=(jo,))
    living.collection(3, 2, submitters=uuid_of(5), policies=(uuid_of(7),))
    living.item(9, 3, files=FILES, policies=(uuid_of(7),))
    living.retitled(living.item(10, 3, files=FILES, withdrawn=True), "Later")
    living.delete(living.item(11, 3))
    living.archive()


def take(living: Living, folder: Path, *words: str) -> dict[str, Any]:
    """Import the archive into a log of its own in that folder; what the command says."""
    folder.mkdir(exist_ok=True)
    if not (folder / "log.sqlite").exists():
        open_log(f"sqlite:///{folder}/log.sqlite", create=True).close()
        open_blobs(f"file://{folder}/blobs", create=True)
    config = folder / "aipstream.toml"
    config.write_text(CONFIG.format(folder=folder))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = outcome(["--config", str(config), "import", str(living.root), "--json", *words])
    return {"code": code, "err": err.getvalue(), **json.loads(out.getvalue())}


def heads(log: Log) -> dict[Uuid, Aip]:
    found = {}
    for uuid, _, _, kind in log.heads():
        entry = log.latest(uuid)
        assert entry is not None
        if kind is not Kind.REGISTRY:
            found[uuid] = events.aip.read(decompress(entry.event.payload))
    return found


def test_an_archive_comes_back_row_for_row(living: Living, tmp_path: Path) -> None:
    """Into an empty log: every object that is there, as it last was; a second time everything is unchanged."""
    grown(living)
    done = take(living, tmp_path / "new")
    assert done["code"] == 0, done
    log = open_log(f"sqlite:///{tmp_path}/new/log.sqlite")
    there, back = heads(living.log), heads(log)
    assert back.keys() == there.keys()
    for uuid, aip in there.items():
        if aip.person is None and aip.kind is not Kind.GROUP:
            back[uuid].names = aip.names = []
            assert back[uuid] == aip, aip.kind
    assert back[uuid_of(4)].person.email == "jo@example.org"  # type: ignore[union-attr]
    assert back[uuid_of(4)].person.password is None  # type: ignore[union-attr]
    for group, members in ((7, {uuid_of(4)}), (5, {uuid_of(4)}), (8, {uuid_of(7)})):
        found = back[uuid_of(group)]
        assert {row.other for row in (*found.persons_in, *found.groups_in)} == members
    end = log.end()
    again = take(living, tmp_path / "new")
    assert (again["code"], again["counts"], again["objects"]) == (0, {"unchanged": 9, "kept": 1}, [])
    assert log.end() == end
    log.close()


def test_a_deleted_object_is_named_and_not_imported(living: Living, tmp_path: Path) -> None:
    """Nor is anything that is no package: the import says which."""
    grown(living)
    said = {each["path"]: each["why"] for each in take(living, tmp_path / "new", "--dry-run")["no_packages"]}
    assert said == {str(living.root / place(identifier(uuid_of(11)))): "was deleted"}


def test_one_object_can_be_imported_by_its_folder(living: Living) -> None:
    """Its contents are those of its newest version."""
    grown(living)
    folder = living.object(uuid_of(9)).folder
    assert list(packages([folder])) == [folder]
    with open_package(folder) as package:
        assert package.whole
    assert contents(folder) == {b"%PDF-1.4 a paper", b""}


def test_people_come_before_groups_and_containers_before_items(living: Living) -> None:
    """Whatever folders they lie in."""
    grown(living)
    kinds = [json.loads((path / "v1/content/event.json").read_text())["kind"] for path in packages([living.root])]
    assert kinds == sorted(kinds, key=["person", "group", "site", "community", "collection", "item"].index)
    assert len(kinds) == 9


@pytest.mark.parametrize(("path", "said"), [
    *((path, "leads elsewhere") for path in (
        "../../../../../../secret", "/etc/passwd", "v1/content/../x", "v2/content/x", "v1/other/x", "v1/content//x",
    )),
    ("v1/content/link", "is a link"),
    ("v1/content/nowhere", "cannot be read"),
])  # fmt: skip
def test_an_inventory_whose_paths_lead_elsewhere_is_refused(living: Living, path: str, said: str) -> None:
    """Before anything outside of the object is read."""
    living.archive()
    folder = living.object(SITE).folder
    (folder.parents[3] / "secret").write_text("secret")
    (folder / "v1/content/link").symlink_to(folder.parents[3] / "secret")
    document = (folder / "inventory.json").read_bytes().replace(b"v1/content/mets.xml", path.encode())
    (folder / "inventory.json").write_bytes(document)
    digest = hashlib.sha512(document).hexdigest()
    (folder / "inventory.json.sha512").write_text(f"{digest} inventory.json\n")
    with pytest.raises(InvalidPackage, match=said):
        open_package(folder)
    assert no_package(folder) is None  # so that an import names it


@pytest.mark.parametrize("file", ["inventory.json", "v1/content/mets.xml", "v1/content/bitstream"])
def test_flipped_bytes_are_found(living: Living, file: str) -> None:
    """In the inventory, in the manifest and in a content, each by its digest."""
    living.community(2)
    living.collection(3, 2)
    item = living.item(9, 3, files={"ORIGINAL": {"x": b"content"}})
    living.archive()
    folder = living.object(item).folder
    path = next(iter(folder.glob(f"{file}*")))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises((InvalidPackage, ChecksumMismatch), match=r"[0-9a-f]{64}"):
        contents(folder)


def contents(folder: Path) -> set[bytes]:
    with open_package(folder) as package:
        assert package.aip is not None
        return {package.open(row.uuid).read() for row in package.aip.bitstreams}


def test_an_older_version_is_a_package_once_it_is_zipped(living: Living, tmp_path: Path) -> None:
    """Its files under the names that the inventory gives them: what the log had then."""
    living.community(2)
    living.collection(3, 2)
    item = living.item(9, 3, files=FILES)
    living.retitled(item, "Later")
    living.item(9, 3)
    living.archive()
    found = living.object(item)
    with zipfile.ZipFile(tmp_path / "v2.zip", "w") as archive:
        for name in found.inventory.files("v2"):
            archive.writestr(name, found.read(name, "v2"))
    assert contents(tmp_path / "v2.zip") == {b"%PDF-1.4 a paper", b""}
    with open_package(tmp_path / "v2.zip") as package:
        assert package.whole
        entry = living.log.latest(item, 5)
        assert entry is not None
        assert package.aip == events.aip.read(decompress(entry.event.payload))
