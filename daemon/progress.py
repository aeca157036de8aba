"""How far a long piece of work has come: a bar on a terminal, elsewhere one line every few seconds.

Invariant: all of it goes to stderr, and nothing is shown of work that ends within two seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

QUIET: Final = 2.0
"""Seconds before anything is shown."""
EVERY: Final = 5.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """`with Progress("replaying", "events", total=n) as progress: progress.to(done)`. `total` None: not known.

    `line` takes what is printed where there is no terminal; the default prints to stderr.
    """

    def __init__(
        self, what: str, unit: str, total: int | None = None, *, line: Callable[[str], None] | None = None
    ) -> None:
        self.what, self.unit, self.total = what, unit, total
        self.done = self._first = self._said = 0
        self.note = ""
        self._line = line or (lambda text: print(text, file=sys.stderr, flush=True))
        self._terminal = line is None and sys.stderr.isatty()
        self._began = self._shown = self._since = -1.0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None and self._said and self._said != self.done:
            self._line(self.text())

    def to(self, done: int, total: int | None = None, note: str = "") -> None:
        """So many are done, of so many; `note` says at what. The first call starts the clock; where less is done than
        before, another part of the work has begun, and with it the clock of the rate.
        """
        now = time.monotonic()
        if self._began < 0:
            self._began, self._shown = now, now + QUIET - EVERY
        if self._since < 0 or done < self.done:
            self._since, self._first = now, done
        self.done, self.note = done, note
        self.total = self.total if total is None else total
        if self._terminal and now - self._began >= QUIET:
            self._draw()
        elif not self._terminal and now - self._shown >= EVERY:
            self._shown, self._said = now, done
            self._line(self.text())

    def text(self) -> str:
        """One line: what, how many, how fast, how long still."""
        seconds = max(time.monotonic() - self._since, 1e-3)
        rate = (self.done - self._first) / seconds
        of = f" of {self.total:,}" if self.total else ""
        left = ""
        if self.total and rate > 0 and self.done < self.total:
            left = f", {(self.total - self.done) / rate:,.0f} s left"
        note = f" ({self.note})" if self.note else ""
        return f"{self.what}: {self.done:,}{of}{f' {self.unit}' if self.unit else ''}, {rate:,.0f}/s{left}{note}"

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        if self._bar is None:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(self.unit),
                TextColumn("{task.fields[speed]}/s"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=self.total, note="", speed="0")
        speed = f"{(self.done - self._first) / max(time.monotonic() - self._since, 1e-3):,.0f}"
        self._bar.update(self._task, completed=self.done, total=self.total, note=self.note, speed=speed)
