"""What nobody thought of ends with one line, not with a page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.cli.place import Place


def test_an_unexpected_error_is_one_line_and_exit_code_1(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--verbose` shows the traceback."""

    def broken(*_: object) -> None:
        raise RuntimeError("the floor\nis lava")

    monkeypatch.setattr("daemon.status.status", broken)
    done = place("status")
    assert done.code == 1
    assert done.err.splitlines()[0] == "aipstream: unexpected RuntimeError: the floor is lava"
    assert "Traceback" not in done.err
    assert "--verbose" in done.err
    assert "Traceback" in place("status", options=("--verbose",)).err


@pytest.mark.parametrize("words", [("why", "a\udcff"), ("keep", "a\udcff"), ("park", "retry", "a\udcff")])
def test_a_word_that_is_no_text_is_named(place: Place, words: tuple[str, ...]) -> None:
    """A shell hands on any bytes. It is a mistake of whoever wrote them, and nothing unexpected."""
    done = place(*words)
    assert done.code == 2, done
    assert "unexpected" not in done.err
    assert "udcff" in done.err


FULL = "the output cannot be written: No space left on device"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("config", "show"), 10, FULL),
        (("config", "example", "--json"), 10, FULL),
        (("--help",), 10, FULL),
        (("status", "--json"), 2, "[log] url: there is no log /x"),
    ],
)
def test_a_full_device_behind_the_output_is_told(
    tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    """With the exit code of storage, unless there was an error before; `/dev/full` is one."""
    file = tmp_path / "aipstream.toml"
    file.write_text('[log]\nurl = "sqlite:////x"\n[blobs]\nurl = "file:///x"\n')
    command = [sys.executable, "-m", "daemon.cli", "--config", str(file), *words]
    for unbuffered in ("", "1"):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                command,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            )
        assert done.returncode == code, done
        assert done.stderr.splitlines()[0] == f"aipstream: {told}"
        assert len(done.stderr.splitlines()) == 2, done
