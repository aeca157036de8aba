"""Packages into DSpace: many to a JVM, and the one that is refused found by halving.

Invariants:

* A run is one transaction of DSpace: it counts as loaded only if the command ended well and reported every package.
* What is refused alone is put down to the package only after the command was seen to work, on something harmless.
  A failure that every package would meet ends the replay, and nothing is parked because of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from daemon.losses import Loss
from daemon.target.packager import top
from daemon.target.packager.books import Standing
from daemon.target.packager.command import CommandLine, Said, failure, of_all
from daemon.target.packager.steps import Work
from events.aip.model import Aip
from events.errors import PackagerFailed

logger = structlog.get_logger(__name__)

_BEGAN: Final = "Beginning replacement process"
_TOTAL: Final = re.compile(r"REPLACED a total of (\d+) DSpace Objects")
_ONE: Final = re.compile(r"REPLACED DSpace \w+ \[")
_PLACES: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[\w.]+/[\w.]+|/\S+|\d+")
"""What differs between two messages of the same failure: UUIDs, handles, paths, numbers."""

SECONDS_A_PACKAGE: Final = 30.0
BYTES_A_SECOND: Final = 1_000_000
"""How long a run may take beyond the command's own patience: generous, for it only ends what hangs."""

_RIGHTS: Final = "AuthorizeException"

ALIKE: Final = 5
"""If so many packages in a row are refused for the same reason, and none was taken, it is none of their faults."""
UNPROVEN: Final = 8
"""After so many refusals the command is tried on nothing again."""


class PackageRefused(PackagerFailed):
    """DSpace refused one package, while it takes others."""


class Prepared(NamedTuple):
    """One object ready to be loaded. `files` are packages in the folder, `roles` people and groups in the top one.

    standing    what the books will say once it is loaded
    instead     the handle of the object that it replaces, where that is not the one in the package: it goes alone
    """

    work: Work
    standing: Standing
    files: tuple[str, ...] = ()
    roles: tuple[Aip, ...] = ()
    size: int = 0
    losses: tuple[Loss, ...] = ()
    instead: str | None = None


class Loader:
    """Loads what lies prepared in `folder`; `loaded` and `refused` are told what came of it, as it comes.

    `still` leaves out of a run what cannot be loaded any more, because what it belongs to was refused.
    """

    def __init__(
        self,
        command: CommandLine,
        eperson: str,
        folder: Path,
        site: str,
        *,
        loaded: Callable[[Sequence[Prepared]], None],
        refused: Callable[[Prepared, str], None],
        still: Callable[[Sequence[Prepared]], Sequence[Prepared]],
    ) -> None:
        self.command, self.eperson, self.folder, self.site = command, eperson, folder, site
        self.loaded, self.refused, self.still = loaded, refused, still
        self._held: list[tuple[Prepared, str]] = []
        self._taken = False
        self._unproven = UNPROVEN

    def load(self, run: Sequence[Prepared]) -> None:
        """Load all of the run that can be. Raises PackagerFailed, TargetUnreachable if the command itself fails."""
        if not run:
            return
        said = self._run(run)
        if self._good(said, run):
            self._taken, self._unproven = True, 0
            self.flush()
            self.loaded(run)
            return
        if of_all(said) or not (said.hung or _BEGAN in said.text):
            raise failure(said, "packager")
        if len(run) == 1:
            self._refuse(run[0], said)
            return
        logger.info("packager.halved", packages=len(run), reason=said.reason())
        middle = len(run) // 2
        self.load(run[:middle])
        self.load(self.still(run[middle:]))

    def flush(self) -> None:
        """Tell of what was refused, now that it is known to be the packages' fault."""
        held, self._held = self._held, []
        for prepared, reason in held:
            self.refused(prepared, reason)

    def pending(self) -> set[str]:
        """The UUIDs of what was refused and is not told yet."""
        return {prepared.work.uuid for prepared, _ in self._held}

    def _refuse(self, prepared: Prepared, said: Said) -> None:
        if self._unproven >= UNPROVEN:
            self._prove(said)
        self._unproven += 1
        self._held.append((prepared, said.reason()))
        alike = {_PLACES.sub("", reason) for _, reason in self._held}
        unheard = _RIGHTS in said.text or (len(self._held) >= ALIKE and len(alike) == 1)
        if not self._taken and unheard:
            raise PackagerFailed(
                f"[target] dspace packager refuses every package alike: {said.reason()}",
                f"Nothing was parked. Is {self.eperson} an administrator of the target?",
            )
        if self._taken:
            self.flush()

    def _prove(self, why: Said) -> None:
        """See that the command works on a run without packages. Raises the failure if it does not."""
        said = self._packager((), ())
        if said.status or not _TOTAL.search(said.text):
            raise failure(said if said.text.strip() else why, "packager")
        self._unproven = 0

    def _run(self, run: Sequence[Prepared]) -> Said:
        if run[0].instead is not None:
            more = SECONDS_A_PACKAGE + run[0].size / BYTES_A_SECOND
            words = ("packager", "-r", "-f", "-u", "-t", "AIP", "-e", self.eperson, "-i", run[0].instead)
            return self.command(*words, self.folder / run[0].files[-1], more=more)
        files = [name for prepared in run for name in prepared.files]
        size = sum(prepared.size for prepared in run)
        more = SECONDS_A_PACKAGE * len(run) + size / BYTES_A_SECOND
        return self._packager(files, [aip for prepared in run for aip in prepared.roles], more)

    def _packager(self, files: Sequence[str], roles: Sequence[Aip], more: float = 0.0) -> Said:
        top.write(self.folder / top.NAME, self.site, files, roles)
        words = ("packager", "-r", "-a", "-f", "-u", "-t", "AIP", "-e", self.eperson)
        return self.command(*words, self.folder / top.NAME, more=more)

    def _good(self, said: Said, run: Sequence[Prepared]) -> bool:
        """Whether it ended well, told of every package, and of no exception after that (when it commits)."""
        if said.status or said.hung:
            return False
        if run[0].instead is not None:
            reported = _ONE.search(said.text)
            return reported is not None and not said._replace(text=said.text[reported.end() :]).thrown
        total = _TOTAL.search(said.text)
        packages = 1 + sum(len(prepared.files) for prepared in run)
        return (
            total is not None and int(total[1]) == packages and not said._replace(text=said.text[total.end() :]).thrown
        )
