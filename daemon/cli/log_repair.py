"""`aipstream log repair`: damage of the log and its contents put right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.cli.output import counted, dry_run_option, json_option, show, table
from daemon.cli.session import Session, pass_session
from daemon.cli.verify_log import finding, one_finding, read_blobs_option

if TYPE_CHECKING:
    from daemon.integrity.rebuild import Exchanged
    from daemon.integrity.repair import Repaired, Step


@click.command()
@click.option("--from", "copy", metavar="URL", help="A copy of this log, from which records may be taken.")
@click.option("--from-blobs", "copy_blobs", metavar="URL", help="A copy of the blob store, for contents.")
@read_blobs_option
@click.option("--rebuild", is_flag=True, help="Of a torn log file make another first, of all that is left of it.")
@click.option("--restart", is_flag=True, help="Check the log anew instead of going by the last check.")
@dry_run_option
@json_option
@pass_session
def repair(
    session: Session,
    /,
    copy: str | None,
    copy_blobs: str | None,
    read_blobs: float | None,
    rebuild: bool,
    restart: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put right what `verify --log` found: checks to the end first, if no check has.

    A content is fetched again from a copy, the source or the target. A payload is put back if anything still gives it
    byte for byte. An object whose newest event is lost is captured anew, and events that are lost are marked so that
    the log can be read again. Records themselves come only from a copy (--from, or that of [copy]). Nothing whole is
    touched; the daemon has to be stopped where something is to be captured. Exit code 5 if damage is left.

    With --rebuild a torn file is first exchanged for a new one: every record that its pages still hold, wherever they
    are, and what a copy has of the others. The torn file stays beside it, under another name.
    """
    session.json = as_json
    config = session.config
    session.messages()
    from daemon.integrity.configured import share_of
    from daemon.integrity.copies import Named
    from daemon.integrity.rebuild import mended
    from daemon.integrity.repair import CAPTURED, LEFT, LOST, MENDED
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from events.errors import ArchiveDamaged

    stop = Stop()
    with stop.on_signals(), Progress("repairing", "") as progress:
        exchanged = mended(
            config,
            rebuild=rebuild,
            restart=restart,
            named=Named(copy, copy_blobs),
            share=share_of(read_blobs or 0.0),
            dry_run=dry_run,
            progress=lambda what, count, total: progress.to(count, total, what),
            stopped=stop,
        )
        done = exchanged.repaired
    counts = {became: done.count(became) for became in (MENDED, CAPTURED, LOST, LEFT)}
    show(
        session,
        {
            "dry_run": dry_run,
            **counts,
            "rebuilt": exchanged.rebuilt and exchanged.rebuilt._asdict(),
            "kept": exchanged.kept and str(exchanged.kept),
            "left_over": [one_finding(one) for one in exchanged.left],
            "steps": [{**step.damage._asdict(), "became": step.became, "how": step.how} for step in done.steps],
        },
        *(_rebuilt(exchanged, dry_run=dry_run) if rebuild else []),
        *_lines(done, dry_run=dry_run),
        *(line for one in exchanged.left for line in finding(one)),
    )
    if counts[LEFT]:
        raise ArchiveDamaged(
            f"{counted(counts[LEFT], 'damage')} {'would be' if dry_run else 'is' if counts[LEFT] == 1 else 'are'} left",
            "The list above says why. What only a copy has comes with --from URL and --from-blobs URL.",
        )


def _rebuilt(done: Exchanged, *, dry_run: bool) -> list[str]:
    made = done.rebuilt
    if made is None:
        return ["the file of the log is sound: there is nothing to rebuild"]
    would = "would be " if dry_run else ""
    pages = f"; {counted(made.unreadable, 'page')} of it the disk did not give" if made.unreadable else ""
    found = f"{made.records:,} of {counted(made.end, 'record')} and {counted(made.payloads, 'payload')}"
    return [
        f"{found} {would}taken out of the pages of the torn file{pages}",
        *([f"the torn file is kept as {done.kept}"] if done.kept else []),
    ]


def _lines(done: Repaired, *, dry_run: bool) -> list[str]:
    if not done.steps:
        return ["nothing is damaged"]
    would = "would be " if dry_run else ""
    words = {
        "mended": f"{would}mended",
        "captured": f"{would}captured anew, the damaged state {would}lost",
        "lost": f"{would}lost for good",
        "left": f"{would}left",
    }
    return [
        *table(
            ("position", "fault", "kind", "handle", "uuid", "became", "how"),
            [_row(step) for step in done.steps],
        ),
        ", ".join(f"{done.count(became):,} {said}" for became, said in words.items() if done.count(became)),
    ]


def _row(step: Step) -> tuple[object, ...]:
    one = step.damage
    place = one.position or (one.content[:16] + "…" if one.content else "log")
    return place, one.fault, one.kind or None, one.handle, one.uuid or None, step.became, step.how
