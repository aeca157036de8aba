"""A source that is edited while notes are taken of how it stood, and a target that is brought to any of those moments.

Invariant: a note is a snapshot of the source's own database that stays open, and links to its files; what is compared
with it is read by `tests.comparator`. Nothing of it comes from the log.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple, Self

import psycopg2

from daemon.capture_loop import capture_current
from daemon.config import load
from daemon.sample.edits import Editor, NothingToEdit
from daemon.scratch import Cluster
from events.event import Event, Position
from events.log.opening import open_log
from tests.chaos.wreck import Begun, Wreck
from tests.comparator import End, compared
from tests.daemon.cli.place import Templates


class Moment(NamedTuple):
    """The source as it was at a position of the log."""

    position: Position
    end: End
    files: Path


class Chronicle(Wreck):
    """`with Chronicle(...) as story: story.edit_by([...]); then = story.note()`."""

    def __init__(self, cluster: Cluster, begun: Begun, small: Templates, folder: Path, mode: str, seed: int) -> None:
        super().__init__(cluster, begun.templates, folder, mode)
        self.empty = small.target
        self.take_over(begun)
        self._open = ExitStack()
        self._editing = self._open.enter_context(closing(psycopg2.connect(self.source)))
        self._editor = Editor(self._editing, self.source_store, seed)
        self._notes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self.close()
        shutil.rmtree(self.folder)

    def edit_by(self, kinds: list[str]) -> list[str]:
        """Make those kinds of edits, as far as the repository has something for them; what was done."""
        told = []
        for kind in kinds:
            with suppress(NothingToEdit):
                told.append(self._editor.do(kind))
        return told

    def capture(self) -> Position:
        """Everything into the log; where that ends."""
        capture_current(load(self.path))
        return self.end()

    def end(self) -> Position:
        with closing(open_log(self.log_url)) as log:
            return log.end()

    def events(self, after: Position, until: Position) -> list[Event]:
        with closing(open_log(self.log_url)) as log:
            return [entry.event for entry in log.read(after, until=until)]

    def note(self) -> Moment:
        """How the source stands now; all of it is captured first."""
        at = self.capture()
        self._notes += 1
        files = self.folder / f"files_{self._notes}"
        shutil.copytree(self.source_store, files, copy_function=os.link)
        end = End(self.source, drafts=False)
        self._open.callback(end.close)
        return Moment(at, end, files)

    def another_target(self) -> None:
        """From now on the target is a freshly installed repository into which nothing was replayed."""
        self.cluster.drop(f"t_{self.name}")
        self.target = self.cluster.create(f"t_{self.name}", self.empty)
        shutil.rmtree(self.target_store)
        self.target_store.mkdir()

    def unlike(self, moment: Moment) -> list[str]:
        """How the target differs from that moment."""
        with closing(End(self.target, drafts=False)) as target:
            return compared(moment.end, target, moment.files, self.target_store)
