"""What nobody thought of ends with one line, not with a page."""

from __future__ import annotations

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
