"""A log that is lost while the state stays: the new one has everything, though the stream brings only what is new."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place


@pytest.mark.parametrize("place", ["wal", "poll"], indirect=True)
def test_a_log_made_anew_has_every_object(replicated: Place) -> None:
    """An empty target is brought to the same from the new log alone."""
    replicated.edit(5)
    for path in replicated.folder.glob("log.sqlite*"):
        if "state" not in path.name:
            path.unlink()
    lost = replicated("run", "--until-current")
    assert (lost.code, "aipstream init" in lost.err) == (2, True)
    replicated.good("init")
    replicated.good("run", "--until-current")
    counts = replicated.good("status", "--json").json
    assert counts["log"]["end"] >= sum(counts["capture"]["objects"].values())
    assert replicated.differences() == []


@pytest.mark.parametrize("place", ["wal"], indirect=True)
def test_a_log_from_an_older_copy_gets_what_it_lacks(replicated: Place) -> None:
    """The server has thrown away the WAL of what was captured since; so everything is looked at again."""
    path = replicated.folder / "log.sqlite"
    copy = path.read_bytes()
    replicated.edit(15)
    replicated.good("run", "--until-current")
    path.write_bytes(copy)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    replicated("run", "--until-current")  # what the target says to it is another matter
    replicated.sql(replicated.target, "drop schema aipstream cascade")
    replicated.good("run", "--until-current")
    assert replicated.differences() == []
