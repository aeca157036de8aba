"""Losses counted by code, and how every verb tells of them.

Invariant: memory does not grow with the site. Of each code it keeps the numbers and one example, never the objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from daemon.losses import Loss
from daemon.losses.codes import CODES


class Line:
    """One code: how many objects, how many rows, and the first that was met."""

    __slots__ = ("example", "objects", "rows")

    def __init__(self, example: Loss, objects: int = 0, rows: int = 0) -> None:
        self.example, self.objects, self.rows = example, objects, rows


class Summary:
    """Counts of losses. `summary += losses` adds them, or another summary; it is false while there are none."""

    def __init__(self, losses: Iterable[Loss] = ()) -> None:
        self.lines: dict[str, Line] = {}
        for loss in losses:
            self.add(loss)

    def add(self, loss: Loss, objects: int = 1) -> None:
        """Count one loss of one object."""
        line = self.lines.setdefault(loss.code, Line(loss))
        line.objects += objects
        line.rows += loss.rows

    def __iadd__(self, other: Iterable[Loss] | Summary) -> Self:
        if isinstance(other, Summary):
            for code, theirs in other.lines.items():
                line = self.lines.setdefault(code, Line(theirs.example))
                line.objects += theirs.objects
                line.rows += theirs.rows
        else:
            for loss in other:
                self.add(loss)
        return self

    def __add__(self, other: Iterable[Loss] | Summary) -> Summary:
        made = Summary()
        made += self
        made += other
        return made

    def __bool__(self) -> bool:
        return bool(self.lines)

    def __len__(self) -> int:
        """How many rows were lost."""
        return sum(line.rows for line in self.lines.values())

    def __repr__(self) -> str:
        return f"Summary({ {code: (line.objects, line.rows) for code, line in self.lines.items()} })"

    def told(self) -> list[dict[str, Any]]:
        """For JSON: `code`, `title`, `objects`, `rows`, `example`, `why`, `carried`; the most first."""
        found = []
        for code, line in self._sorted():
            told = CODES.get(code, CODES["other"])
            found.append({
                "code": code, "title": told.title, "objects": line.objects, "rows": line.rows,
                "example": as_told(line.example), "why": told.why, "carried": told.carried,
            })  # fmt: skip
        return found

    def text(self, *, verb: str = "not carried", full: bool = False) -> list[str]:
        """For people: a line a code, `full` with why and what would carry it."""
        out = []
        for code, line in self._sorted():
            told = CODES.get(code, CODES["other"])
            objects = f"{line.objects:,} object{'' if line.objects == 1 else 's'}"
            rows = f", {line.rows:,} rows" if line.rows != line.objects else ""
            out.append(f"{verb}: {told.title} [{code}]: {objects}{rows}, as {named(line.example)}")
            if full:
                out += [f"    because {told.why}", f"    carried by: {told.carried}"]
        return out

    def _sorted(self) -> list[tuple[str, Line]]:
        return sorted(self.lines.items(), key=lambda each: (-each[1].objects, each[0]))


def named(loss: Loss) -> str:
    """The object, and what of it, in a few words on one line."""
    detail = " ".join(loss.detail.split())
    what = f" ({detail[:100]}{'...' if len(detail) > 100 else ''})" if detail else ""
    return f"{loss.kind.value} {loss.handle or loss.uuid}{what}"


def as_told(loss: Loss) -> dict[str, Any]:
    """One loss for JSON."""
    return {**loss._asdict(), "kind": loss.kind.value}


def merged(losses: Iterable[Loss]) -> list[Loss]:
    """One loss for each object and code, with the rows of all; the order of the first."""
    found: dict[tuple[str, str], Loss] = {}
    for loss in losses:
        key = loss.uuid, loss.code
        before = found.get(key)
        found[key] = loss if before is None else before._replace(rows=before.rows + loss.rows)
    return list(found.values())
