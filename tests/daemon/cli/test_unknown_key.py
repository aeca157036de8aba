"""A configuration with a key, a section or a value that nobody knows."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place


def test_an_unknown_key_is_named_with_the_one_that_is_meant(place: Place) -> None:
    """Nothing is guessed and nothing ignored."""
    place.configure(poll_secs=3)
    done = place("run", "--until-current")
    assert done.code == 2
    assert "unknown key 'poll_secs' in [source]; did you mean 'poll_seconds'?" in done.err


@pytest.mark.parametrize(
    ("more", "told"),
    [("[sauce]\nx = 1", "unknown section [sauce]; did you mean 'source'?"), ("[run]\nverify_sample = 'x'", "[run]")],
)
def test_unknown_sections_and_wrong_types_are_told(place: Place, more: str, told: str) -> None:
    """The place in the file is named."""
    place.configure(more=more)
    done = place("config", "check")
    assert done.code == 2
    assert told in done.err


def test_a_file_that_is_not_there_is_told(place: Place) -> None:
    """With the command that makes one."""
    place.path.unlink()
    done = place("status")
    assert done.code == 2
    assert "there is no configuration file" in done.err
    assert "aipstream config example" in done.err


def test_the_example_is_a_good_configuration(place: Place) -> None:
    """What `config example` prints can be used as it is."""
    place.path.write_text(place.good("config", "example").out)
    assert place("config", "check").code == 0


def test_a_variable_goes_over_the_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And `config show` says so, for every key."""
    monkeypatch.setenv("AIPSTREAM_TARGET_BATCH", "7")
    shown = place.good("config", "show", "--json").json
    assert shown["target"]["batch"] == {"value": 7, "from": "AIPSTREAM_TARGET_BATCH"}
    assert shown["source"]["poll_seconds"]["from"] == "file"
    assert shown["source"]["heartbeat_seconds"]["from"] == "default"
