"""How [kafka] becomes the settings of a log, before any broker is asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from daemon.cli.session import Session
from daemon.config import load
from daemon.parts import kafka_settings, log_of, state_path
from daemon.redaction import hide
from events.errors import ConfigError

FILE = """
[log]
url = "kafka://127.0.0.1:1/topic"
state = "sqlite:///{folder}/state"
[blobs]
url = "file://{folder}/blobs"
[kafka]
security = "tls"
mechanism = "SCRAM-SHA-512"
user = "capture"
password = "correct-horse-battery"
largest = 5000
lease_seconds = 7.5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "aipstream.toml"
    path.write_text(FILE.format(folder=tmp_path))
    return path


def test_every_key_arrives(file: Path, tmp_path: Path) -> None:
    """The index is beside the state unless it is said where."""
    settings = kafka_settings(load(file), None)
    assert (settings.security, settings.mechanism, settings.user) == ("tls", "SCRAM-SHA-512", "capture")
    assert (settings.largest, settings.lease_seconds) == (5000, 7.5)
    assert settings.index == tmp_path / "state.index"
    other = kafka_settings(load(file, {"AIPSTREAM_KAFKA_INDEX": "/elsewhere/index"}), None)
    assert other.index == Path("/elsewhere/index")


def test_a_log_in_kafka_needs_a_state(file: Path) -> None:
    """It is a file of this machine, and there is no log to put it beside."""
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.startswith("state")))
    with pytest.raises(ConfigError, match=r"\[log\] state"):
        state_path(load(file))


def test_the_password_is_hidden_wherever_it_would_stand(file: Path) -> None:
    """In what is printed of the configuration, and in any message."""
    config = Session(file).config
    assert "correct-horse" not in hide(f"the broker said: correct-horse-battery {config.kafka.password}")
    assert "correct-horse" not in repr(kafka_settings(config, None))


def test_without_its_package_it_is_said_how_to_install_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kafka-python is not needed by a log in SQLite."""
    for name in [name for name in sys.modules if name == "kafka" or name.startswith(("kafka.", "events.log.kafka"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kafka", None)
    with pytest.raises(ConfigError) as caught:
        log_of(load(file))
    assert "pip install aipstream[kafka]" in caught.value.hint
