"""`aipstream demo`: the main job from end to end, on a scratch PostgreSQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from daemon.cli.output import json_option, show
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from daemon.demo import Moment, Outcome

_EVERY = 5.0


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True, help="How long to edit.")
@click.option("--items", type=click.IntRange(min=1), default=300, show_default=True, help="Items of the sample.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Work in that folder, and leave log, blobs, files and messages there.",
)
@click.option(
    "--mode", type=click.Choice(["wal", "poll"]), default="wal", show_default=True, help="How the source is watched."
)
@json_option
@pass_session
def demo(
    session: Session,
    seconds: float,
    items: int,
    keep: Path | None,
    mode: Any,  # noqa: ANN401
    as_json: bool,
) -> None:
    """Show the main job on this machine: two repositories, one edited, the other kept like it, both compared.

    Needs nothing but the programs of a PostgreSQL server, and leaves nothing behind. Exit code 0: equal.
    """
    session.json = as_json
    session.messages()
    from daemon.demo import demonstrate
    from events.errors import VerificationDiffers

    with _Screen() as screen:
        outcome = demonstrate(seconds=seconds, items=items, mode=mode, keep=keep, say=screen.say, show=screen.show)
    report = outcome.report
    show(
        session,
        {
            "equal": report.equal,
            "lsn": report.lsn,
            "compared": report.compared,
            "edits": outcome.kinds,
            "events": outcome.events,
            "largest_lag_seconds": outcome.largest_lag,
            "seconds": round(outcome.seconds, 1),
        },
        *_lines(outcome),
    )
    if not report.equal:
        raise VerificationDiffers(f"{len(report.differences) + report.more} objects differ")


def _lines(outcome: Outcome) -> list[str]:
    report = outcome.report
    compared = ", ".join(f"{count:,} {kind}" for kind, count in report.compared.items() if count)
    edits = sum(outcome.kinds.values())
    return [
        "",
        f"edits    {edits:,}, of {len(outcome.kinds)} kinds",
        f"events   {outcome.events:,} in the log, largest lag seen {outcome.largest_lag:.1f} s",
        f"compared {compared}",
        f"result   {'equal' if report.equal else 'NOT EQUAL'} at LSN {report.lsn}, {outcome.seconds:.0f} s in all",
        *(
            f"         {each.kind.value} {each.handle or each.uuid}: {each.how} {', '.join(each.parts)}"
            for each in report.differences[:20]
        ),
    ]


class _Screen:
    """Steps as lines; figures as a small table that moves on a terminal, elsewhere as a line every few seconds."""

    def __init__(self) -> None:
        self._live: Any = None
        self._terminal = sys.stderr.isatty()
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def say(self, text: str) -> None:
        self._end()
        click.echo(f"* {text}", err=True)

    def show(self, moment: Moment) -> None:
        if self._terminal:
            self._draw(moment)
        elif moment.seconds >= self._next:
            self._next = moment.seconds + _EVERY
            click.echo(
                f"  {moment.seconds:4.0f} s: {moment.edits:,} edits, {moment.events:,} events captured, "
                f"{moment.applied:,} replayed, lag {moment.lag_events:,} events, {moment.lag_seconds:.1f} s",
                err=True,
            )

    def _draw(self, moment: Moment) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.table import Table

        if self._live is None:
            self._live = Live(console=Console(stderr=True), auto_refresh=False)
            self._live.start()
        table = Table("seconds", "edits", "events captured", "events replayed", "lag (events)", "lag (s)")
        for column in table.columns:
            column.justify = "right"
        table.add_row(
            f"{moment.seconds:.0f}",
            f"{moment.edits:,}",
            f"{moment.events:,}",
            f"{moment.applied:,}",
            f"{moment.lag_events:,}",
            f"{moment.lag_seconds:.1f}",
        )
        self._live.update(table, refresh=True)

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
