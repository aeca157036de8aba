"""Exports: what is chosen, what each option leaves out, and what happens to what cannot be written."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from daemon.export.bundles import Bundles
from daemon.export.packages import Packages
from daemon.export.run import Choice, Exported, Planned, chosen, export, planned, roots
from events.aip import canonical, read
from events.aip.model import Kind
from events.errors import ConfigError
from events.package.reading import open_package
from tests import schemas
from tests.daemon.export.composed import SITE, Repository, uuid_of

FILES = {"ORIGINAL": {"a.pdf": b"the paper"}, "TEXT": {"a.pdf.txt": b"its text"}, "LICENSE": {"l.txt": b"a licence"}}


@pytest.fixture
def library(repository: Repository) -> Repository:
    """Two collections, one below the other's community, with three items."""
    repository.community(1)
    repository.collection(3, 1)
    repository.community(2, 1)
    repository.collection(4, 2)
    repository.item(10, 3, 4, files=FILES)
    repository.item(11, 3, modified="2026-02-01T00:00:00.500000Z")
    repository.item(12, 4, archived=False, withdrawn=True)
    return repository


def run(packages: Packages, folder: Path, *things: str, **choice: object) -> Exported:
    return export(packages, Choice(roots(packages.moment, things), **choice), folder)  # type: ignore[arg-type]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def manifest(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("mets.xml")


def test_the_site_is_exported_flat_and_whole(library: Repository, tmp_path: Path) -> None:
    """One package each, named as stock DSpace names it; each is valid, and reads back as the object was."""
    packages = library.packages()
    done = run(packages, tmp_path / "out")
    assert names(tmp_path / "out") == {
        "SITE@1-0.zip", "COMMUNITY@1-1.zip", "COMMUNITY@1-2.zip", "COLLECTION@1-3.zip", "COLLECTION@1-4.zip",
        "ITEM@1-10.zip", "ITEM@1-11.zip",
    }  # fmt: skip
    assert (done.packages, done.kept, done.refused, done.noted) == (7, 0, [], [])
    assert done.bytes == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    for path in (tmp_path / "out").iterdir():
        assert schemas.errors(manifest(path)) == []
        aip = read(manifest(path))
        held = packages.moment.aip(aip.uuid)
        assert held is not None
        assert canonical(aip) == held
    with open_package(tmp_path / "out" / "ITEM@1-10.zip") as package:
        assert package.whole
        assert sorted(package.open(uuid).read() for uuid in package.contents) == [
            b"a licence",
            b"its text",
            b"the paper",
        ]


def test_objects_are_chosen_by_handle_and_uuid_with_or_without_what_is_in_them(library: Repository) -> None:
    """Depth first, each once, as stock DSpace goes."""
    packages = library.packages()

    def of(*things: str, **choice: object) -> list[str]:
        return [head.uuid for head in chosen(packages, Choice(roots(packages.moment, things), **choice))]  # type: ignore[arg-type]

    assert of() == of("site") == [SITE, *map(uuid_of, (1, 2, 4, 10, 3, 11))]
    assert of("1/3") == of("hdl:1/3") == of(uuid_of(3).upper()) == [uuid_of(3), uuid_of(10), uuid_of(11)]
    assert of("1/3", recursive=False) == [uuid_of(3)]
    assert of("1/11", "1/3") == [uuid_of(11), uuid_of(3), uuid_of(10)]
    assert of("1/12") == [uuid_of(12)], "asked for by its handle"
    assert uuid_of(12) in of("site", every_item=True)
    for thing in ("1/99", uuid_of(99), "nonsense"):
        with pytest.raises(ConfigError, match="nothing has the handle or UUID"):
            of(thing)


def test_a_person_has_no_package(repository: Repository) -> None:
    """The site has them all."""
    packages = repository.packages()
    jo = repository.person(100, "jo@example.org")
    packages = repository.packages()
    with pytest.raises(ConfigError, match="a person has no package of its own"):
        list(chosen(packages, Choice((jo,))))


