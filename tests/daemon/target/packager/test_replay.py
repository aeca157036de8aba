"""What the driver asks of DSpace's command line, and what its books say afterwards."""

from __future__ import annotations

import re
import shutil

import pytest

from daemon import replayer
from daemon.losses import Loss
from daemon.target.packager.reading import PackagerReading
from events.aip.model import Kind
from events.errors import GapInLog, Locked
from events.log.opening import open_log, retention_of
from tests.daemon.target.packager.stage import (
    COLLECTION,
    OTHER,
    TOP,
    Stage,
    collection,
    community,
    group,
    handle,
    item,
    person,
    with_file,
)
from tests.events.samples import uuid_of

BOOKED = {"moved", "unmapped", "reinstated", "handle", "renamed", "deletion", "not-archived"}


def losses(stage: Stage) -> list[Loss]:
    """Those that stock's ways with existing objects bring; `daemon.losses` has its own tests for the others."""
    return [loss for loss in stage.target.books.losses() if loss.code in BOOKED]


def runs(stage: Stage) -> list[str]:
    return [line for line in stage.said("calls") if line.startswith("packager")]


def test_parents_come_first_and_many_packages_share_one_command(stage: Stage) -> None:
    """Whatever the order of the log: community, collection, items, all in one run of the packager."""
    stage.put(item(10), item(11), collection(), community())
    done = replayer.replay(stage.target, stage.log)
    assert stage.loaded == [handle(TOP), handle(COLLECTION), handle(10), handle(11)]
    assert len(runs(stage)) == 1
    assert (done.written, done.parked, stage.target.position()) == (4, 0, stage.log.end())


def test_of_several_events_of_an_object_only_the_last_is_loaded(stage: Stage) -> None:
    """An object that changed three times costs one package, and an applied log costs nothing."""
    stage.put(community(), collection())
    for title in ("one", "two", "three"):
        stage.put(item(10, title))
    replayer.replay(stage.target, stage.log)
    assert stage.loaded.count(handle(10)) == 1
    stage.forget()
    done = replayer.replay(stage.again(), stage.log, after=0)
    assert (done.written, done.old) == (0, 3)
    assert not stage.said("calls")


def test_one_package_that_is_refused_is_parked_with_the_words_of_dspace(stage: Stage) -> None:
    """The others of its run are loaded, and it comes when it is tried again and taken."""
    stage.put(community(), collection(), *(item(number) for number in range(10, 17)))
    stage.tell("bad", handle(13))
    done = replayer.replay(stage.target, stage.log)
    assert (done.written, done.parked) == (8, 1)
    (row,) = stage.target.parked()
    assert (row.uuid, row.error, row.needs) == (uuid_of(13), "PackageRefused", ())
    assert "RuntimeException" in row.reason
    assert f"the handle {handle(13)} is foreign" in row.reason
    assert handle(13) not in stage.loaded

    assert stage.target.retry().parked == 1
    assert stage.target.parked()[0].attempts == 2
    stage.tell("bad")
    assert stage.target.retry().written == 1
    assert not stage.target.parked()
    assert handle(13) in stage.loaded


def test_an_exception_behind_status_zero_is_a_refusal(stage: Stage) -> None:
    """The packager may end well in spite of an exception; its output is what counts."""
    stage.put(community(), collection(), item(10), item(11))
    stage.tell("bad", handle(10))
    stage.tell("mode", "status0")
    replayer.replay(stage.target, stage.log)
    assert [row.uuid for row in stage.target.parked()] == [uuid_of(10)]
    assert handle(11) in stage.loaded


def test_what_is_in_a_refused_container_waits_for_it(stage: Stage) -> None:
    """Children are parked for their parent, not tried, and come with it."""
    stage.put(community(), collection(), collection(OTHER), item(10), item(11), item(20, owner=OTHER))
    stage.tell("bad", handle(COLLECTION))
    replayer.replay(stage.target, stage.log)
    parked = {row.uuid: row for row in stage.target.parked()}
    assert set(parked) == {uuid_of(COLLECTION), uuid_of(10), uuid_of(11)}
    assert parked[uuid_of(10)].error == "ParentMissing"
    assert parked[uuid_of(10)].needs == (uuid_of(COLLECTION),)
    assert handle(20) in stage.loaded

    stage.put(item(12))
    replayer.replay(stage.target, stage.log)
    assert {row.uuid for row in stage.target.parked()} == {*parked, uuid_of(12)}
    stage.tell("bad")
    done = stage.target.retry([uuid_of(COLLECTION)])
    assert not stage.target.parked()
    assert done.written == 4
    assert stage.loaded[-4:] == [handle(COLLECTION), handle(10), handle(11), handle(12)]


