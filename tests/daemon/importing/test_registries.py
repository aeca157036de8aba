"""Registries and retired handles of an archive: added to what is there, never taken from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.aip.model import Aip, Kind, derived_uuid
from events.aip.registry_rows import Field, Format, Schema, Tombstone
from tests.daemon.export.composed import uuid_of
from tests.daemon.export.ocfl.living import Living
from tests.daemon.importing.bench import Bench

NAMESPACE = "http://dublincore.org/documents/dcmi-terms/"
"""Of the schema `dc` in every DSpace."""


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    """Another repository, which has an archive."""
    folder = tmp_path / "living"
    folder.mkdir()
    made = Living(folder)
    yield made
    made.close()


def registry(living: Living, name: str, note: str | None, namespace: str = NAMESPACE) -> None:
    """A schema with a field `thing`, and with `title`, which every DSpace has of `dc`."""
    fields = [Field(name, "thing", None, "mine"), Field(name, "title", None, note)]
    key = f"schema/{name}"
    aip = Aip(kind=Kind.REGISTRY, uuid=derived_uuid(key), key=key, schemas=[Schema(name, namespace)], fields=fields)
    living.state(aip)


def retired(living: Living, handle: str) -> None:
    key = f"handle/{handle}"
    living.state(Aip(kind=Kind.TOMBSTONE, uuid=derived_uuid(key), key=key, tombstone=Tombstone("handle", handle, 2)))


def note_of(bench: Bench, into: str, element: str) -> list[str | None]:
    """The scope notes of that field of `dc`."""
    if into == "log":
        document = bench.there("log", derived_uuid("schema/dc"))
        return [row.scope_note for row in document.fields if row.element == element and row.qualifier is None]
    return [note for (note,) in bench.sql(
        "SELECT scope_note FROM metadatafieldregistry f JOIN metadataschemaregistry s USING (metadata_schema_id) "
        "WHERE short_id = 'dc' AND element = %s AND qualifier IS NULL", element,
    )]  # fmt: skip


@pytest.mark.parametrize("into", ["log", "target"])
def test_a_registry_is_added_to_and_changed_only_by_a_replace(living: Living, bench: Bench, into: str) -> None:
    """What is there and says something else stays in the other modes, and is told; a second import changes nothing."""
    registry(living, "dc", "theirs")
    living.archive()
    if into == "log":
        bench.into_log(living.root)
        registry(living, "dc", "changed")
        living.archive()
    before = note_of(bench, into, "title")
    done = bench.run(into, living.root)
    assert not done.refused
    assert note_of(bench, into, "title") == before
    assert note_of(bench, into, "thing") == ["mine"]
    (loss,) = [each for each in done.losses if each.kind is Kind.REGISTRY]
    assert loss.detail == "there, and different, so left as it is: dc.title"
    wanted = "theirs" if into == "target" else "changed"
    assert not bench.run(into, living.root, mode="replace").losses
    assert note_of(bench, into, "title") == [wanted]
    again = bench.run(into, living.root, mode="replace")
    assert again.counts["unchanged"] == 2  # the site, too
    assert not again.counts["replaced"] + again.counts["created"]


def test_formats_keep_what_others_of_their_registry_have(living: Living, bench: Bench) -> None:
    """A new format is made, one that is there is exchanged with its extensions; all others are untouched."""
    before = bench.sql("SELECT count(*) FROM bitstreamformatregistry")[0][0]
    theirs = Format("Adobe PDF", "x/pdf", "P", 2, False, ("p",))
    formats = [Format("Mine", "x/mine", "Mine", 1, False, ("mine",)), theirs]
    living.state(Aip(kind=Kind.REGISTRY, uuid=derived_uuid("formats"), key="formats", formats=formats))
    living.archive()
    assert not bench.into_target(living.root, mode="replace").refused
    assert bench.sql("SELECT count(*) FROM bitstreamformatregistry")[0][0] == before + 1
    assert bench.sql(
        "SELECT mimetype, extension FROM bitstreamformatregistry JOIN fileextension USING (bitstream_format_id) "
        "WHERE short_description IN ('Mine', 'Adobe PDF') ORDER BY 1"
    ) == [("x/mine", "mine"), ("x/pdf", "p")]


@pytest.mark.parametrize("into", ["log", "target"])
def test_a_schema_under_another_name_is_not_renamed_unasked(living: Living, bench: Bench, into: str) -> None:
    """Its namespace tells that it is the one that is there: refused, but for a replace, as a replay would have it."""
    registry(living, "dublin", None)
    living.archive()
    done = bench.run(into, living.root)
    assert [each.error for each in done.refused] == ["AlreadyThere"]
    assert "is that of dc there" in done.refused[0].message


@pytest.mark.parametrize("into", ["log", "target"])
def test_a_retired_handle_is_taken_from_no_object(living: Living, bench: Bench, into: str) -> None:
    """The tombstone is refused, and in mode keep left; another one comes, once."""
    living.community(2)
    living.archive()
    assert not bench.run(into, living.root).refused
    retired(living, "1/2")
    retired(living, "1/99")
    living.archive()
    (refused,) = bench.run(into, living.root).refused
    assert (refused.error, refused.handle) == ("Contradiction", None)
    assert f"the handle 1/2 is of community {uuid_of(2)} there" in refused.message.replace("a community", "community")
    assert not bench.run(into, living.root, mode="keep").refused
    stone = bench.there(into, derived_uuid("handle/1/99")).tombstone
    assert stone is not None
    assert stone.identifier == "1/99"
    assert not bench.run(into, living.root).counts["created"]
