"""`aipstream restore` and `aipstream undo`: the way back."""

from __future__ import annotations

import psycopg2

from daemon.config import load
from daemon.parts import log_of, replaying
from events.event import Event, Type
from tests.daemon.cli.place import Place

TITLE = """
UPDATE metadatavalue SET text_value = %s WHERE dspace_object_id = %s AND place = 0 AND metadata_field_id = (
  SELECT metadata_field_id FROM metadatafieldregistry f JOIN metadataschemaregistry s USING (metadata_schema_id)
  WHERE s.short_id = 'dc' AND f.element = 'title' AND f.qualifier IS NULL)"""
SHOWN = TITLE.replace("UPDATE metadatavalue SET text_value = %s", "SELECT text_value FROM metadatavalue")


def items(place: Place) -> list[tuple[str, str]]:
    """(uuid, handle) of archived items of the source."""
    with psycopg2.connect(place.source) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.uuid::text, min(h.handle) FROM item i JOIN handle h ON h.resource_id = i.uuid "
            "WHERE in_archive GROUP BY 1 ORDER BY 1"
        )
        return cursor.fetchall()


def retitle(place: Place, uuid: str, title: str) -> None:
    with psycopg2.connect(place.source) as connection, connection.cursor() as cursor:
        cursor.execute(TITLE, [title, uuid])
    place.good("snapshot")
    place.good("replay")


def title(place: Place, uuid: str) -> str:
    """What the target shows."""
    with psycopg2.connect(place.target) as connection, connection.cursor() as cursor:
        cursor.execute(SHOWN, [uuid])
        return str((cursor.fetchone() or ("",))[0])


def end(place: Place) -> int:
    return int(place.good("status", "--json").json["log"]["end"])


def test_the_target_goes_back_and_a_replay_brings_it_on_again(replicated: Place) -> None:
    """The dry run changes nothing and says what would be done; unasked nothing is done either."""
    (uuid, _), *_ = items(replicated)
    before, old = end(replicated), title(replicated, uuid)
    replicated.good("keep", "before the upgrade")
    retitle(replicated, uuid, "Later")
    planned = replicated.good("restore", "--at", str(before), "--dry-run", "--json").json
    assert replicated.good("restore", "--at", "before the upgrade", "--dry-run", "--json").json == planned
    assert planned["counts"] == {"item": {"made": 0, "changed": 1, "deleted": 0}}
    refused = replicated("restore", "--at", str(before))
    assert refused.code == 2
    assert "--yes" in refused.err
    assert title(replicated, uuid) == "Later"
    done = replicated.good("restore", "--at", str(before), "--yes", "--json").json
    assert done["position"] == before
    assert title(replicated, uuid) == old
    replicated.good("replay")
    assert title(replicated, uuid) == "Later"
    assert replicated.differences() == []


def test_one_object_goes_back_alone(replicated: Place) -> None:
    """Another one that changed meanwhile stays; the target as a whole stands where it stood."""
    (one, handle), (other, _), *_ = items(replicated)
    before, old = end(replicated), title(replicated, one)
    retitle(replicated, one, "Later")
    retitle(replicated, other, "Later too")
    replicated.good("restore", "--at", str(before), "--object", handle, "--yes")
    assert title(replicated, one) == old
    assert title(replicated, other) == "Later too"
    assert replicated.good("status", "--json").json["lag"]["events"] == 0


def test_an_object_that_was_deleted_is_undone_with_its_files(replicated: Place) -> None:
    """UUID, handle and contents are what they were. The log gets the deletion as that of a source."""
    with psycopg2.connect(replicated.target) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.uuid::text, h.handle FROM item i JOIN handle h ON h.resource_id = i.uuid JOIN item2bundle b "
            "ON b.item_id = i.uuid JOIN bundle2bitstream p ON p.bundle_id = b.bundle_id WHERE in_archive "
            "AND NOT EXISTS (SELECT FROM relationship r WHERE i.uuid IN (r.left_id, r.right_id)) "
            "AND NOT EXISTS (SELECT FROM versionitem v WHERE v.item_id = i.uuid) ORDER BY 1 LIMIT 1"
        )
        uuid, handle = cursor.fetchone() or ("", "")
    config = load(replicated.path)
    log = log_of(config)
    last = log.latest(uuid)
    assert last is not None
    log.append(
        [
            Event(
                source=last.event.source, lsn=last.event.lsn + 1, uuid=uuid, kind=last.event.kind, type=Type.DELETE,
                commit_time=last.event.commit_time, xid=4711, handle=handle,
            )
        ]
    )  # fmt: skip
    log.close()
    replicated.good("replay")
    assert len(replicated.differences()) > 0
    found = replicated.good("why", handle).out
    assert "transaction 4711" in found
    assert "deleted" in found
    planned = replicated.good("undo", "--transaction", "4711", "--dry-run", "--json").json
    assert planned["counts"]["item"] == {"made": 1, "changed": 0, "deleted": 0}
    replicated.good("undo", "--transaction", "4711", "--yes")
    assert replicated.differences() == []
    with replaying(config) as target:
        assert target.parked() == []