def test_a_container_that_is_there_takes_items_though_its_change_is_refused(stage: Stage) -> None:
    """Only what is missing holds up what belongs to it."""
    stage.put(community(), collection())
    replayer.replay(stage.target, stage.log)
    stage.put(collection(), item(10))
    stage.tell("bad", handle(COLLECTION))
    replayer.replay(stage.target, stage.log)
    assert [row.uuid for row in stage.target.parked()] == [uuid_of(COLLECTION)]
    assert handle(10) in stage.loaded


def test_parked_events_can_be_given_up(stage: Stage) -> None:
    """Discarding forgets them; the next event of the object is applied."""
    stage.put(community(), collection(), item(10))
    stage.tell("bad", handle(10))
    replayer.replay(stage.target, stage.log)
    assert stage.target.discard([uuid_of(10)]) == 1
    assert not stage.target.parked()
    stage.tell("bad")
    stage.put(item(10, "better"))
    assert replayer.replay(stage.target, stage.log).written == 1


def test_what_is_broken_before_dspace_is_asked_is_parked_alone(stage: Stage) -> None:
    """A content that the blob store lacks parks its item by name."""
    stage.put(community(), collection(), with_file(item(10), "ab" * 32, 3), item(11))
    replayer.replay(stage.target, stage.log)
    (row,) = stage.target.parked()
    assert (row.uuid, row.error) == (uuid_of(10), "BlobMissing")
    assert handle(11) in stage.loaded
    assert not [path for path in (stage.work / "packages").iterdir() if path.name != "run.zip"]


def test_an_item_is_withdrawn_in_the_transaction_that_makes_it(stage: Stage) -> None:
    """Two packages of one run: with the rights as they were, then the word WITHDRAWN without any."""
    stage.put(community(), collection(), item(10, withdrawn=True))
    replayer.replay(stage.target, stage.log)
    assert len(runs(stage)) == 1
    assert [line.rpartition("-")[2] for line in stage.said("loaded")[-2:]] == ["plain.zip", "withdraw.zip"]

    stage.forget()
    stage.put(item(10, "edited", withdrawn=True))
    replayer.replay(stage.target, stage.log)
    assert [line.rpartition("-")[2] for line in stage.said("loaded")] == ["withdrawn.zip"]
    assert not [loss for loss in losses(stage) if loss.code == "reinstated"]

    stage.put(item(10, "back again"))
    replayer.replay(stage.target, stage.log)
    assert [loss.uuid for loss in losses(stage) if loss.code == "reinstated"] == [uuid_of(10)]


def test_a_superseded_version_is_never_published(stage: Stage) -> None:
    """Stock would archive it: it is left out, and named as lost; once it is archived it comes."""
    stage.put(community(), collection(), item(10, archived=False))
    replayer.replay(stage.target, stage.log)
    assert handle(10) not in stage.loaded
    assert [loss.uuid for loss in losses(stage) if loss.code == "not-archived"] == [uuid_of(10)]
    stage.put(item(10))
    replayer.replay(stage.target, stage.log)
    assert handle(10) in stage.loaded
    assert not [loss for loss in losses(stage) if loss.code == "not-archived"]


