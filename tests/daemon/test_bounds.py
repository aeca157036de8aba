"""The numbers of the configuration: each has its bounds, and what is outside of them is told when the file is read."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from daemon.config import SECTIONS, load
from daemon.config_table import bounds_of, kind_of
from events.errors import ConfigError

WHOLE = '[log]\nurl = "sqlite:////x"\n[blobs]\nurl = "file:///x"\n'
SOURCE = '[source]\ndsn = "x"\nassetstore = "/x"\n'

NUMBERS = [
    (section, field)
    for section, kind in SECTIONS.items()
    for field in msgspec.structs.fields(kind)
    if kind_of(field) in (int, float)
]


def written(path: Path, section: str, line: str) -> Path:
    """A file that has that line in that section."""
    own = SOURCE if section == "source" else f"[{section}]\n"
    path.write_text(f"{WHOLE}{own}{line}\n")
    return path


@pytest.mark.parametrize(("section", "field"), NUMBERS, ids=lambda each: getattr(each, "name", each))
def test_every_number_has_bounds(section: str, field: msgspec.structs.FieldInfo, tmp_path: Path) -> None:
    """Both ends are taken, what is beyond them, infinite or no number is refused with what would do."""
    bounds = bounds_of(field)
    assert bounds is not None
    least, most = bounds
    assert least <= field.default <= most
    file = tmp_path / "aipstream.toml"
    for value in (least, most):
        load(written(file, section, f"{field.name} = {value}"), {})
    beyond = ["-inf", "inf", "nan", "1e300"] if kind_of(field) is float else ["9" * 400]
    for text in [str(least - 1), str(most + 1), *beyond]:
        with pytest.raises(ConfigError) as told:
            load(written(file, section, f"{field.name} = {text}"), {})
        message = str(told.value)
        assert message.startswith(f"{file}: [{section}] {field.name} = ")
        assert text[:30].removesuffix("e300") in message
        assert f"allowed is {least:,} to {most:,}" in message
        assert len(message) < len(str(file)) + 200


@pytest.mark.parametrize("table", ["targets.far", "targets.far.index"])
def test_those_of_several_targets_too(table: str, tmp_path: Path) -> None:
    """By the table in which they stand."""
    file = written(tmp_path / "aipstream.toml", table, "batch = -1")
    with pytest.raises(ConfigError, match=rf"\[{table}\] batch = -1: allowed is"):
        load(file, {})


def test_a_number_in_a_variable_has_the_same(tmp_path: Path) -> None:
    """The variable is named, not the file."""
    file = written(tmp_path / "aipstream.toml", "source", "poll_seconds = 5")
    with pytest.raises(ConfigError, match=r"^AIPSTREAM_SOURCE_POLL_SECONDS: \[source\] poll_seconds = nan: allowed is"):
        load(file, {"AIPSTREAM_SOURCE_POLL_SECONDS": "nan"})
    config = load(file, {"AIPSTREAM_SOURCE_POLL_SECONDS": "0.5"})
    assert math.isclose(config.need_source().poll_seconds, 0.5)


def test_a_number_without_end_is_told(tmp_path: Path) -> None:
    """One of more digits than are read."""
    file = written(tmp_path / "aipstream.toml", "run", f"verify_sample = {'9' * 5000}")
    with pytest.raises(ConfigError, match="is no TOML"):
        load(file, {})


def test_a_file_that_begins_with_a_mark_is_read(tmp_path: Path) -> None:
    """U+FEFF, which some editors put before UTF-8."""
    file = tmp_path / "aipstream.toml"
    file.write_bytes(b"\xef\xbb\xbf" + WHOLE.encode())
    assert load(file, {}).log.url == "sqlite:////x"
