"""The index told through `[dspace]/bin/dspace index-discovery`: what counts as told, and what does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from daemon.index.cli import CommandIndexer
from daemon.index.port import Call
from daemon.redaction import conceal
from events.errors import IndexFailed, Interrupted
from tests.daemon.index.launcher import Launcher

ONE = Call(("-i", "5e18ae2b-2c7d-44c5-a79c-1f4a4d9fb1a1"), (), 60.0)

LOGGED = (
    "2026-11-25 02:00:00,123 ERROR unknown unknown org.dspace.discovery.SolrServiceImpl @ "
    "Server refused connection at: http://localhost:8983/solr/search"
)


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path / "dspace")


@pytest.fixture
def indexer(launcher: Launcher) -> CommandIndexer:
    return CommandIndexer([str(launcher.command)])


def never() -> bool:
    return False


@pytest.mark.parametrize("arguments", [ONE.arguments, ("-f",), ("-c",), ("-f", "-t", "Collection"), ()])
def test_a_call_is_one_run_of_the_command(
    indexer: CommandIndexer, launcher: Launcher, arguments: tuple[str, ...]
) -> None:
    """With its arguments and no others."""
    indexer.tell(Call(arguments, (), 60.0), never)
    assert launcher.calls == [" ".join(arguments)]


def test_a_command_line_of_several_words_is_kept(launcher: Launcher) -> None:
    """Such as one that goes through sudo."""
    CommandIndexer(["env", "LANG=C", str(launcher.command)]).tell(ONE, never)
    assert launcher.calls == [" ".join(ONE.arguments)]


def test_a_status_is_a_failure_and_its_reason_is_told(indexer: CommandIndexer, launcher: Launcher) -> None:
    """The line of the exception, not the forty of its trace."""
    launcher.does("""
        echo 'java.lang.IllegalArgumentException: Cannot resolve x to a DSpace object'
        for n in 1 2 3 4 5 6 7 8 9; do printf '\\tat org.dspace.discovery.IndexClient.internalRun\\n'; done
        exit 1""")
    with pytest.raises(IndexFailed, match=r"ended with status 1: .*Cannot resolve x to a DSpace object$"):
        indexer.tell(ONE, never)


def test_an_exception_that_ends_well_is_a_failure(indexer: CommandIndexer, launcher: Launcher) -> None:
    """DSpace's launcher may end with 0 in spite of one."""
    launcher.does("echo 'org.apache.solr.common.SolrException: no such core'")
    with pytest.raises(IndexFailed, match=r"said: org.apache.solr.common.SolrException: no such core"):
        indexer.tell(ONE, never)


def test_what_dspace_only_logs_is_a_failure(indexer: CommandIndexer, launcher: Launcher) -> None:
    """Where Solr does not answer, `-f` and `-c` print that all is well; the log of the command line has the truth."""
    log = launcher.home / "log" / "dspace-cli.log"
    log.write_text(f"{LOGGED} yesterday\n")
    indexer.tell(ONE, never)
    launcher.does(f"echo '{LOGGED}' >> \"$home/log/dspace-cli.log\"")
    with pytest.raises(IndexFailed, match=r"ended well, but .*dspace-cli\.log says: .*Server refused connection"):
        indexer.tell(ONE, never)
    launcher.does("echo '2026-11-25 ERROR u u org.dspace.eperson.Other @ x' >> \"$home/log/dspace-cli.log\"")
    indexer.tell(ONE, never)


def test_a_log_that_begins_anew_at_midnight_is_read_from_its_beginning(
    indexer: CommandIndexer, launcher: Launcher
) -> None:
    """It is shorter than it was."""
    (launcher.home / "log" / "dspace-cli.log").write_text("x" * 10_000)
    launcher.does(f"echo '{LOGGED}' > \"$home/log/dspace-cli.log\"")
    with pytest.raises(IndexFailed, match="Server refused connection"):
        indexer.tell(ONE, never)


def test_a_flood_of_output_is_no_burden(indexer: CommandIndexer, launcher: Launcher) -> None:
    """Only its end is read."""
    launcher.does("head -c 50000000 /dev/zero | tr '\\0' 'x'; echo; echo the end of it; exit 4")
    with pytest.raises(IndexFailed, match=r"status 4.*the end of it") as raised:
        indexer.tell(ONE, never)
    assert len(str(raised.value)) < 2000


def test_no_secret_that_it_prints_is_told(indexer: CommandIndexer, launcher: Launcher) -> None:
    """DSpace prints its settings when a connection fails."""
    conceal("s3cr3t-of-solr")
    launcher.does("echo 'user=x password=hunter2 s3cr3t-of-solr'; exit 1")
    with pytest.raises(IndexFailed) as raised:
        indexer.tell(ONE, never)
    assert "hunter2" not in str(raised.value)
    assert "s3cr3t-of-solr" not in str(raised.value)


def test_a_run_that_hangs_is_ended_with_all_that_it_started(indexer: CommandIndexer, launcher: Launcher) -> None:
    """The script's own child, which a JVM is, as well."""
    launcher.does('sleep 600 & echo $! > "$home/child"; wait')
    with pytest.raises(IndexFailed, match="had not come to its end"):
        indexer.tell(ONE._replace(limit_seconds=0.5), never)
    assert gone(int((launcher.home / "child").read_text()))


def test_a_run_is_ended_when_the_program_is_stopped(indexer: CommandIndexer, launcher: Launcher) -> None:
    """Nobody waits for hours of indexing; it is done again."""
    launcher.does('sleep 600 & echo $! > "$home/child"; wait')
    child = launcher.home / "child"
    with pytest.raises(Interrupted):
        indexer.tell(ONE, lambda: child.exists() and bool(child.read_text().strip()))
    assert gone(int(child.read_text()))


def gone(process: int) -> bool:
    """Whether that process has ended; it may take a moment."""
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With what to set, before a call and in it."""
    indexer = CommandIndexer([str(tmp_path / "nowhere" / "dspace")])
    with pytest.raises(IndexFailed, match="is not there or may not be run") as raised:
        indexer.look()
    assert "[target] dspace" in raised.value.hint
    with pytest.raises(IndexFailed, match="No such file or directory"):
        indexer.tell(ONE, never)


def test_looking_asks_for_help_only(indexer: CommandIndexer, launcher: Launcher) -> None:
    """Which starts DSpace and changes nothing."""
    assert "index-discovery" in indexer.look()
    assert launcher.calls == ["-h"]
    launcher.does("echo 'Configuration not found'; exit 1")
    with pytest.raises(IndexFailed, match="Configuration not found"):
        indexer.look()