def test_what_stock_deletes_is_deleted_and_the_rest_is_named(stage: Stage) -> None:
    """Items by the batch importer, people by DSpace's own tool; groups are emptied and stay, containers stay."""
    made = [community(), collection(), item(10), item(11), person(50, "ada@example.org"), group(60, "Staff")]
    mine = person(51, "admin@example.org")
    stage.put(*made, mine)
    replayer.replay(stage.target, stage.log)
    stage.forget()
    for gone in [*made, mine]:
        stage.delete(gone)
    done = replayer.replay(stage.target, stage.log)
    assert stage.said("deleted") == [handle(10), handle(11)]
    assert "dsrun org.dspace.eperson.EPersonCLITool -d -m ada@example.org" in stage.said("calls")
    assert not [line for line in stage.said("calls") if "EPersonCLITool" in line and "admin@" in line]
    assert re.search(r'<Group [^>]*Name="Staff"[^>]*>\s*</Group>', "\n".join(stage.said("roles")))
    stays = {loss.uuid for loss in losses(stage) if loss.code == "deletion"}
    assert stays == {uuid_of(TOP), uuid_of(COLLECTION), uuid_of(60), uuid_of(51)}
    assert (done.deleted, done.written, done.unchanged) == (3, 1, 3)
    assert stage.target.position() == stage.log.end()
    stage.forget()
    replayer.replay(stage.again(), stage.log)
    assert not stage.said("calls")


def test_what_was_never_there_needs_no_deletion(stage: Stage) -> None:
    """An item that came and went within the log asks DSpace for nothing."""
    stage.put(community(), collection())
    replayer.replay(stage.target, stage.log)
    stage.forget()
    stage.put(item(10, archived=False))
    replayer.replay(stage.target, stage.log)
    stage.delete(item(10))
    replayer.replay(stage.target, stage.log)
    assert not runs(stage)
    assert not stage.said("deleted")
    assert not losses(stage)


def test_moves_mappings_and_handles_that_stock_keeps_are_losses_while_they_last(stage: Stage) -> None:
    """The books know where the target has the item, so that the loss is told at every event, and no longer after."""
    stage.put(community(), collection(), collection(OTHER), item(10, other=OTHER), item(11))
    replayer.replay(stage.target, stage.log)
    assert not losses(stage)
    stage.put(item(10), item(11, owner=OTHER))
    replayer.replay(stage.target, stage.log)
    assert {(loss.uuid, loss.code) for loss in losses(stage)} == {(uuid_of(10), "unmapped"), (uuid_of(11), "moved")}
    stage.put(item(10, "edited"), item(11, "edited", owner=OTHER))
    replayer.replay(stage.target, stage.log)
    assert len(losses(stage)) == 2
    stage.put(item(10, other=OTHER), item(11))
    replayer.replay(stage.target, stage.log)
    assert not losses(stage)


def test_an_object_with_a_new_handle_is_replaced_where_it_is(stage: Stage) -> None:
    """By its new handle stock would take it for another one and add to it; so it is named by the old one, alone."""
    stage.put(community(), collection(), item(10), item(11))
    replayer.replay(stage.target, stage.log)
    stage.forget()
    stage.put(item(10, called="123456789/extra"), item(11, "edited"))
    replayer.replay(stage.target, stage.log)
    assert sorted("-i" in line.split() for line in runs(stage)) == [False, True]
    assert next(line.split() for line in runs(stage) if " -i " in line).index(handle(10))
    assert [(loss.uuid, loss.code) for loss in losses(stage)] == [(uuid_of(10), "handle")]


def test_groups_of_roles_come_with_the_container_that_makes_them(stage: Stage) -> None:
    """Stock links a role only to a group that its container makes: until then the group waits."""
    name = f"COLLECTION_{uuid_of(COLLECTION)}_ADMIN"
    ada, admins = person(50, "ada@example.org"), group(60, name, (50, "ada@example.org"))
    everyone = group(61, "Staff", groups=((60, name),))
    stage.put(community(), collection(), ada, admins)
    replayer.replay(stage.target, stage.log)
    assert [(row.uuid, row.needs) for row in stage.target.parked()] == [(uuid_of(60), (uuid_of(COLLECTION),))]

    stage.put(collection(admin=uuid_of(60)), everyone)
    stage.forget()
    replayer.replay(stage.target, stage.log)
    assert not stage.target.parked()
    stated = "\n".join(stage.said("roles"))
    assert f'Name="COLLECTION_hdl:{handle(COLLECTION)}_ADMIN"' in stated
    assert {row.state.value for row in stage.target.books.standings([uuid_of(60), uuid_of(61)]).values()} == {"there"}


