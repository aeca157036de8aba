"""One capture into a log, one replayer into a target: the second one is told, and harms nothing."""

from __future__ import annotations

import pytest

from tests.chaos.wreck import Wreck
from tests.daemon.cli.place import eventually


@pytest.mark.parametrize("wreck", ["poll", "wal"], indirect=True)
def test_a_second_one_is_refused_on_either_side(wreck: Wreck) -> None:
    """While a daemon runs, whatever else captures into its log or replays into its target ends with 8, `Locked`, and
    the daemon goes on.
    """
    daemon = wreck.process("run")
    eventually(lambda: '"event": "replayed"' in wreck.messages())
    for verb in (("run",), ("run", "--until-current"), ("snapshot",), ("replay",)):
        done = wreck.command(*verb)
        assert done.code == 8, (verb, done)
        assert "another aipstream" in done.err
        assert "Traceback" not in done.err
    wreck.edit(5)
    eventually(lambda: wreck("verify").code == 0)
    assert wreck.stop(daemon) == 0
    wreck.fine("run", "--until-current")
    wreck.assert_converged()


def test_another_log_into_the_same_target_is_refused_too(wreck: Wreck) -> None:
    """The replayer's lock is the target's, not the log's: a daemon with other folders meets it."""
    daemon = wreck.process("run")
    eventually(lambda: '"event": "replayed"' in wreck.messages())
    text = wreck.path.read_text()
    wreck.path.write_text(text.replace("/log.sqlite", "/second.sqlite"))
    wreck.good("init")
    done = wreck.command("run")
    assert done.code == 8, done
    wreck.path.write_text(text)
    assert daemon.poll() is None
    assert wreck.stop(daemon) == 0


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
