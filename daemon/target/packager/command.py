"""The target's own command line `dspace`: one command at a time, each a process group of its own.

Invariants:

* Whoever ends us (an exception, a time-out) ends the command with all of its processes; whoever kills us outright
  leaves it a descriptor of our lock, so that no second replayer starts while it runs.
* Its output goes to a file without a name, of which only the ends are read: it may print as much as it likes.
* Nothing secret is handed to it: it gets our environment without the variables that configure aipstream.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from daemon.redaction import hide
from events.errors import AipstreamError, PackagerFailed, TargetUnreachable

PATIENCE: Final = 900.0
"""Seconds that any command gets; what loads packages gets more with their number and size."""

HEAD: Final = 64 * 1024
TAIL: Final = 1024 * 1024
"""Bytes of the output that are looked at: its beginning and its end."""

_UNREACHABLE: Final = re.compile(
    r"Failure during kernel init|Connection(?: to \S+)? refused|ConnectException|UnknownHostException|"
    r"SocketTimeoutException|terminating connection|the database system is|Cannot create PoolableConnectionFactory|"
    r"Cannot get a connection|remaining connection slots|FATAL: |JDBCConnectionException|"
    r"This connection has been closed|An I/O error occurred while sending to the backend"
)
_FULL: Final = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system")
_THROWN: Final = re.compile(
    r"^(?:Exception in thread \"[^\"]*\" |Caused by: |Exception: )?((?:[\w$]+\.)+[\w$]*(?:Exception|Error)\b.*)$",
    re.MULTILINE,
)
_ERROR: Final = re.compile(r"^.*\b(?:Error|ERROR|cannot|Invalid|not found)\b.*$", re.MULTILINE)


class Said(NamedTuple):
    """How a command ended (`hung`: it had to be ended) and what it printed, without its middle if that was long."""

    status: int
    text: str
    hung: bool = False

    @property
    def thrown(self) -> bool:
        """Whether it tells of an exception."""
        return _THROWN.search(self.text) is not None

    def reason(self) -> str:
        """Why it failed, in one line: the exception that it ends with, and the one that was its cause."""
        if self.hung:
            return "it did not come to an end and was stopped"
        found = [line.strip() for line in _THROWN.findall(self.text)] or [
            line.strip() for line in _ERROR.findall(self.text)
        ]
        if not found:
            lines = self.text.strip().splitlines()
            return hide(lines[-1].strip()[:600] if lines else f"it ended with status {self.status} and said nothing")
        causes = [line for line in re.findall(r"^Caused by: (.*)$", self.text, re.MULTILINE) if line.strip()]
        told = dict.fromkeys([found[0], *causes[-1:]])
        return hide(": ".join(_short(line) for line in told)[:1200])


def _short(line: str) -> str:
    """An exception without the packages of its class."""
    name, separator, message = line.partition(":")
    return f"{name.rpartition('.')[2]}{separator}{message}".strip()


class CommandLine:
    """`dspace` of the target; `words` are the command, `lock` a descriptor that every command is handed."""

    def __init__(self, words: Sequence[str], scratch: Path, lock: int | None = None) -> None:
        self.words = tuple(words)
        self.scratch = scratch
        self.lock = lock
        self.patience = PATIENCE

    def __call__(self, *arguments: object, stdin: str = "", more: float = 0.0) -> Said:
        """Run one command; `more` are seconds beyond `patience`. Raises PackagerFailed if it cannot be started."""
        command = [*self.words, *(str(word) for word in arguments)]
        with tempfile.TemporaryFile(dir=self.scratch) as output, tempfile.TemporaryFile(dir=self.scratch) as given:
            given.write(stdin.encode())
            given.seek(0)
            try:
                process = subprocess.Popen(  # noqa: S603 - the command that the configuration names
                    command,
                    stdin=given,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=() if self.lock is None else (self.lock,),
                    env=_environment(),
                )
            except OSError as error:
                raise PackagerFailed(
                    f"[target] dspace: {self.words[0]} cannot be run: {error.strerror or error}",
                    "Write the path of the target's [dspace]/bin/dspace, which this account may run.",
                ) from error
            hung = False
            try:
                status = process.wait(self.patience + more)
            except subprocess.TimeoutExpired:
                hung, status = True, -signal.SIGKILL
            finally:
                _end(process)
            return Said(status, _ends(output), hung)

    def need(self, *arguments: object, stdin: str = "") -> str:
        """The same, and it has to end well. Raises PackagerFailed, TargetUnreachable, StorageUnusable."""
        said = self(*arguments, stdin=stdin)
        if said.status or said.hung:
            raise failure(said, " ".join(str(word) for word in arguments[:2]))
        return said.text


def failure(said: Said, what: str) -> AipstreamError:
    """The error of a command that failed for a reason that lies in no package."""
    message = f"[target] dspace {what}: {said.reason()}"
    if _FULL.search(said.text):
        return TargetUnreachable(message, "Free space for the target's assetstore and temporary files, or its quota.")
    if _UNREACHABLE.search(said.text):
        return TargetUnreachable(message, "Its database does not answer: check that it runs. Then start again.")
    return PackagerFailed(message, "The message is DSpace's own; its log has more. After the repair, start again.")


def of_all(said: Said) -> bool:
    """Whether it failed for a reason that every other package would meet too."""
    return bool(_FULL.search(said.text) or _UNREACHABLE.search(said.text))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AIPSTREAM_")}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command's whole group, if anything of it is left, and take its status."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ends(output: BinaryIO) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(0)
    if size <= HEAD + TAIL:
        return output.read().decode(errors="replace")
    head = output.read(HEAD)
    output.seek(-TAIL, os.SEEK_END)
    return head.decode(errors="replace") + "\n[...]\n" + output.read().decode(errors="replace")