def test_an_account_with_a_new_address_stays_the_same_account(stage: Stage) -> None:
    """DSpace's tool renames it first, for stock would make a second one; where that is refused it is named."""
    stage.put(person(50, "ada@example.org"), person(51, "bo@example.org"))
    replayer.replay(stage.target, stage.log)
    stage.put(person(50, "ada@example.net"))
    replayer.replay(stage.target, stage.log)
    assert "dsrun org.dspace.eperson.EPersonCLITool -M -m ada@example.org -i ada@example.net" in stage.said("calls")
    assert not losses(stage)
    stage.tell("mode", "taken")
    stage.put(person(51, "bo@example.net"))
    replayer.replay(stage.target, stage.log)
    assert [(loss.uuid, loss.code) for loss in losses(stage)] == [(uuid_of(51), "renamed")]


def test_passwords_go_along_only_if_they_are_meant_to(stage: Stage) -> None:
    """A log may hold hashes; without `people.passwords` they reach no package."""
    stage.put(person(50, "ada@example.org", "5e" * 64))
    replayer.replay(stage.target, stage.log)
    assert "PasswordHash" not in "\n".join(stage.said("roles"))
    stage.target.close()
    stage.target = stage.make()
    stage.target.passwords = True
    stage.target.again([uuid_of(50)])
    assert "PasswordHash" in "\n".join(stage.said("roles"))


def test_sequences_are_moved_once_after_something_was_loaded(stage: Stage) -> None:
    """And what stock's script cannot do on a site without handles is no failure."""
    assert stage.target.finish() == []
    assert not stage.said("calls")
    stage.put(person(50, "ada@example.org"))
    replayer.replay(stage.target, stage.log)
    stage.again()
    stage.tell("mode", "empty")
    stage.target.finish()
    stage.target.finish()
    assert stage.said("calls").count("database update-sequences") == 1


def test_a_log_that_was_restored_from_an_older_copy_is_recognised(stage: Stage) -> None:
    """At the position there is another event than the one that was applied."""
    stage.put(community())
    stage.log.close()
    copy = stage.folder / "copy.sqlite"
    shutil.copy(stage.folder / "log.sqlite", copy)
    stage.log = stage.target.log = open_log(f"sqlite:///{stage.folder}/log.sqlite")
    stage.put(collection())
    replayer.replay(stage.target, stage.log)
    stage.target.recognise_log()

    stage.log.close()
    copy.replace(stage.folder / "log.sqlite")
    stage.log = stage.target.log = open_log(f"sqlite:///{stage.folder}/log.sqlite")
    stage.put(collection(OTHER))
    with pytest.raises(GapInLog, match="another event at position 2"):
        replayer.replay(stage.target, stage.log)


def test_a_log_whose_event_at_the_position_was_thinned_is_recognised(stage: Stage) -> None:
    """Its place and its id stay; what came after it is applied."""
    stage.put(community())
    replayer.replay(stage.target, stage.log)
    stage.put(community(), collection())
    assert retention_of(stage.log).thin([1]) > 0
    assert replayer.replay(stage.target, stage.log).written > 0
    assert stage.target.position() == 3


def test_another_log_is_replayed_from_its_beginning(stage: Stage) -> None:
    """Positions in one log mean nothing in another; what is loaded again is replaced by itself."""
    stage.put(community(), collection())
    replayer.replay(stage.target, stage.log)
    entries = list(stage.log.read(0))
    stage.log.close()
    stage.log = open_log(f"sqlite:///{stage.folder}/other.sqlite", create=True)
    stage.log.append([entry.event for entry in entries])
    assert stage.again().position() == 0
    assert replayer.replay(stage.target, stage.log).written == 2


def test_one_replayer_works_and_whoever_looks_disturbs_nobody(stage: Stage) -> None:
    """A second one is refused; the reading door tells what was applied."""
    reading = PackagerReading(stage.work)
    assert reading.summary(stage.log.identity)["position"] == 0
    stage.put(community(), collection(), item(10))
    replayer.replay(stage.target, stage.log)
    with pytest.raises(Locked, match="replays into this target"):
        stage.make().position()
    reading = PackagerReading(stage.work)
    told = reading.summary(stage.log.identity)
    assert told["position"] == stage.log.end()
    assert told["objects"] == {Kind.COMMUNITY: 1, Kind.COLLECTION: 1, Kind.ITEM: 1}
    assert told["process"]
    reading.close()
