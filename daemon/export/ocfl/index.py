"""`aipstream-index.jsonl` at the root of an archive: one line for each object, so that a handle is found.

Invariants:

* The file is as it was or as it is after a run, never half. What a run did not touch keeps its line.
* Lines stand in the order of kinds, then of UUIDs, in which a run goes through objects: both are merged as they come,
  and memory does not grow with the archive.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from events.aip.model import KIND_ORDER, Kind, Uuid
from events.errors import AipstreamError, StorageUnusable
from events.ocfl.reading import LINK
from events.ocfl.writing import unusable

NAME: Final = "aipstream-index.jsonl"
ANEW: Final = "Remove the file: the next export makes it anew from the log."


class Line(msgspec.Struct, omit_defaults=True):
    """One object. `folder` is below the root; `head` its newest version, made at `created`."""

    uuid: Uuid
    kind: Kind
    folder: str
    head: str
    created: str
    handle: str | None = None
    deleted: bool = False


class Index:
    """The lines of one run, kept in a file of their own until all objects are in their places."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._any = False

    def add(self, line: Line) -> None:
        """One more object, in order."""
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._any = True

    def merge(self, root: Path) -> None:
        """Write the index of that root anew with those lines in it. Raises StorageUnusable."""
        path, partial = root / NAME, root / f".{NAME}.part"
        if not self._any and path.exists():
            return
        self._file.seek(0)
        try:
            with partial.open("wb") as file:
                for line in _merged(lines(path), _read("the new lines", self._file)):
                    file.write(msgspec.json.encode(line) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise unusable(path, error) from error

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def lines(path: Path, error: type[AipstreamError] = StorageUnusable, hint: str = ANEW) -> Iterator[Line]:
    """The lines of that file, if it is there; that error names the line that is none."""
    if path.is_symlink():
        raise error(f"{path}: {LINK}", hint)
    try:
        with path.open("rb") as file:
            yield from _read(str(path), file, error, hint)
    except FileNotFoundError:
        return
    except OSError as fault:
        raise error(f"{path} cannot be read: {fault.strerror}", hint) from fault


def _read(
    where: str, file: Iterable[bytes], error: type[AipstreamError] = StorageUnusable, hint: str = ANEW
) -> Iterator[Line]:
    for number, text in enumerate(file, 1):
        try:
            yield msgspec.json.decode(text, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
            raise error(f"{where}, line {number}: {fault}", hint) from fault


def _order(line: Line) -> tuple[int, Uuid]:
    return KIND_ORDER[line.kind], line.uuid


def _merged(old: Iterator[Line], new: Iterator[Line]) -> Iterator[Line]:
    left, right = next(old, None), next(new, None)
    while left is not None or right is not None:
        if right is None or (left is not None and _order(left) < _order(right)):
            assert left is not None  # noqa: S101 - the loop's condition
            yield left
            left = next(old, None)
            continue
        if left is not None and left.uuid == right.uuid:
            right.handle = right.handle or left.handle
            left = next(old, None)
        yield right
        right = next(new, None)
