"""The publication and the replica identities, changed behind our back: nothing that went by meanwhile is lost."""

from __future__ import annotations

import threading

import pytest

from daemon.capture_loop import PARKED, CaptureLoop
from daemon.config import load
from tests.daemon.cli.place import Place, eventually

pytestmark = pytest.mark.parametrize("place", ["wal"], indirect=True)

RETITLE = "update metadatavalue set text_value = text_value || ' anew' where metadata_value_id % 5 = 0"


def take_out(place: Place, table: str = "metadatavalue") -> None:
    place.sql(place.source, f'alter publication "slot_{place.name}" drop table {table}')


@pytest.mark.parametrize("mended", [False, True])
def test_a_table_that_was_taken_out_costs_no_change(replicated: Place, mended: bool) -> None:
    """Whether or not somebody put it in again before the next round."""
    take_out(replicated)
    replicated.sql(replicated.source, RETITLE)
    assert replicated.differences() != []
    if mended:
        replicated.good("init")
    replicated.good("run", "--until-current")
    assert replicated.differences() == []
    assert replicated.good("run", "--until-current", "--json").json["captured"]["unchanged"] == 0


def test_a_replica_identity_that_was_lost_for_a_while_costs_no_change(replicated: Place) -> None:
    """A row that changed its owner meanwhile told nobody of the owner before."""
    replicated.sql(replicated.source, "alter table resourcepolicy replica identity default")
    replicated.sql(replicated.source, """
        update resourcepolicy set dspace_object = (select min(uuid::text)::uuid from item where in_archive)
        where policy_id in (select policy_id from resourcepolicy p join item i on i.uuid = p.dspace_object
                            where in_archive limit 5)""")
    replicated.sql(replicated.source, "alter table resourcepolicy replica identity full")
    replicated.good("run", "--until-current")
    assert replicated.differences() == []


@pytest.mark.parametrize("made", [False, True])
def test_a_publication_that_was_dropped_ends_the_slot(replicated: Place, made: bool) -> None:
    """What the WAL has from before cannot be decoded with one that was made later; a snapshot mends it."""
    replicated.sql(replicated.source, f'drop publication "slot_{replicated.name}"')
    replicated.edit(5)
    if made:
        replicated.good("init")
    lost = replicated("run", "--until-current")
    assert (lost.code, "aipstream snapshot" in lost.err) == (9, True), lost
    replicated.good("snapshot")
    replicated.edit(5, seed=2)
    replicated.good("run", "--until-current")
    assert replicated.differences() == []


def test_a_daemon_notices_while_it_runs(replicated: Place) -> None:
    """When its next look is due."""
    captured = threading.Event()
    loop = CaptureLoop(load(replicated.path), captured.set)
    end = threading.Event()
    thread = threading.Thread(target=loop.run, args=(end.is_set,))
    thread.start()
    try:
        eventually(lambda: loop.was_up)
        take_out(replicated)
        replicated.sql(replicated.source, RETITLE)
        loop.bell.ring(PARKED)
        assert captured.wait(240)
    finally:
        end.set()
        thread.join()
    replicated.good("replay")
    assert replicated.differences() == []
