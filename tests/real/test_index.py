"""DSpace's own index-discovery, called as aipstream calls it, against a stand-in of Solr: what it does is what
`daemon.index.plan` says of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import psycopg2
import pytest

from daemon.dspace.connect import connect
from daemon.index.cli import CommandIndexer
from daemon.index.due import NativeDue
from daemon.index.port import Act, Call, Row
from daemon.index.telling import tell, tell_everything
from daemon.target import ledger
from events.aip.model import Kind
from events.errors import IndexFailed
from tests.real.rig import SCRIPTS, VERSIONS, Home, Repositories
from tests.real.solr import Solr, give_index


class Target(NamedTuple):
    """A DSpace with an index, and what the index has to be told of."""

    home: Home
    solr: Solr
    due: NativeDue
    indexer: CommandIndexer

    def uuid(self, name: str) -> str:
        """Of the object with that name in the rig's seed."""
        return str(self.sql("select resource_id from handle where handle = %s", self.home.handles[name])[0][0])

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with closing(psycopg2.connect(self.home.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return rows

    def told(self, *rows: Row) -> set[tuple[str, str]]:
        """The documents that came to Solr because those were due."""
        self.solr.forget()
        self.due.add(rows)
        tell(self.due, self.indexer, batch=50)
        assert self.due.standing().due == 0
        return self.solr.documents


@pytest.fixture(params=VERSIONS)
def target(request: pytest.FixtureRequest, repositories: Repositories) -> Iterator[Target]:
    home = repositories.seeded(request.param)
    with closing(connect(home.dsn, "target")) as connection:
        ledger.create(connection)
        connection.commit()
    with Solr() as solr, closing(NativeDue(home.dsn)) as due:
        command = give_index(home.path, SCRIPTS / "dspace", solr.url)
        yield Target(home, solr, due, CommandIndexer([str(command)]))


def row(uuid: str, kind: Kind = Kind.ITEM, act: Act = "index", *, below: bool = False) -> Row:
    return Row(uuid, kind, None, None, act, below)


def test_dspace_indexes_what_is_due_and_nothing_else(target: Target) -> None:
    """Items one by one, also a withdrawn one; containers alone where DSpace can, else with all below; the whole."""
    seven = target.home.rig.version.startswith("7")
    item, withdrawn, collection = target.uuid("rich"), target.uuid("withdrawn"), target.uuid("articles")

    assert target.told(row(item), row(withdrawn)) == {("Item", item), ("Item", withdrawn)}

    archived = {("Item", str(uuid)) for (uuid,) in target.sql("""
        select i.uuid from item i join collection2item l on l.item_id = i.uuid
        where l.collection_id = %s and i.in_archive""", collection)}
    whole = archived | {("Collection", collection)}
    assert target.told(row(collection, Kind.COLLECTION, below=True)) == whole
    collections = {("Collection", str(uuid)) for (uuid,) in target.sql("select uuid from collection")}
    if not seven:  # there it is the same call as before
        assert target.told(row(collection, Kind.COLLECTION)) == collections

    shown = {("Item", str(uuid)) for (uuid,) in target.sql("""
        select uuid from item where in_archive or withdrawn or uuid in (select item_id from versionitem)""")}
    communities = {("Community", str(uuid)) for (uuid,) in target.sql("select uuid from community")}
    target.solr.forget()
    target.due.add([row("00000000-0000-4000-8000-00000000abcd", act="gone")])
    assert tell_everything(target.due, target.indexer) == (2, 1)
    assert {each for each in target.solr.documents if each[0] != "MetadataField"} == shown | collections | communities


def test_dspace_that_cannot_tell_is_a_failure(target: Target) -> None:
    """An object that is not there; Solr ended in the middle, which DSpace itself ends well after; Solr not there."""

    def refused(*arguments: str) -> str:
        with pytest.raises(IndexFailed) as raised:
            target.indexer.tell(Call(arguments, (), 120.0), lambda: False)
        return str(raised.value)

    gone = "00000000-0000-4000-8000-00000000abcd"
    assert f"Cannot resolve {gone} to a DSpace object" in refused("-i", gone)
    assert "Unrecognized option" in refused("--no-such-option")
    target.solr.hangs_up = True
    assert "dspace-cli.log says" in refused("-f")
    target.solr.__exit__()
    assert "Failed to contact Solr" in refused("-i", target.uuid("rich"))
    assert "Failed to contact Solr" in refused("-c")
