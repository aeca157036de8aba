"""Every verb that reads or writes a log, once, on a log that is in Kafka: each does its work there as with a file."""

from __future__ import annotations

import uuid as uuids
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.cli.place import Place, Templates, make_templates
from tests.real.kafka.broker import Broker


@pytest.fixture(scope="module")
def templates(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Two repositories, one of them full."""
    return make_templates(cluster, tmp_path_factory.mktemp("verbs_assetstore"), items=15)


@pytest.fixture
def place(cluster: Cluster, templates: Templates, broker: Broker, tmp_path: Path) -> Iterator[Place]:
    """Nothing captured yet."""
    made = Place(cluster, templates, tmp_path)
    url = f"kafka://{broker.servers}/verbs-{uuids.uuid4().hex[:8]}"
    made.path.write_text(
        made.path.read_text().replace(
            f'url = "sqlite:///{tmp_path}/log.sqlite"', f'url = "{url}"\nstate = "sqlite:///{tmp_path}/state"'
        )
        + "[kafka]\nlargest = 3000\n"
    )
    yield made
    made.close()


def retitle(place: Place, dsn: str, item: str, title: str) -> None:
    place.sql(dsn, "UPDATE metadatavalue SET text_value = %s WHERE dspace_object_id = %s AND place = 0 AND "
                   "metadata_field_id = (SELECT metadata_field_id FROM metadatafieldregistry JOIN "
                   "metadataschemaregistry USING (metadata_schema_id) WHERE short_id = 'dc' AND element = 'title' "
                   "AND qualifier IS NULL)", title, item)  # fmt: skip


def title(place: Place, item: str) -> str:
    ((text,),) = place.sql(
        place.target,
        "SELECT text_value FROM metadatavalue JOIN metadatafieldregistry USING (metadata_field_id) JOIN "
        "metadataschemaregistry USING (metadata_schema_id) WHERE dspace_object_id = %s AND place = 0 "
        "AND short_id = 'dc' AND element = 'title' AND qualifier IS NULL", item)  # fmt: skip
    return str(text)


def test_each_verb_does_its_work(place: Place, tmp_path: Path) -> None:
    """On one place, in the order in which somebody would come to them."""
    place.good("init")
    place.good("check")
    put = place.good("snapshot", "--json").json
    end = place.good("status", "--json").json["log"]["end"]
    assert end > 20, put
    assert place.good("replay", "--json").json["applied"]["written"] > 20
    assert place.differences() == []
    assert place.good("verify", "--json").json["equal"]

    item, handle = place.sql(
        place.source, "SELECT i.uuid::text, h.handle FROM item i JOIN handle h ON h.resource_id = i.uuid "
                      "WHERE i.in_archive ORDER BY 1 LIMIT 1")[0]  # fmt: skip
    before = title(place, item)
    retitle(place, place.source, item, "As it became")
    place.good("run", "--until-current")
    assert title(place, item) == "As it became"
    now = place.good("status", "--json").json["log"]["end"]
    assert now == end + 1

    assert "As it became" in place.good("why", handle).out
    assert item in place.good("diff", str(end), str(now), "--json").out
    assert item in place.good("log", item).out
    assert "As it became" in place.good("log", "--payload", str(now)).out

    packages = tmp_path / "aips"
    place.good("export", handle, "--into", str(packages), "--at", str(end))
    assert before in "".join(_manifests(packages))
    place.good("export", "--ocfl", str(tmp_path / "ocfl"))
    assert any((tmp_path / "ocfl").rglob("inventory.json"))

    place.good("restore", "--at", str(end), "--object", handle, "--yes")
    assert title(place, item) == before
    place.good("replay", "--again", item)
    assert title(place, item) == "As it became"
    place.good("undo", "--object", item, "--yes")
    assert title(place, item) == before
    place.good("replay", "--from", "0")

    place.good("import", *map(str, packages.glob("*.zip")), "--mode", "replace", "--beside-capture")
    place.good("replay")
    assert title(place, item) == before
    assert place.good("status", "--json").json["log"]["end"] > now
    assert place.good("verify", "--log", "--read-blobs", "100%", "--json").json["findings"] == []
    assert place.good("log", "repair").out == "nothing is damaged\n"
    assert place.good("park", "list", "--json").json["parked"] == []
    place.good("copy", "--log", f"sqlite:///{tmp_path}/copy.sqlite")
    for verb in (("prune",), ("keep", "mark")):
        refused = place(*verb)
        assert refused.code == 2, refused
        assert "Kafka" in refused.err


def _manifests(folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*.zip"):
        with zipfile.ZipFile(path) as package:
            found.append(package.read("mets.xml").decode())
    return found
