"""Every verb explains itself, quickly, and every option says what it does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from daemon.cli.main import aipstream, outcome

HEAVY = {"psycopg2", "sqlalchemy", "lxml", "rich", "structlog", "apscheduler", "msgspec", "zstandard"}
"""What `--help` does without: importing it takes longer than everything else."""


def verbs(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*above, name), command
        if isinstance(command, click.Group):
            yield from verbs(command, (*above, name))


ALL = dict(verbs(aipstream))
READING = {"check", "verify", "status", "log", "why", "diff", "losses", "park", "park list", "park show", "slot show",
           "config show", "config check", "config example"}
WRITING = {"init", "snapshot", "replay", "sequences", "index", "park retry", "park discard", "slot drop", "export",
           "import", "restore", "undo", "prune", "keep", "log repair", "copy", "blobs keygen"}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_verb_has_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence about itself, and one about each option."""
    command = ALL[path]
    assert outcome([*path, "--help"]) == 0
    assert "Usage: aipstream" in capsys.readouterr().out
    assert command.help
    assert command.help.strip().splitlines()[0].endswith((".", ",", "the"))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def options(path: str) -> set[str]:
    return {name for parameter in ALL[tuple(path.split())].params for name in parameter.opts}


@pytest.mark.parametrize("path", sorted(READING | WRITING | {"run", "demo"}))
def test_a_verb_that_tells_something_has_json(path: str) -> None:
    """For programs that read it."""
    assert "--json" in options(path)


@pytest.mark.parametrize("path", sorted(WRITING))
def test_a_verb_that_writes_has_a_dry_run(path: str) -> None:
    """For people who want to know before."""
    assert "--dry-run" in options(path)


def test_every_verb_reads_or_writes() -> None:
    """A new verb must be put into one of the lists above."""
    groups = {" ".join(path) for path, command in ALL.items() if isinstance(command, click.Group)}
    assert {" ".join(path) for path in ALL} - groups == (READING | WRITING | {"run", "demo"}) - {"park", "log"}


def test_help_imports_nothing_heavy() -> None:
    """Help has to be there at once."""
    program = (
        "import json, sys\nfrom daemon.cli.main import outcome\noutcome(['--help'])\noutcome(['run', '--help'])\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert not HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["nothing"], ["run", "--nothing"], ["log", "--limit", "x"]])
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With a word on where to read more."""
    assert outcome(arguments) == 2
    assert "--help" in capsys.readouterr().err
