"""`aipstream import`: what it prints, asks, and ends with."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.cli.place import Place
from tests.daemon.importing import world
from tests.events.package.composed import ITEM


def test_packages_into_the_log_and_on_into_the_target(place: Place, tmp_path: Path) -> None:
    """First told what would be done, then done; a second time everything is there already."""
    packages = world.world(tmp_path / "w")
    plan = place.good("import", str(packages), "--dry-run", "--json").json
    assert plan["dry_run"]
    assert {each["handle"] for each in plan["objects"]} >= {"123456789/2", "123456789/3", "123456789/4"}
    assert place.good("import", str(packages)).out.splitlines()[-1].startswith("imported into the log: 6 created")
    assert "unchanged" in place.good("import", str(packages)).out
    place.good("replay")
    assert place.sql(place.target, "select count(*) from item where uuid = %s and in_archive", ITEM) == [(1,)]


def test_refused_packages_end_with_3(place: Place, tmp_path: Path) -> None:
    """Each with its reason and what to do; losses with 11, if that was asked for."""
    packages = world.world(tmp_path / "w")
    (packages / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    done = place("import", str(packages), "--into", "target")
    assert done.code == 3
    assert f"refused: {packages / 'broken.zip'}: " in done.out
    assert place("import", str(packages), "--into", "target", "--json").json["counts"]["refused"] == 1
    (packages / "broken.zip").unlink()
    world.an_item(tmp_path, name="new.zip", descriptive=world.field("title", "New"))
    done = place("import", str(tmp_path / "new.zip"), "--into", "target", "--mode", "replace", "--strict")
    assert done.code == 11, done
    assert "not carried: not in 123456789/9" in done.out


def test_a_captured_log_is_not_imported_into(replicated: Place, tmp_path: Path) -> None:
    """What is not in the source would be taken back; --beside-capture does it, and the next sweep undoes it."""
    packages = world.world(tmp_path / "w")
    for name in ("COMMUNITY@123456789-2.zip", "COLLECTION@123456789-3.zip", "ITEM@123456789-4.zip"):
        (packages / name).unlink()
    done = replicated("import", str(packages))
    assert done.code == 2
    assert "--beside-capture" in done.err
    done = replicated("import", str(packages), "--beside-capture")
    assert done.code == 0, done
    assert replicated.sql(replicated.target, "select name from epersongroup where name = 'Staff'") == []
    replicated.good("replay")
    assert replicated.sql(replicated.target, "select name from epersongroup where name = 'Staff'")
    replicated.good("run", "--until-current")
    assert not replicated.sql(replicated.target, "select name from epersongroup where name = 'Staff'")


def test_what_cannot_go_together_is_told(place: Place, tmp_path: Path) -> None:
    """Before anything is opened."""
    path = str(world.an_item(tmp_path))
    for words in (
        ["--once"],
        ["-o", "ignoreParent=true"],
        ["-o", "nonsense=1"],
        ["--keep-existing", "--mode", "replace"],
    ):
        assert place("import", path, *words).code == 2, words
    assert place("import", path, "--mode", "submit", "--parent", "999/9").code == 2


def test_what_should_have_been_a_package_ends_with_3(place: Place, tmp_path: Path) -> None:
    """A named file that is none, and a zip cut off to nothing; what else lies in a folder does not matter."""
    packages = world.world(tmp_path / "w")
    for number in range(30):
        (packages / f"{number}.txt").write_text("notes")
    done = place.good("import", str(packages))
    assert "and 10 more files that are no packages" in done.out
    assert place("import", str(packages / "1.txt")).code == 3
    (packages / "ITEM@123456789-9.zip").touch()
    assert place("import", str(packages)).code == 3
