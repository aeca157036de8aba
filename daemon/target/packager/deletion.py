"""What can be deleted with stock DSpace's command line: items and people. The rest stays, and is told as a loss.

* Items: `import -d -m MAPFILE`, the batch importer's way to take back what a map file lists. Its lines name handles,
  because of those a missing one is passed over.
* People: `daemon.target.packager.accounts`.
* Groups have no command: they are emptied by a roles document (`daemon.target.packager.target`).
* Communities, collections, schemas, fields and formats have none.

Invariant: what is refused is parked with DSpace's words; nothing counts as deleted before the command ended well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from daemon.target.packager.command import CommandLine, failure, of_all
from daemon.target.packager.steps import Work

MAP: Final = "items.map"
_RAN: Final = "Deleting items listed in mapfile"

Deleted = Callable[[Sequence[tuple[Work, str]]], None]
Refused = Callable[[Work, str], None]


def items(
    command: CommandLine, eperson: str, folder: Path, named: Sequence[tuple[Work, str]], deleted: Deleted,
    refused: Refused,
) -> None:  # fmt: skip
    """Delete the items with those handles. Raises PackagerFailed, TargetUnreachable if the command itself fails."""
    if not named:
        return
    path = folder / MAP
    path.write_text("".join(f"item_{number} {handle}\n" for number, (_, handle) in enumerate(named)), encoding="utf-8")
    said = command("import", "-d", "-m", path, "-e", eperson, more=30.0 * len(named))
    if not said.status and not said.hung and not said.thrown and _RAN in said.text:
        deleted(named)
    elif of_all(said) or not (said.hung or _RAN in said.text):
        raise failure(said, "import -d")
    elif len(named) == 1:
        refused(named[0][0], said.reason())
    else:
        middle = len(named) // 2
        items(command, eperson, folder, named[:middle], deleted, refused)
        items(command, eperson, folder, named[middle:], deleted, refused)
