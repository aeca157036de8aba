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


@pytest.mark.parametrize("words", [("why", "a\udcff"), ("keep", "a\udcff"), ("park", "retry", "a\udcff")])
def test_a_word_that_is_no_text_is_named(place: Place, words: tuple[str, ...]) -> None:
    """A shell hands on any bytes. It is a mistake of whoever wrote them, and nothing unexpected."""
    done = place(*words)
    assert done.code == 2, done
    assert "unexpected" not in done.err
    assert "udcff" in done.err
