"""Tells the index by the target's own command line: `[dspace]/bin/dspace index-discovery`.

Invariant: a call counts as told only if DSpace says so in every way it has. Where Solr goes away during a run, most
ways of indexing catch the exception, write it to `[dspace]/log/dspace-cli.log`, and the command ends with status 0: so
what that log has got during the call is read as well.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from daemon.index.port import Call, Stopped
from daemon.redaction import hide
from events.errors import IndexFailed, Interrupted

SCRIPT: Final = "index-discovery"
TICK: Final = 0.1
GRACE: Final = 10.0
"""Seconds that a command has to end by itself when it is told to."""
LOOK_SECONDS: Final = 120.0
TAIL: Final = 64 * 1024
LINES: Final = 3

_EXCEPTION: Final = re.compile(r"^(?:Exception in thread|Caused by:|[\w.$]+(?:Exception|Error)(?::|$))", re.MULTILINE)
_LOGGED: Final = re.compile(r"^.*? ERROR .*\borg\.dspace\.discovery\..*$", re.MULTILINE)
_HINT: Final = (
    "`{command} index-discovery` by hand shows the same; is Solr running, and is `solr.server` right? What is due "
    "stays due."
)


class CommandIndexer:
    """`daemon.index.port.Indexer` over a command. `words` is the command line up to the name of the script."""

    start = 200
    """A JVM with all of DSpace takes some ten seconds to start, in which it would index some hundreds of items."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)

    def tell(self, call: Call, stopped: Stopped) -> None:
        """See the port."""
        journal = _Journal(self.words[0])
        said = self._run([SCRIPT, *call.arguments], call.limit_seconds, stopped)
        if found := _EXCEPTION.search(said):
            raise self._failed(call.text, "said", said[found.start() :])
        if logged := journal.errors():
            raise self._failed(call.text, f"ended well, but {journal.path} says", logged)

    def look(self) -> str:
        """See the port: runs `index-discovery -h`, which starts DSpace and changes nothing."""
        found = shutil.which(self.words[0])
        if found is None:
            raise IndexFailed(
                f"[target] dspace: {self.words[0]} is not there or may not be run",
                "Set [target] dspace to the target's [dspace]/bin/dspace on this machine, as an account that may run "
                'it; where DSpace is on another machine: [index] mode = "rest".',
            )
        self._run([SCRIPT, "-h"], LOOK_SECONDS, lambda: False)
        return f"{found} knows {SCRIPT}"

    def close(self) -> None:
        """Nothing is kept between two calls."""

    def _run(self, arguments: Sequence[str], limit: float, stopped: Stopped) -> str:
        """What the command printed. Raises IndexFailed if it ended badly or took longer than that, Interrupted."""
        what = " ".join(arguments)
        with tempfile.TemporaryFile() as printed:
            try:
                running = subprocess.Popen(  # noqa: S603 - the command that the administrator configured
                    [*self.words, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # bin/dspace is a script: java has to end with it
                )
            except OSError as error:
                raise IndexFailed(f"[target] dspace: {self.words[0]}: {error.strerror or error}") from error
            began = time.monotonic()
            try:
                while running.poll() is None:
                    if stopped():
                        raise Interrupted(f"stopped during {what}; what it should have told stays due")
                    if time.monotonic() - began > limit:
                        raise self._failed(what, f"was ended: it had not come to its end after {limit:,.0f} s", "")
                    with suppress(subprocess.TimeoutExpired):
                        running.wait(TICK)
            finally:
                _end(running)
            said = _tail(printed)
        if running.returncode:
            raise self._failed(what, f"ended with status {running.returncode}", said)
        return said

    def _failed(self, what: str, how: str, said: str) -> IndexFailed:
        lines = [
            line.strip() for line in said.splitlines() if line.strip() and not line.startswith(("\t", "The script"))
        ]
        told = " | ".join(_reason(lines))
        return IndexFailed(
            hide(f"[index] {what} {how}{': ' if told else ''}{told}"), _HINT.format(command=self.words[0])
        )


class _Journal:
    """What DSpace's command line adds to its own log from now on. Where there is none, nothing can be said."""

    def __init__(self, command: str) -> None:
        self.path = Path(shutil.which(command) or command).resolve().parent.parent / "log" / "dspace-cli.log"
        self._begin = self._size()

    def errors(self) -> str:
        """The lines of level ERROR that the index wrote since then."""
        size = self._size()
        begin = self._begin if size >= self._begin else 0  # a new day, a new file
        try:
            with self.path.open("rb") as log:
                log.seek(max(begin, size - TAIL))
                return "\n".join(_LOGGED.findall(log.read(TAIL).decode("utf-8", "replace")))
        except OSError:
            return ""

    def _size(self) -> int:
        with suppress(OSError):
            return self.path.stat().st_size
        return 0


def _reason(lines: list[str]) -> list[str]:
    """The lines that tell most: those of exceptions, else the last ones."""
    named = [line for line in lines if _EXCEPTION.match(line) or " ERROR " in line]
    return [line[:300] for line in (named[:LINES] if named else lines[-LINES:])]


def _tail(printed: IO[bytes]) -> str:
    size = printed.seek(0, os.SEEK_END)
    printed.seek(max(0, size - TAIL))
    return printed.read().decode("utf-8", "replace")


def _end(running: subprocess.Popen[bytes]) -> None:
    """End the command and all that it started, if it still runs."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if running.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(running.pid, number)
        with suppress(subprocess.TimeoutExpired):
            running.wait(GRACE)
