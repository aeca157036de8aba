"""One capture a log, one replayer a target."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place


@pytest.mark.parametrize("place", ["poll", "wal"], indirect=True)
def test_a_second_copy_is_exit_code_8(place: Place) -> None:
    """It says which process is in its way, and the first one goes on."""
    daemon = place.process("run")
    place.says('"event": "replayed"')
    for verb in (("run",), ("run", "--until-current"), ("snapshot",)):
        done = place(*verb)
        assert done.code == 8, done
        assert f"process {daemon.pid}" in done.err
    replayer = place("replay")
    assert replayer.code == 8
    assert "another aipstream is replaying" in replayer.err
    told = place.good("status", "--json").json
    assert told["capture"]["process"] == daemon.pid
    assert told["replay"]["process"]
    assert place.stop(daemon) == 0
    place.good("replay")