def test_what_was_done_in_a_while_is_undone(replicated: Place) -> None:
    """Every object that changed between two moments; given one of the three ways only."""
    (one, _), (other, _), *_ = items(replicated)
    before = end(replicated)
    old = title(replicated, one), title(replicated, other)
    retitle(replicated, one, "Wrong")
    retitle(replicated, other, "Wrong as well")
    replicated.good("undo", "--between", str(before), str(end(replicated)), "--yes")
    assert (title(replicated, one), title(replicated, other)) == old
    assert replicated("undo", "--yes").code == 2
    assert replicated("undo", "--object", one, "--transaction", "1").code == 2
    assert replicated("undo", "--transaction", "999999").code == 2


def handles(place: Place, handle: str) -> list[tuple[str | None]]:
    """What that handle names on the target: one row at most."""
    return place.sql(place.target, "SELECT resource_id::text FROM handle WHERE handle = %s", handle)


def test_a_handle_that_came_with_what_is_undone_goes_with_it(replicated: Place) -> None:
    """Also where the log knows it, later than the target stands, as one that names nothing: it did not before."""
    (uuid, _), *_ = items(replicated)
    before = end(replicated)
    replicated.sql(replicated.source, """
        INSERT INTO handle (handle_id, handle, resource_type_id, resource_id)
        VALUES (nextval('handle_id_seq'), '123456789/late', 2, %s)""", uuid)
    replicated.good("run", "--until-current")
    given = end(replicated)
    assert handles(replicated, "123456789/late") == [(uuid,)]
    replicated.sql(replicated.source, "UPDATE handle SET resource_id = NULL WHERE handle = '123456789/late'")
    replicated.good("snapshot")
    planned = replicated.good("undo", "--between", str(before), str(given), "--yes", "--json").json
    assert planned["at"] == before
    assert handles(replicated, "123456789/late") == []
    replicated.good("replay")
    assert handles(replicated, "123456789/late") == [(None,)]
    assert replicated.differences() == []


def test_a_handle_that_named_nothing_before_what_is_undone_does_so_again(replicated: Place) -> None:
    """It was given to an item, and the target stands at the end of the log."""
    (uuid, _), *_ = items(replicated)
    replicated.sql(replicated.source, """
        INSERT INTO handle (handle_id, handle, resource_type_id) VALUES (nextval('handle_id_seq'), '123456789/idle', 2)
        """)
    replicated.good("run", "--until-current")
    before = end(replicated)
    replicated.sql(replicated.source, "UPDATE handle SET resource_id = %s WHERE handle = '123456789/idle'", uuid)
    replicated.good("run", "--until-current")
    assert handles(replicated, "123456789/idle") == [(uuid,)]
    replicated.good("undo", "--between", str(before), str(end(replicated)), "--yes")
    assert handles(replicated, "123456789/idle") == [(None,)]
    replicated.good("restore", "--at", str(end(replicated)), "--yes")
    assert replicated.differences() == []


def test_a_moment_before_the_log_is_refused(replicated: Place) -> None:
    """The log knows nothing of then: the target is not emptied because of a wrong date."""
    for moment in ("300 weeks ago", "2001-01-01", "0"):
        done = replicated("restore", "--at", moment, "--yes")
        assert done.code == 2
        assert "it begins at" in done.err
    assert replicated.differences() == []


def test_a_moment_beyond_the_log_is_its_end_and_said_to_be(replicated: Place) -> None:
    """By number, LSN or time, and by every verb that takes a moment; nothing is said of the end itself."""
    last = str(end(replicated))
    verbs = (
        ("replay", "--until"), ("replay", "--over-backup", "--until"), ("keep", "mark", "--at"), ("diff", last),
        ("export", "site", "--at"), ("restore", "--at"),
    )  # fmt: skip
    for number, verb in enumerate(verbs):
        moment = ("999999", "FFFF/0", "2999-01-01")[number % 3]
        more = (moment,) if verb[0] == "diff" else (moment, "--dry-run")
        assert "beyond the end of the log" in replicated.good(*verb, *more).out, verb
        assert len(replicated.good(*verb, *more, "--json").json["notes"]) == 1, verb
    done = replicated.good("restore", "--at", last, "--dry-run", "--json").json
    assert (done["at"], done["notes"]) == (int(last), [])


def test_a_position_in_the_middle_of_a_sweep_is_said_to_be_none(replicated: Place) -> None:
    """The repository never stood like that; at the end of it nothing is said."""
    assert "lies between events of one moment" in replicated.good("restore", "--at", "50", "--dry-run").out
    done = replicated.good("restore", "--at", str(end(replicated)), "--dry-run")
    assert "lies between" not in done.out


def test_what_was_never_changed_has_nothing_to_undo(replicated: Place) -> None:
    """The first copy is no change: to undo it would delete the object."""
    (_, handle), *_ = items(replicated)
    done = replicated("undo", "--object", handle, "--dry-run")
    assert done.code == 2
    assert "--between" in done.err
