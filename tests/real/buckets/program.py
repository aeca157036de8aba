"""The server of a test, as a program on a free port of the loopback: started, waited for, killed, started again.

Invariant: `start` returns when it answers, on the port that it had before; nothing runs after `stop`, `kill` or the
end of its `with`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

from daemon.scratch import free_port
from tests.daemon.cli.place import PATIENCE


class Server(Protocol):
    """What the tests of every lane ask of theirs. `scheme` is that of its URLs; `no_such` is how we say that one of
    its buckets is not there.
    """

    scheme: str
    no_such: str
    port: int

    @property
    def url(self) -> str:
        """Its address."""

    def found_at(self, url: str) -> dict[str, str]:
        """The variable that names the server, for another address of it."""

    def start(self) -> Self:
        """Start it and wait until it answers."""

    def kill(self) -> None:
        """End it as hard as it may be ended without losing what it has acknowledged."""


class Program(ABC):
    """One such program. `folder` holds what it keeps, and its log."""

    name: ClassVar[str]
    killed_by: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What is run."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does."""

    @property
    def own_environment(self) -> dict[str, str]:
        """Variables that the program itself is given."""
        return {}

    def start(self) -> Self:
        """Start it and wait until it answers."""
        assert self._process is None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.own_environment},
            )
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"{self.name} did not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)
        return self

    def revive(self) -> None:
        """Start it if it does not run."""
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self.start()

    def kill(self) -> None:
        """End it as hard as it may be ended without losing what it has acknowledged."""
        self._end(self.killed_by)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(by)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
