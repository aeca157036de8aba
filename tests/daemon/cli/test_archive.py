"""`aipstream export --ocfl`: what the command says, and what it refuses. No database is needed for it."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.cli.archive import SENSELESS
from daemon.cli.main import outcome
from tests.daemon.cli.place import Done
from tests.daemon.export.composed import uuid_of
from tests.daemon.export.ocfl.living import Living, valid
from tests.daemon.export.ocfl.test_killed import CONFIG


class Desk:
    """`desk("--dry-run")` runs `export --ocfl` on a small repository."""

    def __init__(self, folder: Path) -> None:
        self.living = Living(folder)
        self.living.community(2)
        self.living.collection(3, 2)
        self.living.item(9, 3, files={"ORIGINAL": {"paper.pdf": b"a paper"}})
        self.root = self.living.root
        self.config = folder / "aipstream.toml"
        self.config.write_text(CONFIG.format(folder=folder))

    def __call__(self, *words: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = outcome(["--config", str(self.config), "export", "--ocfl", str(self.root), *words])
        return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A log with four objects."""
    made = Desk(tmp_path)
    yield made
    made.living.close()


def test_it_says_what_it_wrote(desk: Desk) -> None:
    """For people, and as JSON with stable keys."""
    done = desk()
    assert done.code == 0
    assert f"4 versions of 4 objects written into {desk.root}" in done.out
    assert valid(desk.root) == 4
    again = desk("--json").json
    assert (again["versions"], again["dry_run"], again["position"]) == (0, False, 4)
    desk.living.retitled(uuid_of(9), "News")
    told = desk("--json").json
    assert told["kinds"] == {"item": {"objects": 1, "versions": 1, "contents": 2, "bytes": told["bytes"]}}
    assert set(told) == {
        "dry_run", "position", "folder", "objects", "versions", "contents", "bytes", "kinds", "unchanged",
        "passed_over", "thinned", "noted", "refused",
    }  # fmt: skip


def test_a_dry_run_makes_nothing(desk: Desk) -> None:
    """And says what would be written."""
    done = desk("--dry-run")
    assert "4 versions of 4 objects would be written" in done.out
    assert not desk.root.exists()


def test_a_missing_content_is_exit_code_3_and_the_rest_is_there(desk: Desk) -> None:
    """Unless it may be left out."""
    desk.living.item(10, 3, files={"ORIGINAL": {"gone.pdf": b"gone"}}, captured=False)
    done = desk()
    assert done.code == 3
    assert "refused: item 1/10: the content of 'gone.pdf'" in done.out
    assert "--unauthorized skip" in done.err
    assert valid(desk.root) == 4
    assert desk("--unauthorized", "skip").code == 0
    assert valid(desk.root) == 5


def test_at_takes_what_the_other_verbs_take(desk: Desk) -> None:
    """A time, an LSN or a position; and the objects can be chosen."""
    assert desk("--at", "2026-03-01T00:00:02", "--json").json["objects"] == 2
    assert desk("--at", "0/3", "--json").json["objects"] == 1
    assert desk("1/9", "--json").json["kinds"]["item"]["objects"] == 1
    assert desk("1/99").code == 2


@pytest.mark.parametrize("words", [
    ("--into", "x"), ("--manifest-only",), ("--ui-url", "https://x"), ("--filter-bundles", "TEXT"),
    ("--include-bundles", "TEXT"), ("--withdrawn",), ("--unmarked",), ("--no-extension",), ("--release", "8"),
    ("--strict",), ("--unauthorized", "zero"),
], ids=lambda words: words[0])  # fmt: skip
def test_options_of_packages_that_make_no_sense_are_refused(desk: Desk, words: tuple[str, ...]) -> None:
    """By name and with the reason, before anything is made."""
    done = desk(*words)
    assert done.code == 2
    assert f"{words[0]}{' zero' if words[-1] == 'zero' else ''} does not go with --ocfl" in done.err
    assert not desk.root.exists()
    assert len(SENSELESS) == 10


def test_digest_is_for_archives(desk: Desk) -> None:
    """It would have no effect on packages, and an archive keeps the one that it was begun with."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert outcome(["--config", str(desk.config), "export", "--into", "x", "--digest", "sha256"]) == 2
    assert "--digest is for --ocfl" in err.getvalue()
    assert desk("--digest", "sha256").code == 0
    assert desk().code == 0
    assert desk("--digest", "sha512").code == 2
    assert valid(desk.root, warnings=("W004",)) == 4


def test_an_archive_keeps_to_its_log_and_its_passwords(desk: Desk, tmp_path: Path) -> None:
    """Another log's events cannot be its versions; what is in it is not written again with hashes."""
    assert desk().code == 0
    done = desk("--passwords")
    assert done.code == 2
    assert "was begun without --passwords" in done.err
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other")
    other.root = desk.root
    done = other()
    assert done.code == 2
    assert "is written from the log" in done.err
    other.living.close()


def test_two_exports_into_one_archive_do_not_meet(desk: Desk) -> None:
    """The second is refused with exit code 8 while the first holds the archive."""
    from daemon.hold import hold
    from events.ocfl.root import LOCK

    assert desk().code == 0
    with hold(desk.root / LOCK):
        assert desk().code == 8
        assert json.loads(desk("--dry-run", "--json").out)["versions"] == 0
