"""A log replayed over a traditional backup: a dump and a copy of files, each of a moment that nobody noted down."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path

import psycopg2
import pytest

from daemon.cli.main import outcome
from daemon.scratch import Cluster, postgres_programs
from tests.comparator import differences
from tests.daemon.pair import Pair


def dumped(pair: Pair, file: Path) -> None:
    words = [str(postgres_programs() / "pg_dump"), "--no-owner", "-Fc", "-f", str(file), pair.source_dsn]
    subprocess.run(words, check=True)


def restored(cluster: Cluster, file: Path, name: str) -> str:
    dsn = cluster.create(name)
    subprocess.run([str(postgres_programs() / "pg_restore"), "--no-owner", "-d", dsn, str(file)], check=True)
    return dsn


def configured(pair: Pair, dsn: str, store: Path, folder: Path) -> str:
    path = folder / "aipstream.toml"
    path.write_text(
        f'[log]\nurl = "sqlite:///{pair.folder}/log.sqlite"\n[blobs]\nurl = "file://{pair.folder}/blobs"\n'
        f'[target]\ndsn = "{dsn}"\nassetstore = "{store}"\n'
    )
    return str(path)


def files_of(store: Path) -> list[Path]:
    return sorted(path for path in store.rglob("*") if path.is_file() and ".aipstream" not in path.parts)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["poll", "wal"])
def test_a_backup_taken_while_edits_go_on_ends_equal(
    cluster: Cluster, tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The dump is taken in the middle of a running stream of edits, the files are copied later and some are lost; what
    the log knows brings both to the source as it is in the end, and says where the backup stood."""
    pair = Pair(cluster, tmp_path, "9", items=20, mode=mode, seed=7)
    try:
        pair.bootstrap()
        dump = threading.Thread(target=dumped, args=(pair, tmp_path / "dump"))
        for number in range(24):
            pair.editor.step()
            if number % 3 == 0:
                pair.capture()
            if number == 8:
                dump.start()
        dump.join()
        pair.capture()
        store = tmp_path / "restored"
        shutil.copytree(pair.source_store, store)
        gone = files_of(store)[::3]
        for path in gone:
            path.unlink()
        orphan = store / "12" / "34" / "56" / "123456000000000000000000000000000000007"
        orphan.parent.mkdir(parents=True)
        orphan.write_bytes(b"nobody's")
        dsn = restored(cluster, tmp_path / "dump", f"backup_{mode}_{tmp_path.name[-6:]}")
        config = configured(pair, dsn, store, tmp_path)

        assert outcome(["--config", config, "replay", "--over-backup", "--dry-run", "--json"]) == 0
        planned = json.loads(capsys.readouterr().out)
        assert planned["files"]["missing"] > 0
        assert outcome(["--config", config, "replay", "--over-backup", "--json"]) == 0
        done = json.loads(capsys.readouterr().out)
        assert done["counts"] == planned["counts"]
        assert 0 < done["backup"]["position"] < pair.log.end()
        assert done["position"] == pair.log.end()
        assert orphan.name in done["files"]["orphans"]
        assert done["files"]["lost"] == []
        assert differences(pair.source_dsn, dsn, source_assetstore=pair.source_store, target_assetstore=store) == []
        assert outcome(["--config", config, "replay", "--over-backup", "--json"]) == 0
        again = json.loads(capsys.readouterr().out)
        assert (again["counts"], again["files"]["missing"]) == ({}, 0)
        assert again["backup"]["by"] == "the books of the replica"
    finally:
        pair.close()


@pytest.mark.timeout(300)
def test_a_backup_is_brought_to_an_earlier_moment_than_now(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--until`: the state just before something went wrong."""
    pair = Pair(cluster, tmp_path, "8", items=15, seed=8)
    try:
        pair.capture()
        dumped(pair, tmp_path / "dump")
        store = tmp_path / "restored"
        shutil.copytree(pair.source_store, store)
        for _ in range(10):
            pair.editor.step()
        pair.capture()
        wanted = pair.log.end()
        dumped(pair, tmp_path / "then")
        then = restored(cluster, tmp_path / "then", f"then_{tmp_path.name[-6:]}")
        shutil.copytree(pair.source_store, tmp_path / "then_files")
        for _ in range(10):
            pair.editor.step()
        pair.capture()
        dsn = restored(cluster, tmp_path / "dump", f"until_{tmp_path.name[-6:]}")
        config = configured(pair, dsn, store, tmp_path)
        assert outcome(["--config", config, "replay", "--over-backup", "--until", str(wanted)]) == 0
        capsys.readouterr()
        assert differences(then, dsn, source_assetstore=tmp_path / "then_files", target_assetstore=store) == []
        with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT position FROM aipstream.cursor")
            assert cursor.fetchall() == [(wanted,)]
        connection.close()
    finally:
        pair.close()
