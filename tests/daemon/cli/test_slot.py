"""The slot: shown, dropped, lost, and made again."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place

pytestmark = pytest.mark.parametrize("place", ["wal"], indirect=True)


def test_the_slot_is_shown_and_dropped(replicated: Place) -> None:
    """A dry run drops nothing; dropping twice is no error."""
    shown = replicated.good("slot", "show", "--json").json
    assert (shown["exists"], shown["wal_status"], shown["active"]) == (True, "reserved", False)
    assert replicated.good("slot", "drop", "--dry-run", "--json").json["dropped"] is False
    assert replicated.good("slot", "drop", "--json").json["dropped"] is True
    assert replicated.good("slot", "drop", "--json").json == {
        "name": shown["name"], "dropped": False, "existed": False, "dry_run": False, "statements": [],
    }
    assert replicated.good("slot", "show", "--json").json["exists"] is False


def test_a_slot_that_is_gone_is_exit_code_9_and_a_snapshot_mends_it(replicated: Place) -> None:
    """What was edited meanwhile is in no WAL that is kept: the snapshot finds it all the same, deletions too."""
    replicated.good("slot", "drop")
    replicated.edit(30)
    lost = replicated("run", "--until-current")
    assert lost.code == 9
    assert "aipstream snapshot" in lost.err
    assert replicated("run").code == 9
    replicated.good("snapshot")
    replicated.edit(10, seed=2)
    replicated.good("run", "--until-current")
    assert replicated.differences() == []


def test_what_was_made_on_the_source_can_be_undone(replicated: Place) -> None:
    """Slot, publication and replica identities."""
    replicated.good("slot", "drop", "--publication")
    assert replicated.sql(replicated.source, "select count(*) from pg_publication") == [(0,)]
    assert replicated.sql(replicated.source, "select count(*) from pg_class where relreplident = 'f'") == [(0,)]