def test_an_earlier_moment_is_exported_as_it_was(library: Repository, tmp_path: Path) -> None:
    """What changed since, and what did not exist then, is not in it."""
    then = library.log.end()
    library.item(11, 4, modified="2026-03-01T00:00:00.000000Z")
    library.item(13, 3)
    run(library.packages(), tmp_path / "now")
    run(library.packages(at=then), tmp_path / "then")
    assert names(tmp_path / "now") - names(tmp_path / "then") == {"ITEM@1-13.zip"}
    for folder, owner in (("now", 4), ("then", 3)):
        item = read(manifest(tmp_path / folder / "ITEM@1-11.zip"))
        assert item.items[0].owning_collection == uuid_of(owner)


def test_items_that_were_not_modified_since_are_passed_over(library: Repository, tmp_path: Path) -> None:
    """Containers go, and lead to all of their items, as stock DSpace has it. The very instant is not after it."""
    after = "2026-02-01T00:00:00.500000Z"
    assert run(library.packages(), tmp_path / "later", updated_after=after).passed_over == 2
    done = run(library.packages(), tmp_path / "out", updated_after="2026-02-01T00:00:00.499999Z")
    assert done.passed_over == 1
    assert {name for name in names(tmp_path / "out") if name.startswith("ITEM")} == {"ITEM@1-11.zip"}
    assert b"ITEM@1-10.zip" in manifest(tmp_path / "out" / "COLLECTION@1-3.zip")


@pytest.mark.parametrize(
    ("bundles", "left"),
    [
        (Bundles.of("TEXT"), {"ORIGINAL", "LICENSE"}),
        (Bundles.of("TEXT,LICENSE"), {"ORIGINAL"}),
        (Bundles.of("+TEXT"), {"TEXT"}),
        (Bundles.of(None, "ORIGINAL,LICENSE"), {"ORIGINAL", "LICENSE"}),
        (Bundles.of("+all"), set(FILES)),
        (Bundles.of("NONE"), set(FILES)),
    ],
)
def test_a_filter_takes_bundles_out_of_manifest_zip_and_extension(
    library: Repository, tmp_path: Path, bundles: Bundles | None, left: set[str]
) -> None:
    """A package with fewer bundles is not whole, so that an import of it deletes none of the others."""
    done = run(library.packages(bundles=bundles), tmp_path / "out", "1/10")
    with open_package(tmp_path / "out" / "ITEM@1-10.zip") as package:
        assert package.aip is not None
        there = {row.uuid for row in package.aip.bundles}
        assert {row.text for row in package.aip.values if row.subject in there} == left
        assert sorted(package.open(uuid).read() for uuid in package.contents) == sorted(
            content for name in left for content in FILES[name].values()
        )
        assert package.whole is (left == set(FILES))
    with zipfile.ZipFile(tmp_path / "out" / "ITEM@1-10.zip") as archive:
        assert len(archive.namelist()) == 1 + len(left)
    gone = len(FILES) - len(left)
    assert [each.left_out for each in done.noted] == (
        [(f"{gone} bundle{'s' if gone > 1 else ''} left out",)] if gone else []
    )


def test_both_filters_at_once_are_refused() -> None:
    """They say the same thing in two ways."""
    with pytest.raises(ConfigError):
        Bundles.of("TEXT", "ORIGINAL")


