"""The verbs of the command line on a target behind its packager, whose database nobody may touch."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from daemon.cli.main import outcome
from tests.daemon.target.packager.stage import Stage, collection, community, handle, item
from tests.daemon.target.packager.test_failures import configured


def verb(stage: Stage, *words: str) -> tuple[int, str]:
    """The exit code, and everything that was printed."""
    stage.target.close()
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = outcome(["--config", str(configured(stage)), *words])
    out.flush()
    return code, out.buffer.getvalue().decode()  # type: ignore[attr-defined]


def test_init_makes_the_books(stage: Stage) -> None:
    """Twice is as once, and a dry run makes nothing."""
    assert "would be made" in verb(stage, "init", "--dry-run")[1]
    assert not stage.work.exists()
    assert f"work folder {stage.work}: made" in verb(stage, "init")[1]
    assert f"work folder {stage.work}: was there" in verb(stage, "init")[1]


def test_check_names_what_is_missing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, the account and the folder, each with what mends it."""
    verb(stage, "init")
    code, said = verb(stage, "check")
    assert code == 0, said
    assert "account admin@example.org is there" in said
    stage.tell("mode", "stranger")
    code, said = verb(stage, "check")
    assert code == 2
    assert "account admin@example.org is not there" in said
    assert "create-administrator" in said
    stage.tell("mode", "down")
    code, said = verb(stage, "check")
    assert code == 2
    assert "Failure during kernel init" in said
    monkeypatch.setenv("AIPSTREAM_TARGET_DSPACE", "/nowhere/bin/dspace")
    code, said = verb(stage, "check")
    assert code == 2
    assert "/nowhere/bin/dspace cannot be run" in said


def test_replay_and_status_and_park_work_as_with_any_driver(stage: Stage) -> None:
    """Exit code 3 for what is parked; `park retry` brings it."""
    stage.put(community(), collection(), item(10), item(11))
    stage.tell("bad", handle(11))
    code, said = verb(stage, "replay", "--dry-run")
    assert code == 0, said
    assert not stage.said("calls")
    code, said = verb(stage, "replay")
    assert code == 3, said
    told = json.loads(verb(stage, "status", "--json")[1])["replay"]
    assert (told["driver"], told["position"], told["parked"]) == ("packager", 4, 1)
    assert "is foreign" in verb(stage, "park")[1]
    stage.tell("bad")
    assert verb(stage, "park", "retry", "--all")[0] == 0
    assert stage.loaded[-1] == handle(11)
    assert verb(stage, "replay", "--again", handle(10))[0] == 0
    assert stage.loaded[-1] == handle(10)


def test_sequences_are_moved_by_the_stock_command(stage: Stage) -> None:
    """Once after something was loaded."""
    stage.put(community())
    assert verb(stage, "replay")[0] == 0
    assert stage.said("calls").count("database update-sequences") == 1
    assert "would be run" in verb(stage, "sequences", "--dry-run")[1]
    assert verb(stage, "sequences")[0] == 0


def test_what_needs_the_database_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`verify` without a dsn, and drift, which only the native driver sees."""
    monkeypatch.setenv("AIPSTREAM_SOURCE_DSN", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("AIPSTREAM_SOURCE_ASSETSTORE", str(stage.folder))
    code, said = verb(stage, "verify")
    assert code == 2
    assert "verify reads the target's database, and [target] has no dsn" in said
    assert "aipstream losses" in said
    code, said = verb(stage, "replay", "--on-drift", "park")
    assert code == 2
    assert "does not see what was edited" in said
    monkeypatch.setenv("AIPSTREAM_TARGET_ON_DRIFT", "skip")
    code, said = verb(stage, "replay")
    assert code == 2
    assert "[target] on_drift = 'skip'" in said
