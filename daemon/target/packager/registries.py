"""Registry documents through DSpace's own loaders, as many as possible in one JVM.

The loaders only add: what the target has already stays as it is, and nothing is taken away (aip-format 5.1).

Invariant: documents of one kind go together; if those are refused, each goes alone, so that one that is refused holds
up no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lxml import etree

import events.aip
from daemon.target.packager.command import CommandLine, failure, of_all
from daemon.target.packager.steps import Work
from events.aip import extension
from events.aip.model import Aip
from events.aip.registry import FIELDS_ROOT, FORMATS_ROOT, TYPES_ROOT, root_of

_LOADERS: Final = {
    FIELDS_ROOT: ("registry-loader", "-metadata"),
    FORMATS_ROOT: ("registry-loader", "-bitstream"),
    TYPES_ROOT: ("dsrun", "org.dspace.app.util.InitializeEntities", "-f"),
}


def load(
    command: CommandLine, folder: Path, read: Sequence[tuple[Work, Aip]]
) -> Iterator[tuple[Work, Aip, str | None]]:
    """Load those documents; each with what DSpace said against it, None if nothing.

    Raises PackagerFailed, TargetUnreachable if the command itself fails.
    """
    for root in _LOADERS:
        some = [(work, aip) for work, aip in read if root_of(aip.key) == root]
        if not some:
            continue
        reason = _load(command, folder / f"{root}.xml", root, [aip for _, aip in some])
        if reason is None or len(some) == 1:
            yield from ((work, aip, reason) for work, aip in some)
        else:
            for work, aip in some:
                yield work, aip, _load(command, folder / f"{root}.xml", root, [aip])


def _load(command: CommandLine, path: Path, root: str, aips: Sequence[Aip]) -> str | None:
    """What DSpace says against that document; None if it took it."""
    document = etree.Element(root)
    for aip in aips:
        document.extend(child for child in etree.fromstring(events.aip.write(aip)) if child.tag != extension.WHOLE)
    if not len(document):
        return None
    etree.ElementTree(document).write(path, xml_declaration=True, encoding="UTF-8")
    said = command(*_LOADERS[root], path)
    if of_all(said):
        raise failure(said, _LOADERS[root][0])
    return said.reason() if said.status or said.hung or said.thrown else None