def test_a_bare_manifest_links_to_the_user_interface(library: Repository, tmp_path: Path) -> None:
    """No zip and no contents; children are linked as bare manifests."""
    run(library.packages(manifest_only=True, ui_url="https://a.example.org/ui/"), tmp_path / "out")
    assert names(tmp_path / "out") >= {"SITE@1-0.xml", "ITEM@1-10.xml"}
    document = (tmp_path / "out" / "ITEM@1-10.xml").read_bytes()
    assert schemas.errors(document) == []
    bitstreams = [row.uuid for row in read(document).bitstreams]
    assert len(bitstreams) == 3
    for uuid in bitstreams:
        assert f'xlink:href="https://a.example.org/ui/bitstreams/{uuid}/download"'.encode() in document
    assert b'xlink:href="ITEM@1-10.xml"' in (tmp_path / "out" / "COLLECTION@1-3.xml").read_bytes()


def test_a_package_without_the_extension_is_stocks_own(library: Repository, tmp_path: Path) -> None:
    """Nothing of ours stands in it."""
    run(library.packages(extension=False), tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        assert b"amd_aipstream" not in manifest(path)
        with open_package(path) as package:
            assert not package.whole


def test_a_withdrawn_item_says_so_and_is_told(library: Repository, tmp_path: Path) -> None:
    """So stock DSpace does not publish one that it lacks; unmarked, it would, which is told too."""
    marked = run(library.packages(withdrawn=True), tmp_path / "marked", "1/12")
    assert b">WITHDRAWN<" in manifest(tmp_path / "marked" / "ITEM@1-12.zip")
    unmarked = run(library.packages(withdrawn=False), tmp_path / "unmarked", "1/12")
    assert b">WITHDRAWN<" not in manifest(tmp_path / "unmarked" / "ITEM@1-12.zip")
    assert [each.left_out for each in marked.noted + unmarked.noted] == [
        ("withdrawn: stock DSpace takes it only in place of the item itself",),
        ("withdrawn: stock DSpace puts it back into the archive",),
    ]


def lost(repository: Repository, content: bytes = b"the paper") -> Path:
    """The file of a blob."""
    digest = hashlib.sha256(content).hexdigest()
    (found,) = [path for path in (repository.folder / "blobs").rglob("*") if path.is_file() and digest in path.name]
    return found


def test_an_object_without_a_content_is_refused_by_name_and_nothing_leads_to_it(
    library: Repository, tmp_path: Path
) -> None:
    """All others are written, and those can be restored."""
    lost(library).unlink()
    done = run(library.packages(), tmp_path / "out")
    (refused,) = done.refused
    assert (refused.handle, refused.error) == ("1/10", "BlobMissing")
    assert "'a.pdf' in item 1/10" in refused.reason
    assert "ITEM@1-10.zip" not in names(tmp_path / "out")
    assert done.packages == 6
    for collection in ("COLLECTION@1-3.zip", "COLLECTION@1-4.zip"):
        assert b"ITEM@1-10.zip" not in manifest(tmp_path / "out" / collection)
    assert b"ITEM@1-11.zip" in manifest(tmp_path / "out" / "COLLECTION@1-3.zip")


def test_a_damaged_content_is_refused_by_name(library: Repository, tmp_path: Path) -> None:
    """One byte is another one: the package is not there, not even in part."""
    path = lost(library)
    path.chmod(0o644)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0x20
    path.write_bytes(damaged)
    done = run(library.packages(), tmp_path / "out")
    assert [(each.handle, each.error) for each in done.refused] == [("1/10", "ChecksumMismatch")]
    assert not [name for name in names(tmp_path / "out") if "1-10" in name]
    assert done.packages == 6


def test_a_file_without_content_is_left_out_or_kept_empty_if_asked(library: Repository, tmp_path: Path) -> None:
    """`skip` leaves it out of manifest and zip, `zero` keeps an empty entry; neither package is whole."""
    lost(library).unlink()
    for lacking, entries, note in (
        ("skip", 3, "1 file left out: a.pdf"),
        ("zero", 4, "1 file kept empty: a.pdf"),
    ):
        done = run(library.packages(lacking=lacking), tmp_path / lacking, "1/10")
        assert [each.left_out for each in done.noted] == [(note,)]
        path = tmp_path / lacking / "ITEM@1-10.zip"
        with zipfile.ZipFile(path) as archive:
            assert len(archive.namelist()) == entries
        with open_package(path) as package:
            assert not package.whole
            assert package.aip is not None
            assert len(package.aip.bitstreams) == entries - 1
            assert len(package.aip.bundles) == 3
        document = manifest(path)
        assert schemas.errors(document) == []
        assert (b' SIZE="0"' in document) is (lacking == "zero")


def test_an_event_that_cannot_be_read_is_refused_by_name(library: Repository, tmp_path: Path) -> None:
    """Its payload was changed in the log's file: the object is named, the rest goes on."""
    position = library.packages().moment.heads[uuid_of(11)].position
    library.close()
    with sqlite3.connect(tmp_path / "log.sqlite") as connection:
        connection.execute("update payload set payload = x'00' || payload where position = ?", (position,))
    connection.close()
    done = run(library.packages(), tmp_path / "out")
    assert [each.handle for each in done.refused] == ["1/11"]
    assert done.packages == 6
    assert b"ITEM@1-11.zip" not in manifest(tmp_path / "out" / "COLLECTION@1-3.zip")


def test_a_repeated_export_keeps_what_is_the_same(library: Repository, tmp_path: Path) -> None:
    """Whole files are not written again; what changed or is damaged is."""
    folder = tmp_path / "out"
    run(library.packages(), folder)
    before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.iterdir()}
    damaged = folder / "ITEM@1-10.zip"
    content = bytearray(damaged.read_bytes())
    content[300] ^= 1  # within the deflated manifest
    damaged.write_bytes(content)
    (folder / "ITEM@1-11.zip").write_bytes(before["ITEM@1-11.zip"][1][:-30])
    done = run(library.packages(), folder)
    assert (done.packages, done.kept) == (7, 5)
    after = {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.iterdir()}
    assert {name: content for name, (_, content) in after.items()} == {n: content for n, (_, content) in before.items()}
    assert {name for name in before if before[name][0] != after[name][0]} == {"ITEM@1-10.zip", "ITEM@1-11.zip"}


