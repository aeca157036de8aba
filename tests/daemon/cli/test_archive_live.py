"""`aipstream export --ocfl` of a living repository: every kind of object, after many edits, and taken back."""

from __future__ import annotations

import json

from events.log.opening import open_log
from events.ocfl.reading import OcflObject, objects
from tests.daemon.cli.place import Place
from tests.daemon.export.ocfl.living import Living, says_the_log, valid


def test_a_living_repository_is_archived_as_its_log_has_it(replicated: Place) -> None:
    """Registries, people, groups, relationships, logos, versions, tombstones; edited between two runs."""
    root = replicated.folder / "archive"
    first = replicated.good("export", "--ocfl", str(root), "--json").json
    assert first["refused"] == []
    replicated.edit(60)
    replicated.good("run", "--until-current")
    second = replicated.good("export", "--ocfl", str(root), "--json").json
    assert 0 < second["versions"] < first["versions"]
    living = Living.again(replicated.folder)
    assert valid(root) == len({entry.event.uuid for entry in living.log.read(0)})
    assert says_the_log(living, root) == first["versions"] + second["versions"] == living.log.end()
    kinds = {json.loads(OcflObject(folder).read("event.json"))["kind"] for folder in objects(root)}
    assert kinds >= {"registry", "person", "group", "site", "community", "collection", "item", "tombstone"}
    living.close()


def test_an_archive_of_a_living_repository_can_be_imported(replicated: Place) -> None:
    """Into a log of its own, and nothing is refused: what is there is what the first log has, registries too."""
    root = replicated.folder / "archive"
    replicated.good("export", "--ocfl", str(root))
    there = open_log(f"sqlite:///{replicated.folder}/log.sqlite")
    heads = {(uuid, kind) for uuid, _, _, kind in there.heads()}
    there.close()
    (replicated.folder / "log.sqlite").rename(replicated.folder / "old.sqlite")
    for path in replicated.folder.glob("log.sqlite*"):
        path.unlink()
    open_log(f"sqlite:///{replicated.folder}/log.sqlite", create=True).close()
    replicated.good("import", str(root))
    back = open_log(f"sqlite:///{replicated.folder}/log.sqlite")
    assert {(uuid, kind) for uuid, _, _, kind in back.heads()} == heads
    back.close()
