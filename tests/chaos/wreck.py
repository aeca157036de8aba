"""A place where things go wrong: what is done to it, and what has to hold afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from daemon.dspace.connect import connect
from daemon.scratch import Cluster
from daemon.source import publication, slot
from daemon.source.identity import accept, observed
from daemon.source.state import State
from events.log import Entry
from events.log.opening import open_log
from tests.daemon.cli.place import Done, Place, Templates

AIPSTREAM = Path(sys.executable).with_name("aipstream")


class Begun(NamedTuple):
    """A place that was replicated once: its databases and assetstore, and the folder with log, blobs and state."""

    templates: Templates
    folder: Path


def begin(cluster: Cluster, small: Templates, folder: Path) -> Begun:
    """Everything of those repositories replicated once: what most tests begin with is copied from it, not made anew."""
    wreck = Wreck(cluster, small, folder)
    wreck.good("init")
    wreck.good("run", "--until-current")
    return Begun(Templates(f"s_{wreck.name}", f"t_{wreck.name}", wreck.source_store), wreck.folder)


class Wreck(Place):
    """`Place` with the command as it is installed, and with the judgement of what an accident may leave behind."""

    def take_over(self, begun: Begun) -> None:
        """Go on from copies of another place's log, blobs and state, whose databases these are copies of."""
        for name in ("log.sqlite", "log.sqlite.state"):
            shutil.copy(begun.folder / name, self.folder / name)
        shutil.copytree(begun.folder / "blobs", self.folder / "blobs", copy_function=os.link)
        store = begun.folder / "target"
        if self.sql(self.target, "SELECT to_regclass('aipstream.cursor') IS NOT NULL") == [(True,)]:
            shutil.copytree(store, self.target_store, dirs_exist_ok=True)
        with closing(State(f"{self.log_url}.state")) as state, closing(connect(self.source, "source")) as source:
            found = observed(source)
            accept(state, found, found.site)
        if self.mode == "wal":
            name = f"slot_{self.name}"
            publication.prepare(self.source, name)
            with slot.create(self.source, name):
                pass

    def command(self, *arguments: str, **environment: str) -> Done:
        """Run the command to its end in a process of its own; a negative code is that of a signal."""
        done = subprocess.run(
            [AIPSTREAM, "--config", str(self.path), *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def fine(self, *arguments: str, **environment: str) -> Done:
        """The same, and it must end with 0."""
        done = self.command(*arguments, **environment)
        assert done.code == 0, done
        return done

    @property
    def log_url(self) -> str:
        return f"sqlite:///{self.folder}/log.sqlite"

    def entries(self) -> list[Entry]:
        """The whole log; a gap or damage raises."""
        with closing(open_log(self.log_url)) as log:
            found = list(log.read(0))
            assert [entry.position for entry in found] == list(range(1, log.end() + 1))
        return found

    def parked(self) -> list[dict[str, Any]]:
        """What `aipstream park list` tells, on both sides."""
        found: list[dict[str, Any]] = self.good("park", "list", "--json").json["parked"]
        return found

    def assert_equal(self) -> None:
        """Both ends are the same by an independent judge and by `verify`, and nothing is parked or waits."""
        assert self.differences() == []
        verified = self.good("verify", "--json").json
        assert verified["equal"], verified
        assert verified["compared"]["item"] > 0
        assert self.parked() == []
        assert self.sql(self.target, "SELECT uuid FROM aipstream.waiting") == []

    def assert_nothing_doubled(self) -> None:
        """The log has no gap, and no event says of an object what the one before had said of it."""
        last: dict[str, tuple[str, str]] = {}
        for entry in self.entries():
            said = (entry.event.type.value, entry.event.digest)
            assert last.get(entry.event.uuid) != said, f"position {entry.position} repeats what is known"
            last[entry.event.uuid] = said

    def assert_converged(self) -> None:
        """All of that, and no file lies about that is not in its place."""
        self.assert_equal()
        self.assert_nothing_doubled()
        assert self.half_written() == []

    def half_written(self) -> list[Path]:
        """Files in the target's assetstore that no DSpace would ever look for."""
        return [path for path in self.target_store.rglob("*") if path.is_file() and not path.name.isdigit()]