def test_a_killed_export_is_repeated(library: Repository, tmp_path: Path) -> None:
    """A part of a package never has its name; the next run clears it away, and nothing else."""
    folder = tmp_path / "out"
    program = f"""
import os, signal
from pathlib import Path
from daemon.export.moment import Moment
from daemon.export.packages import Packages
from daemon.export.run import Choice, export
from events.blobs import open_blobs
from events.log.opening import open_log
import events.package.writing as writing
def halt(*given):
    os.kill(os.getpid(), signal.SIGKILL)
writing._finished = halt
log = open_log("sqlite:///{library.folder}/log.sqlite")
moment, blobs = Moment(log), open_blobs("file://{library.folder}/blobs")
export(Packages(moment, blobs), Choice((moment.site().uuid,)), Path({str(folder)!r}))
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, env={**os.environ, "PYTHONPATH": "."})
    assert killed.returncode == -signal.SIGKILL
    (half,) = folder.iterdir()
    assert half.name.endswith(".part")
    (folder / ".mine.part").write_text("not of an export")
    done = run(library.packages(), folder)
    assert done.packages == 7
    assert names(folder) == {".mine.part", *(name for name in names(folder) if name.endswith(".zip"))}
    assert len(names(folder)) == 8


def test_a_plan_counts_and_writes_nothing(library: Repository) -> None:
    """By kind: packages, files, and their bytes, of what the options let through."""
    packages = library.packages(bundles=Bundles.of("TEXT"))
    plan = planned(packages, Choice((SITE,)))
    size = len(b"the paper") + len(b"a licence")
    assert plan == {
        Kind.SITE: Planned(1), Kind.COMMUNITY: Planned(2), Kind.COLLECTION: Planned(2), Kind.ITEM: Planned(2, 2, size),
    }  # fmt: skip
