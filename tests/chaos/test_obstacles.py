"""What the target itself puts in the way: a full disk, rows of its own, narrower columns, missing rights."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator

import pytest

from tests.chaos.wreck import AIPSTREAM, Wreck


@pytest.fixture
def tiny(wreck: Wreck) -> Iterator[Wreck]:
    """The target's assetstore is on a disk of 64 KiB. Where no such disk can be mounted the test says so."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(wreck.target_store)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.decode().strip()}")
    yield wreck
    subprocess.run(["umount", str(wreck.target_store)], check=True)


def placed(wreck: Wreck) -> int:
    return sum(1 for path in wreck.target_store.rglob("*") if path.is_file())


def test_a_full_assetstore_stops_the_replay_and_leaves_nothing_half(tiny: Wreck) -> None:
    """TargetUnreachable, exit code 7, with the folder's name; no file without its bytes, no row without its file. With
    more room it goes on.
    """
    tiny.configure(more="batch = 5")
    for _ in range(2):
        done = tiny("run", "--until-current", "--json")
        assert (done.code, done.json["error"]) == (7, "TargetUnreachable"), done
        assert "No space left" in done.json["message"]
        assert tiny.half_written() == []
        assert tiny.sql(tiny.target, "SELECT uuid FROM aipstream.parked") == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(tiny.target_store)], check=True)
    tiny.good("run", "--until-current")
    tiny.assert_converged()


def test_a_limit_of_the_process_is_met_like_a_full_disk(wreck: Wreck) -> None:
    """RLIMIT_FSIZE: a write fails in the middle of a file. The next process, without the limit, goes on."""
    wreck.good("snapshot")
    done = subprocess.run(
        [AIPSTREAM, "--config", str(wreck.path), "replay"],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048)),
    )
    assert done.returncode in {7, 10}, done
    assert "Traceback" not in done.stderr
    assert wreck.half_written() == []
    wreck.fine("replay")
    wreck.assert_converged()


def test_a_person_of_the_target_in_the_way_parks_one_person(wreck: Wreck) -> None:
    """A netid and an address that belong to two people of the target: that person of the source is parked, everything
    else is there; when the obstacle is gone it comes, with all that refers to it.
    """
    ((uuid, email),) = wreck.sql(
        wreck.source,
        """
        SELECT e.uuid::text, e.email FROM eperson e JOIN item i ON i.submitter_id = e.uuid
        WHERE e.email IS NOT NULL GROUP BY e.uuid ORDER BY count(*) DESC, e.uuid LIMIT 1""",
    )
    wreck.sql(wreck.source, "UPDATE eperson SET netid = 'taken' WHERE uuid = %s", uuid)
    ours = "11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-666666666666"
    for each, address, netid in ((ours[0], email, "other"), (ours[1], "local@example.org", "taken")):
        wreck.sql(wreck.target, "INSERT INTO dspaceobject (uuid) VALUES (%s)", each)
        wreck.sql(
            wreck.target,
            "INSERT INTO eperson (uuid, email, netid, can_log_in, require_certificate, "
            "self_registered) VALUES (%s, %s, %s, true, false, false)",
            each,
            address,
            netid,
        )
    assert wreck("run", "--until-current").code == 3
    (parked,) = wreck.parked()
    assert (parked["uuid"], parked["kind"]) == (uuid, "person")
    assert "netid" in parked["reason"]
    assert wreck.sql(wreck.target, "SELECT count(*) FROM item WHERE in_archive") == wreck.sql(
        wreck.source, "SELECT count(*) FROM item WHERE in_archive"
    )
    wreck.sql(wreck.target, "UPDATE eperson SET netid = NULL WHERE uuid = %s", ours[1])
    wreck.good("park", "retry", "--all")
    wreck.sql(wreck.target, "DELETE FROM eperson WHERE uuid = %s", ours[1])
    wreck.sql(wreck.target, "DELETE FROM dspaceobject WHERE uuid = %s", ours[1])
    wreck.assert_equal()


def test_values_that_a_column_cannot_hold_park_their_items_and_no_others(wreck: Wreck) -> None:
    """Three items of a large batch have a value too long for the target: those three are found and parked; a wider
    column lets them in.
    """
    uuids = [
        uuid
        for (uuid,) in wreck.sql(
            wreck.source,
            """
        SELECT uuid::text FROM item WHERE in_archive AND uuid NOT IN (
          SELECT left_id FROM relationship UNION SELECT right_id FROM relationship) ORDER BY uuid LIMIT 3""",
        )
    ]
    wreck.sql(wreck.source, "ALTER TABLE metadatavalue ALTER COLUMN text_lang TYPE varchar(100)")
    wreck.sql(
        wreck.source,
        """
        UPDATE metadatavalue SET text_lang = repeat('x', 60) WHERE metadata_value_id IN (
          SELECT min(metadata_value_id) FROM metadatavalue WHERE dspace_object_id = ANY (%s::uuid[])
          GROUP BY dspace_object_id)""",
        uuids,
    )
    assert wreck("run", "--until-current").code == 3
    parked = wreck.parked()
    assert sorted(one["uuid"] for one in parked) == uuids
    assert all("too long" in one["reason"] for one in parked)
    wreck.sql(wreck.target, "ALTER TABLE metadatavalue ALTER COLUMN text_lang TYPE varchar(100)")
    wreck.good("park", "retry", "--all")
    wreck.assert_equal()


def test_a_collection_that_is_refused_holds_only_its_own_items(wreck: Wreck) -> None:
    """The parent of a batch is what the database refuses: its items wait for it and come with it."""
    ((uuid,),) = wreck.sql(
        wreck.source,
        """
        SELECT owning_collection::text FROM item WHERE in_archive GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1""",
    )
    items = {
        each
        for (each,) in wreck.sql(
            wreck.source,
            """
        SELECT uuid::text FROM item WHERE owning_collection = %s AND (in_archive OR withdrawn)""",
            uuid,
        )
    }
    wreck.sql(wreck.target, f"ALTER TABLE collection ADD CONSTRAINT no CHECK (uuid <> '{uuid}')")
    assert wreck("run", "--until-current").code == 3
    parked = {one["uuid"]: one["error"] for one in wreck.parked()}
    assert parked.pop(uuid) == "CheckViolation"
    assert items <= set(parked)
    assert set(parked.values()) == {"ParentMissing"}
    wreck.sql(wreck.target, "ALTER TABLE collection DROP CONSTRAINT no")
    wreck.good("park", "retry", uuid)
    wreck.assert_equal()
