"""How results are printed: JSON with stable keys, or lines and tables for people.

Invariant: the only place that writes to standard output, and nothing is written that still has a password in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from daemon.redaction import hidden, hide

if TYPE_CHECKING:
    from daemon.cli.session import Session

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")


def show(session: Session, result: Any, *lines: str) -> None:  # noqa: ANN401 - whatever JSON can hold
    """The result as JSON if that was asked for, else those lines."""
    session.printed = True
    if session.json:
        click.echo(json.dumps(hidden(result), indent=2, ensure_ascii=False, default=str))
    else:
        for line in lines:
            click.echo(hide(line))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of columns; the last column is not padded. No lines at all without rows."""
    if not rows:
        return []
    cells = [[str(cell) if cell is not None else "-" for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def counted(count: int, thing: str, things: str | None = None) -> str:
    """`1 object`, `2 objects`."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def sized(count: float) -> str:
    """Bytes for people: `1.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


SHOWN = 20
"""Lines of one sort at most; --json has them all."""


def some(lines: Sequence[str]) -> list[str]:
    """The first of those lines, and how many more there are."""
    more = len(lines) - SHOWN
    return list(lines) if more <= 0 else [*lines[:SHOWN], f"and {more:,} more lines like these; --json has them all"]
