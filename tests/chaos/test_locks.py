"""One capture into a log, one replayer into a target: the second one is told, and harms nothing."""

from __future__ import annotations

import pytest

from tests.chaos.wreck import Wreck
from tests.daemon.cli.place import eventually


def up(wreck: Wreck) -> bool:
    """Both loops of the daemon have their locks."""
    said = wreck.messages()
    return "replay.begins" in said and ("capture.polling" in said or "capture.streaming" in said)


@pytest.mark.parametrize("wreck", ["poll", "wal"], indirect=True)
def test_a_second_one_is_refused_on_either_side(replicated: Wreck) -> None:
    """While a daemon runs, whatever else captures into its log or replays into its target ends with 8, `Locked`, and
    the daemon goes on.
    """
    daemon = replicated.process("run")
    eventually(lambda: up(replicated))
    for verb in (("run",), ("run", "--until-current"), ("snapshot",), ("replay",)):
        done = replicated(*verb)
        assert done.code == 8, (verb, done)
        assert "another aipstream" in done.err
        assert "Traceback" not in done.err
    replicated.edit(5)
    eventually(lambda: replicated("verify").code == 0)
    assert replicated.stop(daemon) == 0
    replicated.fine("run", "--until-current")
    replicated.assert_converged()


def test_another_log_into_the_same_target_is_refused_too(replicated: Wreck) -> None:
    """The replayer's lock is the target's, not the log's: a daemon with other folders meets it."""
    daemon = replicated.process("run")
    eventually(lambda: up(replicated))
    text = replicated.path.read_text()
    replicated.path.write_text(text.replace("/log.sqlite", "/second.sqlite"))
    replicated.good("init")
    done = replicated("run")
    assert done.code == 8, done
    replicated.path.write_text(text)
    assert daemon.poll() is None
    assert replicated.stop(daemon) == 0


def test_a_new_log_takes_a_target_over_from_an_old_one(replicated: Wreck) -> None:
    """The log was lost and begun anew: its positions start at one, and the target still follows every event of it."""
    replicated.edit(10)
    for path in replicated.folder.glob("log.sqlite*"):
        path.unlink()
    replicated.good("init")
    replicated.good("run", "--until-current")
    replicated.assert_equal()
    replicated.edit(10, 2)
    replicated.good("run", "--until-current")
    replicated.assert_equal()
