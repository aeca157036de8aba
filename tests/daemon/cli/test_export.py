"""`aipstream export`: each option has its effect; what cannot be written is named, and the rest is there."""

from __future__ import annotations

import json
import signal
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.export.moment import Moment
from daemon.scratch import Cluster
from events.aip.model import Aip, Kind
from events.log.opening import open_log
from events.package import Package
from events.package.reading import open_package
from tests.daemon.cli.place import Place, Templates, eventually


@pytest.fixture(scope="module")
def captured(cluster: Cluster, templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with a log of everything, passwords too. Tests only read it, or put back what they took."""
    place = Place(cluster, templates, tmp_path_factory.mktemp("captured"))
    place.configure(more="[people]\npasswords = true\n")
    place.sql(place.source, "update eperson set password = 'f00d', salt = 'beef', digest_algorithm = 'SHA-512'")
    place.good("init")
    place.good("snapshot")
    yield place
    place.close()


@pytest.fixture(scope="module")
def whole(captured: Place) -> Path:
    """An export of the whole site without any option."""
    folder = captured.folder / "whole"
    captured.good("export", "--into", str(folder))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def site_of(folder: Path) -> Path:
    (found,) = folder.glob("SITE@*")
    return found


def manifest(path: Path) -> bytes:
    if path.suffix == ".xml":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read("mets.xml")


@contextmanager
def objects(folder: Path, kind: str = "*") -> Iterator[list[Package]]:
    found = [open_package(path) for path in sorted(folder.glob(f"{kind}@*"))]
    yield found
    for package in found:
        package.close()


def bundles(aip: Aip) -> set[str | None]:
    own = {row.uuid for row in aip.bundles}
    return {row.text for row in aip.values if row.subject in own and row.field == "dc.title"}


def moment(place: Place) -> Moment:
    return Moment(open_log(f"sqlite:///{place.folder}/log.sqlite"))


def item(place: Place) -> tuple[str, str, str]:
    """The UUID and handle of an archived item, and the SHA-256 of a content that it alone has."""
    then = moment(place)
    every = then.aips(head.uuid for head in then.of(Kind.ITEM))
    items = [aip for aip in every if aip.handle and aip.items[0].in_archive]
    often = Counter(digest for aip in items for digest in {row.sha256 for row in aip.stored})
    for aip in items:
        sizes = {row.uuid: row.size for row in aip.bitstreams}
        for row in aip.stored:
            if row.sha256 and often[row.sha256] == 1 and sizes[row.uuid] > 10:
                assert aip.handle is not None
                return aip.uuid, aip.handle, row.sha256
    raise AssertionError("no such item")


@contextmanager
def blob(place: Place, sha256: str) -> Iterator[Path]:
    """The file of a content, put back afterwards."""
    (path,) = (path for path in (place.folder / "blobs").rglob("*") if path.is_file() and sha256[8:] in path.name)
    content = path.read_bytes()
    path.chmod(0o600)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def test_the_whole_site_is_written_with_one_package_for_each_public_object(captured: Place, whole: Path) -> None:
    """No more and no less; every package opens as the object of the log, row by row, and every content is right."""
    then = moment(captured)
    expected = set()
    for head in then.of(Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM):
        aip = then.aip(head.uuid)
        assert aip is not None
        own = next((row for row in aip.items if row.uuid == head.uuid), None)
        if own is None or head.kind is not Kind.ITEM or (own.in_archive and not own.withdrawn):
            expected.add(head.uuid)
    with objects(whole) as found:
        assert {package.aip.uuid for package in found if package.aip} == expected
        contents = 0
        for package in found:
            assert package.aip is not None
            was = then.aip(package.aip.uuid)
            assert was is not None
            assert package.whole
            for rows in ("values", "policies", "bitstreams", "stored", "placed", "bundles", "handles", "parents"):
                assert getattr(package.aip, rows) == getattr(was, rows)
            for row in package.aip.bitstreams:
                with package.open(row.uuid) as content:
                    contents += len(content.read())
        assert contents > 1000
        linked = {child.package for package in found for child in package.children}
    reached = {name for name in names(whole) if not name.startswith(("SITE@", "ITEM@internal-id-"))}
    assert linked == reached, "stock DSpace cannot restore what has no handle"


def test_a_second_run_keeps_what_is_there_and_mends_what_is_not(captured: Place, whole: Path) -> None:
    """The bytes are the same, so are the files; a damaged package and one of another moment are written anew."""
    before = {path: path.read_bytes() for path in whole.iterdir()}
    damaged, foreign = sorted(whole.glob("ITEM@*"))[:2]
    damaged.write_bytes(before[damaged][:-30])
    foreign.write_bytes(b"something else")
    (whole / "notes.txt").write_text("not ours")
    (whole / ".ITEM@1-2.zip.123.part").write_bytes(b"half")
    told = captured.good("export", "--into", str(whole), "--json").json
    (whole / "notes.txt").unlink()
    assert {path: path.read_bytes() for path in whole.iterdir()} == before
    assert (told["packages"], told["kept"]) == (len(before), len(before) - 2)


def test_objects_are_named_by_handle_or_uuid_and_single_leaves_out_what_is_inside(
    captured: Place, tmp_path: Path
) -> None:
    """A collection alone, or with everything in it; the package is the same."""
    then = moment(captured)
    head = max(then.of(Kind.COLLECTION), key=lambda each: len(then.children(each.uuid)))
    assert head.handle is not None
    captured.good("export", head.handle, "--single", "--into", str(tmp_path / "one"))
    captured.good("export", f"hdl:{head.handle}", "-a", "--into", str(tmp_path / "all"))
    captured.good("export", head.uuid, "--into", str(tmp_path / "uuid"))
    assert names(tmp_path / "one") == names(tmp_path / "uuid") == {f"COLLECTION@{head.handle.replace('/', '-')}.zip"}
    with objects(tmp_path / "all") as found:
        inside = [child.package for package in found for child in package.children]
    assert len(inside) > 2
    assert names(tmp_path / "all") == {*names(tmp_path / "one"), *inside}


def test_at_gives_the_old_state(captured: Place, tmp_path: Path) -> None:
    """A title is changed and changed back; the export of before has the old one, and an unknown object is said so."""
    uuid, handle, _ = item(captured)
    at = moment(captured).at
    sql = "update metadatavalue set text_value = text_value || %s where dspace_object_id = %s and place = 0"
    captured.sql(captured.source, sql, " (new)", uuid)
    captured.sql(captured.source, "update item set last_modified = now() where uuid = %s", uuid)
    captured.good("snapshot")
    captured.good("export", handle, "--into", str(tmp_path / "now"))
    captured.good("export", handle, "--at", str(at), "--into", str(tmp_path / "then"))
    (now,), (then,) = (list((tmp_path / name).iterdir()) for name in ("now", "then"))
    assert b"(new)" in manifest(now)
    assert b"(new)" not in manifest(then)
    done = captured("export", handle, "--at", "0", "--into", str(tmp_path / "never"))
    assert done.code != 0
    assert "nothing has the handle" in done.err


def test_manifest_only_writes_documents_with_links(captured: Place, tmp_path: Path) -> None:
    """Into the user interface that is named; children are named as documents too."""
    captured.good("export", "--manifest-only", "--ui-url", "https://repository.example.org/", "--into", str(tmp_path))
    assert {path.suffix for path in tmp_path.iterdir()} == {".xml"}
    together = b"".join(path.read_bytes() for path in tmp_path.glob("ITEM@*"))
    assert b'xlink:href="https://repository.example.org/bitstreams/' in together
    assert b'xlink:href="bitstream_' not in together
    with objects(tmp_path, "COMMUNITY") as found:
        assert {(child.package or "")[-4:] for package in found for child in package.children} == {".xml"}


@pytest.mark.parametrize(
    ("option", "text", "kept"),
    [
        ("--filter-bundles", "TEXT,THUMBNAIL", lambda name: name not in ("TEXT", "THUMBNAIL")),
        ("--filter-bundles", "+ORIGINAL", lambda name: name == "ORIGINAL"),
        ("--include-bundles", "ORIGINAL,LICENSE", lambda name: name in ("ORIGINAL", "LICENSE")),
        ("--include-bundles", "all", lambda name: True),
    ],
)
def test_bundles_are_left_out(
    captured: Place, whole: Path, tmp_path: Path, option: str, text: str, kept: object
) -> None:
    """With their files; a package with less than its object says so by having no extension."""
    told = captured.good("export", option, text, "--into", str(tmp_path), "--json").json
    less = 0
    with objects(whole, "ITEM") as before, objects(tmp_path, "ITEM") as after:
        for was, now in zip(before, after, strict=True):
            assert was.aip is not None
            assert now.aip is not None
            wanted = {name for name in bundles(was.aip) if kept(name)}  # type: ignore[operator]
            assert bundles(now.aip) == wanted
            with zipfile.ZipFile(now.path) as archive:
                assert len(archive.namelist()) == 1 + len(now.aip.bitstreams)
            assert now.whole is (len(now.aip.bundles) == len(was.aip.bundles))
            less += not now.whole
    assert len(told["noted"]) >= less
    assert (less > 0) is (text != "all")


def test_both_forms_of_the_bundle_filter_together_are_refused(captured: Place, tmp_path: Path) -> None:
    """For they might say different things."""
    done = captured("export", "--filter-bundles", "A", "--include-bundles", "B", "--into", str(tmp_path))
    assert done.code == 2
    assert "exclude each other" in done.err
    assert names(tmp_path) == set()


def test_updated_after_passes_over_items_that_did_not_change(captured: Place, tmp_path: Path) -> None:
    """Containers always go, and lead to all their items."""
    (middle,) = captured.sql(
        captured.source,
        """select to_char(percentile_disc(0.5) within group (order by last_modified) at time zone 'UTC',
           'YYYY-MM-DD"T"HH24:MI:SS"Z"') from item where in_archive""",
    )[0]
    told = captured.good("export", "--updated-after", middle, "--into", str(tmp_path), "--json").json
    then = moment(captured)
    assert len(list(tmp_path.glob("COLLECTION@*"))) == sum(1 for _ in then.of(Kind.COLLECTION))
    assert told["passed_over"] > 3
    with objects(tmp_path, "ITEM") as found:
        assert len(found) > 3
        for package in found:
            assert package.aip is not None
            assert (package.aip.items[0].last_modified or "")[:19] >= middle[:19]
    late = captured.good("export", "--updated-after", "2999-01-01", "--into", str(tmp_path / "none"), "--json").json
    assert late["packages"] == told["packages"] - len(found)


def test_passwords_go_only_if_asked(captured: Place, whole: Path, tmp_path: Path) -> None:
    """They are in the site's package; and nothing of them is printed."""
    done = captured.good("export", "site", "--single", "--passwords", "--into", str(tmp_path))
    assert b"<PasswordHash" in manifest(site_of(tmp_path))
    assert b"f00d" in manifest(site_of(tmp_path))
    assert b"PasswordHash" not in manifest(site_of(whole))
    assert b"f00d" not in manifest(site_of(whole))
    assert "f00d" not in done.out + done.err


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_a_content_that_is_not_right_refuses_its_item_alone(
    captured: Place, whole: Path, tmp_path: Path, damage: str
) -> None:
    """Exit code 3 and its name; all other packages are there, and none leads to the one that is not."""
    _, handle, digest = item(captured)
    with blob(captured, digest) as path:
        if damage == "gone":
            path.unlink()
        else:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        done = captured("export", "--into", str(tmp_path), "--json")
    assert done.code == 3, done
    (refused,) = done.json["refused"]
    assert refused["handle"] == handle
    assert refused["error"] == {"gone": "BlobMissing", "flipped": "ChecksumMismatch"}[damage]
    lost = f"ITEM@{handle.replace('/', '-')}.zip"
    assert names(tmp_path) == names(whole) - {lost}
    with objects(tmp_path, "COLLECTION") as found:
        assert lost not in {child.package for package in found for child in package.children}


@pytest.mark.parametrize("way", ["skip", "zero"])
def test_a_missing_content_can_be_left_out_or_kept_empty(captured: Place, tmp_path: Path, way: str) -> None:
    """The package says what it is without, and has no extension: an import then deletes nothing for it."""
    _, handle, digest = item(captured)
    captured.good("export", handle, "--into", str(tmp_path / "before"))
    with blob(captured, digest) as path:
        path.unlink()
        told = captured.good("export", handle, "--unauthorized", way, "--into", str(tmp_path / way), "--json").json
    (noted,) = told["noted"]
    assert {"skip": "1 file left out", "zero": "1 file kept empty"}[way] in " ".join(noted["notes"])
    with objects(tmp_path / "before") as (was,), objects(tmp_path / way) as (now,):
        assert was.aip is not None
        assert now.aip is not None
        assert not now.whole
        missing = {row.uuid for row in was.aip.stored if row.sha256 == digest}
        assert len(missing) == 1
        there = {row.uuid for row in now.aip.bitstreams}
        assert there == {row.uuid for row in was.aip.bitstreams} - (missing if way == "skip" else set())
        with zipfile.ZipFile(now.path) as archive:
            sizes = {info.filename[:46]: info.file_size for info in archive.infolist()}
        assert [sizes.get(f"bitstream_{uuid}") for uuid in missing] == [None if way == "skip" else 0]


def test_withdrawn_items_and_old_versions_go_only_if_asked(captured: Place, whole: Path, tmp_path: Path) -> None:
    """Each as a package of its own that no container leads to; it says so, unless that is unwanted."""
    for folder, more in (("marked", []), ("unmarked", ["--unmarked"])):
        captured.good("export", "--withdrawn", *more, "--into", str(tmp_path / folder))
    extra = names(tmp_path / "marked") - names(whole)
    assert names(whole) < names(tmp_path / "marked") == names(tmp_path / "unmarked")
    with objects(tmp_path / "marked") as found:
        assert not extra & {child.package for package in found for child in package.children}
        gone = [package for package in found if package.path.name in extra and package.aip]
        withdrawn = [package.path.name for package in gone if package.aip and package.aip.items[0].withdrawn]
        assert all(package.aip and not package.aip.items[0].in_archive for package in gone)
    assert withdrawn
    for name in extra:
        assert (b">WITHDRAWN<" in manifest(tmp_path / "marked" / name)) is (name in withdrawn)
        assert b">WITHDRAWN<" not in manifest(tmp_path / "unmarked" / name)


def test_without_the_extension_a_package_is_as_stock_dspace_writes_it(
    captured: Place, whole: Path, tmp_path: Path
) -> None:
    """Nothing of ours is in it; it is read as a stock one."""
    captured.good("export", "--no-extension", "--into", str(tmp_path))
    assert names(tmp_path) == names(whole)
    for path in tmp_path.iterdir():
        assert b"as:aip" not in manifest(path)
        assert b'amd_aipstream"' not in manifest(path)
    with objects(tmp_path) as found:
        assert not any(package.whole for package in found)


def test_a_dry_run_counts_and_writes_nothing(captured: Place, whole: Path, tmp_path: Path) -> None:
    """Packages, files and bytes by kind."""
    told = captured.good("export", "--dry-run", "--into", str(tmp_path / "x"), "--json").json
    assert told["dry_run"] is True
    assert {kind: count["packages"] for kind, count in told["kinds"].items()} == {
        kind: len(list(whole.glob(f"{kind.upper()}@*"))) for kind in ("site", "community", "collection", "item")
    }
    files = size = 0
    for path in whole.glob("ITEM@*"):
        with zipfile.ZipFile(path) as archive:
            entries = [info for info in archive.infolist() if info.filename != "mets.xml"]
        files, size = files + len(entries), size + sum(info.file_size for info in entries)
    assert (told["kinds"]["item"]["files"], told["kinds"]["item"]["bytes"]) == (files, size)
    assert not (tmp_path / "x").exists()
    assert "would export" in captured.good("export", "--dry-run").out


def test_what_cannot_be_exported_is_said_before_anything_is_written(captured: Place, tmp_path: Path) -> None:
    """A missing folder option, an unknown handle, a group, a file in place of the folder."""
    group = next(iter(moment(captured).of(Kind.GROUP)))
    (tmp_path / "file").write_text("x")
    for words, said in (
        (["site"], "--into is missing"),
        (["1/nothing", "--into", str(tmp_path / "a")], "'1/nothing'"),
        ([group.uuid, "--into", str(tmp_path / "a")], "group has no package of its own"),
        (["--updated-after", "yesterday-ish", "--into", str(tmp_path / "a")], "yesterday-ish"),
        (["--into", str(tmp_path / "file")], "file"),
    ):
        done = captured("export", *words)
        assert done.code not in (0, 3), done
        assert said in done.out + done.err, done
    assert list(tmp_path.rglob("*@*")) == []


def test_a_killed_run_leaves_whole_packages_and_is_repeated(captured: Place, whole: Path, tmp_path: Path) -> None:
    """Killed by signal once some are there: each is whole, and the next run gives what an undisturbed one gives."""
    process = captured.process("export", "--into", str(tmp_path))
    eventually(lambda: len(list(tmp_path.glob("*@*.zip"))) > 3 or process.poll() is not None)
    captured.stop(process, signal.SIGKILL)
    for path in tmp_path.glob("[A-Z]*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
    captured.good("export", "--into", str(tmp_path))
    assert names(tmp_path) == names(whole)
    assert not list(tmp_path.glob(".*"))


def test_the_report_is_for_people_and_for_machines(captured: Place, tmp_path: Path) -> None:
    """A line of counts, or one JSON document and nothing else on the standard output."""
    done = captured.good("export", "--into", str(tmp_path / "a"))
    assert f"packages in {tmp_path / 'a'}" in done.out
    told = json.loads(captured.good("export", "--into", str(tmp_path / "b"), "--json").out)
    assert told["packages"] == len(names(tmp_path / "b"))
    assert told["bytes"] == sum(path.stat().st_size for path in (tmp_path / "b").iterdir())
    assert told["refused"] == []
